import { type Answer, all, any, type Role, toAnswer } from './answer.js'
import { expand, omission } from './expand.js'
import type { Model } from './model.js'
import { admitsNumber } from './number.js'
import type { ObjectShape, Shape } from './shape.js'
import { admitsText } from './text.js'

/** Whose values are asked about; `keeper` is a receiver that takes nothing for what it was not. */
export type Reader = Role | 'keeper'

/** Whether a value of the wire is one of the model; `undefined` is an absent one. */
export function admits(model: Model, value: unknown, reader: Reader): Answer {
  const role = reader === 'keeper' ? 'receiver' : reader
  return any(expand(model, role).map((shape) => admitsShape(shape, value, reader)))
}

export function admitsShape(shape: Shape, value: unknown, reader: Reader): Answer {
  if (shape.isCaught === true && reader === 'keeper') return 'no'
  const answer = admitsPlain(shape, value, reader)
  return answer === 'yes' && shape.tokens.length > 0 ? 'maybe' : answer
}

function admitsPlain(shape: Shape, value: unknown, reader: Reader): Answer {
  switch (shape.kind) {
    case 'any':
      return 'yes'
    case 'absent':
      return toAnswer(value === undefined)
    case 'constant':
      return toAnswer(value === shape.value || (shape.anyCase === true && typeof value === 'string' && value.toLowerCase() === shape.value))
    case 'number':
      return toAnswer(typeof value === 'number' && Number.isFinite(value) && admitsNumber(shape.checks, value))
    case 'string':
      return typeof value === 'string' ? admitsText(shape.checks, value, reader === 'keeper' ? 'receiver' : reader) : 'no'
    case 'array':
      return Array.isArray(value) ? admitsItems(shape, value, reader) : 'no'
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? admitsFields(shape, value, reader) : 'no'
  }
}

function admitsItems({ items, rest, min, max }: Extract<Shape, { kind: 'array' }>, value: readonly unknown[], reader: Reader): Answer {
  if (value.length < min || value.length > max) return 'no'
  return all(value.map((item, index) => admitsItem(items[index] ?? rest, item, reader)))
}

function admitsItem(model: Model | undefined, item: unknown, reader: Reader): Answer {
  return model === undefined ? 'no' : admits(model, item, reader)
}

function admitsFields(shape: ObjectShape, value: object, reader: Reader): Answer {
  const declared = [...shape.fields].map(([key, field]) => {
    if (Object.hasOwn(value, key)) return admits(field.model, Reflect.get(value, key), reader)
    const absent = omission(field, reader === 'keeper' ? 'receiver' : reader)
    return toAnswer(absent === 'yes' || (absent === 'caught' && reader !== 'keeper'))
  })
  const others = Object.entries(value).filter(([key]) => !shape.fields.has(key))
  return all([...declared, ...others.map(([key, each]) => admitsOther(shape, key, each, reader))])
}

function admitsOther({ others, keys }: ObjectShape, key: string, value: unknown, reader: Reader): Answer {
  if (others === 'dropped') return toAnswer(reader === 'receiver' || reader === 'keeper') // a sender never sends it
  if (others === 'refused') return 'no'
  return all([keys === undefined ? 'yes' : admitsKey(keys, key, reader), admits(others, value, reader)])
}

const NUMERIC = /^-?\d+(?:\.\d+)?$/

/** A key is a text; zod also tries the number that it spells. */
export function admitsKey(keys: Model, key: string, reader: Reader): Answer {
  const asText = admits(keys, key, reader)
  return asText === 'no' && NUMERIC.test(key) ? admits(keys, Number(key), reader) : asText
}
