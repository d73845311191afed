import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { RealtimeError } from '@org/realtime-client'
import { toManifest } from '@org/realtime-contracts'
import { contract as orgContract } from '@org/realtime-contracts/events'
import { manifest } from '@org/realtime-contracts/events/manifest'
import { createRealtimeServer } from '@org/realtime-server'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { contract } from './contract.js'
import { collect, createTestClient, rejection, signToken, startServer, TRANSPORTS, testJwt, until } from './harness.js'

/** Breaks the transport of every connection, as a bad network does. */
function breakTransports(server: Awaited<ReturnType<typeof startServer>>): void {
  for (const socket of server.realtime.io.of('/').sockets.values()) socket.conn.close()
}

describe.each(TRANSPORTS)('a client over %s', (transport) => {
  test('connects once, however often it is asked, and knows its session', async () => {
    const server = await startServer({}, transport)
    const getToken = vi.fn(() => signToken('ada'))
    const client = createTestClient(contract, { url: server.url, getToken, transports: [transport] })
    expect(client.status).toBe('idle')
    const [first, second] = await Promise.all([client.connect(), client.connect()])
    expect(first).toEqual({ userId: 'ada', email: 'ada@example.com', deviceId: client.deviceId, role: 'member', expiresInMs: expect.any(Number) })
    expect(second).toBe(first)
    expect(await client.connect()).toBe(client.session)
    expect(getToken).toHaveBeenCalledTimes(1)
    expect(await server.realtime.presence.devices('ada')).toEqual([{ id: client.deviceId }])
  })

  test('comes back by itself after the transport breaks, as the same device, with a new token', async () => {
    const server = await startServer({}, transport)
    const getToken = vi.fn(() => signToken('ada'))
    const client = await server.client('ada', { getToken })
    const statuses = collect<string>((add) => client.subscribe(() => add(client.status)))
    const notes = collect((add) => client.on('note', add))
    breakTransports(server)
    await until(() => statuses.length === 2)
    expect(statuses).toEqual(['reconnecting', 'connected'])
    expect(getToken).toHaveBeenCalledTimes(2)
    expect(await server.realtime.presence.devices('ada')).toEqual([{ id: client.deviceId }])
    server.realtime.toUser('ada').emit('note', { text: 'again' })
    await until(() => notes.length === 1)
  })

  test('answers a request that is in flight when the transport breaks with REPLY_LOST, and does not send it again', async () => {
    const server = await startServer({}, transport)
    const handler = vi.fn(() => {
      breakTransports(server)
      return new Promise<never>(() => {})
    })
    server.realtime.on('echo', handler)
    const client = await server.client('ada')
    expect(await rejection(client.request('echo', { text: 'x' }))).toMatchObject({ code: 'REPLY_LOST', origin: 'local', event: 'echo' })
    await until(() => client.status === 'connected')
    expect(handler).toHaveBeenCalledTimes(1)
  })
})

