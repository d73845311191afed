import { useId, useRef, useState } from 'react'
import { type Device, useClient, usePresence, useRequest } from '../devices.js'
import { useDismiss } from '../useDismiss.js'
import { MoreIcon } from './icons.js'

interface AccountMenuProps {
  readonly device: Device
  readonly away: boolean
  readonly onAway: (away: boolean) => void
}

/** Where the user is signed in, and what the others see of this device. */
export function AccountMenu({ device: { userId, userName }, away, onAway }: AccountMenuProps) {
  const [isOpen, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const whole = useRef<HTMLDivElement>(null)
  const id = useId()
  useDismiss(isOpen, whole, (by) => {
    setOpen(false)
    if (by === 'key') button.current?.focus()
  })
  return (
    <div className="menu" ref={whole}>
      <button
        ref={button}
        type="button"
        className="icon-button"
        aria-label={`${userName}’s account`}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setOpen(!isOpen)}
      >
        <MoreIcon />
      </button>
      <div id={id} className="popover" hidden={!isOpen}>
        <h3>Signed in on</h3>
        <SignedIn userId={userId} />
        <label className="toggle">
          <input type="checkbox" checked={away} onChange={({ target }) => onAway(target.checked)} />
          Show me as away
        </label>
      </div>
    </div>
  )
}

function SignedIn({ userId }: { readonly userId: string }) {
  const { deviceId } = useClient()
  const { users } = usePresence([userId])
  const { run: logOut } = useRequest('device:log_out')
  const devices = users.get(userId)?.devices ?? []
  if (devices.length === 0) return <p className="empty">No device is connected.</p>
  return (
    <ul className="signed-in">
      {devices.map(({ id, meta }) => (
        <li key={id}>
          <span>
            {meta?.kind ?? 'another client'}
            {id === deviceId && <small> this device</small>}
          </span>
          <button type="button" className="small" onClick={() => void logOut({ deviceId: id })}>
            Log out<span className="hidden"> {meta?.kind ?? 'the other client'}</span>
          </button>
        </li>
      ))}
    </ul>
  )
}
