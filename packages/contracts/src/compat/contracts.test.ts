import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { hashText } from '../fingerprint.js'
import { type Contract, defineContract, openEnum, openUnion } from '../index.js'
import { type ContractLock, compareContracts, compareHistory, formatLock, type RuleId, readLock, type Skew, toLock, type Verdict } from './index.js'

type Parts = Record<string, unknown>

/** Defines what the types of a literal would say of itself. */
function define(parts: Parts, header: { name?: string; version?: string } = {}): Contract {
  return defineContract({ name: 'test', version: '1.0.0', ...header, ...parts } as never)
}

const Id = z.object({ id: z.string() })
const event = (definition: unknown, direction: 'serverToClient' | 'clientToServer' = 'clientToServer'): Parts => ({ [direction]: { happened: definition } })
const answered = (reply: z.ZodType, more: Parts = {}): Parts => ({ payload: Id, reply, ...more })

type Row = readonly [name: string, rule: RuleId, before: Parts, after: Parts, verdict: Verdict, full?: Verdict]
const SERVER = 'serverToClient'
const ROWS: readonly Row[] = [
  ['an event of the server is added', 'event-added', {}, event(Id, SERVER), 'safe', 'safe'],
  ['an event of clients is added', 'event-added', {}, event(Id), 'safe', 'breaking'],
  ['an event of the server is removed', 'event-removed', event(Id, SERVER), {}, 'risky'],
  ['an event of clients is removed', 'event-removed', event(Id), {}, 'breaking'],
  ['an event of the server is renamed', 'event-renamed', { serverToClient: { was: Id } }, { serverToClient: { is: Id } }, 'risky'],
  ['an event of clients is renamed', 'event-renamed', { clientToServer: { was: Id } }, { clientToServer: { is: Id } }, 'breaking'],
  ['an event of the server becomes one of clients', 'event-turned', event(Id, SERVER), event(Id), 'risky', 'breaking'],
  ['an event of clients becomes one of the server', 'event-turned', event(Id), event(Id, SERVER), 'breaking'],
  ['an event of the server gets a payload', 'payload-added', event({}, SERVER), event(Id, SERVER), 'safe', 'breaking'],
  ['an event of clients gets a payload', 'payload-added', event({}), event(Id), 'breaking'],
  ['an event of clients gets a payload that may be left out', 'payload-added', event({}), event(Id.optional()), 'safe'],
  ['an event of the server loses its payload', 'payload-removed', event(Id, SERVER), event({}, SERVER), 'breaking'],
  ['an event of the server loses a payload that may be left out', 'payload-removed', event(Id.optional(), SERVER), event({}, SERVER), 'risky'],
  ['an event of clients loses its payload', 'payload-removed', event(Id), event({}), 'risky', 'breaking'],
  ['a payload of the server may be left out', 'field-optional', event(Id, SERVER), event(Id.optional(), SERVER), 'breaking'],
  ['a payload of clients may not be left out', 'field-required', event(Id.optional()), event(Id), 'breaking'],
  ['an event of clients is answered', 'reply-added', event({ payload: Id }), event(answered(Id)), 'safe', 'breaking'],
  ['an event of the server is answered', 'reply-added', event({ payload: Id }, SERVER), event(answered(Id), SERVER), 'breaking'],
  ['an event of clients is no longer answered', 'reply-removed', event(answered(Id)), event({ payload: Id }), 'breaking'],
  ['an event of clients is no longer answered without data', 'reply-removed', event(answered(z.void())), event({ payload: Id }), 'safe'],
  ['an event of the server is no longer answered', 'reply-removed', event(answered(Id), SERVER), event({ payload: Id }, SERVER), 'safe', 'breaking'],
  ['an answer of the server gets data', 'reply-added', event(answered(z.void())), event(answered(Id)), 'safe', 'breaking'],
  ['an answer of the server loses its data', 'reply-removed', event(answered(Id)), event(answered(z.void())), 'breaking'],
  ['an answer of clients gets data', 'reply-added', event(answered(z.void()), SERVER), event(answered(Id), SERVER), 'breaking'],
  ['a failure is declared by the server', 'error-added', event(answered(Id)), event(answered(Id, { errors: { GONE: null } })), 'safe'],
  ['a failure of the server is removed', 'error-removed', event(answered(Id, { errors: { GONE: null } })), event(answered(Id)), 'safe', 'risky'],
  ['a failure of clients is removed', 'error-removed', event(answered(Id, { errors: { GONE: null } }), SERVER), event(answered(Id), SERVER), 'risky'],
  ['a failure of clients is declared', 'error-added', event(answered(Id), SERVER), event(answered(Id, { errors: { GONE: null } }), SERVER), 'safe'],
  [
    'a failure of the server loses its data',
    'field-removed',
    event(answered(Id, { errors: { GONE: Id } })),
    event(answered(Id, { errors: { GONE: null } })),
    'breaking',
  ],
  [
    'the data of a failure change',
    'type-changed',
    event(answered(Id, { errors: { GONE: z.string() } })),
    event(answered(Id, { errors: { GONE: z.int() } })),
    'breaking',
  ],
  [
    'repeating an event becomes harmless',
    'idempotence-added',
    event(answered(Id)),
    event(answered(Id, { idempotent: true })),
    'safe',
    'breaking', // newer clients repeat what older servers do again
  ],
  ['repeating an event is no longer harmless', 'idempotence-removed', event(answered(Id, { idempotent: true })), event(answered(Id)), 'breaking', 'breaking'],
  ['an event is deprecated', 'deprecation-changed', event({ payload: Id }), event({ payload: Id, deprecated: 'use another' }), 'safe'],
  ['a rate is lowered', 'limit-lowered', event({ payload: Id, limits: { perSecond: 5 } }), event({ payload: Id, limits: { perSecond: 1 } }), 'risky'],
  ['a rate is set', 'limit-lowered', event({ payload: Id }), event({ payload: Id, limits: { perSecond: 1 } }), 'risky'],
  ['a size is lowered', 'limit-lowered', event({ payload: Id, limits: { maxBytes: 500 } }), event({ payload: Id, limits: { maxBytes: 100 } }), 'breaking'],
  [
    'a size is lowered that no payload reaches',
    'limit-lowered',
    event({ payload: z.boolean() }),
    event({ payload: z.boolean(), limits: { maxBytes: 100 } }),
    'safe',
  ],
  [
    'a size is lowered that a payload might reach',
    'limit-lowered',
    event({ payload: z.string().max(20) }),
    event({ payload: z.string().max(20), limits: { maxBytes: 100 } }),
    'risky',
  ],
  [
    'a size of the server is raised',
    'limit-raised',
    event({ payload: Id, limits: { maxBytes: 100 } }, SERVER),
    event({ payload: Id, limits: { maxBytes: 500 } }, SERVER),
    'breaking',
  ],
  ['a kind of room is added', 'room-added', {}, { rooms: { group: z.string() } }, 'safe', 'breaking'],
  ['a kind of room is removed', 'room-removed', { rooms: { group: z.string() } }, {}, 'breaking'],
  ['the ids of rooms are bounded', 'format-added', { rooms: { group: z.string() } }, { rooms: { group: z.uuid() } }, 'breaking'],
  ['a session gets a field', 'field-added', {}, { session: z.object({ role: z.string() }) }, 'safe', 'breaking'],
  ['a session loses a field', 'field-removed', { session: z.object({ role: z.string() }) }, {}, 'breaking'],
  ['a field of the session changes', 'type-changed', { session: z.object({ role: z.string() }) }, { session: z.object({ role: z.int() }) }, 'breaking'],
  ['presence is declared', 'presence-added', {}, { presence: Id }, 'safe', 'breaking'],
  ['presence is removed', 'presence-removed', { presence: Id }, {}, 'breaking'],
  ['presence gets a value that only newer devices say', 'enum-value-added', { presence: z.enum(['here']) }, { presence: z.enum(['here', 'away']) }, 'breaking'],
  ['presence gets a field that older devices do not say', 'field-added-required', { presence: z.object({}) }, { presence: Id }, 'breaking'],
]

