import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { contract } from '@org/realtime-contracts/events'
import { createRealtimeServer, jwt, optionsFromEnv } from '@org/realtime-server'
import { type Socket as ServerSocket, Server as SocketServer } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Backend, type Environment, markRead, type Notification, OldService, verifyToken, type WebSocketService } from './backend.js'
import { heard, SECRET, signToken, TRANSPORTS, until } from './harness.js'
import { startGateway, startModule } from './migrating-nest.js'

const ORIGIN = 'https://app.example.com'
const ENVIRONMENT = { WS_PORT: '0', WS_PATH: '/realtime/', CORS_ORIGIN: `${ORIGIN},https://admin.example.com`, JWT_SECRET: SECRET }

/** The old server, as it was without Nest around it: one map of sockets, one room a user, payloads as they come. */
class OldServer extends OldService {
  readonly http: HttpServer = createServer()
  readonly server: SocketServer

  constructor(private readonly env: Environment) {
    super()
    this.server = new SocketServer(this.http, { path: env['WS_PATH'] ?? '/socket.io/', cors: { origin: (env['CORS_ORIGIN'] ?? '').split(',') } })
    this.server.on('connection', (socket) => void this.#connect(socket))
  }

  async #connect(socket: ServerSocket): Promise<void> {
    const user = await verifyToken(socket.handshake.auth['token'], this.env['JWT_SECRET'])
    if (user === undefined) {
      socket.emit('error', { message: 'Unauthorized' })
      socket.disconnect(true)
      return
    }
    this.userSockets.add(user.userId, socket.id)
    socket.on('disconnect', () => this.userSockets.remove(user.userId, socket.id))
    socket.on('notification:mark_read', (payload, acknowledge) => this.#markRead(socket, user.userId, payload, acknowledge))
    await socket.join(`user:${user.userId}`)
    socket.emit('authenticated', { success: true, ...user })
  }

  #markRead(socket: ServerSocket, userId: string, payload: { notificationId: string }, acknowledge?: (answer: unknown) => void): void {
    if (!markRead(payload.notificationId)) {
      socket.emit('error', { message: 'Notification not found' })
      return
    }
    this.server.to(`user:${userId}`).emit('notification:read', { notificationId: payload.notificationId, success: true })
    acknowledge?.({ success: true })
  }
}

async function startBefore(env: Environment): Promise<Backend> {
  const service = new OldServer(env)
  await new Promise<void>((resolve) => service.http.listen(Number(env['WS_PORT']), '127.0.0.1', resolve))
  const { port } = service.http.address() as AddressInfo
  return {
    service,
    url: `http://127.0.0.1:${port}`,
    rooms: () => [...service.server.sockets.adapter.rooms.keys()],
    close: async () => void (await service.server.close()),
  }
}

/** The new server, with methods of the old names around it. */
async function startAfter(env: Environment): Promise<Backend> {
  const { port, path, cors, jwt: key } = optionsFromEnv(env)
  const realtime = createRealtimeServer(contract, { path, cors, authenticate: jwt(key), presence: { graceMs: 0 } })

  realtime.on('notification:mark_read', ({ payload, user, fail }) => {
    if (!markRead(payload.notificationId)) throw fail('NOT_FOUND', payload)
    realtime.toUser(user.userId).emit('notification:read', { notificationId: payload.notificationId, success: true })
    return { success: true }
  })

  const service: WebSocketService = {
    emitNotificationToUser: (userId, notification) => service.emitNotificationToUsers([userId], notification),
    emitNotificationToUsers: (userIds, notification) =>
      void realtime.toUsers(userIds).emit('notification:new', { notification, timestamp: new Date().toISOString() }),
    broadcastLeaderboardUpdate: (leaderboard) => realtime.toAll().emit('leaderboard:updated', { leaderboard }),
    emitAchievementUnlocked: (userId, achievement) => realtime.toUser(userId).emit('achievement:unlocked', achievement),
    emitXpGained: (userId, gain) => realtime.toUser(userId).emit('xp:gained', gain),
    emitRankUpdated: (userId, change) => realtime.toUser(userId).emit('rank:updated', change),
    isUserConnected: (userId) => realtime.presence.isOnline(userId),
  }
  const { port: bound } = await realtime.listen(port, '127.0.0.1')
  return {
    service,
    url: `http://127.0.0.1:${bound}`,
    rooms: () => [...realtime.io.sockets.adapter.rooms.keys()],
    close: () => realtime.close({ drainMs: 0 }),
  }
}

