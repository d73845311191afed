import { type ClientToServerEvents, defineContract, type ServerToClientEvents, toManifest } from '@org/realtime-contracts'
import type { contract as orgContract } from '@org/realtime-contracts/events'
import { manifest as orgManifest } from '@org/realtime-contracts/events/manifest'
import type { Socket } from 'socket.io-client'
import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'
import { createRealtimeClient, type RealtimeError } from './index.js'
import { createOutbox } from './outbox/index.js'

const Time = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const contract = defineContract({
  name: 'test',
  version: '1.0.0',
  serverToClient: {
    at: z.object({ time: Time }),
    bare: {},
    confirm: { payload: z.object({ at: Time }), reply: z.object({ yes: z.boolean() }), errors: { BUSY: z.object({ untilMs: z.number() }), LATER: null } },
  },
  clientToServer: {
    take: { payload: z.object({ id: z.string() }), reply: z.object({ at: Time }), errors: { NOT_FOUND: z.object({ id: z.string() }), LOCKED: null } },
    say: z.object({ text: z.string() }),
    poke: {},
    done: { reply: z.void() },
    order: { payload: z.object({ at: Time }), reply: z.object({ at: Time }), errors: { LATE: null }, idempotent: true },
  },
  rooms: { group: z.string() },
  session: z.object({ role: z.string(), since: Time }),
  presence: z.object({ since: Time }),
})
const options = { url: 'http://localhost' }
const full = createRealtimeClient(contract, options)
const lean = createRealtimeClient(toManifest(contract), options)

describe('a client of the contract', () => {
  test('works with domain values', async () => {
    expectTypeOf((await full.connect()).since).toEqualTypeOf<Date>()
    full.on('at', ({ time }) => expectTypeOf(time).toEqualTypeOf<Date>())
    full.once('bare', () => {})
    for await (const { time } of full.events('at')) expectTypeOf(time).toEqualTypeOf<Date>()
    expectTypeOf(await full.request('take', { id: 'x' })).toEqualTypeOf<{ at: Date }>()
    expectTypeOf(await full.request('done')).toEqualTypeOf<void>()
  })

  test('hears what the SDK itself says, typed', () => {
    full.on('error', (error) => expectTypeOf(error).toEqualTypeOf<RealtimeError>())
    full.on('authenticated', (session) => expectTypeOf(session.role).toEqualTypeOf<string>())
    full.on('$gap', ({ event, from, to, reason, room }) => {
      expectTypeOf(event).toEqualTypeOf<string | undefined>()
      expectTypeOf(from).toEqualTypeOf<number>()
      expectTypeOf(to).toEqualTypeOf<number | undefined>()
      expectTypeOf(reason).toEqualTypeOf<'trimmed' | 'expired' | 'emptied' | 'replaced' | 'ahead'>()
      expectTypeOf(room?.kind).toEqualTypeOf<string | undefined>()
    })
    full.on('$caughtUp', ({ resumed }) => expectTypeOf(resumed).toEqualTypeOf<boolean>())
    full.on('$disconnect', ({ code, retryAfterMs }) => {
      expectTypeOf(code).toEqualTypeOf<string>()
      expectTypeOf(retryAfterMs).toEqualTypeOf<number | undefined>()
    })
  })
})

describe('a key', () => {
  test('is given to what is idempotent, and to nothing else', () => {
    void full.request('order', { at: new Date() }, { key: 'k' })
    void lean.tryRequest('order', { at: '' }, { key: 'k', timeoutMs: 1 })
    // @ts-expect-error what is not idempotent has no key
    void full.request('done', undefined, { key: 'k' })
  })

  test('is what an outbox keeps events by, in the values of its client', async () => {
    const { key, result } = await createOutbox(full, { userId: 'ada' }).send('order', { at: new Date() })
    expectTypeOf(key).toEqualTypeOf<string>()
    expectTypeOf(await result).toEqualTypeOf<{ at: Date }>()
    const wire = await createOutbox(lean, { userId: 'ada' }).send('order', { at: '' }, { key })
    expectTypeOf(await wire.result).toEqualTypeOf<{ at: string }>()
    // @ts-expect-error it is not idempotent
    void createOutbox(full, { userId: 'ada' }).send('done')
    // @ts-expect-error an outbox is somebody's
    createOutbox(full, {})
  })
})

describe('a client of the manifest', () => {
  test('works with wire values', async () => {
    expectTypeOf((await lean.connect()).since).toEqualTypeOf<string>()
    lean.on('at', ({ time }) => expectTypeOf(time).toEqualTypeOf<string>())
    expectTypeOf(await lean.request('take', { id: 'x' })).toEqualTypeOf<{ at: string }>()
    const org = createRealtimeClient(orgManifest, options)
    org.on('notification:new', ({ notification }) => expectTypeOf(notification.title).toEqualTypeOf<string | undefined>())
  })
})

