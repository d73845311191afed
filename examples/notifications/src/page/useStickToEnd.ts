import { type RefObject, useEffect, useLayoutEffect, useRef } from 'react'

const NEAR_PX = 40

/** Keeps a list that grows scrolled to its end, unless somebody has scrolled away from there. */
export function useStickToEnd<E extends HTMLElement>(content: unknown): RefObject<E | null> {
  const element = useRef<E>(null)
  const isAtEnd = useRef(true)

  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever the content is another
  useLayoutEffect(() => stick(element.current, isAtEnd.current), [content])

  useEffect(() => {
    const { current } = element
    if (current === null) return
    const onScroll = (): void => {
      isAtEnd.current = current.scrollTop + current.clientHeight >= current.scrollHeight - NEAR_PX
    }
    const observer = new ResizeObserver(() => stick(current, isAtEnd.current)) // it may have been hidden
    observer.observe(current)
    current.addEventListener('scroll', onScroll)
    return () => {
      observer.disconnect()
      current.removeEventListener('scroll', onScroll)
    }
  }, [])

  return element
}

function stick(element: HTMLElement | null, isAtEnd: boolean): void {
  if (element !== null && isAtEnd) element.scrollTop = element.scrollHeight
}
