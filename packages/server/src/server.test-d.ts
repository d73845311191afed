import { type ClientToServerEvents, defineContract, type ServerToClientEvents } from '@org/realtime-contracts'
import type { contract as orgContract } from '@org/realtime-contracts/events'
import { Server } from 'socket.io'
import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'
import { createRealtimeEmitter, createRealtimeServer, jwt, type Middleware, optionsFromEnv, type Receipt } from './index.js'

const contract = defineContract({
  name: 'test',
  version: '1.0.0',
  serverToClient: {
    note: z.object({ text: z.string() }),
    bare: {},
    kept: { payload: z.object({ text: z.string() }), delivery: 'durable' },
    passing: { payload: z.object({ text: z.string() }), delivery: 'volatile' },
    confirm: { payload: z.object({ question: z.string() }), reply: z.boolean(), errors: { BUSY: z.object({ untilMs: z.number() }) } },
  },
  clientToServer: {
    take: { payload: z.object({ id: z.string() }), reply: z.object({ left: z.number() }), errors: { NOT_FOUND: z.object({ id: z.string() }), LOCKED: null } },
    say: z.object({ text: z.string() }),
    done: { reply: z.void() },
    order: { payload: z.object({ id: z.string() }), reply: z.object({ total: z.number() }), idempotent: true },
  },
  rooms: { group: z.string() },
  session: z.object({ role: z.string() }),
  presence: z.object({ away: z.boolean() }),
})
const any = { issuer: false, audience: false } as const

const realtime = createRealtimeServer(contract, {
  authenticate: jwt({
    secret: process.env['JWT_SECRET'],
    ...any,
    claims: z.object({ email: z.email().optional(), role: z.string() }),
    user: (claims) => {
      expectTypeOf(claims.sub).toEqualTypeOf<string>()
      expectTypeOf(claims.role).toEqualTypeOf<string>()
      return { userId: claims.sub, email: claims.email, role: claims.role, tier: 3 }
    },
  }),
  rooms: {
    group: {
      authorize: ({ user, id }) => {
        expectTypeOf(user).toEqualTypeOf<{ userId: string; email: string | undefined; role: string; tier: number }>()
        expectTypeOf(id).toEqualTypeOf<string>()
        return user.tier > 1
      },
      members: 'visible',
    },
  },
})

describe('user', () => {
  test('is inferred from an inline jwt() in middleware and handlers', () => {
    realtime.use(({ user }, next) => {
      expectTypeOf(user.tier).toEqualTypeOf<number>()
      return next()
    })
    realtime.on('say', ({ user, payload }) => {
      expectTypeOf(user.tier).toEqualTypeOf<number>()
      expectTypeOf(payload).toEqualTypeOf<{ text: string }>()
    })
  })

  test('is inferred from a function, with and without an expiry', () => {
    createRealtimeServer(contract, {
      authenticate: async ({ token }) => (token ? { userId: token, role: 'x', tier: 1 } : null),
      rooms: { group: { authorize: ({ user }) => user.tier === 1 } },
    })
    createRealtimeServer(contract, {
      authenticate: async ({ headers }) => ({ user: { userId: String(headers['x-user']), role: 'x', tier: 1 }, expiresAtMs: 1 }),
      rooms: { group: { authorize: ({ user }) => user.tier === 1 } },
    })
  })

  test('must have the fields that the session promises', () => {
    createRealtimeServer(contract, {
      // @ts-expect-error the user has no role
      authenticate: jwt({ secret: 'x', ...any, user: (claims) => ({ userId: claims.sub }) }),
    })
    createRealtimeServer(contract, {
      // @ts-expect-error the user has no role
      authenticate: async () => ({ userId: 'x' }),
    })
    // @ts-expect-error a user has a userId
    jwt({ secret: 'x', ...any, user: () => ({ id: 'x' }) })
    // @ts-expect-error there is no authentication
    createRealtimeServer(contract, {})
  })
})