function worst(before: Contract | ContractLock, after: Contract | ContractLock, skew?: Skew): Verdict {
  return compareContracts(before, after, skew && { skew }).verdict
}

describe('a change of a contract', () => {
  const rows = ROWS.map(([name, rule, before, after, verdict, full]) => ({ name, rule, before, after, verdict, full }))
  test.each(rows)('$name: $verdict', ({ rule, before, after, verdict, full }) => {
    const [older, newer] = [define(before), define(after)]
    expect(worst(older, newer)).toBe(verdict)
    if (full !== undefined) expect(worst(older, newer, 'full')).toBe(full)
    expect(worst(toLock(older), toLock(newer))).toBe(verdict)
    const rules = compareContracts(older, newer).findings.map((finding) => finding.rule)
    expect(rules).toContain(rule)
  })

  test.each<[Parts, Parts, RuleId, Verdict]>([
    [{}, { delivery: 'durable' }, 'delivery-strengthened', 'safe'],
    [{ delivery: 'durable' }, {}, 'delivery-weakened', 'breaking'],
    [{}, { delivery: 'volatile' }, 'delivery-weakened', 'risky'],
    [{ idempotent: true }, {}, 'idempotence-removed', 'breaking'],
    [{}, { idempotent: true }, 'idempotence-added', 'safe'],
  ])('of what is promised of an event, from %j to %j: %s', (before, after, rule, verdict) => {
    const lock = toLock(define(event(Id)))
    const [older, newer] = [before, after].map((marks) => readLock({ ...lock, clientToServer: { happened: { ...lock.clientToServer['happened'], ...marks } } }))
    const { findings } = compareContracts(older!, newer!)
    expect(findings).toMatchObject([{ rule, verdict, event: 'happened' }])
  })

  test('of its name is breaking, of its version no change', () => {
    expect(compareContracts(define({}), define({}, { name: 'other' })).findings).toMatchObject([{ rule: 'contract-renamed', verdict: 'breaking' }])
    expect(compareContracts(define({}), define({}, { version: '2.0.0' }))).toEqual({ verdict: 'safe', bump: 'patch', findings: [] })
  })

  test('needs a patch where nothing crosses otherwise, a minor where it is safe or risky, a major where it breaks', () => {
    const bump = (before: z.ZodType, after: z.ZodType) => compareContracts(define(event(before)), define(event(after))).bump
    expect(bump(Id, Id.describe('an id'))).toBe('patch')
    expect(bump(Id, Id.extend({ more: z.string().optional() }))).toBe('minor')
    expect(bump(Id.extend({ more: z.string() }), Id)).toBe('minor')
    expect(bump(Id, Id.extend({ more: z.string() }))).toBe('major')
  })

  test('goes both ways with full skew', () => {
    const [before, after] = [define(event(Id, SERVER)), define(event(Id.extend({ more: z.string() }), SERVER))]
    expect(worst(before, after)).toBe('safe')
    const { findings } = compareContracts(before, after, { skew: 'full' })
    expect(findings).toMatchObject([
      { rule: 'field-added-required', flow: 'serverToClient', path: 'payload.more', counterexample: { id: expect.any(String) } },
      { rule: 'field-added' },
    ])
  })
})

