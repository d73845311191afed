import { RealtimeError } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { contract } from './contract.js'
import { heard, refusalOf, signToken, startServer, type TestServer, testJwt, until } from './harness.js'

/** Speaks raw Engine.IO frames over a WebSocket, as nobody's library would. */
async function rawClient(server: TestServer, auth: string) {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  onTestFinished(() => socket.terminate())
  const frames: string[] = []
  let closed = false
  socket.on('message', (data) => frames.push(String(data)))
  socket.on('close', () => {
    closed = true
  })
  socket.on('error', () => {})
  await until(() => frames.length === 1)
  socket.send(`40${auth}`)
  await until(() => frames.length > 1 || closed)
  return { socket, frames, isClosed: () => closed, answers: () => frames.filter((frame) => frame.startsWith('43')) }
}

test('many CONNECT at once make one connection', async () => {
  const server = await startServer()
  const token = await signToken('ada')
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  onTestFinished(() => socket.terminate())
  const frames: string[] = []
  socket.on('message', (data) => frames.push(String(data)))
  await until(() => frames.length === 1)
  for (let attempt = 0; attempt < 50; attempt++) socket.send(`40${JSON.stringify({ token })}`)
  await until(() => frames.some((frame) => frame.startsWith('40')) || socket.readyState === WebSocket.CLOSED)
  expect(server.realtime.io.of('/').sockets.size).toBeLessThanOrEqual(1)
  expect((await server.realtime.presence.devices('ada')).length).toBeLessThanOrEqual(1)
})

describe('an Origin', () => {
  const origin = ['https://app.example.com']

  async function tryOrigin(server: TestServer, transport: 'polling' | 'websocket', header: string | undefined): Promise<boolean> {
    const socket = server.stock(
      { token: await signToken('ada') },
      { transports: [transport], ...(header !== undefined && { extraHeaders: { origin: header } }) },
    )
    return Promise.race([heard(socket, 'authenticated').then(() => true), heard(socket, 'connect_error').then(() => false)])
  }

  describe.each(['polling', 'websocket'] as const)('over %s', (transport) => {
    test.each([undefined, 'https://app.example.com'])('%s is let in', async (header) => {
      expect(await tryOrigin(await startServer({ cors: { origin } }), transport, header)).toBe(true)
    })

    test.each([
      'null',
      'http://app.example.com',
      'https://app.example.com:8443',
      'https://app.example.com.evil.example',
      'https://evil-app.example.com',
      'https://APP.example.com',
      'https://app.example.com/',
      'https://example.com',
      'app.example.com',
    ])('%s is kept out', async (header) => {
      expect(await tryOrigin(await startServer({ cors: { origin } }), transport, header)).toBe(false)
    })

    test('of the server itself is let in by default, and no other', async () => {
      const server = await startServer()
      expect(await tryOrigin(server, transport, server.url)).toBe(true)
      expect(await tryOrigin(server, transport, 'https://app.example.com')).toBe(false)
    })

    test('is decided by a function, and by nobody where that throws', async () => {
      const server = await startServer({
        cors: {
          origin: (sent) => {
            if (sent.includes('throw')) throw new Error('broken')
            return sent === 'https://a.example'
          },
        },
      })
      expect(await tryOrigin(server, transport, 'https://a.example')).toBe(true)
      expect(await tryOrigin(server, transport, 'https://b.example')).toBe(false)
      expect(await tryOrigin(server, transport, 'https://throw.example')).toBe(false)
      expect(server.errors.length).toBeGreaterThan(0)
    })

    test('that is missing is kept out where the server says so', async () => {
      const server = await startServer({ cors: { origin, allowMissingOrigin: false } })
      expect(await tryOrigin(server, transport, undefined)).toBe(false)
    })
  })
})

test('a client that never says who it is is let go', async () => {
  const realtime = createRealtimeServer(contract, { authenticate: testJwt(), handshakeTimeoutMs: 1 })
  const { port } = await realtime.listen(0)
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  const socket = new WebSocket(`ws://localhost:${port}/socket.io/?EIO=4&transport=websocket`)
  await new Promise((resolve) => socket.once('close', resolve))
})

test('a token is in no refusal, error or room', async () => {
  const server = await startServer()
  const token = await signToken('ada', { expiresInS: -5 })
  const refusal = await refusalOf(server.stock({ token }))
  const socket = server.stock({ token: await signToken('ada') })
  await heard(socket, 'authenticated')
  const rooms = [...server.realtime.io.of('/').adapter.rooms.keys()]
  expect(JSON.stringify([refusal, server.errors, rooms])).not.toContain(token.slice(0, 20))
})

