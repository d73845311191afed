// What a stranger does first with the packages of a release: a contract of their own, a server, a client, an event each way.
import assert from 'node:assert/strict'
import { createRealtimeClient } from '@org/realtime-client'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import * as z from 'zod'

const contract = defineContract({
  name: 'first-steps',
  version: '1.0.0',
  serverToClient: { greeting: z.object({ text: z.string() }) },
  clientToServer: { greet: { payload: z.object({ name: z.string() }), reply: z.object({ greeted: z.boolean() }) } },
})
const realtime = createRealtimeServer(contract, { authenticate: () => ({ userId: 'ada' }) })
realtime.on('greet', ({ payload, user }) => {
  realtime.toUser(user.userId).emit('greeting', { text: `Hello ${payload.name}` })
  return { greeted: true }
})
const { port } = await realtime.listen(0)
const client = createRealtimeClient(contract, { url: `http://localhost:${port}` })
const greeting = new Promise((resolve) => client.on('greeting', resolve))
await client.connect()
assert.deepEqual(await client.request('greet', { name: 'Grace' }), { greeted: true })
assert.deepEqual(await greeting, { text: 'Hello Grace' })
client.close()
await realtime.close()
console.log('A server and a client of the packed packages have talked.')
