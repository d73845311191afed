import type { Role } from './answer.js'
import { areDisjoint, meetAll } from './meet.js'
import type { Model } from './model.js'
import { asMember, type Field, type ObjectShape, type Omission, optional, REFINE, type Shape, UNKNOWN, withTokens } from './shape.js'
import { expandTemplate } from './template.js'

const expanded: Record<Role, WeakMap<Model, readonly Shape[]>> = { server: new WeakMap(), client: new WeakMap(), receiver: new WeakMap() }

/** The shapes that a model's values have. Never recursive into fields and items. */
export function expand(model: Model, role: Role): readonly Shape[] {
  const known = expanded[role].get(model)
  if (known !== undefined) return known
  const shapes = expandMarked(model, role)
  expanded[role].set(model, shapes)
  return shapes
}

function expandMarked(model: Model, role: Role): readonly Shape[] {
  const { refined = 0, rewritten } = model
  const tokens = [...Array.from({ length: refined }, () => REFINE), ...(rewritten === undefined ? [] : [{ name: `rewrite ${rewritten}` }])]
  return expandType(model, role).map((shape) => withTokens(shape, tokens))
}

function expandType(model: Model, role: Role): readonly Shape[] {
  const plain = { model, tokens: [] }
  switch (model.type) {
    case 'unknown':
      return [{ ...plain, kind: 'any' }]
    case 'never':
      return []
    case 'null':
      return [{ ...plain, kind: 'constant', value: null }]
    case 'boolean':
      return [true, false].map((value) => ({ ...plain, kind: 'constant', value }))
    case 'enum':
      return model.values.map((value) => ({ ...plain, kind: 'constant', value }))
    case 'number':
      return [{ ...plain, kind: 'number', checks: model }]
    case 'string':
      return [{ ...plain, kind: 'string', checks: model }]
    case 'stringbool':
      return expandStringbool(model, role)
    case 'template':
      return expandTemplate(model)
    case 'array':
      return [{ ...plain, kind: 'array', items: [], rest: model.items, min: model.min ?? 0, max: model.max ?? Number.POSITIVE_INFINITY }]
    case 'tuple':
      return [{ ...plain, kind: 'array', items: model.items, rest: model.rest, ...tupleLengths(model, role) }]
    case 'object':
      return [{ ...plain, ...toObjectShape(model) }]
    case 'record':
      return [expandRecord(model)]
    default:
      return expandWrapper(model, role)
  }
}

type ModelOf<T extends Model['type']> = Extract<Model, { type: T }>

function expandWrapper(model: Model, role: Role): readonly Shape[] {
  const absent: Shape = { model, tokens: [], kind: 'absent' }
  switch (model.type) {
    case 'union':
      return (model.exclusive === true ? expandExclusive(model, role) : expandMembers(model, role)).map(asMember)
    case 'all':
    case 'both':
      return meetAll(model, (part) => expand(part, role))
    case 'optional':
      return [...expand(model.of, role), absent]
    case 'default': // the server encodes, and so always sends it
      return role === 'server' ? expand(model.of, role) : [...expand(model.of, role), absent]
    case 'nullable':
      return [...expand(model.of, role), { model, tokens: [], kind: 'constant', value: null }]
    case 'required':
      return expand(model.of, role).filter(({ kind }) => kind !== 'absent')
    case 'received':
      return role === 'receiver' ? expand(model.of, role).map((shape) => ({ ...shape, isSpare: true })) : []
    case 'catch':
      return role === 'receiver'
        ? [...expand(model.of, role), { model, tokens: [], kind: 'any', isCaught: true }, { ...absent, isCaught: true }]
        : expand(model.of, role)
    case 'codec':
      return expand(model.of, role).map((shape) => (role !== 'server' && isTotal(shape, model.to) ? shape : withTokens(shape, [{ name: `codec ${model.to}` }])))
    case 'pipe':
      return expand(model.of, role).map((shape) => withTokens(shape, [{ name: 'pipe', of: model }]))
    default:
      return []
  }
}

/** What is known of a codec but its input side: that it takes every value of it. */
function isTotal(shape: Shape, to: string): boolean {
  if (shape.kind === 'string') return to === 'date' && (shape.checks.formats ?? []).some(({ name }) => name === 'datetime' || name === 'date')
  return shape.kind === 'number' && to === 'bigint' && shape.checks.int === true
}

function expandStringbool(model: ModelOf<'stringbool'>, role: Role): readonly Shape[] {
  const { yes, no, anyCase } = model
  const words = role === 'server' ? [yes.slice(0, 1), no.slice(0, 1)] : [yes, no] // it encodes as the first
  return words.flatMap((texts, index) =>
    texts.map((value): Shape => ({ model, tokens: [], kind: 'constant', value, means: index === 0, ...(anyCase && role !== 'server' && { anyCase }) })),
  )
}