describe('connect', () => {
  test('rejects on a fatal refusal, and may be called again', async () => {
    const server = await startServer()
    let token = 'not.a.token'
    const client = createTestClient(contract, { url: server.url, getToken: () => token })
    expect(await rejection(client.connect())).toMatchObject({ code: 'UNAUTHENTICATED', origin: 'remote' })
    expect(client.status).toBe('refused')
    token = await signToken('ada')
    await client.connect()
    expect(client.status).toBe('connected')
  })

  test('rejects after its timeout while dialling goes on, and a later one resolves', async () => {
    const port = await freePort()
    const client = createTestClient(contract, { url: `http://127.0.0.1:${port}`, getToken: () => signToken('ada') })
    expect(await rejection(client.connect({ timeoutMs: 50 }))).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    expect(client.status).toBe('connecting')
    const realtime = createRealtimeServer(contract, { authenticate: testJwt() })
    await realtime.listen(port, '127.0.0.1')
    onTestFinished(() => realtime.close({ drainMs: 0 }))
    expect(await client.connect()).toMatchObject({ userId: 'ada' })
  })

  test('rejects when it is aborted, or the client closed', async () => {
    const client = createTestClient(contract, { url: 'http://127.0.0.1:1' })
    const controller = new AbortController()
    const aborted = rejection(client.connect({ signal: controller.signal }))
    const closed = rejection(client.connect())
    controller.abort()
    expect(await aborted).toMatchObject({ code: 'ABORTED' })
    client.close()
    expect(await closed).toMatchObject({ code: 'CLOSED' })
    expect(client.status).toBe('closed')
    expect(await rejection(client.connect({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'ABORTED' })
  })

  test('tries a token that is too old once more with a fresh one, and then gives up', async () => {
    const server = await startServer()
    const tokens = [await signToken('ada', { expiresInS: -10 }), await signToken('ada')]
    const lucky = createTestClient(contract, { url: server.url, getToken: () => tokens.shift() })
    expect(await lucky.connect()).toMatchObject({ userId: 'ada' })

    const getToken = vi.fn(() => signToken('ada', { expiresInS: -10 }))
    const unlucky = createTestClient(contract, { url: server.url, getToken })
    expect(await rejection(unlucky.connect())).toMatchObject({ code: 'TOKEN_EXPIRED' })
    expect(getToken).toHaveBeenCalledTimes(2)
    expect(unlucky.status).toBe('refused')
  })

  test('goes on where the server is unavailable, or getToken fails for now', async () => {
    let up = false
    const server = await startServer({
      authenticate: async () => {
        if (!up) throw new Error('database down')
        return { userId: 'ada', role: 'member' }
      },
    })
    const getToken = vi.fn(async () => {
      if (getToken.mock.calls.length === 1) throw new Error('offline')
      return 'x'
    })
    const client = createTestClient(contract, { url: server.url, getToken })
    const connected = client.connect()
    await until(() => server.errors.length >= 2)
    up = true
    expect(await connected).toMatchObject({ userId: 'ada' })
  })

  test('stays away where getToken says that nobody is logged in', async () => {
    const client = createTestClient(contract, {
      url: 'http://127.0.0.1:1',
      getToken: () => {
        throw new RealtimeError('UNAUTHENTICATED', 'logged out')
      },
    })
    expect(await rejection(client.connect())).toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(client.status).toBe('refused')
  })

  test('needs a url', () => {
    expect(() => createTestClient(contract, {} as never)).toThrow(/url is required/)
    expect(() => createTestClient(contract, { url: '' })).toThrow(TypeError)
  })
})

describe('emit', () => {
  test('of an invalid payload throws there and then', async () => {
    const client = createTestClient(contract, { url: 'http://127.0.0.1:1' })
    expect(() => client.emit('say', { text: 7 as never })).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD' }))
    expect(() => client.emit('nope' as 'poke')).toThrow(TypeError)
  })

  test('while not connected is dropped and told to error, and not sent later', async () => {
    const server = await startServer()
    const said = vi.fn()
    server.realtime.on('say', ({ payload }) => said(payload.text))
    const client = createTestClient(contract, { url: server.url, getToken: () => signToken('ada') })
    const errors = collect<RealtimeError>((add) => client.on('error', add))
    client.emit('say', { text: 'dropped' })
    expect(errors).toMatchObject([{ code: 'NOT_CONNECTED', event: 'say', retryable: true }])
    await client.connect()
    client.emit('say', { text: 'sent' })
    await until(() => said.mock.calls.length > 0)
    expect(said.mock.calls).toEqual([['sent']])
  })

  test('of an event with a reply sends it, and what the server makes of it reaches error', async () => {
    const server = await startServer()
    server.realtime.on('take', ({ payload, fail }) => {
      throw fail('NOT_FOUND', { id: payload.id })
    })
    const client = await server.client('ada')
    const errors = collect<RealtimeError>((add) => client.on('error', add))
    client.emit('take', { id: 'x' })
    await until(() => errors.length > 0)
    expect(errors).toMatchObject([{ code: 'NOT_FOUND', event: 'take', data: { id: 'x' }, origin: 'remote' }])
  })
})

describe('request', () => {
  test('waits for a connection', async () => {
    const server = await startServer()
    server.realtime.on('echo', ({ payload }) => payload)
    const client = createTestClient(contract, { url: server.url, getToken: () => signToken('ada') })
    const reply = client.request('echo', { text: 'x' })
    void client.connect()
    expect(await reply).toEqual({ text: 'x' })
  })

  test('fails with NOT_CONNECTED after its timeout, at once with failFast, and with CLOSED on a closed client', async () => {
    const client = createTestClient(contract, { url: 'http://127.0.0.1:1' })
    expect(await rejection(client.request('echo', { text: 'x' }, { timeoutMs: 30 }))).toMatchObject({ code: 'NOT_CONNECTED' })
    expect(await rejection(client.request('echo', { text: 'x' }, { failFast: true, timeoutMs: 600_000 }))).toMatchObject({ code: 'NOT_CONNECTED' })
    client.close()
    expect(await rejection(client.request('echo', { text: 'x' }))).toMatchObject({ code: 'CLOSED' })
  })

  test('fails with REPLY_TIMEOUT, ABORTED or CLOSED where there is no answer, and a late one does no harm', async () => {
    const server = await startServer()
    const late: Array<() => void> = []
    server.realtime.on('echo', ({ payload }) => new Promise((resolve) => late.push(() => resolve(payload))))
    const client = await server.client('ada')
    expect(await rejection(client.request('echo', { text: 'x' }, { timeoutMs: 50 }))).toMatchObject({ code: 'REPLY_TIMEOUT', retryable: false })

    const controller = new AbortController()
    const aborted = rejection(client.request('echo', { text: 'x' }, { signal: controller.signal }))
    controller.abort()
    expect(await aborted).toMatchObject({ code: 'ABORTED' })
    expect(await rejection(client.request('echo', { text: 'x' }, { signal: AbortSignal.abort() }))).toMatchObject({ code: 'ABORTED' })

    await until(() => late.length === 2)
    for (const answer of late) answer()
    const closed = rejection(client.request('echo', { text: 'x' }))
    client.close()
    expect(await closed).toMatchObject({ code: 'CLOSED' })
  })

  test('rejects a payload that does not match without sending it, and a wrong timeout', async () => {
    const client = createTestClient(contract, { url: 'http://127.0.0.1:1' })
    expect(await client.tryRequest('echo', { text: 7 as never })).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD', origin: 'local' } })
    expect(await rejection(client.request('echo', { text: 'x' }, { timeoutMs: Number.NaN }))).toBeInstanceOf(TypeError)
    expect(await rejection(client.request('say' as 'echo', { text: 'x' }))).toBeInstanceOf(TypeError)
  })

  test('keeps its place among emits', async () => {
    const server = await startServer()
    const order: string[] = []
    server.realtime.on('say', ({ payload }) => order.push(payload.text))
    server.realtime.on('echo', ({ payload }) => {
      order.push(payload.text)
      return payload
    })
    const client = await server.client('ada')
    client.emit('say', { text: '1' })
    const reply = client.request('echo', { text: '2' })
    client.emit('say', { text: '3' })
    await reply
    await until(() => order.length === 3)
    expect(order).toEqual(['1', '2', '3'])
  })

  test('is INVALID_REPLY where the server breaks the contract', async () => {
    const server = await startServer()
    server.realtime.io.on('connection', (socket) => {
      socket.on('echo', (_payload, acknowledge: (answer: unknown) => void) => acknowledge({ ok: true, data: { text: 7 } }))
      socket.on('done', (acknowledge: (answer: unknown) => void) => acknowledge('done'))
    })
    const client = await server.client('ada')
    expect(await client.tryRequest('echo', { text: 'x' })).toMatchObject({
      ok: false,
      error: { code: 'INVALID_REPLY', data: { issues: [{ path: ['text'] }] } },
    })
    expect(await client.tryRequest('done')).toMatchObject({ ok: false, error: { code: 'INVALID_REPLY' } })
  })
})

describe('listeners', () => {
  test('hear a date as a date, and with a manifest its text', async () => {
    const server = await startServer()
    const full = await server.client('ada')
    const lean = createTestClient(toManifest(contract), { url: server.url, getToken: () => signToken('ada') })
    await lean.connect()
    const dates = collect<{ time: Date }>((add) => full.on('at', add))
    const texts = collect<{ time: string }>((add) => lean.on('at', add))
    const time = new Date('2026-01-01T00:00:00.000Z')
    server.realtime.toUser('ada').emit('at', { time })
    await until(() => dates.length + texts.length === 2)
    expect(dates).toEqual([{ time }])
    expect(texts).toEqual([{ time: '2026-01-01T00:00:00.000Z' }])
  })

  test('are called once with once, no more after off, and one that throws harms nobody', async () => {
    const server = await startServer()
    const client = await server.client('ada')
    const errors = collect<RealtimeError>((add) => client.on('error', add))
    client.on('note', () => {
      throw new Error('broken listener')
    })
    client.on('note', async () => {
      throw new Error('broken async listener')
    })
    const once = vi.fn()
    client.once('note', once)
    const gone = vi.fn()
    client.on('note', gone)()
    const notes = collect((add) => client.on('note', add))
    server.realtime.toUser('ada').emit('note', { text: '1' })
    server.realtime.toUser('ada').emit('note', { text: '2' })
    await until(() => notes.length === 2 && errors.length === 4)
    expect(once).toHaveBeenCalledTimes(1)
    expect(gone).not.toHaveBeenCalled()
    expect(errors.map(({ code, cause }) => [code, String(cause)])).toContainEqual(['INTERNAL', 'Error: broken async listener'])
  })

  test('that throw with no one listening to error are a warning of the process', async () => {
    const server = await startServer()
    const client = await server.client('ada')
    const warned = new Promise<Error>((resolve) => {
      process.once('warning', resolve)
    })
    client.on('note', () => {
      throw new Error('seen all the same')
    })
    server.realtime.toUser('ada').emit('note', { text: '1' })
    expect((await warned).message).toContain('seen all the same')
  })

  test('do not hear what does not match the contract; error does', async () => {
    const server = await startServer()
    const client = await server.client('ada')
    const notes = collect((add) => client.on('note', add))
    const errors = collect<RealtimeError>((add) => client.on('error', add))
    server.realtime.io.emit('note', { text: 7 })
    server.realtime.io.emit('note', { text: 'good' })
    await until(() => notes.length === 1)
    expect(errors).toMatchObject([{ code: 'INVALID_PAYLOAD', event: 'note' }])
  })

  test('hear authenticated on every connection', async () => {
    const server = await startServer()
    const client = createTestClient(contract, { url: server.url, getToken: () => signToken('ada') })
    const sessions = collect<{ userId: string }>((add) => client.on('authenticated', add))
    await client.connect()
    breakTransports(server)
    await until(() => sessions.length === 2)
    expect(sessions.map(({ userId }) => userId)).toEqual(['ada', 'ada'])
  })

  test('are functions', () => {
    const client = createTestClient(contract, { url: 'http://127.0.0.1:1' })
    expect(() => client.on('note', undefined as never)).toThrow(TypeError)
    client.handle('confirm', () => ({ yes: true }))
    expect(() => client.handle('confirm', () => ({ yes: true }))).toThrow(/takes one handler/)
  })
})

describe('events', () => {
  test('come in order, across a reconnect, until the signal ends them', async () => {
    const server = await startServer()
    const client = await server.client('ada')
    const controller = new AbortController()
    const seen: string[] = []
    const reading = (async () => {
      for await (const { text } of client.events('note', { signal: controller.signal })) seen.push(text)
    })()
    server.realtime.toUser('ada').emit('note', { text: '1' })
    await until(() => seen.length === 1)
    breakTransports(server)
    await until(() => client.status === 'reconnecting')
    await until(() => client.status === 'connected')
    server.realtime.toUser('ada').emit('note', { text: '2' })
    await until(() => seen.length === 2)
    controller.abort()
    await reading
    expect(seen).toEqual(['1', '2'])
  })

  test('are kept while nobody looks, the newest 1,000, and end when the client closes', async () => {
    const server = await startServer()
    const client = await server.client('ada')
    const iterator = client.events('note')
    const all = collect((add) => client.on('note', add))
    for (let n = 0; n < 1500; n++) server.realtime.toUser('ada').emit('note', { text: 'x', n })
    await until(() => all.length === 1500)
    expect((await iterator.next()).value).toEqual({ text: 'x', n: 500 })
    client.close()
    let rest = 0
    for await (const _ of iterator) rest++
    expect(rest).toBe(0)
  })
})

test('close can be called again, and connect after it opens a new connection', async () => {
  const server = await startServer()
  const client = await server.client('ada')
  client.close()
  client.close()
  expect(client.status).toBe('closed')
  await until(async () => !(await server.realtime.presence.isOnline('ada')))
  await client.connect()
  expect(client.status).toBe('connected')
})

test('the manifest of the organisation names the contract that it was made from', () => {
  expect(manifest).toEqual({ name: orgContract.name, version: orgContract.version, fingerprint: orgContract.fingerprint })
})

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

describe('a listener of the status', () => {
  test('may close the client, or connect it again, at any of its steps', async () => {
    const server = await startServer()
    for (const step of ['connecting', 'connected', 'reconnecting'] as const) {
      const client = createTestClient(contract, { url: server.url, getToken: () => signToken('ada') })
      client.subscribe(() => {
        if (client.status === step) client.close()
      })
      const connected = client.connect().catch((error: RealtimeError) => error.code)
      if (step === 'reconnecting') {
        await connected
        breakTransports(server)
      }
      await until(() => client.status === 'closed')
      await connected
    }
    await until(() => server.realtime.io.of('/').sockets.size === 0)

    const client = await server.client('ada')
    const off = client.subscribe(() => {
      if (client.status === 'closed') void client.connect()
    })
    client.close()
    await until(() => client.status === 'connected')
    off()
  })
})

test('a refusal is told to error where nobody waits any more, also after somebody had', async () => {
  let refuse = false
  const server = await startServer({ authenticate: async () => (refuse ? null : { userId: 'ada', role: 'member' }) })
  const client = await server.client('ada')
  const errors = collect<RealtimeError>((add) => client.on('error', add))
  refuse = true
  breakTransports(server)
  await until(() => client.status === 'reconnecting')
  await rejection(client.request('echo', { text: 'x' }, { timeoutMs: 1 }))
  await until(() => client.status === 'refused')
  expect(errors.map(({ code }) => code)).toContain('UNAUTHENTICATED')
})

describe('a server that sends garbage', () => {
  test.each(['$disconnect', '$presence', 'error', '$other', 'note'])('as %s kills no client', async (event) => {
    const server = await startServer()
    const client = await server.client('ada')
    client.on('error', () => {})
    for (const garbage of [null, undefined, 7, 'x', [], { kind: {}, id: {}, joined: 7, left: null }, { code: {}, reason: [] }])
      server.realtime.io.emit(event, garbage)
    const done = new Promise((resolve) => client.once('bare', () => resolve('done')))
    server.realtime.toAll().emit('bare')
    expect(await done).toBe('done')
    expect(client.status).toBe('connected')
  })

  test('as authenticated is refused', async () => {
    const server = await startServer()
    const client = await server.client('ada')
    client.on('error', () => {})
    server.realtime.io.emit('authenticated', null)
    await until(() => client.status === 'refused')
  })
})

test('an answer that comes after a reconnect is not given to another request', async () => {
  const server = await startServer()
  const client = await server.client('ada')
  let answer: (() => void) | undefined
  client.handle('confirm', () => new Promise((resolve) => (answer ??= () => resolve({ yes: true }))))
  const first = server.realtime.toUser('ada').request('confirm', { question: 'save?' }, { timeoutMs: 500 })
  await until(() => answer !== undefined)
  breakTransports(server)
  expect(await first).toMatchObject([{ status: 'silent' }])
  await until(() => client.status !== 'connected')
  await until(() => client.status === 'connected')
  const second = server.realtime.toUser('ada').request('confirm', { question: 'delete everything?' }, { timeoutMs: 500 })
  answer?.()
  expect(await second).toMatchObject([{ status: 'silent' }])
})

test('nothing is sent later that Socket.IO could not send now', async () => {
  const server = await startServer({ pingIntervalMs: 100, pingTimeoutMs: 100 })
  const said = vi.fn()
  server.realtime.on('say', said)
  server.realtime.on('echo', ({ payload }) => payload)
  const client = await server.client('ada')
  const errors = collect<RealtimeError>((add) => client.on('error', add))
  // As after a sleep: the heartbeat is overdue, and nobody has noticed yet.
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000)
  client.emit('say', { text: 'too late' })
  const request = await client.tryRequest('echo', { text: 'too late' })
  vi.restoreAllMocks()
  expect(errors).toMatchObject([{ code: 'NOT_CONNECTED', event: 'say' }])
  expect(request).toMatchObject({ ok: false, error: { code: 'NOT_CONNECTED' } })
  await until(() => client.status !== 'connected')
  await until(() => client.status === 'connected')
  await client.request('echo', { text: 'x' })
  expect(said).not.toHaveBeenCalled()
})

describe('a token that never comes', () => {
  test('does not hold up reauthenticate for longer than it may take, nor the next connection', async () => {
    const server = await startServer()
    let hang = false
    const getToken = vi.fn(() => (hang ? new Promise<string>(() => {}) : signToken('ada')))
    const client = await server.client('ada', { getToken })
    hang = true
    expect(await rejection(client.reauthenticate({ timeoutMs: 30 }))).toMatchObject({ code: 'UNAVAILABLE' })
    expect(await rejection(client.reauthenticate({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'ABORTED' })
    client.close()
    hang = false
    expect(await client.connect()).toMatchObject({ userId: 'ada' })
  })
})

describe('one function that listens twice', () => {
  test('is called twice, and each registration ends by itself', async () => {
    const server = await startServer()
    const client = await server.client('ada')
    const listener = vi.fn()
    const off = client.on('note', listener)
    client.on('note', listener)
    off()
    off()
    const done = new Promise((resolve) => client.once('bare', () => resolve(undefined)))
    server.realtime.toUser('ada').emit('note', { text: '1' })
    server.realtime.toUser('ada').emit('bare')
    await done
    expect(listener).toHaveBeenCalledTimes(1)
    expect(() => client.once('note', undefined as never)).toThrow(TypeError)
  })
})

describe('an iterator of events', () => {
  test('that is given up early, or made on a closed client, ends', async () => {
    const client = createTestClient(contract, { url: 'http://127.0.0.1:1' })
    const events = client.events('note')
    const next = events.next()
    await events.return?.()
    expect(await next).toEqual({ done: true, value: undefined })
    client.close()
    expect(await client.events('note').next()).toEqual({ done: true, value: undefined })
    expect(await client.events('note', { signal: AbortSignal.abort() }).next()).toEqual({ done: true, value: undefined })
  })
})

test.each([Number.NaN, -1, 0, 1e12])('a delay of %s is refused', (reconnectDelayMs) => {
  expect(() => createTestClient(contract, { url: 'http://127.0.0.1:1', reconnectDelayMs })).toThrow(TypeError)
})

test('a getToken that closes the client leaves it closed', async () => {
  const client = createTestClient(contract, {
    url: 'http://127.0.0.1:1',
    getToken: () => {
      client.close()
      return null
    },
  })
  expect(await rejection(client.connect())).toMatchObject({ code: 'CLOSED' })
  expect(client.status).toBe('closed')
})

describe('a client that cannot connect', () => {
  test.each<[string, { url?: string; namespace?: string; getToken?: () => Promise<string> }, RegExp]>([
    ['a port where nobody listens', { url: 'http://127.0.0.1:1' }, /http:\/\/127.0.0.1:1: /],
    ['a token that cannot be had', { getToken: () => Promise.reject(new Error('offline')) }, /getToken failed/],
    ['a namespace that is not there', { namespace: '/socket.io' }, /Invalid namespace/],
  ])('says why: %s', async (_case, { namespace = '', ...options }, message) => {
    const server = await startServer()
    const client = createTestClient(contract, { url: server.url + namespace, getToken: () => signToken('ada'), ...options })
    const error = await rejection(client.connect({ timeoutMs: 400 }))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(message), cause: expect.any(RealtimeError) })
  })

  test('without options says which', () => {
    expect(() => createTestClient(contract, { url: 'http://localhost', reconnectDelayMs: 0 })).toThrow(/reconnectDelayMs/)
  })
})

test.each([undefined, ''])('a path of %j is the default one', async (path) => {
  const server = await startServer()
  // As an application without exactOptionalPropertyTypes writes it, from a variable that is not set.
  const client = await server.client('ada', { path } as object)
  expect(client.status).toBe('connected')
})

test('options that the Engine.IO client cannot take are told as an error of the SDK', async () => {
  const server = await startServer()
  const client = createTestClient(contract, { url: server.url, ...({ transports: [() => {}] } as object) })
  expect(await rejection(client.connect())).toMatchObject({ code: 'INTERNAL', cause: expect.any(TypeError) })
  expect(client.status).toBe('refused')
})

test('a refusal is told to error also while a renewal waits for its token', async () => {
  const server = await startServer()
  let asked = 0
  const getToken = (): Promise<string> => (asked++ === 0 ? signToken('ada', { expiresInS: 3 }) : new Promise(() => {}))
  const client = await server.client('ada', { getToken })
  const errors = collect<RealtimeError>((add) => client.on('error', add))
  await until(() => asked === 2)
  await server.realtime.disconnectUser('ada', { reason: 'logged-out' })
  await until(() => client.status === 'refused')
  expect(errors).toMatchObject([{ code: 'DISCONNECTED', message: 'logged-out' }])
})

test('an upgrade that breaks off ends the connection, which is dialled again', async () => {
  const server = await startServer()
  server.realtime.on('echo', ({ payload }) => payload)
  let broken = 0
  // Lets the WebSocket go once, when it has answered the probe: polling has stopped then.
  const proxy = createServer((near) => {
    const far = connect(Number(new URL(server.url).port), '127.0.0.1')
    let isWebSocket = false
    near.on('data', (data) => {
      isWebSocket ||= String(data).includes('transport=websocket')
      far.write(data)
    })
    far.on('data', (data) => {
      near.write(data)
      if (isWebSocket && String(data).includes('3probe') && broken++ === 0) setImmediate(() => near.destroy())
    })
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => {})
      one.on('close', () => other.destroy())
    }
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void proxy.close())
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo // it listens on a port
  const client = await server.client('ada', { url: `http://127.0.0.1:${port}` })
  const statuses = collect<string>((add) => client.subscribe(() => add(client.status)))
  await until(() => statuses.includes('connected'))
  expect(statuses).toEqual(['reconnecting', 'connected'])
  expect(await client.request('echo', { text: 'x' })).toEqual({ text: 'x' })
})
