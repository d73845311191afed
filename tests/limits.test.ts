import type { RealtimeError } from '@org/realtime-client'
import { MemoryRevocationStore } from '@org/realtime-server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { collect, heard, refusalOf, signToken, startServer, TRANSPORTS, until } from './harness.js'

const rateLimited = (limit: string) => ({ ok: false, error: { code: 'RATE_LIMITED', data: { limit, retryAfterMs: expect.any(Number) } } })

describe.each(TRANSPORTS)('over %s', (transport) => {
  test('an event that the contract limits is answered so often in a second, and no more', async () => {
    const server = await startServer({}, transport)
    server.realtime.on('knock', () => {})
    const stock = server.stock({ token: await signToken('ada') })
    await heard(stock, 'authenticated')
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => stock.emitWithAck('knock', { text: 'x' })))
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true, false, false])
    expect(answers[4]).toMatchObject(rateLimited('perSecond'))
    await until(async () => (await stock.emitWithAck('knock', { text: 'x' })).ok)
  })

  test('an event larger than the contract allows is refused before it is sent, and by the server', async () => {
    const server = await startServer({}, transport)
    server.realtime.on('knock', () => {})
    const client = await server.client('ada')
    expect(() => client.emit('knock', { text: 'x'.repeat(100) })).toThrow(/larger than 100 bytes/)
    const stock = server.stock({ token: await signToken('eve') })
    expect(await stock.emitWithAck('knock', { text: 'x'.repeat(100) })).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } })
  })

  test('a connection that goes on beyond the limits is told so, and closed, while others are served', async () => {
    const server = await startServer({ limits: { eventsPerSecond: 20, refusals: 50 } }, transport)
    server.realtime.on('echo', ({ payload }) => payload)
    const bystander = await server.client('eve')
    const stock = server.stock({ token: await signToken('ada') })
    await heard(stock, 'authenticated')
    const errors = collect<{ code: string; message: string }>((add) => stock.on('error', add))
    const notice = heard(stock, '$disconnect')
    const gone = heard(stock, 'disconnect')
    for (let sent = 0; sent < 200; sent++) stock.emit('say', { text: 'x' })
    expect(await notice).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) })
    expect(await gone).toBe('io server disconnect')
    expect(errors.at(-1)).toMatchObject({ code: 'RATE_LIMITED', message: expect.stringContaining('20 events in a second') })
    expect(await bystander.request('echo', { text: 'alive' })).toEqual({ text: 'alive' })
  })
})

test('a refusal counts towards the end whichever limit it is for', async () => {
  const server = await startServer({ limits: { refusals: 5 } })
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  const notice = heard(stock, '$disconnect')
  for (let sent = 0; sent < 10; sent++) stock.emit('echo', 1, 2, 3)
  expect(await notice).toMatchObject({ code: 'RATE_LIMITED' })
})

test('a payload that only does not match the contract costs nobody their connection', async () => {
  const server = await startServer({ limits: { refusals: 5 } })
  server.realtime.on('echo', ({ payload }) => payload)
  const stock = server.stock({ token: await signToken('ada') })
  for (let sent = 0; sent < 50; sent++) expect(await stock.emitWithAck('echo', 7)).toMatchObject({ error: { code: 'INVALID_PAYLOAD' } })
  expect(stock.connected).toBe(true)
})

test('a connection has only so many events at work, and may go on once they are answered', async () => {
  const server = await startServer({ limits: { pendingReplies: 2 } })
  const release: Array<() => void> = []
  server.realtime.on('done', () => new Promise<void>((resolve) => release.push(resolve)))
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  const first = [stock.emitWithAck('done'), stock.emitWithAck('done')]
  expect(await stock.emitWithAck('done')).toMatchObject(rateLimited('pendingReplies'))
  for (const each of release) each()
  expect(await Promise.all(first)).toMatchObject([{ ok: true }, { ok: true }])
  const again = stock.emitWithAck('done')
  await until(() => release.length === 3)
  release[2]?.()
  expect(await again).toMatchObject({ ok: true })
})

test('a connection joins only so many rooms, and another once it has left one', async () => {
  const server = await startServer({ rooms: { group: { authorize: () => true } }, limits: { roomsPerConnection: 2 } })
  const client = await server.client('ada')
  const first = await client.join('group', '1')
  await client.join('group', '2')
  await client.join('group', '2')
  await expect(client.join('group', '3')).rejects.toMatchObject({ code: 'RATE_LIMITED', data: { limit: 'roomsPerConnection' } })
  await first.leave()
  await client.join('group', '3')
  expect(await server.realtime.presence.members('group', '3')).toEqual(['ada'])
})

