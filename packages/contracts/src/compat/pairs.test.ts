import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { defineContract, openEnum, openUnion } from '../index.js'
import { compareContracts, type Effect, formatLock, RULES, type RuleId, readLock, toLock, type Verdict } from './index.js'
import { VALUE_RULES } from './valuerules.js'
import { isAccepted, isSent } from './verdict.js'

// One row for each cell of the rule table. A schema goes four ways: as a payload from the server and from clients, and as an answer from
// either. What the server sends is newer than who receives it; what clients send is older.

type Way = 'fromServer' | 'fromClient'
interface Row {
  readonly rule: RuleId | undefined
  readonly name: string
  readonly before: z.ZodType
  readonly after: z.ZodType
  /** Where the server sends: payloads of its events, and answers to the clients'. */
  readonly fromServer: Verdict
  /** Where clients send. */
  readonly fromClient: Verdict
}

function row(rule: RuleId | undefined, name: string, before: z.ZodType, after: z.ZodType, fromServer: Verdict, fromClient: Verdict): Row {
  return { rule, name, before, after, fromServer, fromClient }
}

/** As a field of an object beside another, since that is where most are. */
function field(rule: RuleId | undefined, name: string, before: z.ZodType, after: z.ZodType, fromServer: Verdict, fromClient: Verdict): Row {
  const around = (value: z.ZodType) => z.object({ id: z.string(), value })
  return row(rule, name, around(before), around(after), fromServer, fromClient)
}

const Day = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const Count = z.codec(z.string(), z.number(), { decode: (text) => Number(text), encode: (value) => String(value) })
const Flag = z.codec(z.string(), z.boolean(), { decode: (text) => text === '1', encode: (value) => (value ? '1' : '0') })
const isEven = (text: string) => text.length % 2 === 0
const hasMore = (value: { more?: string | null | undefined }) => value.more !== undefined
const Id = z.object({ id: z.string() })
const circle = z.object({ type: z.literal('circle'), radius: z.number() })
const square = z.object({ type: z.literal('square'), side: z.number() })
const line = z.object({ type: z.literal('line'), length: z.number() })
enum Old {
  A = 0,
  B = 1,
}
enum New {
  A = 0,
  B = 1,
  C = 2,
}

function tree(value: z.ZodType, isLazy = false): z.ZodType {
  const node: z.ZodType = isLazy
    ? z.object({ value, children: z.array(z.lazy(() => node)) })
    : z.object({
        value,
        get children() {
          return z.array(node)
        },
      })
  return node
}

