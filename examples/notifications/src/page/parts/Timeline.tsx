import { useState, useSyncExternalStore } from 'react'
import { useStickToEnd } from '../useStickToEnd.js'
import { crossings } from '../wire/log.js'
import { TimelineRow } from './TimelineRow.js'

/** Every event as it crosses the wire, newest last. */
export function Timeline() {
  const all = useSyncExternalStore(crossings.subscribe, crossings.get)
  const [held, setHeld] = useState<typeof all>()
  const shown = held ?? all
  const scrolled = useStickToEnd<HTMLElement>(shown)
  return (
    <section className="card timeline" aria-labelledby="timeline">
      <div className="part-top">
        <h2 id="timeline">On the wire</h2>
        <button type="button" className="small" aria-pressed={held !== undefined} onClick={() => setHeld(held ? undefined : all)}>
          Pause
        </button>
        <button
          type="button"
          className="small"
          onClick={() => {
            crossings.set([])
            setHeld(undefined)
          }}
        >
          Clear
        </button>
      </div>
      <section ref={scrolled} className="scroll" tabIndex={0} aria-label="Events, newest last">
        <table>
          <thead>
            <tr>
              <th scope="col">At</th>
              <th scope="col">Device</th>
              <th scope="col">Event</th>
              <th scope="col">Size</th>
              <th scope="col">Reply</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((crossing) => (
              <TimelineRow key={crossing.id} crossing={crossing} />
            ))}
          </tbody>
        </table>
        {shown.length === 0 && <p className="empty">Nothing has crossed yet.</p>}
      </section>
    </section>
  )
}