test('a user has only so many connections, and one that replaces another does not count', async () => {
  const server = await startServer({ limits: { connectionsPerUser: 2 } })
  const token = await signToken('ada')
  const device = (id: string) => server.stock({ token, realtime: { protocol: 1, device: id } })
  await Promise.all([heard(device('a'), 'authenticated'), heard(device('b'), 'authenticated')])
  expect(await refusalOf(device('c'))).toMatchObject({ code: 'RATE_LIMITED', data: { limit: 'connectionsPerUser' } })
  await heard(device('a'), 'authenticated')
  await heard(server.stock({ token: await signToken('eve') }), 'authenticated')
  await until(async () => (await server.realtime.presence.devices('ada')).length === 2)
})

test('a device that is online may be on its way in again once, not many times', async () => {
  let goOn = (): void => {}
  const told = new Promise<void>((resolve) => {
    goOn = resolve
  })
  class HeldStore extends MemoryRevocationStore {
    lookups = 0
    override async revokedBefore(subjects: readonly string[]) {
      if (++this.lookups > 1) await told
      return super.revokedBefore(subjects)
    }
  }
  const store = new HeldStore()
  const server = await startServer({ limits: { connectionsPerUser: 1 }, revocations: store })
  const token = await signToken('ada')
  const device = () => server.stock({ token, realtime: { protocol: 1, device: 'a' } })
  await heard(device(), 'authenticated')
  const second = device()
  await until(() => store.lookups === 2)
  expect(await refusalOf(device())).toMatchObject({ code: 'RATE_LIMITED', data: { limit: 'connectionsPerUser' } })
  goOn()
  await heard(second, 'authenticated')
})

test.each([
  ['a rate of joining below the rooms it has', { eventRates: { $join: 20 } }, 30],
  ['more rooms than the default', { roomsPerConnection: 400 }, 400],
])('a client with %s is in all of them again after a reconnect', async (_case, limits, count) => {
  const server = await startServer({ rooms: { group: { authorize: () => true } }, limits })
  const client = await server.client('ada')
  const errors = collect((add) => client.on('error', add))
  const ids = Array.from({ length: count }, (_, n) => String(n))
  const enter = (id: string): Promise<unknown> =>
    client.join('group', id).catch(async (error: RealtimeError) => {
      await new Promise((resolve) => setTimeout(resolve, Object(error.data).retryAfterMs))
      return enter(id)
    })
  for (const id of ids) await enter(id)
  const roomsOf = () => [...server.realtime.io.of('/').sockets.values()].flatMap(({ rooms }) => [...rooms].filter((name) => name.startsWith('group:')))
  expect(roomsOf()).toHaveLength(count)
  server.realtime.io.of('/').sockets.forEach((socket) => {
    socket.conn.close()
  })
  await until(() => roomsOf().length === 0)
  await until(() => roomsOf().length === count)
  expect(errors).toEqual([])
})

test('requests that a device does not answer in time leave nothing behind', async () => {
  const server = await startServer()
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  const request = () => server.realtime.toUser('ada').request('confirm', { question: '?' }, { timeoutMs: 10 })
  const answers = await Promise.all(Array.from({ length: 1_000 }, request))
  expect(answers.flat().every(({ status }) => status === 'silent')).toBe(true)
  const [socket] = server.realtime.io.of('/').sockets.values()
  expect(Reflect.get(socket as object, 'acks')).toEqual(new Map())
})

test('a client that was one connection too many comes in by itself once there is room', async () => {
  const server = await startServer({ limits: { connectionsPerUser: 1 } })
  const first = await server.client('ada')
  const second = server.client('ada')
  await until(() => server.realtime.io.engine.clientsCount > 1)
  first.close()
  await second
})

test('a proof is asked for only so often on a connection', async () => {
  const server = await startServer()
  const token = await signToken('ada')
  const stock = server.stock({ token })
  await heard(stock, 'authenticated')
  const answers = await Promise.all(Array.from({ length: 30 }, () => stock.emitWithAck('$authenticate', { token })))
  expect(answers.filter(({ ok }) => ok).length).toBeLessThan(30)
  expect(answers.at(-1)).toMatchObject(rateLimited('perSecond'))
})

test('more attachments than are allowed end the connection, with the reason', async () => {
  const server = await startServer({ limits: { attachments: 1 } })
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  const notice = heard(stock, '$disconnect')
  stock.emit('echo', [Buffer.from('a'), Buffer.from('b')])
  expect(await notice).toMatchObject({ code: 'INVALID_PAYLOAD', reason: expect.stringMatching(/attachments/) })
})

