import { MemoryRevocationStore, type RevocationStore } from '@org/realtime-server'
import { SignJWT } from 'jose'
import { describe, expect, test, vi } from 'vitest'
import { heard, refusalOf, SECRET, signToken, startServer, type TestServer, TRANSPORTS, until } from './harness.js'

const unauthenticated = { code: 'UNAUTHENTICATED', message: expect.any(String) }

function tokenOf(userId: string, { issuedAgoS = 10, tokenId = 't-1' } = {}): Promise<string> {
  const nowS = Math.floor(Date.now() / 1000)
  return new SignJWT({ role: 'member', email: 'a@example.com' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setJti(tokenId)
    .setIssuedAt(nowS - issuedAgoS)
    .setExpirationTime(nowS + 3600)
    .sign(new TextEncoder().encode(SECRET))
}

describe.each(TRANSPORTS)('over %s', (transport) => {
  test('a revoked user is closed on every device, and the token lets nobody in again', async () => {
    const server = await startServer({}, transport)
    const token = await tokenOf('ada')
    const eve = await tokenOf('eve')
    const [phone, laptop, other] = [server.stock({ token }), server.stock({ token }), server.stock({ token: eve })]
    await Promise.all([phone, laptop, other].map((socket) => heard(socket, 'authenticated')))
    const notices = Promise.all([heard(phone, '$disconnect'), heard(laptop, '$disconnect')])
    await server.realtime.revoke({ userId: 'ada' })
    expect(await notices).toMatchObject([{ code: 'REVOKED' }, { code: 'REVOKED' }])
    expect(await refusalOf(server.stock({ token }))).toEqual(unauthenticated)
    expect(other.connected).toBe(true)
    await heard(server.stock({ token: await tokenOf('eve') }), 'authenticated')
  })
})

test('a token that was issued after the revocation counts', async () => {
  const server = await startServer()
  await server.realtime.revoke({ userId: 'ada', before: Date.now() - 5_000 })
  expect(await refusalOf(server.stock({ token: await tokenOf('ada', { issuedAgoS: 8 }) }))).toEqual(unauthenticated)
  await heard(server.stock({ token: await tokenOf('ada', { issuedAgoS: 2 }) }), 'authenticated')
})

test('a connection whose token was issued after `before` stays', async () => {
  const server = await startServer()
  const tokens = await Promise.all([60, 5].map((issuedAgoS) => tokenOf('ada', { issuedAgoS }))) // before anybody can be heard
  const [older, newer] = [server.stock({ token: tokens[0] }), server.stock({ token: tokens[1] })]
  await Promise.all([heard(older, 'authenticated'), heard(newer, 'authenticated')])
  const gone = heard(older, 'disconnect')
  await server.realtime.revoke({ userId: 'ada', before: new Date(Date.now() - 30_000) })
  await gone
  expect(await newer.emitWithAck('nothing')).toMatchObject({ error: { code: 'UNKNOWN_EVENT' } })
})

test('one token is revoked, and the others of its user count', async () => {
  const server = await startServer()
  const [lost, kept] = [await tokenOf('ada', { tokenId: 'lost' }), await tokenOf('ada', { tokenId: 'kept' })]
  const [thief, owner] = [server.stock({ token: lost }), server.stock({ token: kept })]
  await Promise.all([heard(thief, 'authenticated'), heard(owner, 'authenticated')])
  const gone = heard(thief, 'disconnect')
  await server.realtime.revoke({ tokenId: 'lost' })
  await gone
  expect(await refusalOf(server.stock({ token: lost }))).toEqual(unauthenticated)
  expect(owner.connected).toBe(true)
})

test('a revoked token renews no connection', async () => {
  const server = await startServer()
  await server.realtime.revoke({ tokenId: 'lost' })
  const stock = server.stock({ token: await tokenOf('ada', { tokenId: 'good' }) })
  expect(await stock.emitWithAck('$authenticate', { token: await tokenOf('ada', { tokenId: 'lost' }) })).toMatchObject({ error: { code: 'UNAUTHENTICATED' } })
})

/** Answers one of its lookups only when told to, as it was when it was asked. */
class PausingStore extends MemoryRevocationStore {
  lookups = 0
  goOn = (): void => {}
  readonly #told = new Promise<void>((resolve) => {
    this.goOn = resolve
  })

  constructor(readonly paused: number) {
    super()
  }

  override async revokedBefore(subjects: readonly string[]) {
    const answer = await super.revokedBefore(subjects)
    if (++this.lookups === this.paused) await this.#told
    return answer
  }
}

