import { openEnum, openUnion } from '@org/realtime-contracts'
import * as z from 'zod'
import type { Random } from './random.js'

// Schemas as plain data, so that they can be drawn by chance, edited, built with zod, and sampled without the code under test.

export type Wrap = 'optional' | 'nullable' | 'default' | 'prefault' | 'catch' | 'readonly' | 'describe' | 'brand' | 'nullish' | 'refine'

export type Spec =
  | { kind: 'string'; min?: number; max?: number; format?: Format; pattern?: string; startsWith?: string; trim?: true; refine?: true }
  | { kind: 'number'; min?: number; max?: number; above?: number; int?: true; step?: number; refine?: true }
  | { kind: 'boolean' | 'null' | 'unknown' | 'stringbool' | 'date' | 'textNumber' | 'self' }
  | { kind: 'enum' | 'openEnum'; values: string[] }
  | { kind: 'literal'; value: string | number | boolean | null }
  | { kind: 'template'; prefix: string; of: 'number' | 'string' | 'enum' }
  | { kind: 'object'; fields: Record<string, Spec>; mode: 'plain' | 'strict' | 'loose' | 'catchall'; refine?: true }
  | { kind: 'array'; of: Spec; min?: number; max?: number }
  | { kind: 'tuple'; items: Spec[]; rest?: Spec }
  | { kind: 'record'; keys: 'string' | 'enum' | 'partial' | 'pattern'; of: Spec }
  | { kind: 'union' | 'xor'; of: Spec[] }
  | { kind: 'members' | 'openMembers'; of: Record<string, Spec & { kind: 'object' }> }
  | { kind: 'both'; of: [Spec, Spec] }
  | { kind: 'wrap'; wrap: Wrap; of: Spec }

export const FORMATS = ['email', 'uuid', 'uuid4', 'datetime', 'datetime3', 'datetimeOffset', 'date', 'ipv4', 'url', 'base64'] as const
type Format = (typeof FORMATS)[number]

const FORMAT_SCHEMAS: Readonly<Record<Format, () => z.ZodString | z.ZodStringFormat>> = {
  email: () => z.email(),
  uuid: () => z.uuid(),
  uuid4: () => z.uuid({ version: 'v4' }),
  datetime: () => z.iso.datetime(),
  datetime3: () => z.iso.datetime({ precision: 3 }),
  datetimeOffset: () => z.iso.datetime({ offset: true }),
  date: () => z.iso.date(),
  ipv4: () => z.ipv4(),
  url: () => z.url(),
  base64: () => z.base64(),
}

const FORMAT_TEXTS: Readonly<Record<Format, readonly string[]>> = {
  email: ['a@b.cc', 'somebody@example.com'],
  uuid: ['550e8400-e29b-41d4-a716-446655440000', '0190163d-8694-739b-aea5-966c26f8ad91'],
  uuid4: ['550e8400-e29b-41d4-a716-446655440000'],
  datetime: ['2024-01-02T03:04:05Z', '2024-01-02T03:04:05.678Z', '2024-01-02T03:04:05.6Z'],
  datetime3: ['2024-01-02T03:04:05.678Z'],
  datetimeOffset: ['2024-01-02T03:04:05Z', '2024-01-02T03:04:05+02:00'],
  date: ['2024-01-02'],
  ipv4: ['127.0.0.1'],
  url: ['https://example.com/a', 'mailto:a@b.cc'],
  base64: ['', 'YWJj'],
}

export const PATTERNS: Readonly<Record<string, readonly string[]>> = {
  '^[a-z]+$': ['a', 'abcdefgh'],
  '^[a-z0-9]{2,8}$': ['a0', 'abcdefgh', '00'],
  '^[a-z0-9-]*$': ['', 'a-b', '-----------'],
  '^(?:on|off)$': ['on', 'off'],
  '\\d': ['1', 'a1b'],
  '^\\d{4}-\\d{2}$': ['2024-01'],
  '^(?=a)[a-c]+$': ['a', 'abc'],
  '^x': ['x', 'xyz'],
}