describe('a finding', () => {
  const before = define(event(Id))
  const after = define(event(Id.extend({ more: z.string() })))

  test('says what, where, to whom, and how to do it safely', () => {
    expect(compareContracts(before, after).findings).toEqual([
      {
        id: expect.stringMatching(/^field-added-required:[0-9a-f]{16}$/),
        rule: 'field-added-required',
        verdict: 'breaking',
        flow: 'clientToServer',
        event: 'happened',
        path: 'payload.more',
        message: 'a required field was added: newer servers refuse what older clients send',
        fix: expect.stringContaining('.optional()'),
        counterexample: { id: 'text' },
      },
    ])
  })

  test('keeps its id while other things change, and has another for another change', () => {
    const idOf = (one: Contract, other: Contract, rule: RuleId) => compareContracts(one, other).findings.find((finding) => finding.rule === rule)?.id
    const elsewhere = define({ clientToServer: { happened: Id.extend({ more: z.string() }), other: Id }, serverToClient: { third: Id } }, { version: '1.1.0' })
    expect(idOf(before, elsewhere, 'field-added-required')).toBe(idOf(before, after, 'field-added-required'))
    const values = (...texts: [string, ...string[]]) => define(event(z.enum(texts), SERVER))
    expect(idOf(values('a'), values('a', 'b'), 'enum-value-added')).not.toBe(idOf(values('a'), values('a', 'c'), 'enum-value-added'))
  })

  test('has the worst first', () => {
    const many = define({ clientToServer: { happened: Id.extend({ more: z.string() }), added: Id }, serverToClient: {} })
    expect(compareContracts(define({ ...event(Id), serverToClient: { gone: Id } }), many).findings.map(({ verdict }) => verdict)).toEqual([
      'breaking',
      'risky',
      'safe',
    ])
  })

  test('of a recursive schema is told once', () => {
    const tree = (value: z.ZodType) => {
      const node: z.ZodType = z.object({ value, left: z.lazy(() => node.optional()), right: z.lazy(() => node.optional()) })
      return node
    }
    expect(compareContracts(define(event(tree(z.int()))), define(event(tree(z.string())))).findings).toHaveLength(1)
  })
})

