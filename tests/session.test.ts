import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import type { Socket } from 'socket.io-client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { heard, refusalOf, signToken, startServer, TRANSPORTS, until } from './harness.js'

describe.each(TRANSPORTS)('a connection over %s', (transport) => {
  test('hears authenticated first, with what the server knows of it', async () => {
    const server = await startServer({}, transport)
    server.realtime.presence.on('online', ({ userId }) => server.realtime.toUser(userId).emit('note', { text: 'early' }))
    const socket = server.stock({ token: await signToken('ada', { role: 'admin' }) })
    const events: string[] = []
    socket.onAny((event) => events.push(event))
    const session = await heard(socket, 'authenticated')

    expect(session).toEqual({ success: true, userId: 'ada', email: 'ada@example.com', deviceId: socket.id, role: 'admin', expiresInMs: expect.any(Number) })
    server.realtime.toUser('ada').emit('note', { text: 'later' })
    await until(() => events.includes('note'))
    expect(events[0]).toBe('authenticated')
  })

  test('is reachable as soon as it has heard authenticated', async () => {
    const server = await startServer({}, transport)
    const socket = server.stock({ token: await signToken('ada') })
    const note = heard(socket, 'note')
    socket.once('authenticated', () => server.realtime.toUser('ada').emit('note', { text: 'hello' }))
    expect(await note).toEqual({ text: 'hello' })
  })

  test('loses nothing that the client sends before it has heard anything', async () => {
    const server = await startServer({}, transport)
    const said: string[] = []
    server.realtime.on('say', ({ payload }) => said.push(payload.text))
    const socket = server.stock({ token: await signToken('ada') })
    for (const text of ['one', 'two', 'three']) socket.emit('say', { text })
    await until(() => said.length === 3)
    expect(said).toEqual(['one', 'two', 'three'])
  })

  test.each([
    ['no token', {}],
    ['an empty token', { token: '' }],
    ['a token that is no text', { token: { a: 1 } }],
    ['nonsense', { token: 'a.b.c' }],
    ['a token in the wrong key', { jwt: 'x' }],
  ])('is refused with one public reason for %s', async (_case, auth) => {
    const server = await startServer({}, transport)
    expect(await refusalOf(server.stock(auth))).toEqual({ code: 'UNAUTHENTICATED', message: expect.any(String) })
    expect(server.realtime.io.sockets.adapter.rooms.size).toBe(0)
  })

  test('is refused with TOKEN_EXPIRED for a token that was good', async () => {
    const server = await startServer({}, transport)
    const refusal = await refusalOf(server.stock({ token: await signToken('ada', { expiresInS: -1 }) }))
    expect(refusal).toMatchObject({ code: 'TOKEN_EXPIRED' })
  })

  test('takes its token from an Authorization header, too', async () => {
    const server = await startServer({}, transport)
    const socket = server.stock({}, { extraHeaders: { authorization: `Bearer ${await signToken('ada')}` } })
    expect(await heard(socket, 'authenticated')).toMatchObject({ userId: 'ada' })
  })
})

test('a token in the query string is not looked at', async () => {
  const server = await startServer()
  const { io } = await import('socket.io-client')
  const socket: Socket = io(server.url, { query: { token: await signToken('ada') }, reconnection: false, forceNew: true })
  onTestFinished(() => {
    socket.disconnect()
  })
  expect(await refusalOf(socket)).toMatchObject({ code: 'UNAUTHENTICATED' })
})

test.each([
  ['is no object', 'x', 'INVALID_PAYLOAD'],
  ['speaks a later protocol', { protocol: 2 }, 'CONTRACT_MISMATCH'],
  ['has a device that is no text', { protocol: 1, device: 7 }, 'INVALID_PAYLOAD'],
  ['has a device that is too long', { protocol: 1, device: 'x'.repeat(65) }, 'INVALID_PAYLOAD'],
  ['has a contract without a name', { protocol: 1, contract: { version: '1.0.0', fingerprint: '1:0' } }, 'INVALID_PAYLOAD'],
  ['has too many features', { protocol: 1, features: Array.from({ length: 17 }, () => 'x') }, 'INVALID_PAYLOAD'],
])('a handshake that %s is refused, saying where', async (_case, realtime, code) => {
  const server = await startServer()
  expect(await refusalOf(server.stock({ token: await signToken('ada'), realtime }))).toMatchObject({ code })
})

test('unknown keys of the handshake are ignored', async () => {
  const server = await startServer()
  const socket = server.stock({ token: await signToken('ada'), other: 1, realtime: { protocol: 1, device: 'phone', later: { x: 1 } } })
  expect(await heard(socket, 'authenticated')).toMatchObject({ deviceId: 'phone' })
})

test('a second connection of the same device replaces the first, which is told', async () => {
  const server = await startServer()
  const connect = async (userId: string) => {
    const socket = server.stock({ token: await signToken(userId), realtime: { protocol: 1, device: 'phone' } })
    await heard(socket, 'authenticated')
    return socket
  }
  const first = await connect('ada')
  const stranger = await connect('eve') // the same device id of another user is another device
  const told = heard(first, '$disconnect')
  const gone = heard(first, 'disconnect')
  await connect('ada')
  expect(await told).toMatchObject({ code: 'REPLACED' })
  expect(await gone).toBe('io server disconnect')
  expect(stranger.connected).toBe(true)
  expect(await server.realtime.presence.devices('ada')).toEqual([{ id: 'phone' }])
})

