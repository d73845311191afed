import { hasChange } from './alike.js'
import type { Model } from './model.js'
import { admitsNumber, meetNumbers } from './number.js'
import { type Field, type ObjectShape, optional, type Shape, type Token } from './shape.js'
import { admitsText, meetTexts } from './text.js'

// What two models have in common, and whether they have anything.

type Pair = Extract<Model, { type: 'all' | 'both' }>
type ObjectLike = Extract<Shape, { kind: 'object' }>
type ArrayLike = Extract<Shape, { kind: 'array' }>

const UNMERGED: Token = { name: 'merge' } // zod puts the two results together, which fails where both sides change a value
const BOTH_REFUSE: Token = { name: 'strict within' } // and refuses a key only where both sides do, if it can tell

export function meetAll(model: Pair, expand: (part: Model) => readonly Shape[]): readonly Shape[] {
  const [left, right] = model.of
  const isUnclear = model.type === 'all' && [left, right].some((part) => !isDirect(part) && expand(part).some(isClosed))
  return expand(left).flatMap((one) =>
    expand(right).flatMap((other) => {
      const met = meetShapes(one, other, model.type === 'all')
      if (met === undefined) return []
      const tokens = [...met.tokens, ...(isUnclear ? [BOTH_REFUSE] : [])].map((token) =>
        token === UNMERGED || token === BOTH_REFUSE ? { ...token, of: model } : token,
      )
      return [{ ...met, model, tokens }]
    }),
  )
}

function isDirect({ type }: Model): boolean {
  return ['object', 'record', 'all', 'optional', 'nullable'].includes(type)
}

function isClosed(shape: Shape): boolean {
  return shape.kind === 'object' && (shape.others === 'refused' || shape.keys !== undefined)
}

function meetShapes(one: Shape, other: Shape, isReconciled: boolean): Shape | undefined {
  const tokens = [...one.tokens, ...other.tokens]
  if (one.isCaught === true || other.isCaught === true) return meetCaught(one, other)
  if (other.kind === 'any') return { ...one, tokens }
  if (one.kind === 'any') return { ...other, tokens }
  if (one.kind === 'constant') return meetConstant(one, other, tokens)
  if (other.kind === 'constant') return meetConstant(other, one, tokens)
  if (one.kind === 'number' && other.kind === 'number') return { ...one, tokens, checks: meetNumbers(one.checks, other.checks) }
  if (one.kind === 'string' && other.kind === 'string') {
    const checks = meetTexts(one.checks, other.checks)
    return checks === undefined ? { ...one, tokens: [...tokens, UNMERGED] } : { ...one, tokens, checks }
  }
  if (one.kind === 'array' && other.kind === 'array')
    return { ...meetArrays(one, other), tokens: [...tokens, ...(changes(one) || changes(other) ? [UNMERGED] : [])] }
  if (one.kind === 'object' && other.kind === 'object') return { ...one, ...meetObjects(one, other, isReconciled), tokens: [...tokens, ...clashes(one, other)] }
  return one.kind === other.kind ? { ...one, tokens } : undefined
}

function meetCaught(one: Shape, other: Shape): Shape {
  const shape = one.isCaught === true ? other : one
  return { ...shape, isCaught: true, tokens: [...one.tokens, ...other.tokens, UNMERGED] }
}

function meetConstant(constant: Constant, other: Shape, tokens: readonly Token[]): Shape | undefined {
  const { value } = constant
  const answer = admitsConstant(other, value)
  if (answer === 'no') return undefined
  return { ...constant, tokens: answer === 'yes' && constant.anyCase !== true ? tokens : [...tokens, UNMERGED] }
}

function admitsConstant(shape: Shape, value: unknown): 'yes' | 'no' | 'maybe' {
  if (shape.kind === 'constant') return shape.anyCase === true ? 'maybe' : shape.value === value ? 'yes' : 'no'
  if (shape.kind === 'number') return typeof value === 'number' && admitsNumber(shape.checks, value) ? 'yes' : 'no'
  if (shape.kind === 'string')
    return typeof value !== 'string' ? 'no' : shape.checks.rewrite === undefined ? admitsText(shape.checks, value, 'receiver') : 'maybe'
  return 'no'
}

function meetArrays(one: ArrayLike, other: ArrayLike): ArrayLike {
  const count = Math.max(one.items.length, other.items.length)
  const items = Array.from({ length: count }, (_, index) => bothOf(one.items[index] ?? one.rest, other.items[index] ?? other.rest))
  const isShorter = items.indexOf(undefined)
  const rest = one.rest && other.rest && both(one.rest, other.rest)
  return {
    ...one,
    items: items.slice(0, isShorter === -1 ? count : isShorter).filter((item) => item !== undefined),
    rest,
    min: Math.max(one.min, other.min),
    max: Math.min(one.max, other.max),
  }
}