test('a token that is revoked while a connection renews with it ends the connection', async () => {
  const store = new PausingStore(2)
  const server = await startServer({ revocations: store })
  const stock = server.stock({ token: await tokenOf('ada', { tokenId: 'old' }) })
  await heard(stock, 'authenticated')
  const notice = heard(stock, '$disconnect')
  stock.emit('$authenticate', { token: await tokenOf('ada', { tokenId: 'new' }) })
  await until(() => store.lookups === 2)
  await server.realtime.revoke({ tokenId: 'new' })
  store.goOn()
  expect(await notice).toMatchObject({ code: 'REVOKED' })
})

test.each([
  ['revoke', 'REVOKED', (server: TestServer) => server.realtime.revoke({ userId: 'ada' })],
  ['disconnectUser', 'DISCONNECTED', (server: TestServer) => server.realtime.disconnectUser('ada')],
] as const)('%s reaches a handshake that is under way', async (_name, code, end) => {
  const store = new PausingStore(1)
  const server = await startServer({ revocations: store })
  const refused = refusalOf(server.stock({ token: await signToken('ada') }))
  await until(() => store.lookups === 1)
  await end(server)
  store.goOn()
  expect(await refused).toMatchObject({ code })
  expect(server.realtime.io.of('/').sockets.size).toBe(0)
  expect(await server.realtime.presence.isOnline('ada')).toBe(false)
})

test('a function that says nothing of when it was issued lets a revoked user in again, since it was asked again', async () => {
  const server = await startServer({ authenticate: () => ({ userId: 'ada', role: 'member' }) })
  const stock = server.stock({})
  await heard(stock, 'authenticated')
  const gone = heard(stock, 'disconnect')
  await server.realtime.revoke({ userId: 'ada' })
  await gone
  await heard(server.stock({}), 'authenticated')
})

test('a user who is revoked while `authenticate` is still asking about them is kept out', async () => {
  let goOn = (): void => {}
  const asked = new Promise<void>((resolve) => {
    goOn = resolve
  })
  let calls = 0
  const server = await startServer({
    authenticate: async () => {
      calls++
      await asked
      return { userId: 'ada', role: 'member' }
    },
  })
  const refused = refusalOf(server.stock({}))
  await until(() => calls === 1)
  await server.realtime.revoke({ userId: 'ada' })
  await new Promise((resolve) => setTimeout(resolve, 5)) // the clock moves on
  goOn()
  expect(await refused).toEqual(unauthenticated)
})