describe('jwt', () => {
  test('takes one key, and wants an issuer and an audience', () => {
    jwt({ ...optionsFromEnv({}).jwt })
    // @ts-expect-error no issuer
    jwt({ secret: 'x', audience: false })
    // @ts-expect-error true is nothing
    jwt({ secret: 'x', issuer: true, audience: false })
    // @ts-expect-error a public key needs algorithms
    jwt({ publicKey: 'x', ...any })
    // @ts-expect-error two keys
    jwt({ publicKey: 'x', secret: 'x', algorithms: ['RS256'], ...any })
  })
})

describe('a handler', () => {
  test('returns the reply, and fails with declared codes and their data', () => {
    realtime.on('take', async ({ payload, fail }) => {
      if (payload.id === 'a') throw fail('NOT_FOUND', { id: payload.id })
      if (payload.id === 'b') throw fail('LOCKED')
      if (payload.id === 'c') throw fail('FORBIDDEN')
      if (payload.id === 'd') throw fail('RATE_LIMITED', { retryAfterMs: 5 })
      // @ts-expect-error not declared
      fail('SOLD_OUT')
      // @ts-expect-error its data is missing
      fail('NOT_FOUND')
      // @ts-expect-error its data is another
      fail('NOT_FOUND', { id: 7 })
      // @ts-expect-error only for the SDK itself
      fail('TOKEN_EXPIRED')
      return { left: 1 }
    })
    // @ts-expect-error the reply is missing
    realtime.on('take', () => {})
    // @ts-expect-error the reply is another
    realtime.on('take', async () => ({ left: 'x' }))
    // @ts-expect-error no such event
    realtime.on('nope', () => {})
    // @ts-expect-error an event of the server
    realtime.on('note', () => {})
    realtime.on('done', () => {})
    realtime.on('say', ({ payload }) => payload.text.length)
  })

  test('takes middleware before it, of any user that has what it asks for', () => {
    const requireRole =
      (role: string): Middleware<{ userId: string; role: string }> =>
      ({ user, fail }, next) => {
        if (user.role !== role) throw fail('FORBIDDEN')
        // @ts-expect-error a middleware declares no errors of an event
        fail('LOCKED')
        return next()
      }
    realtime.on('say', requireRole('admin'), ({ payload }) => {
      expectTypeOf(payload.text).toEqualTypeOf<string>()
    })
    realtime.on('done', [requireRole('a'), requireRole('b'), requireRole('c')], ({ user }) => {
      expectTypeOf(user.tier).toEqualTypeOf<number>()
    })
    const needsMore: Middleware<{ userId: string; department: string }> = (_context, next) => next()
    // @ts-expect-error this server's user has no department
    realtime.use(needsMore)
  })
})

describe('a handler of what is idempotent', () => {
  test('has a key, and steps that are done once; others have neither', () => {
    realtime.on('order', async ({ key, attempt, once, user }) => {
      expectTypeOf(key).toEqualTypeOf<string>()
      expectTypeOf(attempt).toEqualTypeOf<number>()
      expectTypeOf(user.tier).toEqualTypeOf<number>()
      expectTypeOf(await once('points', ['INCRBY', 'points:ada', 10])).toEqualTypeOf<unknown>()
      return { total: await once('charge', async () => 3) }
    })
    // @ts-expect-error what may happen often has no key
    realtime.on('done', ({ key }) => key)
  })
})