function bothOf(one: Model | undefined, other: Model | undefined): Model | undefined {
  return one && other && both(one, other)
}

const pairs = new WeakMap<Model, WeakMap<Model, Model>>()

/** The values of both. Made once for a pair, since recursive models are recognised by being the same. */
function both(one: Model, other: Model): Model {
  if (one === other) return one
  const known = pairs.get(one) ?? new WeakMap<Model, Model>()
  pairs.set(one, known)
  const made: Model = known.get(other) ?? { type: 'both', of: [one, other] }
  known.set(other, made)
  return made
}

const NOTHING: Model = optional({ type: 'never' })

/** In an intersection a key is refused where both sides do; below it, where one does. */
function meetObjects(one: ObjectShape, other: ObjectShape, isReconciled: boolean): ObjectShape {
  const keys = new Set([...one.fields.keys(), ...other.fields.keys()])
  const fields = new Map([...keys].map((key) => [key, meetField(one, other, key, isReconciled)]))
  return { kind: 'object', fields, others: meetOthers(one.others, other.others, isReconciled), keys: isReconciled ? undefined : (one.keys ?? other.keys) }
}

function meetField(one: ObjectShape, other: ObjectShape, key: string, isReconciled: boolean): Field {
  const [mine, theirs] = [one.fields.get(key), other.fields.get(key)]
  if (mine !== undefined && theirs !== undefined) return { model: both(mine.model, theirs.model), isEntry: mine.isEntry && theirs.isEntry }
  const [field, { others }] = mine === undefined ? [theirs!, one] : [mine, other]
  if (others === 'refused' && !isReconciled) return { model: both(field.model, NOTHING), isEntry: false }
  return typeof others === 'string' ? field : { model: both(field.model, optional(others)), isEntry: field.isEntry }
}

function meetOthers(one: ObjectShape['others'], other: ObjectShape['others'], isReconciled: boolean): ObjectShape['others'] {
  if (typeof one === 'object' && typeof other === 'object') return both(one, other)
  const [model, word] = typeof one === 'object' ? [one, other] : [other, one]
  if (isReconciled) return typeof model === 'object' ? model : model === 'refused' ? word : model
  return word === 'refused' ? word : model
}

/** What cannot be told of the intersection of two objects. */
function clashes(one: ObjectLike, other: ObjectLike): Token[] {
  const shared = [...one.fields.keys()].filter((key) => other.fields.has(key) || typeof other.others === 'object')
  const values = [
    ...shared.map((key) => one.fields.get(key)!.model),
    ...[...other.fields].flatMap(([key, { model }]) => (one.fields.has(key) || typeof one.others === 'object' ? [model] : [])),
  ]
  const open = [one.others, other.others].filter((others) => typeof others === 'object')
  const isClashing = [...values, ...(open.length === 2 || values.length > 0 ? open : [])].some((model) => hasChange(model))
  return [...(isClashing ? [UNMERGED] : []), ...(one.keys !== undefined || other.keys !== undefined ? [BOTH_REFUSE] : [])]
}

function changes({ items, rest }: ArrayLike): boolean {
  return [...items, ...(rest ? [rest] : [])].some((item) => hasChange(item))
}

/** Whether it is certain that no value has both shapes. */
export function areDisjoint(one: Shape, other: Shape): boolean {
  if (one.kind === 'any' || other.kind === 'any') return false
  if (one.kind === 'constant' && other.kind === 'constant') return areOtherConstants(one, other)
  if (one.kind === 'constant') return one.anyCase !== true && admitsConstant(other, one.value) === 'no'
  if (other.kind === 'constant') return areDisjoint(other, one)
  if (one.kind === 'object' && other.kind === 'object') return isToldApart(one, other)
  return one.kind !== other.kind
}

type Constant = Extract<Shape, { kind: 'constant' }>

function areOtherConstants(one: Constant, other: Constant): boolean {
  if (one.anyCase !== true && other.anyCase !== true) return one.value !== other.value
  return String(one.value).toLowerCase() !== String(other.value).toLowerCase()
}

/** Objects are told apart by a field that both ask for, with other values. */
function isToldApart(one: ObjectLike, other: ObjectLike): boolean {
  return [...one.fields].some(([key, field]) => {
    const theirs = other.fields.get(key)
    const [mine, others] = [valuesOf(field), theirs && valuesOf(theirs)]
    return mine !== undefined && others !== undefined && !mine.some((value) => others.includes(value))
  })
}

/** The values of a field that has few, and is always there. */
function valuesOf({ model }: Field): readonly unknown[] | undefined {
  return model.type === 'enum' ? model.values : undefined
}