function expandMembers({ of, discriminator }: ModelOf<'union'>, role: Role): readonly Shape[] {
  return of.flatMap((member) => expand(withoutCatch(member, discriminator), role))
}

function expandExclusive(model: ModelOf<'union'>, role: Role): readonly Shape[] {
  const members = model.of.map((member) => expand(member, role))
  const isApart = members.every((left, index) =>
    members.slice(index + 1).every((right) => left.every((one) => right.every((other) => areDisjoint(one, other)))),
  )
  return isApart ? members.flat() : members.flat().map((shape) => withTokens(shape, [{ name: 'exclusive', of: model }]))
}

const discriminated = new WeakMap<Model, Model>()

/** A discriminated union looks at the discriminator before a `catch` there could. */
function withoutCatch(member: Model, discriminator: string | undefined): Model {
  const field = discriminator !== undefined && member.type === 'object' ? member.fields[discriminator] : undefined
  if (member.type !== 'object' || field?.type !== 'catch') return member
  const known = discriminated.get(member) ?? { ...member, fields: { ...member.fields, [discriminator!]: { type: 'optional', of: field.of } } }
  discriminated.set(member, known)
  return known
}

function toObjectShape({ fields, others }: ModelOf<'object'>): ObjectShape {
  return { kind: 'object', fields: new Map(Object.entries(fields).map(([key, model]) => [key, { model, isEntry: false }])), others: others ?? 'dropped' }
}

function expandRecord(model: ModelOf<'record'>): Shape {
  const { keys, values, partial, loose } = model
  const named = keysOf(keys)
  const plain = { model, tokens: [], kind: 'object' as const }
  if (named !== undefined) {
    const field: Field = partial === true ? { model: optional(values), isEntry: false } : { model: values, isEntry: true }
    const shape: Shape = { ...plain, fields: new Map(named.map((key) => [key, field])), others: loose === true ? UNKNOWN : 'refused' }
    return keys.type === 'enum' && keys.refined === undefined ? shape : withTokens(shape, [{ name: 'keys', of: keys }])
  }
  if (loose === true) return { ...plain, fields: new Map(), others: UNKNOWN, tokens: [{ name: 'loose', of: model }] }
  const isAny = keys.type === 'string' && Object.keys(keys).every((key) => key === 'type')
  return { ...plain, fields: new Map(), others: values, keys: isAny ? undefined : keys }
}

/** The keys of a record that has all of them, where the schema of its keys lists them. */
function keysOf(keys: Model): string[] | undefined {
  if (keys.type === 'enum') return keys.values.filter((value) => typeof value === 'string' || typeof value === 'number').map(String)
  if (keys.type !== 'union') return undefined
  const members = keys.of.map(keysOf)
  return members.every((member) => member !== undefined) ? [...new Set(members.flat())] : undefined
}

function tupleLengths({ items, rest, min = 0, max }: ModelOf<'tuple'>, role: Role): { min: number; max: number } {
  const last = items.findLastIndex((model) => omission({ model, isEntry: false }, role) === 'no')
  return { min: Math.max(last + 1, min), max: max ?? (rest === undefined ? items.length : Number.POSITIVE_INFINITY) }
}

/** Whether a field may be absent. */
export function omission({ model, isEntry }: Field, role: Role): Omission {
  return isEntry ? omissionOfEntry(model, role) : omissionOfField(model, role)
}

function omissionOfEntry(model: Model, role: Role): Omission {
  const shapes = expand(model, role).filter(({ kind }) => kind === 'absent' || kind === 'any')
  return shapes.some(({ isCaught }) => isCaught !== true) ? 'yes' : shapes.length > 0 ? 'caught' : 'no'
}

function omissionOfField(model: Model, role: Role): Omission {
  switch (model.type) {
    case 'optional':
      return 'yes'
    case 'default':
      return role === 'server' ? omissionOfField(model.of, role) : 'yes'
    case 'catch':
      return role === 'receiver' && omissionOfField(model.of, role) === 'no' ? 'caught' : omissionOfField(model.of, role)
    case 'received':
      return role === 'receiver' ? omissionOfField(model.of, role) : 'no'
    case 'nullable':
    case 'codec':
    case 'pipe':
      return omissionOfField(model.of, role)
    case 'union':
      return most(model.of.map((member) => omissionOfField(member, role)))
    case 'both':
      return least(model.of.map((part) => omissionOfField(part, role)))
    default:
      return 'no'
  }
}

function most(omissions: readonly Omission[]): Omission {
  return omissions.includes('yes') ? 'yes' : omissions.includes('caught') ? 'caught' : 'no'
}

function least(omissions: readonly Omission[]): Omission {
  return omissions.includes('no') ? 'no' : omissions.includes('caught') ? 'caught' : 'yes'
}
