// The application of docs/guides/testing.md.
import { createServer } from 'node:http'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer, jwt, type RealtimeServer } from '@org/realtime-server'
import * as z from 'zod'

export const contract = defineContract({
  name: 'chat',
  version: '1.0.0',
  serverToClient: { 'message:new': z.object({ from: z.string(), text: z.string() }) },
  clientToServer: { 'message:send': { payload: z.object({ to: z.string(), text: z.string() }), reply: z.void() } },
  session: z.object({ role: z.string() }),
})

export interface ChatUser {
  readonly userId: string
  readonly role: string
}

export function registerHandlers(realtime: RealtimeServer<typeof contract, ChatUser>): void {
  realtime.on('message:send', async ({ payload, user, fail }) => {
    if (user.role === 'guest') throw fail('FORBIDDEN')
    realtime.toUser(payload.to).emit('message:new', { from: user.userId, text: payload.text })
  })
}

/** A whole application, as its main file would start it. */
export function createApp(secret: string) {
  const server = createServer((_request, response) => response.end('ok'))
  const realtime = createRealtimeServer(contract, {
    authenticate: jwt({
      secret,
      issuer: 'https://id.example.com',
      audience: false,
      claims: z.object({ role: z.string() }),
      user: ({ sub, role }) => ({ userId: sub, role }),
    }),
  })
  registerHandlers(realtime)
  return { server, realtime: realtime.attach(server) }
}
