import { type RefObject, useEffect } from 'react'

/** Closes what is open above the page: with Escape, or by a click somewhere else. */
export function useDismiss(isOpen: boolean, inside: RefObject<HTMLElement | null>, close: (by: 'key' | 'pointer') => void): void {
  useEffect(() => {
    if (!isOpen) return
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') close('key')
    }
    const onPointer = (event: PointerEvent): void => {
      if (event.target instanceof Node && !inside.current?.contains(event.target)) close('pointer')
    }
    document.addEventListener('keydown', onKey)
    document.addEventListener('pointerdown', onPointer)
    return () => {
      document.removeEventListener('keydown', onKey)
      document.removeEventListener('pointerdown', onPointer)
    }
  })
}