test('disconnectUser ends every connection of the user, with the reason, and nobody else', async () => {
  const server = await startServer()
  const [laptop, phone, other] = await Promise.all([server.client('ada'), server.client('ada'), server.client('eve')])
  const reasons: unknown[] = []
  for (const client of [laptop, phone]) client.on('$disconnect', (notice) => reasons.push(notice))
  await server.realtime.disconnectUser('ada', { reason: 'logged-out' })
  await until(() => laptop.status === 'refused' && phone.status === 'refused')
  expect(reasons).toEqual([
    { code: 'DISCONNECTED', reason: 'logged-out' },
    { code: 'DISCONNECTED', reason: 'logged-out' },
  ])
  expect(other.status).toBe('connected')
})

test('disconnectUser can end one device', async () => {
  const server = await startServer()
  const [laptop, phone] = await Promise.all([server.client('ada'), server.client('ada')])
  await server.realtime.disconnectUser('ada', { deviceId: phone.deviceId })
  await until(() => phone.status === 'refused')
  expect(laptop.status).toBe('connected')
})

describe('authenticate as a function', () => {
  const contract = defineContract({ name: 'plain', version: '1.0.0' })

  async function start(authenticate: Parameters<typeof createRealtimeServer<typeof contract, { userId: string }>>[1]['authenticate']) {
    const errors: unknown[] = []
    const realtime = createRealtimeServer(contract, { authenticate, onError: (error) => errors.push(error), handshakeTimeoutMs: 200 })
    const { port } = await realtime.listen(0)
    onTestFinished(() => realtime.close({ drainMs: 0 }))
    const { io } = await import('socket.io-client')
    const socket = io(`http://localhost:${port}`, { auth: { token: 'opaque' }, reconnection: false, forceNew: true, transports: ['websocket'] })
    onTestFinished(() => {
      socket.disconnect()
    })
    return { socket, errors }
  }

  test('may return just the user', async () => {
    const { socket } = await start(({ token }) => ({ userId: `user-of-${token}` }))
    expect(await heard(socket, 'authenticated')).toEqual({ success: true, userId: 'user-of-opaque', deviceId: socket.id })
  })

  test('may return the user with an expiry', async () => {
    const { socket } = await start(async () => ({ user: { userId: 'ada' }, expiresAtMs: Date.now() + 60_000 }))
    expect(await heard(socket, 'authenticated')).toMatchObject({ userId: 'ada', expiresInMs: expect.any(Number) })
  })

  test('refuses by returning null', async () => {
    const { socket, errors } = await start(async () => null)
    expect(await refusalOf(socket)).toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(errors).toEqual([])
  })

  test.each(['', 'a b', 'ü', 'x'.repeat(129), 7, null, '__proto__/'])('is refused where the user id is %j', async (userId) => {
    const { socket } = await start(async () => ({ userId: userId as string }))
    expect(await refusalOf(socket)).toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  test('is UNAVAILABLE where it throws, and the cause stays in the server', async () => {
    const { socket, errors } = await start(async () => {
      throw new Error('password of the database')
    })
    const refusal = await refusalOf(socket)
    expect(refusal).toMatchObject({ code: 'UNAVAILABLE' })
    expect(JSON.stringify(refusal)).not.toContain('password')
    expect(errors).toMatchObject([{ message: 'password of the database' }])
  })

  test('is UNAVAILABLE where it never settles', async () => {
    const { socket, errors } = await start(() => new Promise(() => {}))
    expect(await refusalOf(socket)).toMatchObject({ code: 'UNAVAILABLE' })
    expect(errors).toHaveLength(1)
  })
})

test('a user without the session fields of the contract is not let in, and the server is told', async () => {
  const server = await startServer({ authenticate: async () => ({ userId: 'ada' }) as never })
  expect(await refusalOf(server.stock({}))).toMatchObject({ code: 'INTERNAL' })
  expect(server.errors).toMatchObject([{ message: expect.stringContaining('role') }])
})

test('a namespace other than / leaves no way in through /', async () => {
  const server = await startServer({ namespace: '/chat' })
  const root = server.stock({ token: await signToken('ada') })
  const error = await heard<Error>(root, 'connect_error')
  expect(error.message).toContain('/chat')
  const { io } = await import('socket.io-client')
  const chat = io(`${server.url}/chat`, { auth: { token: await signToken('ada') }, reconnection: false, forceNew: true })
  onTestFinished(() => {
    chat.disconnect()
  })
  expect(await heard(chat, 'authenticated')).toMatchObject({ userId: 'ada' })
})

describe('onRefused', () => {
  test('hears why a client was not let in, which the client does not', async () => {
    const refused: Array<[string, string, string | undefined]> = []
    const server = await startServer({
      cors: { origin: ['https://app.example.com'] },
      onRefused: (error, { origin }) => {
        refused.push([error.code, String(error.cause), origin])
        throw new Error('logger down')
      },
    })
    expect(JSON.stringify(await refusalOf(server.stock({ token: 'a.b' })))).not.toContain('base64url')
    await heard(server.stock({ token: await signToken('ada') }, { extraHeaders: { origin: 'https://evil.example' } }), 'connect_error')
    expect(refused).toEqual([
      ['UNAUTHENTICATED', expect.stringContaining('base64url'), undefined],
      ['FORBIDDEN', expect.stringContaining('https://evil.example'), 'https://evil.example'],
    ])
    expect(server.errors.map(String)).toEqual(['Error: logger down', 'Error: logger down'])
  })

  test('a user id that the application got wrong is told to onError, too', async () => {
    const server = await startServer({ authenticate: () => ({ userId: 'ada+test@example.com', role: 'member' }) })
    expect(await refusalOf(server.stock({}))).toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(server.errors.map(String)).toEqual([expect.stringContaining('ada+test@example.com')])
  })
})