describe('an emit', () => {
  test('knows events and payloads', () => {
    expectTypeOf(realtime.toUser('a').emit('note', { text: 'x' })).toEqualTypeOf<void>()
    realtime.toAll().exceptUser('b').exceptDevice('c').emit('bare')
    realtime.toUsers(new Set(['a'])).emit('note', { text: 'x' })
    realtime.toRoom('group', 'x').emit('bare')
    // @ts-expect-error no such event
    realtime.toAll().emit('nope', {})
    // @ts-expect-error an event of clients
    realtime.toAll().emit('say', { text: 'x' })
    // @ts-expect-error the payload is missing
    realtime.toAll().emit('note')
    // @ts-expect-error the payload is another
    realtime.toAll().emit('note', { text: 7 })
    // @ts-expect-error there is no payload
    realtime.toAll().emit('bare', { text: 'x' })
    // @ts-expect-error no such kind of room
    realtime.toRoom('team', 'x')
    // @ts-expect-error an id is a text
    realtime.toRoom('group', 7)
    // @ts-expect-error a room has no devices to move
    realtime.toRoom('group', 'x').join('group', 'y')
  })

  test('of a durable event has a receipt, one for each user; nobody stores what is for everybody', async () => {
    expectTypeOf(await realtime.toUser('a').exceptDevice('b').emit('kept', { text: 'x' }, { key: 'k', confirm: true })).toEqualTypeOf<Receipt>()
    expectTypeOf(await realtime.toUsers(['a']).emit('kept', { text: 'x' })).toEqualTypeOf<Receipt[]>()
    expectTypeOf(await realtime.toRoom('group', 'x').emit('kept', { text: 'x' }, { key: 'k' })).toEqualTypeOf<Receipt>()
    expectTypeOf(realtime.toUser('a').emit('passing', { text: 'x' })).toEqualTypeOf<void>()
    // @ts-expect-error there is no log of everybody
    realtime.toAll().emit('kept', { text: 'x' })
    // @ts-expect-error what is not stored has no key
    realtime.toUser('a').emit('note', { text: 'x' }, { key: 'k' })
    const { entries } = await realtime.inbox('a').read()
    expectTypeOf(entries[0]?.payload).toEqualTypeOf<{ text: string } | undefined>()
  })

  test('that is a request has typed answers, and only where there is a reply', async () => {
    const answers = await realtime.toUser('a').exceptDevice('b').request('confirm', { question: '?' }, { timeoutMs: 5 })
    for (const answer of answers) {
      expectTypeOf(answer.deviceId).toEqualTypeOf<string>()
      if (answer.status === 'answered') expectTypeOf(answer.data).toEqualTypeOf<boolean>()
      if (answer.status === 'failed' && answer.error.code === 'BUSY') expectTypeOf(answer.error.data).toEqualTypeOf<{ untilMs: number }>()
      if (answer.status === 'failed' && answer.error.code === 'INVALID_REPLY')
        expectTypeOf(answer.error.data.issues[0]?.message).toEqualTypeOf<string | undefined>()
    }
    // @ts-expect-error there is no reply
    void realtime.toAll().request('note', { text: 'x' })
  })
})

test('the map types fit a bare Socket.IO server', () => {
  const io = new Server<ClientToServerEvents<typeof orgContract>, ServerToClientEvents<typeof orgContract>>()
  io.emit('xp:gained', { amount: 1, source: 'x', totalXp: 1 })
  // @ts-expect-error a payload is missing
  io.emit('xp:gained')
  io.on('connection', (socket) => {
    socket.on('notification:mark_read', ({ notificationId }, acknowledge) => {
      expectTypeOf(notificationId).toEqualTypeOf<string>()
      acknowledge?.({ ok: true, data: { success: true } })
    })
  })
})

test('an emitter has the targets of a server, without request', async () => {
  const emitter = createRealtimeEmitter(contract, { cluster: {} as never })
  emitter.toUser('ada').exceptDevice('d').emit('note', { text: 'x' })
  void emitter.toUser('ada').join('group', 'g')
  // @ts-expect-error the payload does not match
  emitter.toAll().emit('note', { text: 7 })
  // @ts-expect-error there is no log of everybody
  emitter.toAll().emit('kept', { text: 'x' })
  expectTypeOf(await emitter.toUser('ada').emit('kept', { text: 'x' })).toEqualTypeOf<Receipt>()
  // @ts-expect-error there is nobody to answer to
  emitter.toUser('ada').request
  // @ts-expect-error a room has no join
  emitter.toRoom('group', 'g').join
  expectTypeOf((await emitter.presence.devices('ada'))[0]?.meta).toEqualTypeOf<{ away: boolean } | undefined>()
})

test('the server may say who sees whom, by its own user', () => {
  createRealtimeServer(contract, {
    authenticate: () => ({ userId: 'ada', role: 'x', team: 'red' }),
    presence: { visible: ({ user, userId }) => user.team === userId },
  })
})