const ROWS: readonly Row[] = [
  // fields
  row('field-added', 'an optional field is added', Id, Id.extend({ more: z.string().optional() }), 'safe', 'safe'),
  row('field-added', 'a field with a default is added', Id, Id.extend({ more: z.string().default('x') }), 'safe', 'safe'),
  row('field-added', 'a field with a prefault is added', Id, Id.extend({ more: z.string().prefault('x') }), 'safe', 'safe'),
  row('field-added', 'a nullish field is added', Id, Id.extend({ more: z.string().nullish() }), 'safe', 'safe'),
  row(
    'field-added',
    'a field is added to a strict object',
    z.strictObject(Id.shape),
    z.strictObject({ ...Id.shape, more: z.string().optional() }),
    'breaking',
    'safe',
  ),
  row('field-added-required', 'a required field is added', Id, Id.extend({ more: z.string() }), 'safe', 'breaking'),
  row('field-added-required', 'a nullable field is added', Id, Id.extend({ more: z.string().nullable() }), 'safe', 'breaking'),
  row('field-added-required', 'a field that may be unknown is added', Id, Id.extend({ more: z.unknown() }), 'safe', 'breaking'),
  row('field-added', 'a field with a catch is added', Id, Id.extend({ more: z.string().catch('x') }), 'safe', 'safe'),
  row(
    'field-added-required',
    'a required field is added deep within',
    z.object({ list: z.array(Id) }),
    z.object({ list: z.array(Id.extend({ more: z.int() })) }),
    'safe',
    'breaking',
  ),
  row('field-removed', 'a required field is removed', Id.extend({ more: z.string() }), Id, 'breaking', 'risky'),
  row('field-removed', 'an optional field is removed', Id.extend({ more: z.string().optional() }), Id, 'risky', 'risky'),
  row('field-removed', 'a field with a default is removed', Id.extend({ more: z.string().default('x') }), Id, 'risky', 'risky'),
  row(
    'field-removed',
    'a field is removed from a strict object',
    z.strictObject({ ...Id.shape, more: z.string() }),
    z.strictObject(Id.shape),
    'breaking',
    'breaking',
  ),
  row(
    'field-removed',
    'an optional field is removed from a strict object',
    z.strictObject({ ...Id.shape, more: z.string().optional() }),
    z.strictObject(Id.shape),
    'risky',
    'breaking',
  ),
  row(
    'field-renamed',
    'a required field is renamed',
    Id.extend({ userName: z.string().max(9) }),
    Id.extend({ name: z.string().max(9) }),
    'breaking',
    'breaking',
  ),
  row('field-renamed', 'an optional field is renamed', Id.extend({ userName: z.int().optional() }), Id.extend({ name: z.int().optional() }), 'risky', 'risky'),
  field('field-optional', 'a field becomes optional', z.string(), z.string().optional(), 'breaking', 'safe'),
  field('field-optional', 'a field gets a default, which the server always fills in', z.string(), z.string().default('x'), 'safe', 'safe'),
  field('field-optional', 'a field becomes optional for a receiver with a default', z.string().default('x'), z.string().optional(), 'safe', 'safe'),
  field('field-optional', 'a field becomes optional for a receiver with a catch', z.string().catch('x'), z.string().optional(), 'risky', 'safe'),
  field('field-required', 'a field becomes required', z.string().optional(), z.string(), 'safe', 'breaking'),
  field('field-required', 'a field loses its default', z.string().default('x'), z.string(), 'safe', 'breaking'),
  field('field-required', 'a field loses its prefault', z.string().prefault('x'), z.string(), 'safe', 'breaking'),
  field('field-required', 'an optional field gets a catch instead', z.string().optional(), z.string().catch('x'), 'safe', 'risky'),
  field('field-required', 'a field becomes required by nonoptional', z.string().optional(), z.string().optional().nonoptional(), 'safe', 'breaking'),
  field(undefined, 'an optional field gets a default', z.string().optional(), z.string().default('x'), 'safe', 'safe'),
  field(undefined, 'a default becomes another', z.string().default('x'), z.string().default('y'), 'safe', 'safe'),
  row(undefined, 'fields are put in another order', z.object({ a: z.int(), b: z.string() }), z.object({ b: z.string(), a: z.int() }), 'safe', 'safe'),
  // null
  field('nullable-added', 'a value becomes nullable', z.string(), z.string().nullable(), 'breaking', 'safe'),
  field('nullable-added', 'an optional value becomes nullish', z.string().optional(), z.string().nullish(), 'breaking', 'safe'),
  field('nullable-removed', 'a value is no longer nullable', z.string().nullable(), z.string(), 'safe', 'breaking'),
  field('nullable-added', 'null joins a union', z.union([z.string(), z.int()]), z.union([z.string(), z.int(), z.null()]), 'breaking', 'safe'),
  field('nullable-added', 'a value becomes nullable for a receiver with a catch', z.string().catch('x'), z.string().nullable(), 'risky', 'safe'),
  field(undefined, 'nullable is written as a union', z.string().nullable(), z.union([z.null(), z.string()]), 'safe', 'safe'),
  // enums and literals
  field('enum-value-added', 'a value is added to an enum', z.enum(['a', 'b']), z.enum(['a', 'b', 'c']), 'breaking', 'safe'),
  field('enum-value-removed', 'a value is removed from an enum', z.enum(['a', 'b', 'c']), z.enum(['a', 'b']), 'safe', 'breaking'),
  field('enum-value-added', 'a value is added to a native enum', z.enum(Old), z.enum(New), 'breaking', 'safe'),
  field('enum-value-added', 'a value is added to literals', z.literal(['a']), z.literal(['a', 'b']), 'breaking', 'safe'),
  field('enum-value-added', 'a value is added for a receiver with a catch', z.enum(['a']).catch('a'), z.enum(['a', 'b']).catch('a'), 'risky', 'safe'),
  field('enum-value-removed', 'a boolean becomes true', z.boolean(), z.literal(true), 'safe', 'breaking'),
  field('enum-value-added', 'true becomes a boolean', z.literal(true), z.boolean(), 'breaking', 'safe'),
  field(undefined, 'an enum is put in another order', z.enum(['a', 'b']), z.enum(['b', 'a']), 'safe', 'safe'),
  field(undefined, 'an enum is written as literals', z.enum(['a', 'b']), z.literal(['a', 'b']), 'safe', 'safe'),
  field(undefined, 'a literal is written as a union', z.literal(['a', 'b']), z.union([z.literal('a'), z.literal('b')]), 'safe', 'safe'),
  field('type-widened', 'an enum becomes a string', z.enum(['a', 'b']), z.string(), 'breaking', 'safe'),
  field('type-narrowed', 'a string becomes an enum', z.string(), z.enum(['a', 'b']), 'safe', 'breaking'),
  field('type-widened', 'a literal number becomes a number', z.literal(1), z.number(), 'breaking', 'safe'),
  field('enum-value-added', 'an enum is opened', z.enum(['a', 'b']), openEnum(['a', 'b']), 'safe', 'safe'),
  field('enum-value-added', 'an open enum grows', openEnum(['a', 'b']), openEnum(['a', 'b', 'c']), 'safe', 'safe'),
  field('enum-value-removed', 'an open enum shrinks', openEnum(['a', 'b', 'c']), openEnum(['a', 'b']), 'safe', 'safe'),
  field('enum-value-added', 'an enum is opened and grows at once', z.enum(['a', 'b']), openEnum(['a', 'b', 'c']), 'breaking', 'safe'),
  field(undefined, 'an open enum is closed', openEnum(['a', 'b']), z.enum(['a', 'b']), 'safe', 'safe'),
  // unions
  field(
    'member-added',
    'a member is added',
    z.discriminatedUnion('type', [circle, square]),
    z.discriminatedUnion('type', [circle, square, line]),
    'breaking',
    'safe',
  ),
  field(
    'member-removed',
    'a member is removed',
    z.discriminatedUnion('type', [circle, square, line]),
    z.discriminatedUnion('type', [circle, square]),
    'safe',
    'breaking',
  ),
  field('member-added', 'a union is opened', z.discriminatedUnion('type', [circle]), openUnion('type', [circle]), 'safe', 'safe'),
  field('member-added', 'an open union grows', openUnion('type', [circle, square]), openUnion('type', [circle, square, line]), 'safe', 'safe'),
  field('member-removed', 'an open union shrinks', openUnion('type', [circle, square]), openUnion('type', [circle]), 'safe', 'safe'),
  field(
    undefined,
    'members are put in another order',
    z.discriminatedUnion('type', [circle, square]),
    z.discriminatedUnion('type', [square, circle]),
    'safe',
    'safe',
  ),
  field(undefined, 'a plain union becomes a discriminated one', z.union([circle, square]), z.discriminatedUnion('type', [circle, square]), 'safe', 'safe'),
  field(
    'field-added-required',
    'a member gets a required field',
    z.discriminatedUnion('type', [circle, square]),
    z.discriminatedUnion('type', [circle, square.extend({ turned: z.boolean() })]),
    'safe',
    'breaking',
  ),
  field(
    'enum-value-added',
    'a member gets another tag',
    z.discriminatedUnion('type', [circle, square]),
    z.discriminatedUnion('type', [circle.extend({ type: z.enum(['circle', 'round']) }), square]),
    'breaking',
    'safe',
  ),
  row(
    'discriminator-changed',
    'the discriminator is another one',
    z.discriminatedUnion('type', [circle, square]),
    z.discriminatedUnion('kind', [z.object({ kind: z.literal('circle') }), z.object({ kind: z.literal('square') })]),
    'breaking',
    'breaking',
  ),
  field(
    'union-order',
    'a member that takes more is put first',
    z.union([z.object({ a: z.int(), b: z.int() }), z.object({ a: z.int() })]),
    z.union([z.object({ a: z.int() }), z.object({ a: z.int(), b: z.int() })]),
    'risky',
    'risky',
  ),
  field(undefined, 'members of different kinds are put in another order', z.union([z.string(), z.number()]), z.union([z.number(), z.string()]), 'safe', 'safe'),
  field('type-widened', 'a type joins a union', z.union([z.string(), z.int()]), z.union([z.string(), z.int(), z.array(z.string())]), 'breaking', 'safe'),
  field('type-narrowed', 'a type leaves a union', z.union([z.string(), z.int()]), z.string(), 'safe', 'breaking'),
  field(undefined, 'a union becomes exclusive where its members are apart', z.union([z.string(), z.int()]), z.xor([z.string(), z.int()]), 'safe', 'safe'),
  field('undecidable', 'a union becomes exclusive where they are not', z.union([z.number(), z.int()]), z.xor([z.number(), z.int()]), 'safe', 'breaking'),
  // types
  field('type-changed', 'a string becomes a number', z.string(), z.number(), 'breaking', 'breaking'),
  field('type-changed', 'an object becomes an array of it', Id, z.array(Id), 'breaking', 'breaking'),
  field('type-changed', 'a string becomes a boolean for a receiver with a catch', z.boolean().catch(false), z.string(), 'risky', 'breaking'),
  field('type-widened', 'a string becomes unknown', z.string(), z.unknown(), 'breaking', 'safe'),
  field('type-narrowed', 'any becomes a string', z.any(), z.string(), 'safe', 'breaking'),
  field('type-changed', 'nothing is allowed any more', z.string().optional(), z.never().optional(), 'safe', 'breaking'),
  field('type-widened', 'JSON takes the place of a string', z.string(), z.json(), 'breaking', 'safe'),
  field(undefined, 'any becomes unknown', z.any(), z.unknown(), 'safe', 'safe'),
  // numbers
  field('bound-tightened', 'a maximum is lowered', z.number().max(10), z.number().max(5), 'safe', 'breaking'),
  field('bound-loosened', 'a maximum is raised', z.number().max(5), z.number().max(10), 'breaking', 'safe'),
  field('bound-loosened', 'a minimum is dropped', z.number().min(0), z.number(), 'breaking', 'safe'),
  field('bound-tightened', 'a bound is no longer reached', z.number().min(0), z.number().gt(0), 'safe', 'breaking'),
  field('step-added', 'a number becomes whole', z.number(), z.int(), 'safe', 'breaking'),
  field('step-removed', 'a whole number becomes any', z.int(), z.number(), 'breaking', 'safe'),
  field('bound-loosened', 'a 32-bit number becomes a safe one', z.int32(), z.int(), 'breaking', 'safe'),
  field('step-added', 'a step is added', z.number(), z.number().multipleOf(5), 'safe', 'breaking'),
  field('step-removed', 'a step becomes finer', z.number().multipleOf(10), z.number().multipleOf(5), 'breaking', 'safe'),
  field(undefined, 'positive becomes at least 1 of whole numbers', z.int().positive(), z.int().min(1), 'safe', 'safe'),
  // texts
  field('bound-tightened', 'a length is bounded', z.string(), z.string().max(20), 'safe', 'breaking'),
  field('bound-loosened', 'a length is less bounded', z.string().max(20), z.string().max(30), 'breaking', 'safe'),
  field('bound-tightened', 'a text may no longer be empty', z.string(), z.string().min(1), 'safe', 'breaking'),
  field('format-added', 'a text gets a format', z.string(), z.email(), 'safe', 'breaking'),
  field('format-removed', 'a text loses its format', z.uuid(), z.string(), 'breaking', 'safe'),
  field('format-changed', 'a format becomes another', z.ipv4(), z.ipv6(), 'breaking', 'breaking'),
  field('format-changed', 'a datetime gets a precision', z.iso.datetime(), z.iso.datetime({ precision: 3 }), 'safe', 'breaking'),
  field('format-changed', 'a datetime may have an offset', z.iso.datetime(), z.iso.datetime({ offset: true }), 'breaking', 'safe'),
  field('format-changed', 'a uuid gets a version', z.uuid(), z.uuid({ version: 'v7' }), 'safe', 'breaking'),
  field('format-changed', 'a guid becomes a uuid', z.guid(), z.uuid(), 'safe', 'breaking'),
  field('format-changed', 'a URL must be of a protocol', z.url(), z.url({ protocol: /^https$/ }), 'safe', 'breaking'),
  field(
    'format-changed',
    'a hostname may be of any case',
    z.url({ hostname: /^[a-z]+\.EXAMPLE$/ }),
    z.url({ hostname: /^[a-z]+\.EXAMPLE$/i }),
    'risky',
    'risky',
  ),
  field(undefined, 'a format is written as a check', z.email(), z.string().check(z.email()), 'safe', 'safe'),
  field('format-removed', 'a uuid becomes a text of its length', z.uuid(), z.string().length(36), 'breaking', 'safe'),
  field('pattern-changed', 'a pattern is added', z.string(), z.string().regex(/^[a-z]+$/), 'safe', 'breaking'),
  field('pattern-changed', 'a pattern lets more through', z.string().regex(/^[a-z]{1,8}$/), z.string().regex(/^[a-z0-9]{1,9}$/), 'breaking', 'safe'),
  field('pattern-changed', 'a pattern lets less through', z.string().regex(/^[\w-]+$/), z.string().regex(/^\d{4}-\d\d$/), 'safe', 'breaking'),
  field(
    'bound-tightened',
    'a pattern is bounded by a length',
    z.string().regex(/^[a-z]+$/),
    z
      .string()
      .regex(/^[a-z]+$/)
      .max(5),
    'safe',
    'breaking',
  ),
  field(undefined, 'a pattern is written in other words', z.string().regex(/^[0-9]{2,}$/), z.string().regex(/^\d\d+$/), 'safe', 'safe'),
  field('pattern-changed', 'a prefix is added', z.string(), z.string().startsWith('id-'), 'safe', 'breaking'),
  field(undefined, 'a prefix is written as a pattern', z.string().startsWith('id-'), z.string().regex(/^id-/), 'safe', 'safe'),
  field('pattern-changed', 'a template gets another part', z.templateLiteral(['v', z.number()]), z.templateLiteral(['w', z.number()]), 'breaking', 'breaking'),
  field(
    'enum-value-added',
    'a template of few texts gets another',
    z.templateLiteral(['v', z.enum(['1', '2'])]),
    z.templateLiteral(['v', z.enum(['1', '2', '3'])]),
    'breaking',
    'safe',
  ),
  field(
    'pattern-changed',
    'a pattern that looks ahead becomes another',
    z
      .string()
      .regex(/^(?=a)[a-c]+$/)
      .min(1),
    z
      .string()
      .regex(/^(?=a)[a-d]+$/)
      .min(1),
    'risky',
    'risky',
  ),
  field(undefined, 'a text is trimmed by the receiver', z.string(), z.string().trim(), 'safe', 'safe'),
  field('undecidable', 'a text is trimmed and may not be empty', z.string(), z.string().trim().min(1), 'safe', 'breaking'),
  field('bound-tightened', 'a trimmed text becomes shorter', z.string().trim().max(20), z.string().trim().max(10), 'safe', 'breaking'),
  // what functions do
  field(
    'refinement-added',
    'a refinement is added',
    z.string(),
    z.string().refine(() => true),
    'safe',
    'risky',
  ),
  field('refinement-added', 'a refinement that refuses what is sent is added', z.string(), z.string().refine(isEven), 'safe', 'breaking'),
  field(
    'refinement-removed',
    'a refinement is removed',
    z.string().refine(() => true),
    z.string(),
    'risky',
    'safe',
  ),
  field(undefined, 'a refined text is bounded less', z.string().max(5).refine(isEven).optional(), z.string().max(5).refine(isEven).optional(), 'safe', 'safe'),
  row(
    'refined-changed',
    'a refined object gets a field with a default',
    z.object(Id.shape).refine(() => true),
    Id.extend({ more: z.string().default('x') }).refine(() => true),
    'risky',
    'risky',
  ),
  row(
    undefined,
    'a refined object gets an optional field',
    z.object(Id.shape).refine(() => true),
    Id.extend({ more: z.string().optional() }).refine(() => true),
    'risky',
    'safe',
  ),
  field(
    'refinement-added',
    'a refined text becomes one of several, and so may be refined by another function',
    z.string().refine(isEven),
    z.union([z.string().refine(() => false), z.number()]),
    'breaking',
    'breaking',
  ),
  row(
    'refined-changed',
    'a field of a refined object is no longer filled in',
    z.object({ more: z.string().prefault('x') }).refine(hasMore),
    z.object({ more: z.string().nullish() }).refine(hasMore),
    'breaking',
    'breaking',
  ),
  field(undefined, 'a datetime is decoded to a Date', z.iso.datetime(), Day, 'safe', 'safe'),
  field(undefined, 'a Date is left a text', Day, z.iso.datetime(), 'safe', 'safe'),
  field('codec-changed', 'a text is decoded to a number', z.string(), Count, 'safe', 'breaking'),
  field('codec-changed', 'a number is left a text', Count, z.string(), 'breaking', 'safe'),
  field(
    'type-changed',
    'a codec gets another input side',
    Day,
    z.codec(z.number(), z.date(), { decode: (time) => new Date(time), encode: (date) => date.getTime() }),
    'breaking',
    'breaking',
  ),
  field(
    'enum-value-removed',
    'a word for yes is removed',
    z.stringbool({ truthy: ['yes', 'on'], falsy: ['no'] }),
    z.stringbool({ truthy: ['yes'], falsy: ['no'] }),
    'safe',
    'breaking',
  ),
  field(
    'meaning-changed',
    'a word stands for the other',
    z.stringbool({ truthy: ['yes'], falsy: ['no', 'off'] }),
    z.stringbool({ truthy: ['yes', 'off'], falsy: ['no'] }),
    'safe',
    'risky',
  ),
  field('codec-changed', 'a text is decoded to a flag', z.string(), Flag, 'safe', 'risky'),
  field('codec-changed', 'a flag is left a text', Flag, z.string(), 'risky', 'safe'),
  field(
    'meaning-changed',
    'the word that is sent stands for the other',
    z.stringbool({ truthy: ['yes'], falsy: ['no', 'off'] }),
    z.stringbool({ truthy: ['off', 'yes'], falsy: ['no'] }),
    'risky',
    'risky',
  ),
  field('undecidable', 'a pipe goes into another', z.string().pipe(z.string().max(80)), z.string().pipe(z.string().max(90)), 'risky', 'risky'),
  field(undefined, 'a catch is added', z.string(), z.string().catch('x'), 'safe', 'safe'),
  field(undefined, 'a catch is removed', z.string().catch('x').optional(), z.string().optional(), 'safe', 'safe'),
  field(undefined, 'a value is branded', z.string(), z.string().brand('Id'), 'safe', 'safe'),
  field(undefined, 'a value becomes readonly', z.array(z.int()), z.array(z.int()).readonly(), 'safe', 'safe'),
  field(undefined, 'a value is described', z.string(), z.string().describe('the name').meta({ title: 'Name' }), 'safe', 'safe'),
  // objects as a whole
  row('object-closed', 'a loose object is closed', z.looseObject(Id.shape), z.object(Id.shape), 'risky', 'risky'),
  row('object-opened', 'an object is opened', z.object(Id.shape), z.looseObject(Id.shape), 'safe', 'safe'),
  row('object-closed', 'a loose object becomes strict', z.looseObject(Id.shape), z.strictObject(Id.shape), 'risky', 'breaking'),
  row('object-opened', 'a strict object is opened', z.strictObject(Id.shape), z.looseObject(Id.shape), 'breaking', 'safe'),
  row(undefined, 'a plain object becomes strict', z.object(Id.shape), z.strictObject(Id.shape), 'safe', 'safe'),
  row(
    'type-changed',
    'other fields get another type',
    z.object(Id.shape).catchall(z.string()),
    z.object(Id.shape).catchall(z.number()),
    'breaking',
    'breaking',
  ),
  row('type-narrowed', 'an open object names a field', z.looseObject({}), z.looseObject({ id: z.string().optional() }), 'safe', 'breaking'),
  // arrays, tuples, records
  field('bound-tightened', 'a list is bounded', z.array(z.int()), z.array(z.int()).max(2), 'safe', 'breaking'),
  field('bound-loosened', 'a list may be empty', z.array(z.int()).min(1), z.array(z.int()), 'breaking', 'safe'),
  field('type-changed', 'elements change', z.array(z.int()), z.array(z.string()), 'breaking', 'breaking'),
  field('bound-loosened', 'a tuple gets another place', z.tuple([z.int()]), z.tuple([z.int(), z.string()]), 'breaking', 'breaking'),
  field('bound-loosened', 'a tuple gets a rest', z.tuple([z.int()]), z.tuple([z.int()]).rest(z.string()), 'breaking', 'safe'),
  field('bound-loosened', 'a tuple becomes a list', z.tuple([z.int(), z.int()]), z.array(z.int()), 'breaking', 'safe'),
  field(
    'field-added-required',
    'a record of all keys gets another',
    z.record(z.enum(['a', 'b']), z.int()),
    z.record(z.enum(['a', 'b', 'c']), z.int()),
    'breaking',
    'breaking',
  ),
  field(
    'field-required',
    'a partial record must be whole',
    z.partialRecord(z.enum(['a', 'b']), z.int()),
    z.record(z.enum(['a', 'b']), z.int()),
    'safe',
    'breaking',
  ),
  field('pattern-changed', 'keys must have a pattern', z.record(z.string(), z.int()), z.record(z.string().regex(/^[a-z]+$/), z.int()), 'safe', 'breaking'),
  field('type-changed', 'values of a record change', z.record(z.string(), z.int()), z.record(z.string(), z.boolean()), 'breaking', 'breaking'),
  field(undefined, 'an exhaustive record is written as an object', z.record(z.enum(['a']), z.int()), z.strictObject({ a: z.int() }), 'safe', 'safe'),
  // intersections and recursion
  field(
    'field-added-required',
    'a side of an intersection gets a required field',
    z.intersection(Id, z.object({ a: z.int() })),
    z.intersection(Id, z.object({ a: z.int(), b: z.int() })),
    'safe',
    'breaking',
  ),
  field(undefined, 'an intersection is written as one object', z.intersection(Id, z.object({ a: z.int() })), Id.extend({ a: z.int() }), 'safe', 'safe'),
  row('type-changed', 'a recursive schema changes within', tree(z.int()), tree(z.string()), 'breaking', 'breaking'),
  row('bound-tightened', 'a recursive schema is bounded within', tree(z.string()), tree(z.string().max(3)), 'safe', 'breaking'),
  row(undefined, 'a getter is written as lazy', tree(z.int()), tree(z.int(), true), 'safe', 'safe'),
]