/** The old front end, unchanged: a stock socket, its listeners, and what it shows. */
class OldFrontEnd {
  /** Event and payload, in the order in which they came. */
  readonly shown: [event: string, payload: unknown][] = []
  readonly socket: Socket

  constructor(url: string, token: string, options: { readonly transports?: readonly string[]; readonly origin?: string } = {}) {
    const { transports = TRANSPORTS, origin = ORIGIN } = options
    this.socket = io(url, { path: '/realtime/', transports: [...transports], auth: { token }, extraHeaders: { origin }, forceNew: true, reconnection: false })
    this.socket.onAny((event: string, payload: unknown) => this.shown.push([event, payload]))
    onTestFinished(() => void this.socket.disconnect())
  }

  markRead(notificationId: string): void {
    this.socket.emit('notification:mark_read', { notificationId })
  }

  names(): string[] {
    return this.shown.map(([event]) => event)
  }
}

async function start(make: Start, env: Environment = ENVIRONMENT) {
  const backend = await make(env)
  onTestFinished(() => backend.close())
  const open = async (userId: string, transports?: readonly string[]) => {
    const page = new OldFrontEnd(backend.url, await signToken(userId), { ...(transports && { transports }) })
    await heard(page.socket, 'authenticated')
    return page
  }
  return { ...backend, open }
}

const NOTIFICATION = { id: 'n-1', message: 'Well done', title: 'Mission', type: 'mission', data: { points: 3, tags: ['daily', null] } }
const ACHIEVEMENT = { achievementId: 'ach-001', title: 'First steps', icon: 'star' }
const GAIN = { amount: 100, source: 'daily_mission', totalXp: 1500 }
const RANK = { newRank: 'Silver', oldRank: 'Bronze', xpRequired: 3000 }
const LEADERBOARD = [{ rank: 1, userId: 'ada', name: 'Ada', score: 1500 }]

const TIMESTAMP = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const TO_ADA = [
  ['notification:new', { notification: NOTIFICATION, timestamp: TIMESTAMP }],
  ['notification:new', { notification: { id: 'n-2', message: 'To both' }, timestamp: TIMESTAMP }],
  ['achievement:unlocked', ACHIEVEMENT],
  ['xp:gained', GAIN],
  ['rank:updated', RANK],
  ['notification:read', { notificationId: 'n-1', success: true }],
  ['leaderboard:updated', { leaderboard: LEADERBOARD }],
]

function authenticated(userId: string, more: object = {}): [string, unknown] {
  return ['authenticated', expect.objectContaining({ success: true, userId, email: `${userId}@example.com`, ...more })]
}

type Start = (env: Environment) => Promise<Backend>

const SIDES: ReadonlyArray<[side: string, make: Start]> = [
  ['before', startBefore],
  ['after', startAfter],
  ['with a Nest gateway, before', startGateway],
  ["with Nest's module, after", startModule],
]