test('a member that holds others of its union twice is shown by a small value, at once', () => {
  const expression = (more: readonly z.ZodObject[]): z.ZodType => {
    const own: z.ZodType = z.discriminatedUnion('type', [
      z.object({
        type: z.literal('add'),
        get left() {
          return own
        },
        get right() {
          return own
        },
      }),
      z.object({ type: z.literal('value'), value: z.number() }),
      ...more,
    ])
    return own
  }
  const negated = z.object({
    type: z.literal('negate'),
    get of() {
      return expression([])
    },
  })
  const start = process.cpuUsage()
  const { verdict, findings } = compareContracts(define(event(expression([]), SERVER)), define(event(expression([negated]), SERVER)))
  const { user, system } = process.cpuUsage(start)
  expect(verdict).toBe('breaking')
  expect(JSON.stringify(findings).length).toBeLessThan(2000)
  expect((user + system) / 1000).toBeLessThan(1000)
})

describe('compareHistory', () => {
  const closed = define(event(z.object({ color: z.enum(['red']) }), SERVER), { version: '1.0.0' })
  const both = define(event(z.object({ color: z.enum(['red', 'blue']) }), SERVER), { version: '1.1.0' })

  test('finds what breaks an older version than the last', () => {
    const after = define(event(z.object({ color: z.enum(['red', 'blue']) }), SERVER), { version: '1.2.0' })
    expect(compareHistory([both], after).verdict).toBe('safe')
    expect(compareHistory([toLock(closed), both], after)).toMatchObject({
      verdict: 'breaking',
      bump: 'major',
      findings: [{ rule: 'enum-value-added', against: ['1.0.0'] }],
    })
  })

  test('tells a finding once, with the versions that it is about', () => {
    const after = define(event(z.object({ color: z.int() }), SERVER), { version: '2.0.0' })
    const { findings } = compareHistory([closed, both], after)
    expect(findings.filter(({ rule }) => rule === 'type-changed')).toMatchObject([{ against: ['1.0.0', '1.1.0'] }])
  })

  test('of no version is safe', () => {
    expect(compareHistory([], both)).toEqual({ verdict: 'safe', bump: 'patch', findings: [] })
  })
})

