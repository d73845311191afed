import type { Model, NumberChecks, Scalar, TextChecks } from './model.js'

/** One of the kinds of values that a model stands for. */
export type Shape = (
  | { readonly kind: 'constant'; readonly value: Scalar; readonly anyCase?: true; readonly means?: boolean }
  | { readonly kind: 'number'; readonly checks: NumberChecks }
  | { readonly kind: 'string'; readonly checks: TextChecks }
  | { readonly kind: 'array'; readonly items: readonly Model[]; readonly rest?: Model | undefined; readonly min: number; readonly max: number }
  | ObjectShape
  | { readonly kind: 'any' }
  | { readonly kind: 'absent' }
) & {
  readonly model: Model
  /** What must also hold and cannot be looked into: refinements, codecs and their like. */
  readonly tokens: readonly Token[]
  /** Accepted, and replaced by a value that was not sent. */
  readonly isCaught?: true
  /** Only there for what newer versions may send, and no promise that anybody does. */
  readonly isSpare?: true
}

/** Something that must also hold and cannot be looked into: the same as another of its name, where it is about the same model. */
export interface Token {
  readonly name: string
  readonly of?: Model
}

export interface ObjectShape {
  readonly kind: 'object'
  readonly fields: ReadonlyMap<string, Field>
  /** What is done with other keys; a model is what their values must be. */
  readonly others: 'dropped' | 'refused' | Model
  /** What other keys must look like. */
  readonly keys?: Model | undefined
}

export interface Field {
  readonly model: Model
  /** An entry of a record is asked for `undefined` where it is absent; a field of an object is passed over where it may be. */
  readonly isEntry: boolean
}

/** A function of the application. */
export const REFINE: Token = { name: 'refine' }

// One that moves into a union, or out of it, may be another: functions are only counted.
const REFINE_OF_MEMBER: Token = { name: 'refine of a member' }

export function isRefinement({ name }: Token): boolean {
  return name === REFINE.name || name === REFINE_OF_MEMBER.name
}

/** A shape of a member, as one of the union's. */
export function asMember(shape: Shape): Shape {
  return shape.tokens.includes(REFINE) ? { ...shape, tokens: shape.tokens.map((token) => (token === REFINE ? REFINE_OF_MEMBER : token)) } : shape
}

export const UNKNOWN: Model = { type: 'unknown' }

export type Omission = 'no' | 'caught' | 'yes'

export function withTokens(shape: Shape, tokens: readonly Token[]): Shape {
  return tokens.length === 0 ? shape : { ...shape, tokens: [...shape.tokens, ...tokens] }
}

const optionals = new WeakMap<Model, Model>()

export function optional(of: Model): Model {
  const known = optionals.get(of) ?? { type: 'optional', of }
  optionals.set(of, known)
  return known
}
