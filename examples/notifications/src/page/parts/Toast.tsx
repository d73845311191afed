import { useEffect, useState } from 'react'
import { CloseIcon } from './icons.js'

export interface ToastText {
  readonly id: number
  readonly title: string
  readonly text: string
}

interface ToastProps {
  readonly toast: ToastText
  readonly onHide: (id: number) => void
}

const SHOWN_MS = 6_000

/** Goes by itself, but not while somebody reads it. */
export function Toast({ toast: { id, title, text }, onHide }: ToastProps) {
  const [isHeld, setHeld] = useState(false)
  useEffect(() => {
    if (isHeld) return
    const timer = setTimeout(() => onHide(id), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [isHeld, id, onHide])
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only keeps what is being read
    <div className="toast" onMouseEnter={() => setHeld(true)} onMouseLeave={() => setHeld(false)} onFocus={() => setHeld(true)} onBlur={() => setHeld(false)}>
      <p>
        <strong>{title}</strong>
        <span>{text}</span>
      </p>
      <button type="button" className="icon-button quiet" aria-label={`Hide “${title}”`} onClick={() => onHide(id)}>
        <CloseIcon />
      </button>
    </div>
  )
}
