import type { Role } from './answer.js'
import { expand, omission } from './expand.js'
import type { Model, NumberChecks } from './model.js'
import { sampleNumbers } from './number.js'
import type { Field, ObjectShape, Shape } from './shape.js'
import { sampleTexts } from './text.js'

const MAX_DEPTH = 24
// Below it, only what is needed, and what ends soonest.
const FREE_DEPTH = 2
const ANYTHING: readonly unknown[] = ['anything', 0, true, null, {}, []]
const SIMPLE: ReadonlyArray<Shape['kind']> = ['constant', 'string', 'number', 'any', 'array', 'object', 'absent']

type ArrayShape = Extract<Shape, { kind: 'array' }>

const sampled = new Map<string, WeakMap<Model, { readonly value: unknown }>>()

/** A value that the sender may send, another one for another `variant`; `undefined` where none is found. */
export function sample(model: Model, role: Role, variant: number, depth = 0): unknown {
  if (depth > MAX_DEPTH) return undefined
  const key = `${role} ${variant} ${Math.min(depth, FREE_DEPTH + 1)}`
  const known = sampled.get(key) ?? new WeakMap<Model, { value: unknown }>()
  sampled.set(key, known)
  const value = known.has(model) ? known.get(model)?.value : sampleNew(model, role, variant, depth)
  if (value !== undefined) known.set(model, { value }) // none may only be for the depth
  return value
}

function sampleNew(model: Model, role: Role, variant: number, depth: number): unknown {
  const shapes = expand(model, role).filter(({ kind }) => kind !== 'absent')
  const sorted = [...shapes].sort((left, right) => SIMPLE.indexOf(left.kind) - SIMPLE.indexOf(right.kind))
  // Of members that hold themselves twice, any but the flattest would double with each level.
  if (depth > FREE_DEPTH) sorted.sort((left, right) => heightOf(left, role) - heightOf(right, role))
  const start = depth <= FREE_DEPTH && sorted.length > 0 ? variant % sorted.length : 0
  for (const shape of [...sorted.slice(start), ...sorted.slice(0, start)]) {
    const value = sampleShape(shape, role, variant, depth)
    if (value !== undefined) return value
  }
  return undefined
}

export function sampleShape(shape: Shape, role: Role, variant: number, depth = 0): unknown {
  switch (shape.kind) {
    case 'constant':
      return shape.value
    case 'number':
      return pick(numbersOf(shape.checks), variant)
    case 'string':
      return pick(sampleTexts(shape.checks, [], role), variant)
    case 'any':
      return pick(ANYTHING, variant)
    case 'array':
      return sampleArray(shape, role, variant, {}, depth)
    case 'object':
      return sampleObject(shape, role, variant, {}, depth)
    case 'absent':
      return undefined
  }
}

function pick<T>(values: readonly T[], variant: number): T | undefined {
  return values[variant % Math.max(values.length, 1)]
}

const numbers = new WeakMap<NumberChecks, number[]>()

function numbersOf(checks: NumberChecks): number[] {
  const known = numbers.get(checks) ?? sampleNumbers(checks, [])
  numbers.set(checks, known)
  return known
}

/** An array with the given items in their places, and as many others as it needs. */
export function sampleArray(shape: ArrayShape, role: Role, variant: number, given: { readonly [index: number]: unknown }, depth = 0): unknown[] | undefined {
  const last = Math.max(-1, ...Object.keys(given).map(Number))
  const length = Math.max(shape.min, last + 1)
  if (length > shape.max || length > 10_000) return undefined
  const values: unknown[] = []
  for (let index = 0; index < length; index++) {
    const model = shape.items[index] ?? shape.rest
    const value = index in given ? given[index] : model && sample(model, role, variant, depth + 1)
    if (value === undefined) return undefined
    values.push(value)
  }
  return values
}

/** An object with the given fields, where `undefined` leaves one out, and with what else it needs. */
export function sampleObject(
  shape: ObjectShape,
  role: Role,
  variant: number,
  given: { readonly [key: string]: unknown },
  depth = 0,
): Record<string, unknown> | undefined {
  const values: Array<[string, unknown]> = Object.entries(given).filter(([, value]) => value !== undefined)
  for (const [key, field] of shape.fields) {
    if (Object.hasOwn(given, key) || !isWanted(field, role, variant, depth)) continue
    const value = sample(field.model, role, variant, depth + 1)
    if (value !== undefined) values.push([key, value])
    else if (omission(field, role) === 'no') return undefined
  }
  return Object.fromEntries(values)
}

/** How many levels the flattest value of a shape has. */
function heightOf(shape: Shape, role: Role): number {
  let height = 0
  while (height <= MAX_DEPTH && !fitsShape(shape, role, height)) height++
  return height
}

const fitting = new Map<string, WeakMap<Model, boolean>>()

/** Whether a model has a value of at most so many levels. */
function fits(model: Model, role: Role, height: number): boolean {
  if (height < 0) return false
  const key = `${role} ${height}`
  const known = fitting.get(key) ?? new WeakMap<Model, boolean>()
  fitting.set(key, known)
  const isFitting = known.get(model) ?? expand(model, role).some((shape) => shape.kind !== 'absent' && fitsShape(shape, role, height))
  known.set(model, isFitting)
  return isFitting
}

function fitsShape(shape: Shape, role: Role, height: number): boolean {
  switch (shape.kind) {
    case 'array': {
      const needed = shape.min > shape.items.length ? [...shape.items, shape.rest] : shape.items.slice(0, shape.min)
      return needed.every((model) => model !== undefined && fits(model, role, height - 1))
    }
    case 'object':
      return [...shape.fields.values()].every((field) => omission(field, role) !== 'no' || fits(field.model, role, height - 1))
    default:
      return true
  }
}

function isWanted(field: Field, role: Role, variant: number, depth: number): boolean {
  return omission(field, role) === 'no' || (variant % 2 === 1 && depth <= FREE_DEPTH)
}
