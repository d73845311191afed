import { DEVICES } from '../devices.js'

interface ViewSwitchProps {
  readonly view: string
  readonly onChange: (view: string) => void
}

/** Where there is room for one view at a time: which one. */
export function ViewSwitch({ view, onChange }: ViewSwitchProps) {
  return (
    <nav className="switch" aria-label="Views">
      {DEVICES.map(({ id, userName, kind }) => (
        <button key={id} type="button" aria-pressed={view === id} onClick={() => onChange(id)}>
          {kind} <small>{userName}</small>
        </button>
      ))}
      <button type="button" aria-pressed={view === 'server'} onClick={() => onChange('server')}>
        server
      </button>
      <button type="button" aria-pressed={view === 'wire'} onClick={() => onChange('wire')}>
        wire
      </button>
    </nav>
  )
}
