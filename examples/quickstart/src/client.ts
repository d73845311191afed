import { createRealtimeClient } from '@org/realtime-client'
import { contract } from './contract.js'

export async function chat(url: string, getToken: () => Promise<string>) {
  const client = createRealtimeClient(contract, { url, getToken })
  client.on('message:new', ({ from, text }) => console.log(`${from}: ${text}`))
  const { userId } = await client.connect()

  const result = await client.tryRequest('message:send', { to: userId, text: 'Hello, me' })
  if (result.ok) console.log(`reached ${result.data.devices} device(s)`)
  else if (result.error.code === 'OFFLINE') console.log('nobody there')
  return client
}