test('a token that says nothing of when it was issued counts as the oldest that is allowed', async () => {
  const nowS = Math.floor(Date.now() / 1000)
  const withoutIat = (expiresInS: number) =>
    new SignJWT({ role: 'member', email: 'a@example.com' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('ada')
      .setExpirationTime(nowS + expiresInS)
      .sign(new TextEncoder().encode(SECRET))
  const server = await startServer()
  await server.realtime.revoke({ userId: 'ada' })
  expect(await refusalOf(server.stock({ token: await withoutIat(3600) }))).toEqual(unauthenticated)
  expect(await refusalOf(server.stock({ token: await withoutIat(89 * 24 * 3600) }))).toEqual(unauthenticated)
})

test('a token from an issuer whose clock is ahead does not outlive the revocation of its user', async () => {
  const server = await startServer()
  const stock = server.stock({ token: await tokenOf('ada', { issuedAgoS: -4 }) })
  await heard(stock, 'authenticated')
  const notice = heard(stock, '$disconnect')
  await server.realtime.revoke({ userId: 'ada' })
  expect(await notice).toMatchObject({ code: 'REVOKED' })
})

test.each<[string, () => Promise<void>]>([
  ['hangs', () => new Promise(() => {})],
  ['rejects', () => Promise.reject(new Error('store down'))],
  [
    'throws',
    () => {
      throw new Error('store down')
    },
  ],
])('where a store %s, a revocation closes who is connected and says that it was not stored', async (_case, revoke) => {
  const server = await startServer({ revocations: { revoke, revokedBefore: async (subjects) => subjects.map(() => undefined) }, handshakeTimeoutMs: 300 })
  const stock = server.stock({ token: await tokenOf('ada') })
  await heard(stock, 'authenticated')
  const notice = heard(stock, '$disconnect')
  await expect(server.realtime.revoke({ userId: 'ada' })).rejects.toMatchObject({ code: 'UNAVAILABLE', cause: expect.any(Error) })
  expect(await notice).toMatchObject({ code: 'REVOKED' })
})

test.each<[string, unknown]>([
  ['an empty list', []],
  ['no list', { 0: undefined, length: 2 }],
  ['nothing', undefined],
  ['true', [true, true]],
  ['a text', ['0', undefined]],
  ['no number', [Number.NaN, undefined]],
  ['too long a list', [undefined, undefined, undefined]],
])('a store that answers %s lets nobody in', async (_case, answer) => {
  const server = await startServer({ revocations: { revoke: async () => {}, revokedBefore: async () => answer as never } })
  expect(await refusalOf(server.stock({ token: await tokenOf('ada') }))).toMatchObject({ code: 'UNAVAILABLE' })
  expect(server.errors).toMatchObject([{ message: expect.stringContaining('revokedBefore') }])
})

test('the time of a token that is revoked for ever is a date, and a store may answer null for what it does not know', async () => {
  const revoked: Array<[string, Date]> = []
  const server = await startServer({
    revocations: {
      revoke: async (subject, beforeMs) => {
        revoked.push([subject, new Date(beforeMs)])
      },
      revokedBefore: async (subjects) => subjects.map(() => null),
    },
  })
  await server.realtime.revoke({ tokenId: 'lost' })
  expect(revoked).toEqual([['token:lost', new Date(8.64e15)]])
  await heard(server.stock({ token: await tokenOf('ada') }), 'authenticated')
})

test.each(['expiresAtMs', 'issuedAtMs', 'tokenId'])('a function that returns %s as a field of the user is told where it belongs', async (name) => {
  const server = await startServer({ authenticate: () => ({ userId: 'ada', role: 'member', [name]: name === 'tokenId' ? 't' : Date.now() + 1000 }) })
  expect(await refusalOf(server.stock({}))).toMatchObject({ code: 'UNAVAILABLE' })
  expect(server.errors).toMatchObject([{ message: expect.stringContaining(`return { user: { userId, ... }, ${name} }`) }])
})

test('a store that fails keeps everybody out for now, and is reported', async () => {
  const store: RevocationStore = { revoke: async () => {}, revokedBefore: () => Promise.reject(new Error('store down')) }
  const server = await startServer({ revocations: store })
  expect(await refusalOf(server.stock({ token: await signToken('ada') }))).toMatchObject({ code: 'UNAVAILABLE' })
  expect(server.errors).toMatchObject([{ message: 'store down' }])
})

test('a revocation is remembered for as long as a token could live, and then forgotten', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    const store = new MemoryRevocationStore()
    await store.revoke('user:ada', 1000, Date.now() + 60_000)
    vi.setSystemTime(Date.now() + 59_000)
    await store.revoke('user:eve', 1000, Date.now() + 1_000_000)
    expect(await store.revokedBefore(['user:ada', 'user:bob'])).toEqual([1000, undefined])
    vi.setSystemTime(Date.now() + 120_000)
    await store.revoke('user:eve', 500, Date.now())
    expect(await store.revokedBefore(['user:ada', 'user:eve'])).toEqual([undefined, 1000])
  } finally {
    vi.useRealTimers()
  }
})

test.each<[string, object]>([
  ['neither a user nor a token', {}],
  ['both', { userId: 'ada', tokenId: 't' }],
  ['an id that can be nobody', { userId: 'a b' }],
  ['an empty token id', { tokenId: '' }],
  ['a time that is none', { userId: 'ada', before: Number.NaN }],
  ['a date that is none', { userId: 'ada', before: new Date('x') }],
  ['a misspelt option', { userId: 'ada', bfore: 1 }],
])('a revocation of %s is a TypeError', async (_case, revocation) => {
  const server = await startServer()
  await expect(server.realtime.revoke(revocation as never)).rejects.toThrow(TypeError)
})
