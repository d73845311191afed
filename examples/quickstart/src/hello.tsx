import { createRealtimeHooks } from '@org/realtime-client/react'
import type { createChat } from './client.js'

export const { RealtimeProvider, useLatest, useRequest } = createRealtimeHooks<ReturnType<typeof createChat>>()

export function Hello({ to }: { readonly to: string }) {
  const message = useLatest('message:new')
  const { run, error } = useRequest('message:send')
  return (
    <button type="button" onClick={() => run({ to, text: 'Hello' })}>
      {error?.code === 'OFFLINE' ? 'Nobody is there' : (message?.text ?? 'Say hello')}
    </button>
  )
}
