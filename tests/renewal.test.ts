import type { RealtimeError } from '@org/realtime-client'
import { expect, test, vi } from 'vitest'
import { collect, heard, rejection, signToken, startServer, until } from './harness.js'

test('a stock client whose token ends is told so, and let go', async () => {
  const server = await startServer()
  const socket = server.stock({ token: await signToken('ada', { expiresInS: 2 }) })
  const notice = heard(socket, '$disconnect')
  const gone = heard(socket, 'disconnect')
  const session = await heard<{ expiresInMs: number }>(socket, 'authenticated')
  expect(session.expiresInMs).toBeLessThanOrEqual(2000)
  expect(await notice).toMatchObject({ code: 'TOKEN_EXPIRED' })
  expect(await gone).toBe('io server disconnect')
})

test('a client that could not renew in time comes back by itself with a fresh token', async () => {
  const server = await startServer()
  const client = await server.client('ada', {
    getToken: vi
      .fn()
      .mockResolvedValueOnce(await signToken('ada', { expiresInS: 2 }))
      .mockRejectedValueOnce(new Error('offline'))
      .mockImplementation(() => signToken('ada')),
  })
  const statuses = collect<string>((add) => client.subscribe(() => add(client.status)))
  await until(() => statuses.length === 2)
  expect(statuses).toEqual(['reconnecting', 'connected'])
})

test('proving again who one is ends with its timeout, the token included, and with close()', async () => {
  const revokedBefore = vi.fn((_subjects: readonly string[]) => new Promise<undefined[]>(() => {}))
  revokedBefore.mockImplementationOnce(async (subjects) => subjects.map(() => undefined)) // then nothing is answered
  const server = await startServer({ revocations: { revoke: async () => {}, revokedBefore } })
  let wait: Promise<unknown> = Promise.resolve()
  const client = await server.client('ada', {
    getToken: async () => {
      await wait
      return signToken('ada')
    },
  })
  wait = new Promise((resolve) => setTimeout(resolve, 400))
  const startMs = performance.now()
  expect(await rejection(client.reauthenticate({ timeoutMs: 600 }))).toMatchObject({ code: 'REPLY_TIMEOUT' })
  expect(performance.now() - startMs).toBeLessThan(900)
  wait = new Promise(() => {})
  const closed = rejection(client.reauthenticate())
  client.close()
  expect(await closed).toMatchObject({ code: 'CLOSED' })
})

test('the client renews its token ahead of its end, on the same connection, and misses nothing', async () => {
  const server = await startServer()
  const getToken = vi.fn(() => signToken('ada', { expiresInS: getToken.mock.calls.length === 1 ? 3 : 3600 }))
  const client = await server.client('ada', { getToken })
  const statuses = collect<string>((add) => client.subscribe(() => add(client.status)))
  const [connection] = server.realtime.io.of('/').sockets.keys()
  await until(() => (client.session?.expiresInMs ?? 0) > 3000)
  expect(getToken).toHaveBeenCalledTimes(2)
  expect(statuses).toEqual([])
  expect([...server.realtime.io.of('/').sockets.keys()]).toEqual([connection])
})

test('a new role counts at once, and rooms are asked about again', async () => {
  const server = await startServer({ rooms: { group: { authorize: ({ user }) => user.role === 'admin' } } })
  server.realtime.on('take', ({ user, fail }) => {
    if (user.role !== 'admin') throw fail('LOCKED')
    return { left: 1 }
  })
  let role = 'admin'
  const client = await server.client('ada', { getToken: () => signToken('ada', { role }) })
  await client.join('group', 'g')
  const errors = collect<RealtimeError>((add) => client.on('error', add))
  expect(await client.request('take', { id: '1' })).toEqual({ left: 1 })
  role = 'member'
  expect(await client.reauthenticate()).toMatchObject({ userId: 'ada', role: 'member' })
  expect(client.session).toMatchObject({ role: 'member' })
  expect(await rejection(client.request('take', { id: '1' }))).toMatchObject({ code: 'LOCKED' })
  expect(await server.realtime.presence.members('group', 'g')).toEqual([])
  expect(errors).toMatchObject([{ code: 'FORBIDDEN', data: { kind: 'group', id: 'g' } }])
})

test('a new token of another user ends the connection', async () => {
  const server = await startServer()
  let userId = 'ada'
  const client = await server.client('ada', { getToken: () => signToken(userId) })
  const notices = collect<{ code: string }>((add) => client.on('$disconnect', add))
  userId = 'eve'
  expect(await rejection(client.reauthenticate())).toMatchObject({ code: 'REVOKED' })
  await until(() => client.status === 'refused')
  expect(notices).toMatchObject([{ code: 'REVOKED' }])
})

test('a new token that is refused leaves the connection as it was', async () => {
  const server = await startServer()
  let token = await signToken('ada')
  const client = await server.client('ada', { getToken: () => token })
  token = 'not.a.token'
  expect(await rejection(client.reauthenticate())).toMatchObject({ code: 'UNAUTHENTICATED' })
  const stock = server.stock({ token: await signToken('ada') })
  expect(await stock.emitWithAck('$authenticate')).toMatchObject({ ok: false, error: { code: 'UNAUTHENTICATED' } })
  expect(await stock.emitWithAck('$authenticate', { token: 7 })).toMatchObject({ ok: false, error: { code: 'UNAUTHENTICATED' } })
  expect(client.status).toBe('connected')
  expect(stock.connected).toBe(true)
})
