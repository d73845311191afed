import { createServer } from 'node:http'
import { createRealtimeClient } from '@org/realtime-client'
import { defineContract, toManifest } from '@org/realtime-contracts'
import { createRealtimeServer, jwt, type RealtimeServer } from '@org/realtime-server'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import * as z from 'zod'
import { createTestRealtime, testTokens } from './index.js'

const TRANSPORTS = [{ transports: ['polling'] }, { transports: ['websocket'] }, { transports: ['polling', 'websocket'] }] as const
const SECRET = 'uL3n8vQ1zR7xW2kJ5mB9sD4fG6hT0pYc'
const Time = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })

const contract = defineContract({
  name: 'chat',
  version: '1.0.0',
  serverToClient: {
    'message:new': z.object({ from: z.string(), text: z.string(), at: Time }),
    'chat:cleared': {},
  },
  clientToServer: {
    'message:send': { payload: z.object({ to: z.string(), text: z.string() }), reply: z.object({ sent: z.boolean() }), errors: { OFFLINE: null } },
    'chat:clear': {},
  },
  rooms: { group: z.string() },
})
type Chat = typeof contract

/** What an application has. */
function registerHandlers(realtime: RealtimeServer<Chat>): void {
  realtime.on('message:send', async ({ payload, user, fail }) => {
    if (!(await realtime.presence.isOnline(payload.to))) throw fail('OFFLINE')
    realtime.toUser(payload.to).emit('message:new', { from: user.userId, text: payload.text, at: new Date(0) })
    return { sent: true }
  })
  realtime.on('chat:clear', () => realtime.toAll().emit('chat:cleared'))
}

/** An application that makes its own server. */
function createApp() {
  const http = createServer((_request, response) => response.end('a page'))
  const realtime = createRealtimeServer(contract, { authenticate: jwt({ secret: SECRET, issuer: 'app', audience: false }) })
  registerHandlers(realtime)
  realtime.attach(http)
  return { http, realtime }
}

const tokens = testTokens({ secret: SECRET, issuer: 'app' })

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => Promise.reject(new Error('expected a rejection')),
    (error: unknown) => error,
  )
}

describe.each(TRANSPORTS)('over $transports', ({ transports }) => {
  test("an application's handlers serve typed clients of chosen users, on a port that nobody has picked", async () => {
    await using chat = await createTestRealtime(contract, { setup: registerHandlers, transports })
    const alice = await chat.connect('alice')
    const bob = await chat.connect('bob')
    expect(alice.session).toMatchObject({ userId: 'alice' })
    expect(await alice.request('message:send', { to: 'bob', text: 'Hello' })).toEqual({ sent: true })
    expect(await bob.expectEvent('message:new', { text: 'Hello' })).toEqual({ from: 'alice', text: 'Hello', at: new Date(0) })
    await alice.expectNoEvent('message:new')
  })

  test('a client whose token ends is told, asks for another, and is back', async () => {
    await using chat = await createTestRealtime(contract, { setup: registerHandlers, transports })
    const alice = await chat.connect('alice')
    await alice.expectEvent('authenticated')
    await chat.expire(alice)
    expect(await alice.expectEvent('$disconnect')).toMatchObject({ code: 'TOKEN_EXPIRED' })
    await alice.connect()
    expect(await alice.expectEvent('authenticated')).toMatchObject({ userId: 'alice' })
    expect(alice.status).toBe('connected')
  })

  test('a server that is restarted, or crashes, is back where it was, and its clients with it', async () => {
    await using chat = await createTestRealtime(contract, { setup: registerHandlers, transports })
    const { url, realtime } = chat
    const alice = await chat.connect('alice')
    await chat.restart()
    expect(await alice.expectEvent('$disconnect')).toMatchObject({ code: 'UNAVAILABLE' })
    await alice.connect()
    await chat.restart({ crash: true })
    await alice.connect()
    expect(alice.received('$disconnect')).toHaveLength(1)
    expect(alice.received('authenticated')).toHaveLength(3)
    expect(await alice.tryRequest('message:send', { to: 'alice', text: 'still here' })).toEqual({ ok: true, data: { sent: true } })
    expect(chat.url).toBe(url)
    expect(chat.realtime).not.toBe(realtime)
  })

  test('closing leaves no socket, timer or listener, with clients in every state', async () => {
    const before = await vi.waitFor(noSockets)
    const chat = await createTestRealtime(contract, { setup: registerHandlers, transports })
    await chat.connect('alice')
    const stalled = await chat.connect('bob')
    stalled.faults.stall()
    stalled.emit('chat:clear')
    const late = await chat.connect('carol')
    late.faults.delay(60_000)
    late.emit('chat:clear')
    const offline = await chat.connect('dora')
    offline.faults.offline()
    chat
      .client('eve')
      .connect()
      .catch(() => {})
    await Promise.all([chat.close(), chat.close()])
    await chat[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(noSockets()).toBeLessThanOrEqual(before), { timeout: 10_000 })
  })
})

