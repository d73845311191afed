// One front end, before and after: against a server as the old systems had it, on bare Socket.IO, and against one of the SDK.
// What docs/guides/migrating.md says is different is what is different here.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { contract } from '@org/realtime-contracts/events'
import { createRealtimeServer, jwt } from '@org/realtime-server'
import { jwtVerify } from 'jose'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SECRET, signToken } from './harness.js'

interface Backend {
  readonly port: number
  emitNotificationToUser(userId: string, payload: { notification: { id: string; message: string }; timestamp: string }): Promise<void>
  isUserConnected(userId: string): Promise<boolean>
}

/** The old service: a guard that verifies the token, a map of sockets, a room for each user. */
async function before(): Promise<Backend> {
  const http = createServer()
  const server = new Server(http)
  const userSockets = new Map<string, Set<string>>()
  server.on('connection', async (socket) => {
    try {
      const { payload } = await jwtVerify(String(socket.handshake.auth['token']), new TextEncoder().encode(SECRET))
      const userId = String(payload.sub)
      userSockets.set(userId, (userSockets.get(userId) ?? new Set()).add(socket.id))
      await socket.join(`user:${userId}`)
      socket.on('disconnect', () => userSockets.get(userId)?.delete(socket.id))
      socket.on('notification:mark_read', ({ notificationId }: { notificationId: string }, acknowledge?: (reply: unknown) => void) => {
        if (notificationId === 'missing') return socket.emit('error', { message: 'Notification not found' })
        server.to(`user:${userId}`).emit('notification:read', { notificationId, success: true })
        acknowledge?.({ success: true })
      })
      socket.emit('authenticated', { success: true, userId, email: payload['email'] })
    } catch {
      socket.emit('error', { message: 'Unauthorized' })
      socket.disconnect(true)
    }
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  onTestFinished(() => void server.close())
  return {
    port: (http.address() as AddressInfo).port, // it listens on a port
    emitNotificationToUser: async (userId, payload) => void server.to(`user:${userId}`).emit('notification:new', payload),
    isUserConnected: async (userId) => (userSockets.get(userId)?.size ?? 0) > 0,
  }
}

async function after(): Promise<Backend> {
  const realtime = createRealtimeServer(contract, { authenticate: jwt({ secret: SECRET, issuer: false, audience: false }), presence: { graceMs: 0 } })
  realtime.on('notification:mark_read', ({ payload: { notificationId }, user, fail }) => {
    if (notificationId === 'missing') throw fail('NOT_FOUND', { notificationId }, 'Notification not found')
    realtime.toUser(user.userId).emit('notification:read', { notificationId, success: true })
    return { success: true }
  })
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  return {
    port,
    async emitNotificationToUser(userId, payload) {
      await realtime.toUser(userId).emit('notification:new', payload)
    },
    isUserConnected: (userId) => realtime.presence.isOnline(userId),
  }
}

/** The old front end; `heard` gives what it hears next of an event. */
function page({ port }: Backend, token: string) {
  const socket = io(`http://127.0.0.1:${port}`, { auth: { token }, forceNew: true, reconnection: false })
  onTestFinished(() => void socket.disconnect())
  const heard = (event: string): Promise<unknown> => new Promise((resolve) => socket.once(event, resolve))
  return { socket, heard }
}

describe.each([
  ['before', before],
  ['after', after],
])('%s', (when, start) => {
  const isAfter = when === 'after'

  test('it is let in, and gets and marks notifications', async () => {
    const backend = await start()
    const { socket, heard } = page(backend, await signToken('ada'))
    expect(await heard('authenticated')).toMatchObject({ success: true, userId: 'ada', email: 'ada@example.com' })
    expect(await backend.isUserConnected('ada')).toBe(true)
    const sent = { notification: { id: 'n-1', message: 'hello' }, timestamp: '2026-01-31T12:00:00.000Z' }
    const arrived = heard('notification:new')
    await backend.emitNotificationToUser('ada', sent)
    expect(await arrived).toEqual(sent)
    const read = heard('notification:read')
    socket.emit('notification:mark_read', { notificationId: 'n-1' })
    expect(await read).toEqual({ notificationId: 'n-1', success: true })
  })

  test(`a refused handshake arrives on ${isAfter ? 'connect_error' : 'error'}`, async () => {
    const { heard } = page(await start(), 'none')
    if (isAfter) expect(await heard('connect_error')).toMatchObject({ data: { code: 'UNAUTHENTICATED' } })
    else expect(await heard('error')).toEqual({ message: 'Unauthorized' })
  })

  test(`a failure arrives on error, ${isAfter ? 'with its code, event and data' : 'with a message'}`, async () => {
    const { socket, heard } = page(await start(), await signToken('ada'))
    await heard('authenticated')
    const failed = heard('error')
    socket.emit('notification:mark_read', { notificationId: 'missing' })
    expect(await failed).toEqual({
      message: 'Notification not found',
      ...(isAfter && { code: 'NOT_FOUND', event: 'notification:mark_read', data: { notificationId: 'missing' } }),
    })
  })

  test(`an acknowledgement gets ${isAfter ? 'the envelope' : 'whatever the handler returned'}`, async () => {
    const { socket, heard } = page(await start(), await signToken('ada'))
    await heard('authenticated')
    const answer: unknown = await socket.emitWithAck('notification:mark_read', { notificationId: 'n-1' })
    expect(answer).toEqual(isAfter ? { ok: true, data: { success: true } } : { success: true })
  })
})
