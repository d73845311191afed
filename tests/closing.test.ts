import { createServer } from 'node:net'
import { createRealtimeServer } from '@org/realtime-server'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { contract } from './contract.js'
import { collect, createTestClient, heard, rejection, signToken, startServer, TRANSPORTS, testJwt, until } from './harness.js'
import { dialWebSocket } from './websocket.js'

describe.each(TRANSPORTS)('close over %s', (transport) => {
  test('lets a reply in flight out, tells clients to come back, and frees the port', async () => {
    const server = await startServer({}, transport)
    let answer: (() => void) | undefined
    server.realtime.on('echo', ({ payload }) => new Promise((resolve) => (answer = () => resolve(payload))))
    const client = await server.client('ada')
    const notices = collect<{ code: string }>((add) => client.on('$disconnect', add))
    const reply = client.request('echo', { text: 'x' })
    await until(() => answer !== undefined)
    const closed = server.realtime.close({ drainMs: 600_000 })
    answer?.()
    expect(await reply).toEqual({ text: 'x' })
    await closed
    await until(() => notices.length === 1 && client.status === 'reconnecting')
    expect(notices).toMatchObject([{ code: 'UNAVAILABLE' }])
    await expect(fetch(server.url)).rejects.toThrow()
  })
})

test('a client comes back to the server that takes over the port', async () => {
  const first = await startServer()
  const client = await first.client('ada')
  await first.realtime.close()
  const next = createRealtimeServer(contract, { authenticate: testJwt() })
  await next.listen(Number(new URL(first.url).port), '127.0.0.1')
  await until(() => client.status === 'connected')
  await next.close()
})

test('close does not wait longer than drainMs for a handler, and is one closing however often it is called', async () => {
  const server = await startServer()
  const started = vi.fn()
  server.realtime.on('echo', () => {
    started()
    return new Promise<never>(() => {})
  })
  const client = await server.client('ada')
  const lost = rejection(client.request('echo', { text: 'x' }))
  await until(() => started.mock.calls.length === 1)
  await Promise.all([server.realtime.close({ drainMs: 10 }), server.realtime.close()])
  expect(await lost).toMatchObject({ code: 'REPLY_LOST' })
})