/** Expects no socket or server to be open. @returns how many timers run, those of this test among them. */
function noSockets(): number {
  const resources = process.getActiveResourcesInfo()
  expect(resources.filter((name) => /TCP|HTTP|Immediate/.test(name))).toEqual([])
  return resources.filter((name) => name === 'Timeout').length
}

test('each client is another device of its user', async () => {
  await using chat = await createTestRealtime(contract)
  const laptop = await chat.connect('alice')
  const phone = await chat.connect('alice', { deviceId: 'phone' })
  expect(await chat.realtime.presence.devices('alice')).toHaveLength(2)
  chat.realtime.toUser('alice').exceptDevice('phone').emit('chat:cleared')
  await laptop.expectEvent('chat:cleared')
  await phone.expectNoEvent('chat:cleared')
})

test('who may not come in is refused, with its code', async () => {
  await using chat = await createTestRealtime(contract)
  const { tokens } = chat
  expect(await rejection(chat.connect('alice', { token: null }))).toMatchObject({ code: 'UNAUTHENTICATED' })
  expect(await rejection(chat.connect('alice', { token: tokens.forged('alice') }))).toMatchObject({ code: 'UNAUTHENTICATED' })
  expect(await rejection(chat.connect('alice', { token: tokens.expired('alice') }))).toMatchObject({ code: 'TOKEN_EXPIRED' })
})

test('a client that has only an old token left is refused for good', async () => {
  await using chat = await createTestRealtime(contract)
  const alice = await chat.connect('alice')
  alice.setToken(chat.tokens.expired('alice'))
  await chat.expire(alice)
  expect(await rejection(alice.connect())).toMatchObject({ code: 'TOKEN_EXPIRED' })
  expect(alice.status).toBe('refused')
  expect(await rejection(chat.expire(alice))).toMatchObject({ message: expect.stringContaining('refused') })
})

test('a token that is about to end is renewed by the client itself', async () => {
  await using chat = await createTestRealtime(contract)
  const alice = await chat.connect('alice', { token: chat.tokens.for('alice', { expiresInMs: 1_500 }) })
  expect(alice.session?.expiresInMs).toBeLessThanOrEqual(1_500)
  alice.setToken(undefined)
  await vi.waitFor(() => expect(alice.session?.expiresInMs).toBeGreaterThan(1_500), { timeout: 10_000 })
  expect(alice.received('authenticated')).toHaveLength(1) // on the same connection
})

const members = defineContract({
  name: 'members',
  version: '1.0.0',
  serverToClient: {},
  clientToServer: { since: { reply: z.object({ since: Time, role: z.string() }) } },
  session: z.object({ role: z.string(), since: Time }),
})
interface Member {
  readonly userId: string
  readonly role: string
  readonly since: Date
}
function registerMembers(realtime: RealtimeServer<typeof members, Member>): void {
  realtime.on('since', ({ user }) => ({ since: user.since, role: user.role }))
}

