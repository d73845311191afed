import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import * as zm from 'zod/mini'
import { contract as orgContract } from './events/index.js'
import { defineContract, eventNames, mergeContracts, toManifest } from './index.js'

const header = { name: 'test', version: '1.0.0' }

/** Defines what the types would not let through. */
function define(parts: Record<string, unknown>) {
  return () => defineContract({ ...header, ...parts } as never)
}

describe('defineContract', () => {
  test('lists the names of its events', () => {
    const contract = defineContract({ ...header, serverToClient: { b: {}, a: {} }, clientToServer: { c: {}, a: {} } })
    expect(eventNames(contract)).toEqual(['b', 'a', 'c'])
  })

  test.each([
    'connect',
    'connect_error',
    'disconnect',
    'disconnecting',
    'newListener',
    'removeListener',
    'authenticated',
    'error',
    'Error',
    'DISCONNECT',
    'NewListener',
    '$join',
    '$mine',
  ])('refuses the reserved name %s in either direction', (name) => {
    expect(define({ serverToClient: { [name]: {} } })).toThrow(
      new RegExp(`contract "test": serverToClient "${name.replace('$', '\\$')}": the name is reserved`),
    )
    expect(define({ clientToServer: { [name]: {} } })).toThrow(/clientToServer .* reserved/)
  })

  test.each(['', ' a', '1a', 'a b', 'ä', 'x'.repeat(65), '__proto__'])('refuses the malformed name %j', (name) => {
    expect(define({ serverToClient: Object.fromEntries([[name, {}]]) })).toThrow(TypeError)
  })

  test.each(['a', 'notification:new', 'chat/1.2-x_y', 'constructor', 'x'.repeat(64)])('takes the name %s', (name) => {
    expect(define({ serverToClient: { [name]: z.object({}) } })).not.toThrow()
  })

  test.each([
    ['an unknown key of an event', { serverToClient: { a: { playload: z.object({}) } } }, /"a": unknown key "playload"/],
    ['an unknown key of a contract', { serverToclient: {} }, /unknown key "serverToclient"/],
    ['a payload that is no schema', { serverToClient: { a: { payload: 'x' } } }, /"a", at payload: expected a zod schema/],
    ['an event that is nothing', { serverToClient: { a: null } }, /"a": expected a zod schema, or an object/],
    ['an error code in lower case', { clientToServer: { a: { reply: z.void(), errors: { nope: null } } } }, /"nope" must be UPPER_SNAKE/],
    ['an error code of the SDK', { clientToServer: { a: { reply: z.void(), errors: { FORBIDDEN: null } } } }, /FORBIDDEN is the SDK's own/],
    ['errors without a reply', { clientToServer: { a: { errors: { NOPE: null } } } }, /errors are part of an answer/],
    ['a reserved room', { rooms: { user: z.string() } }, /"user" is the SDK's own/],
    ['another reserved room', { rooms: { device: z.string() } }, /"device" is the SDK's own/],
    ['a room with a capital', { rooms: { Group: z.string() } }, /must start with a-z/],
    ['a room whose id is no text', { rooms: { group: z.number() } }, /an id must be a text/],
    ['a room whose id may be missing', { rooms: { group: z.string().optional() } }, /an id must be a text/],
    ['events that are no object', { serverToClient: null }, /serverToClient: expected an object/],
    ['rooms that are no object', { rooms: 5 }, /rooms: expected an object/],
    ['errors that are no object', { clientToServer: { a: { reply: z.void(), errors: true } } }, /errors: expected an object/],
    ['a session that is no object', { session: z.string() }, /session must be a z.object/],
    ['a reserved session field', { session: z.object({ userId: z.string() }) }, /"userId" is the SDK's own/],
    ['presence that is no schema', { presence: { status: 'away' } }, /presence must be a zod schema/],
    ['a limit that is none', { clientToServer: { a: { limits: { perHour: 1 } } } }, /unknown key "perHour"/],
    ['limits that are no object', { clientToServer: { a: { limits: 5 } } }, /limits: expected an object/],
    ['a rate of nothing', { clientToServer: { a: { limits: { perSecond: 0 } } } }, /perSecond must be a number above 0/],
    ['a rate that is no number', { clientToServer: { a: { limits: { perSecond: Number.NaN } } } }, /perSecond must be a number above 0/],
    ['a rate of what the server sends', { serverToClient: { a: { limits: { perSecond: 1 } } } }, /a server's own affair/],
    ['a size that is no whole number', { clientToServer: { a: { payload: z.string(), limits: { maxBytes: 1.5 } } } }, /maxBytes must be a whole number/],
    ['a size of no payload', { clientToServer: { a: { limits: { maxBytes: 10 } } } }, /this event has none/],
    ['an idempotent event without an answer', { clientToServer: { a: { idempotent: true } } }, /an idempotent event is answered/],
    ['an idempotent event of the server', { serverToClient: { a: { reply: z.void(), idempotent: true } } }, /holds for what clients ask/],
    ['idempotent that is neither', { clientToServer: { a: { reply: z.void(), idempotent: 'yes' } } }, /idempotent is true or false/],
    ['an unknown delivery', { serverToClient: { a: { delivery: 'eventual' } } }, /delivery is one of volatile, live, durable; got "eventual"/],
    ['the delivery of what clients send', { clientToServer: { a: { delivery: 'live' } } }, /delivery is said of what the server sends/],
    ['a durable event with a reply', { serverToClient: { a: { delivery: 'durable', reply: z.void() } } }, /a durable event is not answered/],
    ['a deprecation without words', { clientToServer: { a: { deprecated: true } } }, /deprecated is a text/],
    ['no name', { name: '' }, /needs a name/],
    ['a version that is none', { version: '1' }, /must be semantic/],
  ])('refuses %s', (_case, parts, message) => {
    expect(define(parts)).toThrow(message)
    expect(define(parts)).toThrow(TypeError)
  })

  test('takes live delivery, and what is idempotent or not', () => {
    expect(define({ serverToClient: { a: { delivery: 'live', idempotent: false, deprecated: 'use b' } } })).not.toThrow()
    expect(define({ clientToServer: { a: { reply: z.void(), idempotent: true } } })).not.toThrow()
  })

  test('names what is idempotent, also merged and in the manifest, and has another fingerprint for it', () => {
    const make = (idempotent: boolean) =>
      defineContract({ name: 'a', version: '1.0.0', clientToServer: { order: { reply: z.void(), idempotent }, look: { reply: z.void() } } })
    expect(make(true).idempotent).toEqual(['order'])
    expect(mergeContracts({ name: 'b', version: '1.0.0' }, make(true)).idempotent).toEqual(['order'])
    expect(toManifest(make(true)).idempotent).toEqual(['order'])
    expect(toManifest(make(false))).not.toHaveProperty('idempotent')
    expect(make(true).fingerprint).not.toBe(make(false).fingerprint)
  })
})

const Time = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const mutual: z.ZodType = z.object({
  get b() {
    return z
      .lazy(() =>
        z.object({
          get a() {
            return z.array(mutual)
          },
        }),
      )
      .optional()
  },
})

describe('a schema without a JSON form', () => {
  class Thing {}
  const lazily = (): z.ZodType => z.object({ next: z.lazy(lazily) })

  test.each<[string, z.ZodType, RegExp]>([
    ['z.date()', z.date(), /z\.date\(\) has no JSON form. Use a codec/],
    ['z.bigint()', z.bigint(), /z\.bigint/],
    ['z.map()', z.map(z.string(), z.string()), /z\.map/],
    ['z.set()', z.set(z.string()), /z\.set/],
    ['z.file()', z.file(), /z\.file/],
    ['z.symbol()', z.symbol(), /z\.symbol/],
    ['z.nan()', z.nan(), /z\.nan/],
    ['z.undefined()', z.undefined(), /\.optional\(\)/],
    ['z.instanceof()', z.instanceof(Thing), /z\.instanceof/],
    ['z.custom()', z.custom<string>(() => true), /z\.custom/],
    ['z.promise()', z.promise(z.string()), /z\.promise/],
    ['a transform', z.string().transform((text) => text.length), /one-way transform/],
    ['z.coerce.number()', z.coerce.number(), /z\.coerce/],
    ['z.coerce.date()', z.coerce.date(), /z\.coerce/],
    ['z.preprocess()', z.preprocess((value) => value, z.string()), /z\.preprocess/],
    ['a codec from a date', z.codec(z.date(), z.string(), { decode: String, encode: (text) => new Date(text) }), /z\.date/],
    ['a literal bigint', z.literal(1n), /literal 1 has no JSON form/],
    ['an optional array element', z.array(z.string().optional()), /array element cannot be optional/],
    ['a field that zod passes over', z.object(Object.fromEntries([['__proto__', z.string()]])), /never checks a field of this name/],
    [
      'a field that may be left out, which every object has inherited',
      z.object({ toString: z.string().default('x') }),
      /every object has something of this name/,
    ],
    ['an asynchronous refinement', z.string().refine(async () => true), /asynchronous refinement/],
    ['a lazy schema that is a new one each time', z.lazy(lazily), /the same schema each time/],
    ['an element that may be undefined behind others', z.array(z.union([z.string().optional().readonly(), z.number()])), /array element cannot be optional/],
    ['the rest of a tuple that may be undefined', z.tuple([z.string()]).rest(z.string().optional()), /array element cannot be optional/],
    ['an asynchronous codec', z.codec(z.string(), z.string(), { decode: async (text) => text, encode: async (text) => text }), /asynchronous codec/],
    [
      'a codec with a one-way far side',
      z.codec(
        z.string(),
        z.string().transform((text) => text.length),
        { decode: (text) => text, encode: (text) => text },
      ),
      /one-way transform/,
    ],
  ])('is refused where the contract is defined: %s', (_case, schema, message) => {
    expect(define({ serverToClient: { thing: z.object({ a: z.array(z.object({ b: schema })) }) } })).toThrow(message)
    expect(define({ serverToClient: { thing: z.object({ a: z.array(z.object({ b: schema })) }) } })).toThrow(
      /contract "test": serverToClient "thing", at payload\.a\[\]\.b/,
    )
    expect(define({ clientToServer: { thing: { reply: z.object({ r: schema }) } } })).toThrow(/"thing", at reply\.r/)
    expect(define({ clientToServer: { thing: { reply: z.void(), errors: { BAD: schema } } } })).toThrow(/"thing", at errors\.BAD/)
    expect(define({ rooms: { thing: z.record(z.string(), schema) } })).toThrow(/room kind "thing", at id/)
    expect(define({ session: z.object({ s: schema }) })).toThrow(/at session\.s/)
  })

  test.each<[string, z.ZodType]>([
    [
      'a recursive getter',
      z.object({
        get next() {
          return z.lazy(() => z.object({})).optional()
        },
      }),
    ],
    ['z.json()', z.json()],
    ['z.unknown()', z.unknown()],
    ['z.stringbool()', z.stringbool()],
    ['a pipe of two schemas', z.string().pipe(z.string().min(1))],
    ['trim', z.string().trim().toLowerCase()],
    ['a record of enums', z.record(z.enum(['a', 'b']), z.number())],
    ['a tuple', z.tuple([z.string(), z.number().optional()]).rest(z.boolean())],
    ['an intersection', z.intersection(z.object({ a: z.string() }), z.object({ b: z.string() }))],
    ['a template', z.templateLiteral(['a-', z.number()])],
    ['a discriminated union', z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') }), z.object({ kind: z.literal('b') })])],
    ['default, prefault, catch', z.object({ a: z.string().default('x'), b: z.string().prefault('x'), c: z.string().catch('x') })],
    ['branded and readonly', z.object({ a: z.string().brand('Id') }).readonly()],
    ['a codec that is piped into a schema of its far side', Time.pipe(z.date().min(new Date(0)))],
    [
      'types that refer to each other',
      z.object({
        get a() {
          return z.array(mutual)
        },
      }),
    ],
    ['a required field that every object has inherited', z.object({ constructor: z.string() })],
    ['never in an optional field', z.object({ a: z.never().optional() })],
  ])('is not what these are: %s', (_case, schema) => {
    expect(define({ serverToClient: { thing: schema } })).not.toThrow()
  })

  test('a schema of zod/mini is one, too', () => {
    const contract = defineContract({ ...header, serverToClient: { thing: zm.object({ a: zm.string().check(zm.minLength(2)) }) } })
    expect(contract.codec.serverToClient.get('thing')?.payload?.decode({ a: 'x' })).toMatchObject({ ok: false })
    expect(define({ serverToClient: { thing: zm.object({ a: zm.date() }) } })).toThrow(/z\.date/)
  })
})

describe('mergeContracts', () => {
  const left = defineContract({
    name: 'left',
    version: '1.0.0',
    serverToClient: { a: z.object({}) },
    rooms: { group: z.string() },
    session: z.object({ role: z.string() }),
  })
  const right = defineContract({
    name: 'right',
    version: '2.0.0',
    serverToClient: { b: z.object({}) },
    clientToServer: { a: z.object({ x: z.string() }) },
    session: z.object({ tier: z.number() }),
  })

  test('holds the events, rooms and session fields of all parts', () => {
    const merged = mergeContracts({ name: 'both', version: '3.0.0' }, left, right)
    expect(merged).toMatchObject({ name: 'both', version: '3.0.0' })
    expect(Object.keys(merged.serverToClient)).toEqual(['a', 'b'])
    expect(merged.clientToServer.a).toBe(right.clientToServer.a)
    expect([...merged.codec.rooms.keys()]).toEqual(['group'])
    expect(merged.codec.session?.encode({ userId: 'x', role: 'admin', tier: 1, password: 'y' })).toEqual({ ok: true, value: { role: 'admin', tier: 1 } })
  })

  test('of merged contracts is one again, with the same fingerprint as one written in one piece', () => {
    const third = defineContract({ name: 'third', version: '1.0.0', serverToClient: { c: {} } })
    const merged = mergeContracts({ name: 'all', version: '1.0.0' }, mergeContracts({ name: 'both', version: '1.0.0' }, left, right), third)
    const whole = defineContract({
      name: 'whole',
      version: '9.0.0',
      serverToClient: { c: {}, b: z.object({}), a: z.object({}) },
      clientToServer: { a: z.object({ x: z.string() }) },
      rooms: { group: z.string() },
      session: z.object({ tier: z.number(), role: z.string() }),
    })
    expect(merged.fingerprint).toBe(whole.fingerprint)
  })

  test('refuses what two of them declare, naming it', () => {
    const merge =
      (...parts: unknown[]) =>
      () =>
        mergeContracts({ name: 'x', version: '1.0.0' }, ...(parts as never[]))
    expect(() => mergeContracts({ name: 'x', version: '1.0.0', serverToClient: {} } as never, left)).toThrow(/unknown key/)
    expect(merge(left, toManifest(right))).toThrow(/a manifest is for clients/)
    expect(merge(left, left)).toThrow(/serverToClient event "a" is declared by more than one contract/)
    expect(merge(left, defineContract({ ...header, rooms: { group: z.string() } }))).toThrow(/room kind "group"/)
    expect(merge(left, defineContract({ ...header, session: z.object({ role: z.string() }) }))).toThrow(/session field "role"/)
    expect(merge(left, defineContract({ ...header, session: z.strictObject({ x: z.string() }) }))).toThrow(/cannot be merged/)
  })
})

describe('a fingerprint', () => {
  const of = (payload: z.ZodType) => defineContract({ ...header, serverToClient: { a: payload } }).fingerprint
  const base = of(z.object({ a: z.string(), b: z.int().min(0) }))

  test('starts with the number of its algorithm and is the same on every machine', () => {
    expect(base).toBe('1:b18ab4769e24540b')
    expect(orgContract.fingerprint).toMatch(/^1:[0-9a-f]{16}$/)
  })

  test.each<[string, z.ZodType]>([
    ['a description', z.object({ a: z.string().describe('text'), b: z.int().min(0) }).describe('all')],
    ['the order of fields', z.object({ b: z.int().min(0), a: z.string() })],
    ['a brand, or readonly', z.object({ a: z.string().brand('A'), b: z.int().min(0).readonly() })],
    ['a title and examples', z.object({ a: z.string().meta({ title: 'A', examples: ['x'] }), b: z.int().min(0) })],
  ])('does not change with %s', (_case, payload) => {
    expect(of(payload)).toBe(base)
  })

  test('does not change with the name or version, or a deprecation', () => {
    const contract = defineContract({
      name: 'other',
      version: '2.0.0',
      serverToClient: { a: { payload: z.object({ a: z.string(), b: z.int().min(0) }), deprecated: 'use b' } },
    })
    expect(contract.fingerprint).toBe(base)
  })

  test.each<[string, z.ZodType]>([
    ['an optional field', z.object({ a: z.string().optional(), b: z.int().min(0) })],
    ['a nullable field', z.object({ a: z.string().nullable(), b: z.int().min(0) })],
    ['another bound', z.object({ a: z.string(), b: z.int().min(1) })],
    ['an exclusive bound', z.object({ a: z.string(), b: z.int().gt(0) })],
    ['another format', z.object({ a: z.email(), b: z.int().min(0) })],
    ['a pattern', z.object({ a: z.string().regex(/x/), b: z.int().min(0) })],
    ['a refinement', z.object({ a: z.string().refine(() => true), b: z.int().min(0) })],
    ['a strict object', z.strictObject({ a: z.string(), b: z.int().min(0) })],
    ['a loose object', z.looseObject({ a: z.string(), b: z.int().min(0) })],
    ['a default', z.object({ a: z.string().default('x'), b: z.int().min(0) })],
    ['a further field', z.object({ a: z.string(), b: z.int().min(0), c: z.string().optional() })],
    ['a codec', z.object({ a: z.codec(z.string(), z.number(), { decode: Number, encode: String }), b: z.int().min(0) })],
  ])('changes with %s', (_case, payload) => {
    expect(of(payload)).not.toBe(base)
  })

  test('tells dates with an offset from those without, and one default from another', () => {
    expect(of(z.iso.datetime({ offset: true }))).not.toBe(of(z.iso.datetime()))
    expect(of(z.email({ pattern: z.regexes.unicodeEmail }))).not.toBe(of(z.email()))
    expect(of(z.url({ hostname: /^EXAMPLE$/ }))).not.toBe(of(z.url({ hostname: /^EXAMPLE$/i })))
  })

  test('is the same whatever the clock says, and whatever the order in which one may say the same', () => {
    const atNow = (): string => of(z.object({ a: z.number().default(() => performance.now()), b: Time.default(() => new Date()) }))
    expect(atNow()).toBe(atNow())
    expect(of(z.literal(['a', 'b']))).toBe(of(z.literal(['b', 'a'])))
    expect(of(z.string().min(1).max(2))).toBe(of(z.string().max(2).min(1)))
  })
})

test('the manifest of a contract is its name, version and fingerprint', () => {
  const contract = defineContract(header)
  expect(toManifest(contract)).toEqual({ ...header, fingerprint: contract.fingerprint })
})

describe("the organisation's contract", () => {
  test('has every event of the systems that it replaces', () => {
    expect(eventNames(orgContract)).toEqual([
      'notification:new',
      'notification:read',
      'notification:deleted',
      'notification:unread_count',
      'achievement:unlocked',
      'rank:updated',
      'xp:gained',
      'leaderboard:updated',
      'notification:mark_read',
    ])
  })

  test('describes every event and every field', () => {
    const undescribed: string[] = []
    const visit = (schema: z.core.$ZodType, path: string): void => {
      const { def } = schema._zod as z.core.$ZodTypes['_zod']
      const inner = 'innerType' in def ? def.innerType : undefined
      if (z.globalRegistry.get(schema)?.description === undefined && (inner === undefined || z.globalRegistry.get(inner)?.description === undefined))
        undescribed.push(path)
      const object = inner ?? schema
      const shape = (object._zod as z.core.$ZodTypes['_zod']).def
      if (shape.type === 'object') for (const [key, field] of Object.entries(shape.shape)) visit(field, `${path}.${key}`)
      if (shape.type === 'array') visit(shape.element, `${path}[]`)
    }
    for (const [name, entry] of Object.entries(orgContract.serverToClient)) visit('payload' in entry ? entry.payload : entry, name)
    const { payload, reply, errors } = orgContract.clientToServer['notification:mark_read']
    for (const schema of [payload, reply, errors.NOT_FOUND]) visit(schema, 'notification:mark_read')
    expect(undescribed).toEqual([])
  })

  test.each<[keyof typeof orgContract.serverToClient, unknown]>([
    [
      'notification:new',
      { notification: { id: '7', message: 'm', title: 't', type: 'x', data: { a: [1, { b: null }] } }, timestamp: '2026-01-01T00:00:00.000Z' },
    ],
    ['notification:new', { notification: { id: '7', message: 'm' }, timestamp: '2026-01-01T00:00:00.000Z' }],
    ['notification:read', { notificationId: '7', success: true }],
    ['notification:deleted', { notificationId: '7' }],
    ['notification:unread_count', { unreadCount: 0 }],
    ['achievement:unlocked', { achievementId: 'ach-001', title: 't' }],
    ['rank:updated', { newRank: 'Gold', oldRank: 'Silver', xpRequired: 100 }],
    ['xp:gained', { amount: 100, source: 'daily_mission', totalXp: 1500 }],
    ['leaderboard:updated', { leaderboard: [{ rank: 1, userId: 'u', name: 'n', score: 5 }] }],
  ])('takes %s as it is on the wire today', (event, payload) => {
    const codec = orgContract.codec.serverToClient.get(event)?.payload
    expect(codec?.encode(payload)).toEqual({ ok: true, value: payload })
    expect(codec?.decode(payload)).toEqual({ ok: true, value: payload })
  })
})

describe('a limit on the size of a payload', () => {
  const { codec } = defineContract({
    name: 'limited',
    version: '1.0.0',
    serverToClient: { news: { payload: z.object({ text: z.string() }), limits: { maxBytes: 20 } } },
    clientToServer: { say: { payload: z.object({ text: z.string() }), limits: { maxBytes: 20 } } },
  })

  test('lets through what is as large, and counts bytes, not characters', () => {
    expect(codec.serverToClient.encodeArguments('news', { text: '123456789' })).toEqual([{ text: '123456789' }])
    expect(() => codec.serverToClient.encodeArguments('news', { text: '1234567890' })).toThrow(/larger than 20 bytes/)
    expect(() => codec.serverToClient.encodeArguments('news', { text: '12345678ü' })).toThrow(/larger than 20 bytes/)
  })

  test('holds for what comes in as for what goes out', () => {
    expect(codec.clientToServer.decodePayload('say', { text: '123456789' })).toEqual({ text: '123456789' })
    expect(() => codec.clientToServer.decodePayload('say', { text: '12345678ü' })).toThrow(/larger than 20 bytes/)
    expect(() => codec.clientToServer.decodePayload('say', undefined)).toThrow(/INVALID_PAYLOAD|does not match/)
  })

  test('is part of the fingerprint', () => {
    const withLimits = (limits: object) =>
      defineContract({ name: 'a', version: '1.0.0', clientToServer: { say: { payload: z.string(), ...limits } } }).fingerprint
    const prints = [{}, { limits: {} }, { limits: { maxBytes: 5 } }, { limits: { perSecond: 5 } }, { limits: { perSecond: 6 } }].map(withLimits)
    expect(new Set(prints).size).toBe(4)
    expect(prints[0]).toBe(prints[1])
  })
})