test('depth, size, names and ids are limited as the options say', async () => {
  const server = await startServer({
    rooms: { group: { authorize: () => true } },
    limits: { payloadBytes: 1000, payloadDepth: 3, eventNameLength: 10, roomIdLength: 5 },
  })
  server.realtime.on('echo', ({ payload }) => payload)
  const stock = server.stock({ token: await signToken('ada') })
  expect(await stock.emitWithAck('echo', { text: 'x'.repeat(2000) })).toMatchObject({ error: { message: expect.stringContaining('larger than 1000 bytes') } })
  expect(await stock.emitWithAck('echo', [[[[]]]])).toMatchObject({ error: { message: expect.stringContaining('deeper than 3 levels') } })
  expect(await stock.emitWithAck('elevenchars', {})).toMatchObject({ error: { code: 'UNKNOWN_EVENT', message: expect.stringContaining('at most 10') } })
  expect(await stock.emitWithAck('$join', { kind: 'group', id: '123456' })).toMatchObject({ error: { message: expect.stringContaining('at most 5 char') } })
  expect(await stock.emitWithAck('echo', { text: 'fine' })).toMatchObject({ ok: true })
})

test.each<[string, object, RegExp]>([
  ['an unknown limit', { eventPerSecond: 1 }, /unknown option "eventPerSecond"/],
  ['a limit of nothing', { eventsPerSecond: 0 }, /eventsPerSecond must be a whole number/],
  ['a depth that overflows', { payloadDepth: 10_000 }, /payloadDepth must be a whole number from 1 to 256/],
  ['a rate of an unknown event', { eventRates: { ekho: 1 } }, /no event "ekho"/],
  ['a rate that is none', { eventRates: { echo: -1 } }, /rate of echo must be a number above 0/],
  ['rates that are no object', { eventRates: 5 }, /expected an object/],
])('%s is refused when the server is made', async (_case, limits, message) => {
  await expect(startServer({ limits })).rejects.toThrow(message)
})

test('a rate in the options stands before that of the contract', async () => {
  const server = await startServer({ limits: { eventRates: { knock: 1 } } })
  server.realtime.on('knock', () => {})
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  const answers = await Promise.all([1, 2].map(() => stock.emitWithAck('knock', { text: 'x' })))
  expect(answers.map(({ ok }) => ok)).toEqual([true, false])
})

test('a handshake on a connection that is in ends it, as Socket.IO does', async () => {
  const server = await startServer()
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  const gone = heard(stock, 'disconnect')
  stock.io.engine.write(`0${JSON.stringify({ token: await signToken('ada') })}`)
  await gone
  expect(server.realtime.io.of('/').sockets.size).toBe(0)
})

test('a transport that goes on asking to be let in is ended', async () => {
  const server = await startServer()
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  onTestFinished(() => socket.terminate())
  const refusals: string[] = []
  let closed = false
  socket.on('close', () => {
    closed = true
  })
  // One after the other: a handshake beside another is refused without a check.
  socket.on('message', (data) => {
    if (String(data).startsWith('44')) refusals.push(String(data))
    socket.send('40{"token":"not.a.token"}')
  })
  await until(() => closed)
  expect(refusals.length).toBeLessThan(200) // 50, and those that ten in a second add
})

test('a client that leaves and comes back on one transport leaves no listeners on it', async () => {
  const server = await startServer({ limits: { connectionsPerUser: 1 } })
  const stock = server.stock({ token: await signToken('ada') })
  const other = stock.io.socket('/other') // keeps the transport open
  const listeners: number[] = []
  for (let time = 0; time < 5; time++) {
    await heard(stock, 'authenticated')
    listeners.push(...[...server.realtime.io.of('/').sockets.values()].map(({ conn }) => conn.listenerCount('close')))
    stock.disconnect()
    await until(() => server.realtime.io.of('/').sockets.size === 0)
    stock.connect()
  }
  other.disconnect()
  expect(new Set(listeners).size).toBe(1)
})

test.each(['while it is authenticated', 'while revocations are looked up'])('a client that goes %s counts no longer', async (when) => {
  let waiting = (): void => {}
  let arrived = false
  const pause = async (here: string): Promise<void> => {
    if (here !== when || arrived) return
    arrived = true
    await new Promise<void>((resolve) => {
      waiting = resolve
    })
  }
  class PausingStore extends MemoryRevocationStore {
    override async revokedBefore(subjects: readonly string[]) {
      await pause('while revocations are looked up')
      return super.revokedBefore(subjects)
    }
  }
  const server = await startServer({
    limits: { connectionsPerUser: 1 },
    revocations: new PausingStore(),
    authenticate: async () => {
      await pause('while it is authenticated')
      return { userId: 'ada', role: 'member' }
    },
  })
  const first = server.stock({})
  await until(() => arrived)
  first.disconnect()
  await until(() => server.realtime.io.engine.clientsCount === 0)
  waiting()
  await heard(server.stock({}), 'authenticated')
})