test('a user is what the test says, dates included', async () => {
  await using test = await createTestRealtime(members, { setup: registerMembers })
  const admin = await test.connect({ userId: 'alice', role: 'admin', since: new Date(7) })
  expect(await admin.request('since')).toEqual({ since: new Date(7), role: 'admin' })
  admin.setToken(test.tokens.for({ userId: 'alice', role: 'member', since: new Date(8) }))
  expect(await admin.reauthenticate()).toMatchObject({ role: 'member', since: new Date(8) })
  expect(await admin.request('since')).toEqual({ since: new Date(8), role: 'member' })
})

test('where users must have more, an id is made one of', async () => {
  await using test = await createTestRealtime(members, { setup: registerMembers, user: (userId) => ({ userId, role: 'member', since: new Date(0) }) })
  expect(await (await test.connect('alice')).request('since')).toEqual({ since: new Date(0), role: 'member' })
  expect((await test.connect({ userId: 'bob', role: 'admin', since: new Date(1) })).session).toMatchObject({ role: 'admin' })
})

test("the application's own authenticator takes the tokens that are made for it", async () => {
  const claims = z.object({ role: z.string() })
  await using test = await createTestRealtime(members, {
    authenticate: jwt({ secret: SECRET, issuer: 'app', audience: false, claims, user: ({ sub, role }) => ({ userId: sub, role, since: new Date(3) }) }),
    tokens,
    setup: (realtime) => realtime.on('since', ({ user }) => ({ since: user.since, role: user.role })),
  })
  const alice = await test.connect({ userId: 'alice', role: 'admin' })
  expect(await alice.request('since')).toEqual({ since: new Date(3), role: 'admin' })
  expect(await rejection(test.connect('bob'))).toMatchObject({ code: 'UNAUTHENTICATED' })
  // @ts-expect-error tokens are missing
  expect(await rejection(createTestRealtime(members, { authenticate: () => null }))).toBeInstanceOf(TypeError)
})

test('a client of the manifest, or of an older contract, is a client like any other', async () => {
  await using chat = await createTestRealtime(contract, { setup: registerHandlers })
  const page = await chat.connect('alice', { source: toManifest(contract) })
  const old = defineContract({ name: 'chat', version: '1.0.0-beta', serverToClient: { 'chat:cleared': {} }, clientToServer: { 'chat:clear': {} } })
  const phone = await chat.connect('alice', { source: old })
  phone.emit('chat:clear')
  await phone.expectEvent('chat:cleared')
  chat.realtime.toAll().emit('message:new', { from: 'bob', text: 'x', at: new Date(0) })
  expect((await page.expectEvent('message:new')).at).toBe('1970-01-01T00:00:00.000Z')
})

test('users go offline at once', async () => {
  await using chat = await createTestRealtime(contract)
  const alice = await chat.connect('alice')
  const gone = new Promise((resolve) => chat.realtime.presence.on('offline', resolve))
  alice.close()
  expect(await gone).toEqual({ userId: 'alice' })
  expect(await chat.realtime.presence.isOnline('alice')).toBe(false)
})

test('what goes wrong in the server is kept, and told to the application', async () => {
  const onError = vi.fn()
  const broken = new Error('broken')
  await using chat = await createTestRealtime(contract, {
    onError,
    setup: (realtime) =>
      realtime.on('message:send', () => {
        throw broken
      }),
  })
  const alice = await chat.connect('alice')
  expect(await rejection(alice.request('message:send', { to: 'bob', text: '' }))).toMatchObject({ code: 'INTERNAL' })
  expect(chat.errors).toEqual([{ error: broken, event: 'message:send', userId: 'alice' }])
  expect(onError).toHaveBeenCalledWith(broken, { event: 'message:send', userId: 'alice' })
})

test('what setup throws is thrown, and nothing is left open', async () => {
  const broken = new Error('broken')
  const setup = (): Promise<void> => Promise.reject(broken)
  expect(await rejection(createTestRealtime(contract, { setup }))).toBe(broken)
})

test('nothing connects to what is closed', async () => {
  const chat = await createTestRealtime(contract)
  await chat.close()
  expect(await rejection(chat.connect('alice'))).toMatchObject({ message: 'This test realtime is closed' })
  await expect(fetch(chat.url)).rejects.toThrow()
})