test('while a server closes, who is new is answered 503 and who is connected is served', async () => {
  const server = await startServer({}, 'polling')
  const asked: Array<() => void> = []
  server.realtime.on('echo', ({ payload }) => new Promise((resolve) => asked.push(() => resolve(payload))))
  const client = await server.client('ada')
  const reply = client.request('echo', { text: 'x' })
  await until(() => asked.length === 1)
  const closed = server.realtime.close({ drainMs: 600_000 })
  const response = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`)
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  const upgrade = await refusedUpgrade(`${server.url}/socket.io/?EIO=4&transport=websocket`)
  expect(upgrade).toBe(503)
  asked[0]?.()
  expect(await reply).toEqual({ text: 'x' })
  await closed
})

test('a stock client dials again by itself when the server closes', async () => {
  const server = await startServer()
  const socket = server.stock({ token: await signToken('ada') })
  await heard(socket, 'authenticated')
  const gone = heard(socket, 'disconnect')
  await server.realtime.close()
  expect(await gone).toBe('transport close') // which its manager mends, where it may
})

test('a server that never listened closes', async () => {
  await createRealtimeServer(contract, { authenticate: testJwt() }).close()
})

test('listen rejects where the port is taken', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const address = other.address()
  const realtime = createRealtimeServer(contract, { authenticate: testJwt() })
  await expect(realtime.listen(typeof address === 'object' && address ? address.port : 0, '127.0.0.1')).rejects.toMatchObject({ code: 'EADDRINUSE' })
  other.close()
  await realtime.listen(0, '127.0.0.1') // another port can be tried
  await realtime.close()
})

const nobody = (): null => null

test.each([
  ['no options', undefined],
  ['no authenticate', {}],
  ['a wrong interval', { authenticate: nobody, pingIntervalMs: -1 }],
  ['a grace that is no number', { authenticate: nobody, presence: { graceMs: '5' } }],
  ['a namespace without a slash', { authenticate: nobody, namespace: 'chat' }],
  ['a path without a slash', { authenticate: nobody, path: 'ws' }],
  ['a rule for a room that is not there', { authenticate: nobody, rooms: { nope: { authorize: () => true } } }],
  ['a rule without authorize', { authenticate: nobody, rooms: { group: {} } }],
  ['members that are neither', { authenticate: nobody, rooms: { group: { authorize: () => true, members: 'all' } } }],
  ['an unknown option', { authenticate: nobody, presense: {} }],
  ['a limit that is none', { authenticate: nobody, limits: { bufferedBytes: 0 } }],
  ['an unknown limit', { authenticate: nobody, limits: { bytes: 1 } }],
  ['limits that are null', { authenticate: nobody, limits: null }],
  ['limits that are a list', { authenticate: nobody, limits: [] }],
  ['rates that are null', { authenticate: nobody, limits: { eventRates: null } }],
  ['rates that are a list', { authenticate: nobody, limits: { eventRates: [] } }],
  ['a rate of what every object has', { authenticate: nobody, limits: { eventRates: { toString: 5 } } }],
  ['rooms that are null', { authenticate: nobody, rooms: null }],
  ['an unknown option of cors', { authenticate: nobody, cors: { origins: [] } }],
  ['an unknown option of presence', { authenticate: nobody, presence: { grace: 1 } }],
  ['cors that is nothing', { authenticate: nobody, cors: null }],
  ['any origin with cookies', { authenticate: nobody, cors: { origin: '*', credentials: true } }],
  ['cors flags that are texts', { authenticate: nobody, cors: { allowMissingOrigin: 'no' } }],
  ['no transports', { authenticate: nobody, transports: [] }],
  ['an unknown transport', { authenticate: nobody, transports: ['pigeon'] }],
  ['a path with a query', { authenticate: nobody, path: '/a?b' }],
  ['onError that is no function', { authenticate: nobody, onError: 'log' }],
  ['a handshake of 25 days', { authenticate: nobody, handshakeTimeoutMs: 2 ** 31 - 1 }],
  ['an origin with a path', { authenticate: nobody, cors: { origin: ['https://app.example.com/'] } }],
])('a server is not made of %s', (_case, options) => {
  expect(() => createRealtimeServer(contract, options as never)).toThrow(TypeError)
})

test('a server is not made of a manifest, nor a client of nothing', () => {
  expect(() => createRealtimeServer({ name: 'x', version: '1.0.0', fingerprint: '1:0' } as never, { authenticate: nobody } as never)).toThrow(/contract/)
  expect(() => createTestClient(undefined as never, { url: 'http://localhost' })).toThrow(/contract/)
})

test('a peer that never answers does not hold up closing', async () => {
  const server = await startServer()
  const { port } = new URL(server.url)
  const { received } = dialWebSocket(Number(port))
  await until(() => received() !== '')
  const startMs = Date.now()
  await server.realtime.close({ drainMs: 0 })
  expect(Date.now() - startMs).toBeLessThan(10_000) // the WebSocket library alone would wait 30 s
})

test('what a client goes on to send while the server closes is answered UNAVAILABLE', async () => {
  const server = await startServer()
  let answer: (() => void) | undefined
  server.realtime.on('echo', ({ payload }) => new Promise((resolve) => (answer = () => resolve(payload))))
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  const first = stock.emitWithAck('echo', { text: '1' })
  await until(() => answer !== undefined)
  const told = heard(stock, '$disconnect')
  const closed = server.realtime.close({ drainMs: 600_000 })
  await told
  await until(async () => (await stock.emitWithAck('nothing')).error.code === 'UNAVAILABLE')
  answer?.()
  expect(await first).toEqual({ ok: true, data: { text: '1' } })
  await closed
})

test('a closed server neither listens nor attaches again, and closing waits for one that is about to listen', async () => {
  const realtime = createRealtimeServer(contract, { authenticate: testJwt() })
  const listening = realtime.listen(0, '127.0.0.1')
  await realtime.close()
  const { port } = await listening
  await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow()
  await expect(realtime.listen(0)).rejects.toThrow(/is closed/)
  expect(() => realtime.close({ drainMs: Number.POSITIVE_INFINITY })).toThrow(TypeError)
})

test('a server that closes gives every request in flight its reply, also those that are sent as it does', async () => {
  const server = await startServer()
  server.realtime.on('echo', async ({ payload }) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    return payload
  })
  const next = createRealtimeServer(contract, { authenticate: testJwt() }).on('echo', ({ payload }) => payload)
  const clients = await Promise.all(['ada', 'eve', 'bob', 'joe', 'sue'].map((userId) => server.client(userId)))
  let closed = false
  let replies = 0
  const asking = clients.map(async (client) => {
    while (!closed || client.status !== 'connected') {
      const text = String(replies)
      expect(await client.request('echo', { text })).toEqual({ text })
      replies++
    }
  })
  await until(() => replies > 50)
  await server.realtime.close({ drainMs: 5_000 })
  await next.listen(Number(new URL(server.url).port), '127.0.0.1')
  onTestFinished(() => next.close({ drainMs: 0 }))
  closed = true
  await Promise.all(asking)
  expect(replies).toBeGreaterThan(50)
})

/** The status that a WebSocket is refused with. */
function refusedUpgrade(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    new WebSocket(url.replace('http', 'ws')).on('unexpected-response', (_request, response) => resolve(response.statusCode)).on('error', () => {})
  })
}