export const NAMES = ['a', 'b', 'c', 'id', 'name', 'type-of'] as const
export const VALUES = ['red', 'green', 'blue', 'on', 'off'] as const
const TAGS = ['circle', 'square', 'line'] as const
const LEAVES = [
  'string',
  'string',
  'number',
  'number',
  'boolean',
  'null',
  'unknown',
  'stringbool',
  'date',
  'textNumber',
  'enum',
  'enum',
  'openEnum',
  'literal',
  'template',
] as const
const BRANCHES = [
  'object',
  'object',
  'object',
  'array',
  'tuple',
  'record',
  'union',
  'union',
  'xor',
  'members',
  'members',
  'openMembers',
  'both',
  'wrap',
  'wrap',
] as const
export const WRAPS: readonly Wrap[] = ['nullable', 'readonly', 'describe', 'brand', 'catch', 'refine']
export const FIELD_WRAPS: readonly Wrap[] = ['optional', 'optional', 'nullish', 'default', 'prefault', ...WRAPS]

/** Draws a schema. `depth` is how much deeper it may go. */
export function drawSpec(random: Random, depth: number, isWithin = false): Spec {
  if (depth <= 0 || random.chance(0.45)) return isWithin && random.chance(0.12) ? { kind: 'self' } : drawLeaf(random)
  return drawBranch(random, depth - 1)
}

export function drawLeaf(random: Random): Spec {
  const kind = random.pick(LEAVES)
  switch (kind) {
    case 'string':
      return drawString(random)
    case 'number':
      return drawNumber(random)
    case 'enum':
    case 'openEnum':
      return { kind, values: random.some(VALUES, 1) }
    case 'literal':
      return { kind, value: random.pick<string | number | boolean | null>([...VALUES, 0, 1, true, null]) }
    case 'template':
      return { kind, prefix: random.pick(['id-', 'v']), of: random.pick(['number', 'string', 'enum'] as const) }
    default:
      return { kind }
  }
}

function drawString(random: Random): Spec {
  const [kind, min, max] = ['string' as const, random.below(3), 3 + random.below(8)]
  if (random.chance(0.25)) return { kind, format: random.pick(FORMATS) }
  if (random.chance(0.2)) return { kind, pattern: random.pick(Object.keys(PATTERNS)) }
  return {
    kind,
    ...(random.chance(0.3) && { min }),
    ...(random.chance(0.3) && { max }),
    ...(random.chance(0.1) && { startsWith: random.pick(['x', 'xy']) }),
    ...(random.chance(0.08) && { trim: true }),
    ...(random.chance(0.08) && { refine: true }),
  }
}

function drawNumber(random: Random): Spec {
  return {
    kind: 'number',
    ...(random.chance(0.3) && { min: random.below(4) - 2 }),
    ...(random.chance(0.1) && { above: 0 }),
    ...(random.chance(0.3) && { max: 5 + random.below(10) }),
    ...(random.chance(0.4) && { int: true }),
    ...(random.chance(0.1) && { step: random.pick([2, 5, 10]) }),
    ...(random.chance(0.06) && { refine: true }),
  }
}

export function drawObject(random: Random, depth: number): Spec & { kind: 'object' } {
  const names = [...new Set([random.pick(NAMES), random.pick(NAMES), random.pick(NAMES)])].slice(0, 1 + random.below(3))
  const fields = Object.fromEntries(names.map((name) => [name, drawField(random, depth)]))
  const mode = random.pick(['plain', 'plain', 'plain', 'plain', 'strict', 'loose', 'catchall'] as const)
  return { kind: 'object', fields, mode, ...(random.chance(0.05) && { refine: true }) }
}

export function drawField(random: Random, depth: number): Spec {
  const of = drawSpec(random, depth, true)
  const isSelf = of.kind === 'self'
  if (isSelf) return { kind: 'wrap', wrap: random.pick(['optional', 'nullable', 'nullish'] as const), of }
  return random.chance(0.4) ? { kind: 'wrap', wrap: random.pick(FIELD_WRAPS), of } : of
}