describe('a lock', () => {
  const contract = define({
    serverToClient: { told: z.object({ b: z.enum(['y', 'x']), a: z.email().max(99) }) },
    clientToServer: { asked: { payload: Id, reply: z.void(), errors: { GONE: null }, deprecated: 'use another', limits: { maxBytes: 10 } } },
    rooms: { group: z.uuid() },
    session: z.object({ role: z.string() }),
    presence: z.boolean(),
  })

  test('is the same text for the same contract, in whatever order it is written', () => {
    const reordered = define({
      presence: z.boolean(),
      session: z.object({ role: z.string() }),
      rooms: { group: z.uuid() },
      clientToServer: { asked: { deprecated: 'use another', limits: { maxBytes: 10 }, errors: { GONE: null }, reply: z.void(), payload: Id } },
      serverToClient: { told: z.object({ a: z.string().max(99).check(z.email()), b: z.literal(['x', 'y']) }) },
    })
    const text = formatLock(toLock(contract))
    expect(formatLock({ ...toLock(reordered), fingerprint: contract.fingerprint })).toBe(text)
    expect(formatLock(readLock(text))).toBe(text)
  })

  test('says what crosses the wire, and no pattern that zod might mend', () => {
    expect(toLock(contract)).toEqual({
      format: 1,
      name: 'test',
      version: '1.0.0',
      fingerprint: contract.fingerprint,
      serverToClient: {
        told: {
          payload: { type: 'object', fields: { a: { type: 'string', formats: [{ name: 'email' }], max: 99 }, b: { type: 'enum', values: ['x', 'y'] } } },
        },
      },
      clientToServer: {
        asked: {
          payload: { type: 'object', fields: { id: { type: 'string' } } },
          reply: null,
          errors: { GONE: null },
          deprecated: 'use another',
          limits: { maxBytes: 10 },
        },
      },
      rooms: { group: { type: 'string', formats: [{ name: 'uuid' }] } },
      session: { type: 'object', fields: { role: { type: 'string' } } },
      presence: { type: 'boolean' },
    })
  })

  test.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /not JSON/],
    ['no lock', '[]', /no contract lock/],
    ['a newer format', { ...toLock(contract), format: 2 }, /has format 2, and this version .* reads 1/],
    ['no events', { ...toLock(contract), serverToClient: [] }, /serverToClient must be an object/],
    ['an event that is none', { ...toLock(contract), serverToClient: { told: 1 } }, /serverToClient "told" must be an object/],
    ['an unknown type', { ...toLock(contract), presence: { type: 'map' } }, /type "map", which this version does not know/],
    ['a reference to nothing', { ...toLock(contract), presence: { type: 'ref', to: '0' } }, /reference to "0", which is not around it/],
    ['a part that is not there', { ...toLock(contract), presence: { type: 'array' } }, /"array" without "items"/],
    ['a part of another kind', { ...toLock(contract), presence: { type: 'union', of: 5 } }, /not a list of schemas/],
    ['checks of another kind', { ...toLock(contract), presence: { type: 'string', formats: 3 } }, /not a list of formats/],
    ['a schema that is none', { ...toLock(contract), presence: { type: 'object', fields: { a: 1 } } }, /not a schema/],
  ])('that is %s is refused', (_name, source, message) => {
    expect(() => readLock(source)).toThrow(message)
    expect(() => readLock(source)).toThrow(TypeError)
  })
})

// The text for this was the same with zod 4.1.0 and 4.6.7. Whoever changes it makes every lock stale: that is a new FORMAT.
const PINNED = '07f5cb37077d450b'

