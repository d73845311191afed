import { useEffect, useState } from 'react'
import { useEvent } from '../devices.js'

interface TypingProps {
  readonly group: string
  readonly nameOf: (userId: string) => string
}

const FORGOTTEN_MS = 4_000 // whoever goes away while typing says nothing more

/** Who is typing, on a line that is always there. */
export function Typing({ group, nameOf }: TypingProps) {
  const [typing, setTyping] = useState<readonly string[]>([])
  useEvent('typing:changed', ({ group: where, userId, on }) => {
    if (where === group) setTyping((others) => [...others.filter((id) => id !== userId), ...(on ? [userId] : [])])
  })
  useEffect(() => {
    if (typing.length === 0) return
    const timer = setTimeout(() => setTyping([]), FORGOTTEN_MS)
    return () => clearTimeout(timer)
  }, [typing])
  const names = typing.map(nameOf).join(' and ')
  return (
    <p className="typing" aria-live="polite">
      {typing.length > 0 && `${names} ${typing.length === 1 ? 'is' : 'are'} typing…`}
    </p>
  )
}