function drawBranch(random: Random, depth: number): Spec {
  const kind = random.pick(BRANCHES)
  switch (kind) {
    case 'object':
      return drawObject(random, depth)
    case 'array':
      return { kind, of: drawSpec(random, depth), ...(random.chance(0.2) && { min: 1 }), ...(random.chance(0.2) && { max: 2 + random.below(2) }) }
    case 'tuple':
      return { kind, items: [drawSpec(random, depth), drawSpec(random, depth)], ...(random.chance(0.3) && { rest: drawSpec(random, depth) }) }
    case 'record':
      return { kind, keys: random.pick(['string', 'enum', 'partial', 'pattern'] as const), of: drawSpec(random, depth) }
    case 'union':
    case 'xor':
      return { kind, of: [drawSpec(random, depth), drawSpec(random, depth), ...(random.chance(0.3) ? [drawSpec(random, depth)] : [])] }
    case 'members':
    case 'openMembers':
      return { kind, of: Object.fromEntries(random.some(TAGS, 1).map((tag) => [tag, drawMember(random, depth)])) }
    case 'both':
      return { kind, of: [drawObject(random, depth), drawObject(random, depth)] }
    case 'wrap':
      return { kind, wrap: random.pick(WRAPS), of: drawSpec(random, depth) }
  }
}

export function drawMember(random: Random, depth: number): Spec & { kind: 'object' } {
  return { ...drawObject(random, depth), mode: random.pick(['plain', 'plain', 'strict']) }
}

const isEven = (text: string): boolean => text.length % 2 === 0
const Day = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const TextNumber = z.codec(z.string(), z.number(), { decode: (text) => Number.parseFloat(text), encode: (value) => String(value) })

/** The same without `catch`: what is sent is nothing that has to be caught. */
export function withoutCatch<T>(spec: T): T {
  return JSON.parse(JSON.stringify(spec), (_key, part: Partial<Spec & { kind: 'wrap' }>) =>
    part?.kind === 'wrap' && part.wrap === 'catch' ? part.of : part,
  ) as T
}

/** Builds a schema with zod. A `self` within leads back to the whole. */
export function build(spec: Spec): z.ZodType {
  const whole: z.ZodType = buildPart(spec, () => whole)
  return whole
}

function buildPart(spec: Spec, self: () => z.ZodType): z.ZodType {
  switch (spec.kind) {
    case 'string':
      return buildString(spec)
    case 'number':
      return buildNumber(spec)
    case 'boolean':
      return z.boolean()
    case 'null':
      return z.null()
    case 'unknown':
      return z.unknown()
    case 'stringbool':
      return z.stringbool()
    case 'date':
      return Day
    case 'textNumber':
      return TextNumber
    case 'self':
      return z.lazy(self)
    case 'enum':
      return z.enum(spec.values)
    case 'openEnum':
      return openEnum(spec.values as [string, ...string[]]) // it has one
    case 'literal':
      return z.literal(spec.value)
    case 'template':
      return z.templateLiteral([spec.prefix, spec.of === 'number' ? z.number() : spec.of === 'string' ? z.string() : z.enum(['x', 'y'])])
    default:
      return buildBranch(spec, self)
  }
}

function buildString({ min, max, format, pattern, startsWith, trim, refine }: Extract<Spec, { kind: 'string' }>): z.ZodType {
  let schema: z.ZodString | z.ZodStringFormat = format === undefined ? z.string() : FORMAT_SCHEMAS[format]()
  if (trim) schema = schema.trim()
  if (min !== undefined) schema = schema.min(min)
  if (max !== undefined) schema = schema.max(max)
  if (pattern !== undefined) schema = schema.regex(new RegExp(pattern))
  if (startsWith !== undefined) schema = schema.startsWith(startsWith)
  return refine ? schema.refine(isEven) : schema
}

function buildNumber({ min, max, above, int, step, refine }: Extract<Spec, { kind: 'number' }>): z.ZodType {
  let schema = z.number()
  if (int) schema = schema.int()
  if (min !== undefined) schema = schema.min(min)
  if (above !== undefined) schema = schema.gt(above)
  if (max !== undefined) schema = schema.max(max)
  if (step !== undefined) schema = schema.multipleOf(step)
  return refine ? schema.refine((value) => value !== 3) : schema
}

type Branch = Exclude<
  Spec,
  { kind: 'string' | 'number' | 'boolean' | 'null' | 'unknown' | 'stringbool' | 'date' | 'textNumber' | 'self' | 'enum' | 'openEnum' | 'literal' | 'template' }
>

