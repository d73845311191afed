import { type RefObject, useLayoutEffect, useRef } from 'react'

const NEAR_PX = 40

/** Keeps a list that grows scrolled to its end, unless somebody has scrolled away from there. */
export function useStickToEnd<E extends HTMLElement>(content: unknown): RefObject<E | null> {
  const element = useRef<E>(null)
  const height = useRef(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever the content is another
  useLayoutEffect(() => {
    const { current } = element
    if (current === null) return
    const wasAtEnd = current.scrollTop + current.clientHeight >= height.current - NEAR_PX
    if (wasAtEnd) current.scrollTop = current.scrollHeight
    height.current = current.scrollHeight
  }, [content])
  return element
}
