import { useClient, useConnection } from '../devices.js'

const TEXTS = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
  refused: 'Signed out',
  closed: 'Closed',
} as const

/** One line that is always there, so that nothing moves when the connection goes. */
export function ConnectionStatus() {
  const client = useClient()
  const { status, showOffline, error } = useConnection()
  const isOffline = showOffline && status !== 'refused'
  return (
    <div className="status" data-status={status} data-offline={showOffline}>
      <span className="dot" aria-hidden="true" />
      <p role="status">
        {isOffline ? 'Offline. Trying again…' : TEXTS[status]}
        {status === 'refused' && error && <span className="muted">: {error.message}</span>}
      </p>
      {status === 'refused' && (
        <button type="button" className="small" onClick={() => void client.connect().catch(() => {})}>
          Sign in
        </button>
      )}
    </div>
  )
}