function buildBranch(spec: Branch, self: () => z.ZodType): z.ZodType {
  const part = (of: Spec): z.ZodType => buildPart(of, self)
  switch (spec.kind) {
    case 'object':
      return buildObject(spec, part)
    case 'array': {
      let schema = z.array(part(spec.of))
      if (spec.min !== undefined) schema = schema.min(spec.min)
      return spec.max === undefined ? schema : schema.max(spec.max)
    }
    case 'tuple': {
      const schema = z.tuple(spec.items.map(part) as [z.ZodType, ...z.ZodType[]]) // there are two
      return spec.rest === undefined ? schema : schema.rest(part(spec.rest))
    }
    case 'record':
      return buildRecord(spec.keys, part(spec.of))
    case 'union':
      return z.union(spec.of.map(part))
    case 'xor':
      return z.xor(spec.of.map(part))
    case 'members':
    case 'openMembers':
      return buildMembers(spec, part)
    case 'both':
      return z.intersection(part(spec.of[0]), part(spec.of[1]))
    case 'wrap':
      return wrap(spec.wrap, part(spec.of), spec.of)
  }
}

function buildObject({ fields, mode, refine }: Extract<Spec, { kind: 'object' }>, part: (of: Spec) => z.ZodType): z.ZodObject {
  const shape = Object.fromEntries(Object.entries(fields).map(([name, of]) => [name, part(of)]))
  const schema =
    mode === 'strict'
      ? z.strictObject(shape)
      : mode === 'loose'
        ? z.looseObject(shape)
        : mode === 'catchall'
          ? z.object(shape).catchall(z.number())
          : z.object(shape)
  return refine ? schema.refine((value) => Object.keys(value).length !== 2) : schema
}

function buildRecord(keys: 'string' | 'enum' | 'partial' | 'pattern', values: z.ZodType): z.ZodType {
  if (keys === 'enum') return z.record(z.enum(['red', 'green']), values)
  if (keys === 'partial') return z.partialRecord(z.enum(['red', 'green']), values)
  return z.record(keys === 'string' ? z.string() : z.string().regex(/^[a-z]+$/), values)
}

function buildMembers({ kind, of }: Extract<Spec, { kind: 'members' | 'openMembers' }>, part: (of: Spec) => z.ZodType): z.ZodType {
  const members = Object.entries(of).map(([tag, member]) => (part(member) as z.ZodObject).safeExtend({ tag: z.literal(tag) }))
  return kind === 'members' ? z.discriminatedUnion('tag', members as never) : openUnion('tag', members as never) // there is one
}

function wrap(how: Wrap, schema: z.ZodType, of: Spec): z.ZodType {
  switch (how) {
    case 'optional':
      return schema.optional()
    case 'nullable':
      return schema.nullable()
    case 'nullish':
      return schema.nullish()
    case 'default':
      return schema.default(null)
    case 'prefault':
      return prefault(schema, of)
    case 'catch':
      return schema.catch(null as never)
    case 'readonly':
      return schema.readonly()
    case 'describe':
      return schema.describe('what it is')
    case 'brand':
      return schema.brand('Brand')
    case 'refine':
      return schema.refine((given) => JSON.stringify(given) !== '"red"')
  }
}

/** With a value that the schema takes, or else a default, of which it is not asked. */
function prefault(schema: z.ZodType, of: Spec): z.ZodType {
  const value = JSON.stringify(of).includes('"self"') ? undefined : sampleSpec(of, FIXED)
  return value !== undefined && takes(schema, value) ? schema.prefault(() => value as never) : schema.default(null)
}

function takes(schema: z.ZodType, value: unknown): boolean {
  try {
    return schema.safeParse(value).success
  } catch {
    return false // an intersection whose sides do not merge
  }
}

/** Takes the first of everything. */
const FIXED = { below: () => 0, chance: () => false, pick: <T>(values: readonly T[]): T => values[0]! } as unknown as Random

const TEXTS = ['', 'a', 'red', 'x', 'xyz', 'text', ' a ', 'aaaaaaaaaaaa', '7', 'true', 'id-7', 'id-x', 'YES', '   ']
const NUMBERS = [0, 1, -1, 2, 3, 5, 10, 20, 0.5, 4.25, -2, 14, 15, 6, 1e9, 2 ** 53]