test('an answer of very many arguments kills nobody', async () => {
  const server = await startServer()
  server.realtime.io.on('connection', (socket) => socket.on('legacy', () => {}))
  const eve = await rawClient(server, JSON.stringify({ token: await signToken('eve') }))
  const answers = server.realtime.toUser('eve').request('confirm', { question: '?' }, { timeoutMs: 1000 })
  await until(() => eve.frames.some((frame) => /^42\d+\["confirm"/.test(frame)))
  const id = /^42(\d+)/.exec(eve.frames.find((frame) => frame.includes('confirm')) ?? '')?.[1]
  eve.socket.send(`43${id}[${'0,'.repeat(490_000)}0]`)
  expect(await answers).toMatchObject([{ status: 'failed', error: { code: 'INVALID_REPLY' } }])
  eve.socket.send(`42["legacy"${',0'.repeat(490_000)}]`)
  expect(await (await server.client('ada')).tryRequest('echo', { text: 'x' })).toMatchObject({ ok: false, error: { code: 'UNKNOWN_EVENT' } })
})

test('an answer whose code is no text is a typed error all the same', async () => {
  const server = await startServer()
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  stock.on('confirm', (_payload, acknowledge: (answer: unknown) => void) =>
    acknowledge({ ok: false, error: { code: { toString: 1, valueOf: 1 }, message: [] } }),
  )
  expect(await server.realtime.toUser('ada').request('confirm', { question: '?' })).toMatchObject([
    { status: 'failed', error: { code: 'INTERNAL', origin: 'remote' } },
  ])
})

test('what a client sends after it was disconnected reaches no handler', async () => {
  const server = await startServer()
  let handled = 0
  server.realtime.on('say', ({ user }) => {
    handled++
    void server.realtime.disconnectUser(user.userId)
  })
  const stock = server.stock({ token: await signToken('ada') })
  const gone = heard(stock, 'disconnect')
  for (let n = 0; n < 5; n++) stock.emit('say', { text: 'x' })
  await gone
  await (await server.client('eve')).tryRequest('echo', { text: 'x' })
  expect(handled).toBe(1)
})

describe('an application that fails in its own functions', () => {
  test.each<[string, () => never]>([
    [
      'a refusal whose data is no JSON',
      () => {
        throw new RealtimeError('FORBIDDEN', 'banned', { data: { until: 5n } })
      },
    ],
    [
      'a refusal whose data is a circle',
      () => {
        const data: Record<string, unknown> = {}
        data['self'] = data
        throw new RealtimeError('FORBIDDEN', 'banned', { data })
      },
    ],
  ])('is survived: %s', async (_case, authenticate) => {
    const server = await startServer({ authenticate })
    expect(await refusalOf(server.stock({}))).toEqual({ code: 'FORBIDDEN', message: 'banned' })
  })

  test('is survived: an e-mail address that is no text', async () => {
    const server = await startServer({ authenticate: () => ({ userId: 'ada', role: 'member', email: 5n as never }) })
    const session = await heard(server.stock({}), 'authenticated')
    expect(session).not.toHaveProperty('email')
  })

  test.each<[string, (error: unknown) => void]>([
    [
      'throws',
      () => {
        throw new Error('logger down')
      },
    ],
    [
      'throws what has no text',
      () => {
        throw Object.create(null)
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('logger down')
      },
    ],
  ])('is survived: an onError that %s', async (_case, onError) => {
    const server = await startServer({ onError })
    server.realtime.on('take', () => {
      throw Object.create(null)
    })
    const client = await server.client('ada')
    expect(await client.tryRequest('take', { id: '1' })).toMatchObject({ ok: false, error: { code: 'INTERNAL' } })
    expect(await client.tryRequest('take', { id: '1' })).toMatchObject({ ok: false, error: { code: 'INTERNAL' } })
  })

  test('is survived: a cors.origin that returns a promise that rejects', async () => {
    const server = await startServer({
      cors: {
        origin: (async () => {
          throw new Error('database down')
        }) as never,
      },
    })
    const socket = server.stock({ token: await signToken('ada') }, { transports: ['polling'], extraHeaders: { origin: 'https://a.example' } })
    expect(await heard(socket, 'connect_error')).toBeInstanceOf(Error)
  })

  test('is answered: a failure whose data is no JSON', async () => {
    const server = await startServer()
    server.realtime.on('take', ({ fail }) => {
      throw fail('RATE_LIMITED', { retryAfterMs: 5n as never })
    })
    expect(await (await server.client('ada')).tryRequest('take', { id: '1' })).toMatchObject({ ok: false, error: { code: 'INTERNAL' } })
  })
})

describe('joining, leaving and proving who one is at the same time', () => {
  test('lets nobody into a room who may no longer be in it', async () => {
    const pending: Array<() => void> = []
    const server = await startServer({
      rooms: {
        group: {
          authorize: ({ user }) => {
            const allowed = user.role === 'admin'
            return new Promise((resolve) => pending.push(() => resolve(allowed)))
          },
        },
      },
    })
    const stock = server.stock({ token: await signToken('ada', { role: 'admin' }) })
    await heard(stock, 'authenticated')
    const joined = stock.emitWithAck('$join', { kind: 'group', id: 'g' })
    const renewed = stock.emitWithAck('$authenticate', { token: await signToken('ada', { role: 'member' }) })
    await until(() => pending.length === 1)
    pending[0]?.()
    await joined
    await until(() => pending.length === 2)
    pending[1]?.()
    await renewed
    expect(await server.realtime.presence.members('group', 'g')).toEqual([])
  })

  test('happens in the order in which it was asked for', async () => {
    const server = await startServer({ rooms: { group: { authorize: () => new Promise((resolve) => setTimeout(resolve, 20, true)) } } })
    const stock = server.stock({ token: await signToken('ada') })
    await heard(stock, 'authenticated')
    await Promise.all([stock.emitWithAck('$join', { kind: 'group', id: 'g' }), stock.emitWithAck('$leave', { kind: 'group', id: 'g' })])
    expect(await server.realtime.presence.members('group', 'g')).toEqual([])
  })
})

test("an acknowledgement of the application's own is not answered by a client that leaves", async () => {
  const server = await startServer()
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  const answers: unknown[] = []
  for (const socket of server.realtime.io.of('/').sockets.values())
    socket.timeout(200).emit('question', (error: Error | null, answer: unknown) => answers.push([error?.message, answer]))
  stock.disconnect()
  await until(() => answers.length === 1)
  expect(answers).toEqual([['operation has timed out', undefined]])
})