function contractsOf({ before, after }: Row, kind: 'payload' | 'reply') {
  const [fromServer, fromClient]: Array<'serverToClient' | 'clientToServer'> =
    kind === 'payload' ? ['serverToClient', 'clientToServer'] : ['clientToServer', 'serverToClient']
  return [before, after].map((schema) =>
    defineContract({
      name: 'test',
      version: '1.0.0',
      [fromServer!]: { fromServer: { [kind]: schema } },
      [fromClient!]: { fromClient: { [kind]: schema } },
    } as never),
  )
}

describe.each(['payload', 'reply'] as const)('as a %s', (kind) => {
  describe.each<Way>(['fromServer', 'fromClient'])('%s', (way) => {
    test.each(ROWS.map((each) => [each.name, each[way], each] as const))('%s: %s', (_name, expected, each) => {
      const [before, after] = contractsOf(each, kind)
      const findings = compareContracts(before!, after!).findings.filter((finding) => finding.event === way)
      const worst = findings.some(({ verdict }) => verdict === 'breaking') ? 'breaking' : findings.some(({ verdict }) => verdict === 'risky') ? 'risky' : 'safe'
      expect(worst, JSON.stringify(findings, null, 1)).toBe(expected)
      const [sender, receiver] = way === 'fromServer' ? [each.after, each.before] : [each.before, each.after]
      for (const finding of findings.filter(({ verdict }) => verdict === 'breaking')) {
        expect(finding).toHaveProperty('counterexample')
        expect(isSent(sender, finding.counterexample, way === 'fromServer' ? 'server' : 'client')).toBe(true)
        expect(isAccepted(receiver, finding.counterexample)).toBe(false)
      }
    })
  })
})