/** A value of the wire that the schema might let through, declared keys only. */
export function sampleSpec(spec: Spec, random: Random, whole: Spec = spec, depth = 0): unknown {
  const part = (of: Spec): unknown => sampleSpec(of, random, whole, depth + 1)
  switch (spec.kind) {
    case 'string':
      return sampleString(spec, random)
    case 'number':
      return spec.step === undefined || random.chance(0.3) ? random.pick(bounded(spec.min ?? spec.above, spec.max)) : spec.step * random.below(4)
    case 'boolean':
      return random.chance(0.5)
    case 'null':
      return null
    case 'unknown':
      return random.pick<unknown>([...TEXTS.slice(0, 3), 1, null, {}, [], { a: 1 }])
    case 'stringbool':
      return random.pick(['true', 'false', 'yes', 'NO', '1'])
    case 'date':
      return random.pick(FORMAT_TEXTS.datetime)
    case 'textNumber':
      return random.pick(['1', '2.5', 'x', ''])
    case 'self':
      return depth > 3 ? null : part(whole)
    case 'enum':
      return random.pick(spec.values)
    case 'openEnum':
      return random.chance(0.8) ? random.pick(spec.values) : random.pick(TEXTS)
    case 'literal':
      return spec.value
    case 'template':
      return spec.prefix + random.pick(spec.of === 'number' ? ['1', '-2.5', '07'] : spec.of === 'enum' ? ['x', 'y'] : ['', 'text', '7'])
    default:
      return sampleBranch(spec, random, part)
  }
}

function bounded(min: number | undefined, max: number | undefined): number[] {
  return [...NUMBERS, ...[min, max].flatMap((bound) => (bound === undefined ? [] : [bound, bound + 1, bound - 1, bound + 0.5]))]
}

function sampleString({ min, max, format, pattern, startsWith }: Extract<Spec, { kind: 'string' }>, random: Random): string {
  if (format !== undefined) return random.pick(FORMAT_TEXTS[format])
  if (pattern !== undefined) return random.pick(PATTERNS[pattern]!)
  const lengths = [min, max].filter((length) => length !== undefined).map((length) => 'abcdefghijklmnop'.slice(0, length))
  return (startsWith ?? '') + random.pick([...TEXTS, ...lengths, ...VALUES])
}

function sampleBranch(spec: Branch, random: Random, part: (of: Spec) => unknown): unknown {
  switch (spec.kind) {
    case 'object':
      return sampleObject(spec, random, part)
    case 'array':
      return Array.from({ length: random.pick([0, 1, 1, 2, 3, spec.max ?? 0]) }, () => part(spec.of))
    case 'tuple':
      return [...spec.items, ...(spec.rest !== undefined && random.chance(0.5) ? [spec.rest] : [])].map(part)
    case 'record': {
      const keys =
        spec.keys === 'enum' || (spec.keys === 'partial' && random.chance(0.5))
          ? ['red', 'green']
          : spec.keys === 'partial'
            ? ['red']
            : random.pick([[], ['a'], ['red', 'other']])
      return toObject(keys.map((key) => [key, part(spec.of)]))
    }
    case 'union':
    case 'xor':
      return spec.of.length === 0 ? undefined : part(random.pick(spec.of))
    case 'members':
    case 'openMembers': {
      const tag = random.pick(Object.keys(spec.of))
      return { ...(part(spec.of[tag]!) as object), tag }
    }
    case 'both':
      return { ...(part(spec.of[0]) as object), ...(part(spec.of[1]) as object) }
    case 'wrap':
      return sampleWrap(spec, random, part)
  }
}

function sampleObject({ fields, mode }: Extract<Spec, { kind: 'object' }>, random: Random, part: (of: Spec) => unknown): unknown {
  const own = toObject(Object.entries(fields).map(([name, of]) => [name, part(of)]))
  if (mode === 'loose' && random.chance(0.5)) return { ...toObject([[random.pick(NAMES), random.pick<unknown>([1, 'text', null])]]), ...own }
  return mode === 'catchall' && random.chance(0.5) ? { ...toObject([[random.pick(NAMES), 1]]), ...own } : own
}

function sampleWrap({ wrap: how, of }: Extract<Spec, { kind: 'wrap' }>, random: Random, part: (of: Spec) => unknown): unknown {
  if ((how === 'nullable' || how === 'nullish') && random.chance(0.3)) return null
  return ['optional', 'nullish', 'default', 'prefault'].includes(how) && random.chance(0.3) ? undefined : part(of)
}

/** As it crosses the wire: without what is undefined. */
function toObject(entries: ReadonlyArray<readonly [string, unknown]>): Record<string, unknown> {
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}