test('what is not in the contract is an error', () => {
  // @ts-expect-error no such event
  full.on('nope', () => {})
  // @ts-expect-error an event of clients
  full.on('take', () => {})
  // @ts-expect-error no such event
  full.emit('nope')
  // @ts-expect-error the payload is missing
  full.emit('say')
  // @ts-expect-error the payload is another
  full.emit('say', { text: 7 })
  // @ts-expect-error there is no payload
  full.emit('poke', {})
  // @ts-expect-error there is no reply
  void full.request('say', { text: 'x' })
  // @ts-expect-error there is no reply
  void full.tryRequest('poke')
  // @ts-expect-error the payload is missing
  void full.request('take')
  // @ts-expect-error no such room
  void full.join('team', 'x')
  // @ts-expect-error an id is a text
  void full.join('group', 7)
  // @ts-expect-error there is no reply to give
  full.handle('at', () => {})
  // @ts-expect-error an event of the server is not sent
  lean.emit('at', { time: '' })
})

test('emit works for events with a reply, and request takes options', () => {
  full.emit('take', { id: 'x' })
  void full.request('take', { id: 'x' }, { timeoutMs: 5, signal: new AbortController().signal, failFast: true })
  void full.request('done', undefined, { timeoutMs: 5 })
})

test('the errors of a request are a union on code, the declared ones with their data', async () => {
  const result = await full.tryRequest('take', { id: 'x' })
  if (result.ok) {
    expectTypeOf(result.data.at).toEqualTypeOf<Date>()
    return
  }
  const { error } = result
  if (error.code === 'NOT_FOUND') expectTypeOf(error.data).toEqualTypeOf<{ id: string }>()
  if (error.code === 'LOCKED') expectTypeOf(error.data).toEqualTypeOf<undefined>()
  if (error.code === 'INVALID_PAYLOAD') expectTypeOf(error.data.issues[0]?.path).toEqualTypeOf<readonly (string | number)[] | undefined>()
  if (error.code === 'RATE_LIMITED') expectTypeOf(error.data?.retryAfterMs).toEqualTypeOf<number | undefined>()
  // @ts-expect-error no such code
  if (error.code === 'SOLD_OUT') return
})

test('a handler returns the reply, or fails with a declared code', () => {
  full.handle('confirm', async ({ at }, { fail }) => {
    expectTypeOf(at).toEqualTypeOf<Date>()
    if (at > new Date()) throw fail('BUSY', { untilMs: 5 })
    if (at < new Date()) throw fail('LATER')
    // @ts-expect-error not declared
    fail('NOPE')
    // @ts-expect-error its data is missing
    fail('BUSY')
    return { yes: true }
  })
  // @ts-expect-error the reply is another
  full.handle('confirm', () => ({ yes: 'x' }))
})

test('a room has its kind and id', async () => {
  const room = await full.join('group', 'g')
  expectTypeOf(room.kind).toEqualTypeOf<'group'>()
  expectTypeOf(room.id).toEqualTypeOf<string>()
  expectTypeOf(room.members).toEqualTypeOf<readonly string[] | undefined>()
})

test('the map types fit a bare Socket.IO client', () => {
  const check = (socket: Socket<ServerToClientEvents<typeof orgContract>, ClientToServerEvents<typeof orgContract>>) => {
    socket.on('notification:new', ({ notification }) => expectTypeOf(notification.id).toEqualTypeOf<string>())
    socket.on('authenticated', ({ userId }) => expectTypeOf(userId).toEqualTypeOf<string>())
    socket.emit('notification:mark_read', { notificationId: 'x' })
    socket.emit('notification:mark_read', { notificationId: 'x' }, (reply) => {
      if (reply.ok) expectTypeOf(reply.data.success).toEqualTypeOf<boolean>()
    })
    // @ts-expect-error the payload is missing
    socket.emit('notification:mark_read')
  }
  void check
})

describe('presence', () => {
  test('speaks domain values with a contract, and wire values with its manifest', async () => {
    const watch = await full.presence.watch(['ada'])
    expectTypeOf(watch.users.get('ada')?.devices[0]?.meta).toEqualTypeOf<{ since: Date } | undefined>()
    void full.presence.set({ since: new Date() })
    // @ts-expect-error a date is its text for a manifest
    void lean.presence.set({ since: new Date() })
    void lean.presence.set({ since: '2026-01-02T03:04:05Z' })
    // @ts-expect-error a text would be taken for the users of its letters
    void full.presence.watch('ada')
  })
})