describe.each(SIDES)('%s moving over, the old front end', (_side, make) => {
  test.each([[TRANSPORTS], [['websocket']], [['polling']]])('is shown the same by the same methods, over %s', async (transports) => {
    const { service, open } = await start(make)
    const [laptop, phone, grace] = [await open('ada', transports), await open('ada', transports), await open('grace', transports)]
    service.emitNotificationToUser('ada', NOTIFICATION)
    service.emitNotificationToUsers(['ada', 'grace', 'nobody'], { id: 'n-2', message: 'To both' })
    service.emitAchievementUnlocked('ada', ACHIEVEMENT)
    service.emitXpGained('ada', GAIN)
    service.emitRankUpdated('ada', RANK)
    const read = heard(phone.socket, 'notification:read')
    laptop.markRead('n-1')
    await read
    service.broadcastLeaderboardUpdate(LEADERBOARD)
    await until(() => [laptop, phone, grace].every((page) => page.names().includes('leaderboard:updated')))
    for (const page of [laptop, phone]) expect(page.shown).toEqual([authenticated('ada'), ...TO_ADA])
    expect(grace.shown).toEqual([authenticated('grace'), TO_ADA[1], TO_ADA.at(-1)])
  })

  test('is in the room of its user, and its user is connected as long as one device is', async () => {
    const { service, rooms, open } = await start(make)
    expect(await service.isUserConnected('ada')).toBe(false)
    const [laptop, phone] = [await open('ada'), await open('ada')]
    expect(rooms()).toContain('user:ada')
    laptop.socket.disconnect()
    expect(await service.isUserConnected('ada')).toBe(true)
    phone.socket.disconnect()
    await until(async () => !(await service.isUserConnected('ada')))
    expect(await service.isUserConnected('grace')).toBe(false)
  })

  test('hears of a failed operation on error, with a message', async () => {
    const { open } = await start(make)
    const page = await open('ada')
    const failed = heard(page.socket, 'error')
    page.markRead('missing')
    expect(await failed).toMatchObject({ message: expect.any(String) })
  })
})

const PAIRS: ReadonlyArray<[server: string, before: Start, after: Start]> = [
  ['bare Socket.IO', startBefore, startAfter],
  ['a Nest gateway', startGateway, startModule],
]

