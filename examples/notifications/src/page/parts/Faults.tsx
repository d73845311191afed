import { useState } from 'react'
import { AWAY_MS, type Device, SHORT_LIFETIME_S, useRequest } from '../devices.js'
import { ConnectionFacts } from './ConnectionFacts.js'

type Failure = NonNullable<ReturnType<typeof useRequest<'notification:mark_read'>>['error']>

/** What goes wrong sooner or later, on demand. */
export function Faults({ device }: { readonly device: Device }) {
  const [outcome, setOutcome] = useState('What is pressed here, and what came of it, is in the timeline, too.')
  const { run: logOut } = useRequest('device:log_out')
  const { run: markRead } = useRequest('notification:mark_read')

  function drop(): void {
    device.drop()
    setOutcome(`The network is away for ${AWAY_MS / 1000} s. The client comes back by itself, and joins its room again.`)
  }

  async function expireToken(): Promise<void> {
    try {
      await device.expireToken()
      setOutcome(`This token ends in ${SHORT_LIFETIME_S} s. The client replaces it before that, on the same socket.`)
    } catch (error) {
      setOutcome(String(error))
    }
  }

  async function sendWrong(): Promise<void> {
    const wrong = { notificationId: 42 } as never // what a page of another build may send
    const result = await markRead(wrong)
    if (!result.ok) setOutcome(`${result.error.code}: ${describe(result.error)}`)
  }

  return (
    <div className="part faults">
      <div className="part-top">
        <h3>Try its connection</h3>
      </div>
      <div className="fault-buttons">
        <button type="button" onClick={drop}>
          Drop
        </button>
        <button type="button" onClick={() => void expireToken()}>
          Expire token
        </button>
        <button type="button" onClick={() => void sendWrong()}>
          Bad payload
        </button>
        <button type="button" onClick={() => void logOut({ deviceId: device.client.deviceId })}>
          Log out
        </button>
      </div>
      <output className="outcome">{outcome}</output>
      <ConnectionFacts device={device} />
    </div>
  )
}

/** The error is a union on its code: with the code, the data is typed. */
function describe(error: Failure): string {
  if (error.code !== 'INVALID_PAYLOAD') return error.message
  return error.data.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
}
