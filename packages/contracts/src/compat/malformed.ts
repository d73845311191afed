// A lock is a file, which a merge may have spoilt: what is compared must be what `readModel` writes.

type Test = (value: unknown, ids: ReadonlySet<unknown>) => string | undefined

const isText = (value: unknown): boolean => typeof value === 'string'
const isScalar = (value: unknown): boolean => value === null || ['string', 'number', 'boolean'].includes(typeof value)
const expected =
  (what: string, test: (value: unknown) => boolean): Test =>
  (value) =>
    test(value) ? undefined : `something that is not ${what}`
const text = expected('a text', isText)
const number = expected('a number', (value) => typeof value === 'number')
const listOf = (what: string, test: (value: unknown) => boolean): Test => expected(`a list of ${what}`, (value) => Array.isArray(value) && value.every(test))
const texts = listOf('texts', isText)
const scalars = listOf('values', isScalar)
const numbers = listOf('numbers', (value) => typeof value === 'number')

const model: Test = (value, ids) => findMalformed(value, ids)
const models: Test = (value, ids) => (Array.isArray(value) ? firstOf(value, model, ids) : 'something that is not a list of schemas')
const pair: Test = (value, ids) => (Array.isArray(value) && value.length === 2 ? models(value, ids) : 'something that is not two schemas')
const fields: Test = (value, ids) => (isRecord(value) ? firstOf(Object.values(value), model, ids) : 'something that is not fields')
const partsOf: Test = (value, ids) =>
  Array.isArray(value)
    ? firstOf(
        value.filter((part) => !isText(part)),
        model,
        ids,
      )
    : 'something that is not a list of parts'
const refused: Test = (value, ids) => (value === 'refused' ? undefined : model(value, ids))
const reference: Test = (value, ids) => (ids.has(value) ? undefined : `a reference to ${JSON.stringify(value)}, which is not around it`)
const checks: Test = (value) => (isRecord(value) ? findIn(value, TEXT, new Set()) : 'something that is not checks')

type Parts = { readonly [key: string]: Test }
const LENGTHS: Parts = { min: number, max: number }
const TEXT: Parts = {
  ...LENGTHS,
  formats: listOf('formats', (value) => isRecord(value) && isText(value['name'])),
  patterns: listOf('patterns', (value) => isRecord(value) && isText(value['source']) && isText(value['flags'])),
  ...{ startsWith: texts, endsWith: texts, includes: texts, except: texts, rewrite: texts },
  after: (value, ids) => checks(value, ids),
}
const WRAPPER: Needs = { needed: { of: model } }

interface Needs {
  readonly needed?: Parts
  readonly others?: Parts
}

const TYPES: { readonly [type: string]: Needs } = {
  ...{ unknown: {}, never: {}, null: {}, boolean: {} },
  enum: { needed: { values: scalars } },
  stringbool: { needed: { yes: texts, no: texts } },
  string: { others: TEXT },
  number: { others: { ...LENGTHS, above: number, below: number, multiples: numbers } },
  template: { needed: { parts: partsOf } },
  array: { needed: { items: model }, others: LENGTHS },
  tuple: { needed: { items: models }, others: { ...LENGTHS, rest: model } },
  object: { needed: { fields }, others: { others: refused } },
  record: { needed: { keys: model, values: model } },
  union: { needed: { of: models }, others: { discriminator: text } },
  all: { needed: { of: pair } },
  ...{ optional: WRAPPER, nullable: WRAPPER, default: WRAPPER, catch: WRAPPER, required: WRAPPER, received: WRAPPER },
  codec: { needed: { of: model, to: text } },
  pipe: { needed: { of: model, into: text } },
  ref: { needed: { to: reference } },
}

/** What of a model this version cannot read; `undefined` where it can. */
export function findMalformed(value: unknown, around: ReadonlySet<unknown> = new Set()): string | undefined {
  if (!isRecord(value) || typeof value['type'] !== 'string') return 'something that is not a schema'
  const { type, id, refined = 0 } = value
  if (!Object.hasOwn(TYPES, type)) return `a schema of the type ${JSON.stringify(type)}, which this version does not know`
  if (!Number.isSafeInteger(refined) || Number(refined) > MOST_REFINED) return 'something that is not a number of refinements'
  const { needed = {}, others = {} } = TYPES[type] ?? {}
  const missing = Object.keys(needed).find((key) => value[key] === undefined)
  if (missing !== undefined) return `a schema of the type ${JSON.stringify(type)} without ${JSON.stringify(missing)}`
  return findIn(value, { ...needed, ...others }, id === undefined ? around : new Set(around).add(id))
}

const MOST_REFINED = 1000 // there is a token for each

function findIn(value: Record<string, unknown>, parts: Parts, ids: ReadonlySet<unknown>): string | undefined {
  return firstOf(Object.entries(parts), ([key, test]) => (value[key] === undefined ? undefined : test(value[key], ids)), ids)
}

function firstOf<T>(values: readonly T[], test: (value: T, ids: ReadonlySet<unknown>) => string | undefined, ids: ReadonlySet<unknown>): string | undefined {
  for (const value of values) {
    const found = test(value, ids)
    if (found !== undefined) return found
  }
  return undefined
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