describe("around the application's own server", () => {
  test('clients come with the tokens it takes', async () => {
    const { realtime, http } = createApp()
    await using test = await createTestRealtime.around(realtime, { tokens })
    const alice = await test.connect({ userId: 'alice', email: 'alice@example.com' })
    expect(alice.session).toMatchObject({ userId: 'alice', email: 'alice@example.com' })
    expect(await alice.request('message:send', { to: 'alice', text: 'x' })).toEqual({ sent: true })
    expect(await (await fetch(test.url)).text()).toBe('a page')
    expect(await rejection(test.connect('bob', { token: tokens.forged('bob') }))).toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(await rejection(test.connect('bob', { token: tokens.for('bob', { claims: { iss: 'other' } }) }))).toMatchObject({ code: 'UNAUTHENTICATED' })
    await test.close()
    expect(http.listening).toBe(false)
  })

  test('which has no HTTP server of its own', async () => {
    const realtime = createRealtimeServer(contract, { authenticate: ({ token }) => (token ? { userId: token } : null), namespace: '/app', path: '/ws/' })
    await using test = await createTestRealtime.around(realtime, { namespace: '/app' })
    expect((await test.connect('alice', { token: 'alice' })).session).toMatchObject({ userId: 'alice' })
    expect(await rejection(test.connect('alice'))).toMatchObject({ message: expect.stringContaining('was given no tokens') })
  })

  test('which listens already, and goes on after the test where it is shared', async () => {
    const { realtime, http } = createApp()
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    onTestFinished(async () => {
      await realtime.close()
      http.close()
    })
    const first = await createTestRealtime.around(realtime, { tokens, closeServer: false })
    await first.connect('alice')
    await first.close()
    expect(realtime.ready).toBe(true)
    await vi.waitFor(async () => expect(realtime.io.engine.clientsCount).toBe(0))
    const second = await createTestRealtime.around(realtime, { tokens })
    await second.connect('alice')
    await second.close()
    expect(realtime.ready).toBe(false)
    expect(http.listening).toBe(true) // the application has opened it
    expect(http.listenerCount('connection')).toBe(1) // node's own
  })

  test('which is made again where it was, given the function that makes it', async () => {
    const memory = vi.fn(() => createApp().realtime)
    await using test = await createTestRealtime.around(memory, { tokens })
    const alice = await test.connect('alice')
    await test.stop()
    expect(() => test.realtime).toThrow('await test.start()')
    await vi.waitFor(() => expect(alice.status).toBe('reconnecting'))
    await test.start()
    await alice.connect()
    expect(memory).toHaveBeenCalledTimes(2)
  })

  test('which cannot be made again where only the server is given', async () => {
    await using test = await createTestRealtime.around(createApp().realtime, { tokens })
    expect(await rejection(test.restart())).toMatchObject({ message: expect.stringContaining('a function that makes it') })
    await test.connect('alice')
  })

  test('and nothing else', async () => {
    expect(await rejection(createTestRealtime.around({ io: {} } as never))).toMatchObject({ message: expect.stringContaining('createRealtimeServer') })
    const { realtime } = createApp()
    await realtime.close()
    expect(await rejection(createTestRealtime.around(realtime, { tokens }))).toBeInstanceOf(Error)
  })

  test("the application's own client is recorded, and its token ends on demand", async () => {
    await using test = await createTestRealtime.around(createApp().realtime, { tokens })
    const own = createRealtimeClient(contract, { url: test.url, getToken: () => test.tokens.for('alice') })
    onTestFinished(() => own.close())
    const recorded = test.record(own)
    await own.connect()
    own.emit('chat:clear')
    await recorded.expectEvent('chat:cleared')
    await test.expire(own)
    expect(await recorded.expectEvent('$disconnect')).toMatchObject({ code: 'TOKEN_EXPIRED' })
    await own.connect()
    expect(recorded.received('authenticated')).toHaveLength(2)
  })
})
