import { contract as orgContract } from '@org/realtime-contracts/events'
import { createRealtimeServer, jwt } from '@org/realtime-server'
import { io, type Socket } from 'socket.io-client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { heard, SECRET, signToken, TRANSPORTS } from './harness.js'

/** What the old front end did: both transports, a token in auth, four events, no acknowledgement. */
class OldFrontEnd {
  readonly notifications: unknown[] = []
  readonly errors: unknown[] = []
  readonly socket: Socket

  constructor(url: string, token: string, transports: readonly string[]) {
    this.socket = io(url, { path: '/socket.io/', transports: [...transports], auth: { token }, forceNew: true })
    this.socket.on('notification:new', (payload) => this.notifications.push(payload))
    this.socket.on('error', (error) => this.errors.push(error))
  }

  markRead(notificationId: unknown): void {
    this.socket.emit('notification:mark_read', { notificationId })
  }
}

describe.each([['polling'], ['websocket'], ['websocket', 'polling'], ['polling', 'websocket']])('the old front end over %s %s', (...transports) => {
  async function start() {
    const read: string[] = []
    const realtime = createRealtimeServer(orgContract, { authenticate: jwt({ secret: SECRET, issuer: false, audience: false }) })
    realtime.on('notification:mark_read', ({ payload, user, fail }) => {
      if (payload.notificationId === 'missing') throw fail('NOT_FOUND', payload)
      read.push(payload.notificationId)
      realtime.toUser(user.userId).emit('notification:read', { notificationId: payload.notificationId, success: true })
      return { success: true }
    })
    const { port } = await realtime.listen(0)
    const page = new OldFrontEnd(
      `http://localhost:${port}`,
      await signToken('ada'),
      transports.filter((name) => TRANSPORTS.includes(name as 'polling')),
    )
    onTestFinished(async () => {
      page.socket.disconnect()
      await realtime.close({ drainMs: 0 })
    })
    const session = await heard(page.socket, 'authenticated')
    return { realtime, page, read, session }
  }

  test('works as it did', async () => {
    const { realtime, page, read, session } = await start()
    expect(session).toMatchObject({ success: true, userId: 'ada', email: 'ada@example.com' })
    const timestamp = new Date().toISOString()
    const arrived = heard(page.socket, 'notification:new')
    realtime.toUser('ada').emit('notification:new', { notification: { id: 'n-1', message: 'hello', data: { any: ['thing', 1, null] } }, timestamp })
    await arrived
    expect(page.notifications).toEqual([{ notification: { id: 'n-1', message: 'hello', data: { any: ['thing', 1, null] } }, timestamp }])

    const confirmed = heard(page.socket, 'notification:read')
    page.markRead('n-1')
    expect(await confirmed).toEqual({ notificationId: 'n-1', success: true })
    expect(read).toEqual(['n-1'])
    expect(page.errors).toEqual([])
  })

  test('hears of a failure on error', async () => {
    const { page } = await start()
    let failed = heard(page.socket, 'error')
    page.markRead('missing')
    expect(await failed).toEqual({ code: 'NOT_FOUND', message: 'NOT_FOUND', data: { notificationId: 'missing' }, event: 'notification:mark_read' })
    failed = heard(page.socket, 'error')
    page.markRead(42)
    expect(await failed).toMatchObject({ code: 'INVALID_PAYLOAD', message: expect.stringContaining('notificationId'), event: 'notification:mark_read' })
  })

  test('with an acknowledgement gets the envelope', async () => {
    const { page } = await start()
    expect(await page.socket.emitWithAck('notification:mark_read', { notificationId: 'n-1' })).toEqual({ ok: true, data: { success: true } })
    expect(await page.socket.emitWithAck('notification:mark_read', { notificationId: 'missing' })).toEqual({
      ok: false,
      error: { code: 'NOT_FOUND', message: 'NOT_FOUND', data: { notificationId: 'missing' } },
    })
  })
})