describe.each(PAIRS)('coming from %s, what is different for the old front end', (_server, startBefore, startAfter) => {
  test('a refused handshake: error and a disconnect before, connect_error after', async () => {
    const before = new OldFrontEnd((await start(startBefore)).url, 'forged')
    expect(await heard(before.socket, 'disconnect')).toBe('io server disconnect')
    expect(before.shown).toEqual([['error', { message: 'Unauthorized' }]])

    const after = new OldFrontEnd((await start(startAfter)).url, 'forged')
    expect(await heard(after.socket, 'connect_error')).toMatchObject({ data: { code: 'UNAUTHENTICATED', message: expect.any(String) } })
    expect(after.shown).toEqual([])
    expect(after.socket.active).toBe(false) // it does not dial again by itself; neither did it before
  })

  test('authenticated says more: the device, and how long the token holds', async () => {
    const before = await (await start(startBefore)).open('ada')
    expect(before.shown).toEqual([['authenticated', { success: true, userId: 'ada', email: 'ada@example.com' }]])
    const after = await (await start(startAfter)).open('ada')
    expect(after.shown).toEqual([authenticated('ada', { deviceId: expect.any(String), expiresInMs: expect.any(Number) })])
  })

  test('error says more: a code, the event, and its data', async () => {
    const before = await (await start(startBefore)).open('ada')
    let failed = heard(before.socket, 'error')
    before.markRead('missing')
    expect(await failed).toEqual({ message: 'Notification not found' })
    const after = await (await start(startAfter)).open('ada')
    failed = heard(after.socket, 'error')
    after.markRead('missing')
    expect(await failed).toEqual({ message: 'NOT_FOUND', code: 'NOT_FOUND', event: 'notification:mark_read', data: { notificationId: 'missing' } })
  })

  test('an acknowledgement is what the handler returned before, and an envelope after, which also says failures', async () => {
    const before = await (await start(startBefore)).open('ada')
    expect(await before.socket.emitWithAck('notification:mark_read', { notificationId: 'n-1' })).toEqual({ success: true })
    const after = await (await start(startAfter)).open('ada')
    expect(await after.socket.emitWithAck('notification:mark_read', { notificationId: 'n-1' })).toEqual({ ok: true, data: { success: true } })
    expect(await after.socket.emitWithAck('notification:mark_read', { notificationId: 'missing' })).toMatchObject({ ok: false, error: { code: 'NOT_FOUND' } })
  })

  test('a server that closes says so first', async () => {
    const { open, close } = await start(startAfter)
    const page = await open('ada')
    const told = heard(page.socket, '$disconnect')
    await close()
    expect(await told).toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('a page of another origin got in over WebSocket before, and does not after', async () => {
    const token = await signToken('ada')
    const options = { transports: ['websocket'], origin: 'https://evil.example' }
    await heard(new OldFrontEnd((await start(startBefore)).url, token, options).socket, 'authenticated')
    await heard(new OldFrontEnd((await start(startAfter)).url, token, options).socket, 'connect_error')
  })
})

describe.each(PAIRS)('coming from %s, what is different for the old server', (_server, startBefore, startAfter) => {
  test('a field that the contract does not have is sent before, and dropped after; data takes it', async () => {
    const more: Notification & { internal: string } = { id: 'n-1', message: 'M', data: { link: '/reports/1' }, internal: 'note to ourselves' }
    for (const [make, expected] of [
      [startBefore, more],
      [startAfter, { id: 'n-1', message: 'M', data: { link: '/reports/1' } }],
    ] as const) {
      const { service, open } = await start(make)
      const page = await open('ada')
      const told = heard(page.socket, 'notification:new')
      service.emitNotificationToUser('ada', more)
      expect(await told).toEqual({ notification: expected, timestamp: TIMESTAMP })
    }
  })

  test('a payload that is none is sent before, and throws where it is emitted after', async () => {
    const wrong = { amount: '100' } as unknown as typeof GAIN // what JavaScript lets pass
    const before = await start(startBefore)
    const page = await before.open('ada')
    const told = heard(page.socket, 'xp:gained')
    before.service.emitXpGained('ada', wrong)
    expect(await told).toEqual(wrong)
    const after = await start(startAfter)
    expect(() => after.service.emitXpGained('ada', wrong)).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD' }))
  })

  test('a short JWT_SECRET served before, and is refused at start after', async () => {
    const env = { ...ENVIRONMENT, JWT_SECRET: 'secret' }
    await start(startBefore, env)
    await expect(startAfter(env)).rejects.toThrow(/JWT_SECRET/)
  })
})

describe('what is different for a Nest gateway alone', () => {
  test('an exception arrived on the event exception before, and after in the acknowledgement or on error', async () => {
    const before = await (await start(startGateway)).open('ada')
    const excepted = heard(before.socket, 'exception')
    before.markRead('locked')
    expect(await excepted).toMatchObject({ status: 'error', message: 'It is locked' })

    const after = await (await start(startModule)).open('ada')
    const failed = heard(after.socket, 'error')
    after.markRead('locked')
    expect(await failed).toMatchObject({ code: 'FORBIDDEN', message: 'It is locked', event: 'notification:mark_read' })
    const answer = await after.socket.emitWithAck('notification:mark_read', { notificationId: 'locked' })
    expect(answer).toEqual({ ok: false, error: { code: 'FORBIDDEN', message: 'It is locked' } })
    expect(after.names()).not.toContain('exception')
  })

  test('a payload that the contract does not have reached the handler before, and is refused after', async () => {
    const before = await (await start(startGateway)).open('ada')
    const read = heard(before.socket, 'notification:read')
    before.socket.emit('notification:mark_read', { notificationId: 7 })
    expect(await read).toEqual({ notificationId: 7, success: true })
    const after = await (await start(startModule)).open('ada')
    expect(await after.socket.emitWithAck('notification:mark_read', { notificationId: 7 })).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } })
  })
})