test('a lock of everything is the text that it was', () => {
  const node: z.ZodType = z.object({
    v: z.int(),
    get kids() {
      return z.array(node)
    },
  })
  enum Native {
    A = 0,
    B = 1,
  }
  const everything = z.object({
    email: z.email(),
    uuid: z.uuid(),
    u4: z.uuidv4(),
    guid: z.guid(),
    url: z.url(),
    http: z.url({ protocol: /^https?$/, hostname: /x/ }),
    dt: z.iso.datetime({ precision: 3, offset: true }),
    date: z.iso.date(),
    time: z.iso.time(),
    dur: z.iso.duration(),
    ip: z.ipv4(),
    ip6: z.ipv6(),
    cidr: z.cidrv4(),
    b64: z.base64(),
    b64u: z.base64url(),
    e164: z.e164(),
    jwt: z.jwt({ alg: 'HS256' }),
    nano: z.nanoid(),
    cuid: z.cuid2(),
    ulid: z.ulid(),
    emoji: z.emoji(),
    host: z.hostname(),
    hex: z.hex(),
    hash: z.hash('sha256'),
    custom: z.stringFormat('cool', /^c/),
    re: z.string().regex(/a+/i).startsWith('a').endsWith('a').includes('a').lowercase(),
    trim: z.string().trim().toLowerCase().min(1),
    int: z.int(),
    i32: z.int32(),
    f32: z.float32(),
    num: z.number().gt(0).lte(5).multipleOf(0.5),
    sb: z.stringbool(),
    sb2: z.stringbool({ truthy: ['y'], falsy: ['n'], case: 'sensitive' }),
    en: z.enum(Native),
    lit: z.literal([1, 'a', null, true]),
    tpl: z.templateLiteral(['v', z.number(), z.enum(['a', 'b'])]),
    open: openEnum(['a']),
    json: z.json(),
    tree: node,
    rec: z.record(z.string(), z.int()),
    er: z.record(z.enum(['a', 'b']), z.int()),
    pr: z.partialRecord(z.enum(['a', 'b']), z.int()),
    tup: z.tuple([z.string(), z.int().optional()]).rest(z.boolean()),
    both: z.intersection(z.object({ a: z.int() }), z.strictObject({ b: z.int() })),
    du: z.discriminatedUnion('t', [z.object({ t: z.literal('b') }), z.object({ t: z.literal('a') })]),
    ou: openUnion('t', [z.object({ t: z.literal('b') })]),
    def: z.string().default('x'),
    pre: z.string().prefault('x'),
    cat: z.string().catch('x'),
    nn: z.string().nullish(),
    ro: z.array(z.int()).readonly(),
    re2: z.string().refine(() => true),
    date2: z.codec(z.iso.datetime(), z.date(), { decode: (x) => new Date(x), encode: (x) => x.toISOString() }),
    pipe: z.string().pipe(z.string().max(3)),
    loose: z.looseObject({}),
    cc: z.object({}).catchall(z.int()),
    unk: z.unknown(),
    nev: z.never().optional(),
    lazy: z.lazy(() => z.string()),
  })
  const text = formatLock({ ...toLock(define(event(everything))), fingerprint: '' })
  expect(hashText(text), text).toBe(PINNED)
  expect(readLock(text)).toMatchObject({ name: 'test' })
})

test('contracts of 500 events are compared in well under a second', () => {
  const many = (last: z.ZodType) => {
    const shape = (index: number) =>
      z.object({
        id: z.uuid(),
        name: z.string().max(80),
        tags: z.array(z.enum(['a', 'b', 'c'])),
        at: z.iso.datetime(),
        nested: z.object({ [`field${index}`]: last, list: z.array(z.object({ x: z.number() })) }),
      })
    return toLock(define({ serverToClient: Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`event:${index}`, shape(index)])) }))
  }
  const [same, before, after] = [many(z.string()), many(z.string()), many(z.string().max(5).nullable())]
  const measure = (other: ContractLock) => {
    const start = process.cpuUsage()
    const { findings } = compareContracts(before, other)
    const { user, system } = process.cpuUsage(start)
    return { findings: findings.length, ms: (user + system) / 1000 }
  }
  const [unchanged, changed] = [measure(same), measure(after)]
  console.log('500 events, CPU:', { unchanged, changed })
  expect(unchanged.findings).toBe(0)
  expect(changed.findings).toBe(500)
  expect(unchanged.ms).toBeLessThan(1000)
  expect(changed.ms).toBeLessThan(2000)
})