test.each(
  ROWS.filter(({ rule, fromServer, fromClient }) => rule !== undefined && (fromServer !== 'safe' || fromClient !== 'safe')).map(
    (each) => [each.name, each.rule, each] as const,
  ),
)('%s: the rule is %s, or its counterpart', (_name, rule, each) => {
  const [before, after] = contractsOf(each, 'payload')
  const rules = compareContracts(before!, after!)
    .findings.filter(({ verdict }) => verdict !== 'safe')
    .map((finding) => finding.rule)
  expect(rules).toContain(rule)
})

/** What a rule's cell says may come of it. */
function allowed({ verdict, unless = '' }: Effect): Verdict[] {
  return [verdict, ...(['safe', 'risky', 'breaking'] as const).filter((each) => unless.includes(each))]
}

describe('the rule table', () => {
  const found = ROWS.flatMap((each) => {
    const [before, after] = contractsOf(each, 'payload')
    return compareContracts(before!, after!).findings.map((finding) => ({
      ...finding,
      name: each.name,
      cell: finding.flow === 'serverToClient' ? ('sends' as const) : ('receives' as const),
    }))
  })
  const aboutValues = Object.keys(VALUE_RULES) as RuleId[]

  test('says what comes of every pair', () => {
    for (const { name, rule, verdict, cell, message } of found) {
      // What cannot be decided is risky, whatever the rule.
      if (!message.includes('cannot tell')) expect(allowed(RULES[rule][cell]), `${name}: ${rule}, ${cell}`).toContain(verdict)
    }
  })

  test.each(aboutValues)('has a pair for each cell of %s', (rule) => {
    for (const cell of ['sends', 'receives'] as const) {
      const { verdict } = RULES[rule][cell] as Effect
      const verdicts = found.filter((finding) => finding.rule === rule && finding.cell === cell).map((finding) => finding.verdict)
      // Nothing is said of what is safe, but for fields and values that come or go.
      if (verdict !== 'safe') expect(verdicts, cell).toContain(verdict)
    }
  })
})

test('there are at least 120 pairs, and each rule about values is met', () => {
  expect(ROWS.length).toBeGreaterThanOrEqual(120)
  const met = new Set(ROWS.flatMap(({ rule }) => rule ?? []))
  const about = Object.keys(VALUE_RULES) as RuleId[]
  expect(about.filter((rule) => !met.has(rule))).toEqual([])
})

test('a lock says the same of every pair as the contracts, but for what zod was asked', () => {
  for (const each of ROWS) {
    const [before, after] = contractsOf(each, 'payload')
    const reread = [before!, after!].map((contract) => readLock(formatLock(toLock(contract))))
    const live = compareContracts(before!, after!).findings.map(({ id }) => id)
    expect(
      compareContracts(reread[0]!, reread[1]!)
        .findings.map(({ id }) => id)
        .sort(),
      each.name,
    ).toEqual(live.sort())
  }
})
