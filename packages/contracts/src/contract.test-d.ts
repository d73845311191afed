import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'
import {
  type ClientToServerEvents,
  type DeclaredError,
  defineContract,
  mergeContracts,
  type PayloadOf,
  type RealtimeError,
  type ReplyOf,
  type ServerToClientEvents,
  type Session,
} from './index.js'

const Time = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const header = { name: 'test', version: '1.0.0' } as const
const contract = defineContract({
  ...header,
  serverToClient: { terse: z.object({ at: Time }), whole: { payload: z.object({ a: z.string() }), deprecated: 'no' }, bare: {} },
  clientToServer: {
    take: { payload: z.object({ id: z.string() }), reply: z.object({ left: z.number() }), errors: { NOT_FOUND: z.object({ id: z.string() }), LOCKED: null } },
    done: { reply: z.void() },
    say: z.object({ text: z.string().default('x') }),
  },
  rooms: { group: z.string() },
  session: z.object({ role: z.enum(['admin', 'member']) }),
})
type C = typeof contract

describe('the values of an event', () => {
  test('are the domain side by default, and the wire side where asked for', () => {
    expectTypeOf<PayloadOf<C['serverToClient']['terse']>>().toEqualTypeOf<{ at: Date }>()
    expectTypeOf<PayloadOf<C['serverToClient']['terse'], 'wire'>>().toEqualTypeOf<{ at: string }>()
    expectTypeOf<PayloadOf<C['serverToClient']['whole']>>().toEqualTypeOf<{ a: string }>()
    expectTypeOf<PayloadOf<C['serverToClient']['bare']>>().toEqualTypeOf<undefined>()
    expectTypeOf<PayloadOf<C['clientToServer']['say']>>().toEqualTypeOf<{ text: string }>()
    expectTypeOf<PayloadOf<C['clientToServer']['say'], 'wire'>>().toEqualTypeOf<{ text?: string | undefined }>()
  })

  test('are its reply and its declared errors, too', () => {
    expectTypeOf<ReplyOf<C['clientToServer']['take']>>().toEqualTypeOf<{ left: number }>()
    expectTypeOf<ReplyOf<C['clientToServer']['done']>>().toEqualTypeOf<void>()
    expectTypeOf<ReplyOf<C['clientToServer']['say']>>().toEqualTypeOf<never>()
    expectTypeOf<DeclaredError<C['clientToServer']['take']>>().toEqualTypeOf<RealtimeError<'NOT_FOUND', { id: string }> | RealtimeError<'LOCKED', undefined>>()
  })

  test('of the session are added to what every client learns', () => {
    expectTypeOf<Session<C>['role']>().toEqualTypeOf<'admin' | 'member'>()
    expectTypeOf<Session<C>['userId']>().toEqualTypeOf<string>()
  })
})

describe('a definition', () => {
  test('with an unknown key is an error, alone and beside known ones', () => {
    // @ts-expect-error playload is no key of an event
    defineContract({ ...header, serverToClient: { a: { playload: z.object({}) } } })
    // @ts-expect-error playload is no key of an event
    defineContract({ ...header, serverToClient: { a: { payload: z.object({}), playload: z.object({}) } } })
    // @ts-expect-error replies is no key of an event
    defineContract({ ...header, clientToServer: { a: { reply: z.void(), replies: z.void() } } })
    // @ts-expect-error events is no key of a contract
    defineContract({ ...header, events: {} })
  })

  test('is idempotent only where clients are answered', () => {
    const { idempotent } = defineContract({ ...header, clientToServer: { a: { reply: z.void(), idempotent: true } } }).clientToServer.a
    expectTypeOf(idempotent).toEqualTypeOf<true>()
    // @ts-expect-error there is no answer to repeat
    defineContract({ ...header, clientToServer: { a: { payload: z.object({}), idempotent: true } } })
    // @ts-expect-error a server's events are told by their delivery
    defineContract({ ...header, serverToClient: { a: { reply: z.void(), idempotent: true } } })
  })

  test('needs a name, a version, schemas, and rooms whose ids are texts on the wire', () => {
    // @ts-expect-error no version
    defineContract({ name: 'a' })
    // @ts-expect-error not a schema
    defineContract({ ...header, serverToClient: { a: { payload: 'text' } } })
    // @ts-expect-error a room's id is a text on the wire
    defineContract({ ...header, rooms: { a: z.number() } })
    // @ts-expect-error a session is an object
    defineContract({ ...header, session: z.string() })
  })
})

describe('merging', () => {
  const left = defineContract({
    ...header,
    serverToClient: { a: z.object({ x: z.string() }) },
    rooms: { room: z.string() },
    session: z.object({ role: z.string() }),
  })
  const right = defineContract({ ...header, clientToServer: { a: { reply: z.number() } }, session: z.object({ tier: z.number() }) })

  test('keeps the types of every part', () => {
    const merged = mergeContracts(header, left, right)
    expectTypeOf<PayloadOf<(typeof merged)['serverToClient']['a']>>().toEqualTypeOf<{ x: string }>()
    expectTypeOf<ReplyOf<(typeof merged)['clientToServer']['a']>>().toEqualTypeOf<number>()
    expectTypeOf<keyof (typeof merged)['rooms']>().toEqualTypeOf<'room'>()
    expectTypeOf<Session<typeof merged>['tier']>().toEqualTypeOf<number>()
    expectTypeOf<Session<typeof merged>['role']>().toEqualTypeOf<string>()
    const again = mergeContracts(header, merged, defineContract({ ...header, serverToClient: { b: {} } }))
    expectTypeOf<keyof (typeof again)['serverToClient']>().toEqualTypeOf<'a' | 'b'>()
  })

  test('of two that declare the same event or room is an error', () => {
    // @ts-expect-error both declare the event a
    mergeContracts(header, left, defineContract({ ...header, serverToClient: { a: {} } }))
    // @ts-expect-error the first and the last declare the event a
    mergeContracts(header, left, right, defineContract({ ...header, serverToClient: { a: {} } }))
    // @ts-expect-error both declare the room
    mergeContracts(header, left, defineContract({ ...header, rooms: { room: z.string() } }))
  })
})

test("Socket.IO's own map types have wire values, acknowledgements and the session events", () => {
  expectTypeOf<Parameters<ServerToClientEvents<C>['terse']>>().toEqualTypeOf<[payload: { at: string }]>()
  expectTypeOf<Parameters<ServerToClientEvents<C>['bare']>>().toEqualTypeOf<[]>()
  expectTypeOf<Parameters<ServerToClientEvents<C>['authenticated']>[0]['userId']>().toEqualTypeOf<string>()
  type Take = Parameters<ClientToServerEvents<C>['take']>
  expectTypeOf<Take[0]>().toEqualTypeOf<{ id: string }>()
  const acknowledge: Take[1] = (reply) => {
    if (reply.ok) expectTypeOf(reply.data).toEqualTypeOf<{ left: number }>()
    else if (reply.error.code === 'NOT_FOUND') expectTypeOf(reply.error.data).toEqualTypeOf<{ id: string } | undefined>()
  }
  void acknowledge
})
