import { useEffect, useState } from 'react'
import { DEVICES } from '../devices.js'

interface Sent {
  readonly id: string
  readonly userId: string
  readonly title: string
  readonly by: string
}

const KEPT = 10

/** What the fallback has taken over, for users who were not connected. */
export function Outbox() {
  const [sent, setSent] = useState<readonly Sent[]>([])
  useEffect(() => {
    // Everybody hears of it: three devices here, of which some may be away.
    const add = (one: Sent): void => setSent((others) => (others.some(({ id }) => id === one.id) ? others : [one, ...others].slice(0, KEPT)))
    const offs = DEVICES.map(({ client }) => client.on('fallback:used', add))
    return () => {
      for (const off of offs) off()
    }
  }, [])
  return (
    <section className="card outbox" aria-labelledby="outbox">
      <h2 id="outbox">Not connected, so by e-mail</h2>
      {sent.length === 0 ? (
        <p className="empty">Nobody was away so far. Notify Katherine: she has no device here.</p>
      ) : (
        <ul className="scroll" tabIndex={0} aria-label="Sent by other means">
          {sent.map(({ id, userId, title, by }) => (
            <li key={id}>
              <span className="tag">{by}</span>
              <span>
                {userId}@example.com <span className="muted">{title}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
