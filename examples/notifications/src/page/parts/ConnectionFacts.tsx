import { useEffect, useState, useSyncExternalStore } from 'react'
import type { Device } from '../devices.js'
import { toRemaining } from '../format.js'
import { socketIds } from '../wire/link.js'

/** What stays the same while a token is replaced, and what does not. */
export function ConnectionFacts({ device: { id, tokenEndsAtMs } }: { readonly device: Device }) {
  const socketId = useSyncExternalStore(socketIds.subscribe, socketIds.get).get(id)
  const endsAtMs = useSyncExternalStore(tokenEndsAtMs.subscribe, tokenEndsAtMs.get)
  const nowMs = useNow()
  return (
    <dl className="facts">
      <dt>Socket</dt>
      <dd data-fact="socket">{socketId ?? 'none'}</dd>
      <dt>Token</dt>
      <dd data-fact="token">{endsAtMs === undefined ? 'none' : `ends in ${toRemaining(endsAtMs - nowMs)}`}</dd>
    </dl>
  )
}

function useNow(): number {
  const [nowMs, setNowMs] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return nowMs
}
