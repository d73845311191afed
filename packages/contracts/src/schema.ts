import * as z from 'zod'
import { isAsync, readChecks } from './checks.js'

/** Any zod schema, of `zod` and of `zod/mini`. */
export type Schema = z.core.$ZodType

/** A plain JSON description of what a schema lets over the wire. Never holds descriptions, titles or examples. */
export type WireModel = null | boolean | number | string | WireModel[] | { [key: string]: WireModel }

/** What reading a schema once tells about it. */
export interface SchemaFacts {
  readonly model: WireModel
  /** Whether the wire's value and the domain's can differ, so that encoding and decoding are two things. */
  readonly transforms: boolean
  /** Whether it lets through values that it does not look into, so that these must be checked for being JSON. */
  readonly open: boolean
}

/**
 * Reads what a schema lets over the wire: the input side of it, in both directions.
 * @throws TypeError naming the path, where a part of it has no JSON form or works in one direction only.
 */
export function readSchema(schema: Schema, path: string): SchemaFacts {
  const reader = new SchemaReader()
  const model = reader.read(schema, path)
  return { model, transforms: reader.transforms, open: reader.open }
}

// zod narrows on `def.type` only through this union; a schema of a newer zod may carry a type that it lacks.
type Def = z.core.$ZodTypes['_zod']['def']

const NOT_JSON: Readonly<Record<string, string>> = {
  date: 'z.date() has no JSON form. Use a codec: z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })',
  bigint: 'z.bigint() has no JSON form. Use a codec from z.string()',
  map: 'z.map() has no JSON form. Use z.record() or a codec from z.array(z.tuple([key, value]))',
  set: 'z.set() has no JSON form. Use z.array() or a codec from it',
  file: 'z.file() has no JSON form; binary payloads are not supported',
  symbol: 'z.symbol() has no JSON form',
  nan: 'z.nan() has no JSON form',
  undefined: 'z.undefined() has no JSON form. Use .optional() on the field',
  void: 'z.void() stands for "no data" and is allowed only as a whole reply',
  custom: 'z.custom() and z.instanceof() cannot be described. Use a JSON schema, or a codec from one',
  function: 'a function has no JSON form',
  promise: 'z.promise() has no JSON form; payloads are validated synchronously',
  success: 'z.success() works in one direction only',
  transform: 'a one-way transform cannot be encoded again. Use z.codec(), which has both directions',
}

// Deeper than any payload may be; a schema that goes on beyond it makes itself anew for ever.
const MAX_NESTING = 256

// Schemas that refer to each other in many ways are read once for each way there is.
const MAX_READS = 200_000

class SchemaReader {
  transforms = false
  open = false
  // The far side of a codec: it never crosses the wire, and only has to work in both directions.
  #domain = false
  // A schema that is being read, by the order of first visit: recursion refers back to it.
  readonly #visiting = new Map<Schema, number>()
  #visited = 0

  read(schema: Schema, path: string): WireModel {
    const seen = this.#visiting.get(schema)
    if (seen !== undefined) {
      return { ref: seen }
    }
    if (this.#visiting.size > MAX_NESTING || this.#visited > MAX_READS) {
      throw new TypeError(`${path.slice(0, 200)}…: nested too deeply, or in too many ways; a z.lazy() must return the same schema each time`)
    }
    this.#visiting.set(schema, this.#visited++)
    const model = this.#readType((schema as z.core.$ZodTypes)._zod.def, path)
    this.#visiting.delete(schema)
    const checks = readChecks(schema, path)
    return checks.length === 0 ? model : { ...toRecord(model), checks }
  }

  #readType(def: Def, path: string): WireModel {
    if ('coerce' in def && def.coerce === true) {
      throw new TypeError(`${path}: z.coerce cannot be encoded again. Use z.codec(), which has both directions`)
    }
    switch (def.type) {
      case 'string':
      case 'number':
      case 'boolean':
      case 'null':
      case 'never':
        return def.type
      case 'any':
      case 'unknown':
        this.open = true
        return 'unknown'
      case 'literal':
        return { literal: def.values.map((value) => readLiteral(value, path)).sort() }
      case 'enum':
        return {
          enum: Object.values(def.entries)
            .map((value) => readLiteral(value, path))
            .sort(),
        }
      case 'template_literal':
        return { template: def.parts.map((part) => this.#readTemplatePart(part, path)) }
      case 'object':
        return this.#readObject(def, path)
      case 'array':
        this.#refuseOptionalElement(def.element, path)
        return { array: this.read(def.element, `${path}[]`) }
      case 'tuple':
        this.open ||= def.items.some(mayBeUndefined) // which is then looked for in what is sent
        if (def.rest) this.#refuseOptionalElement(def.rest, path)
        return {
          tuple: def.items.map((item, index) => this.read(item, `${path}[${index}]`)),
          ...(def.rest && { rest: this.read(def.rest, `${path}[]`) }),
        }
      case 'record':
        return {
          keys: this.read(def.keyType, `${path}{key}`),
          values: this.read(def.valueType, `${path}{}`),
          ...(Reflect.get(def, 'partial') === true && { partial: true }),
        }
      case 'union':
        return this.#readUnion(def, path)
      case 'intersection':
        return { all: [this.read(def.left, path), this.read(def.right, path)] }
      case 'optional':
        return { optional: this.read(def.innerType, path) }
      case 'nullable':
        return { nullable: this.read(def.innerType, path) }
      case 'nonoptional':
        return { required: this.read(def.innerType, path) }
      case 'readonly':
        return this.read(def.innerType, path)
      case 'default':
      case 'prefault':
        this.transforms = true
        return { [def.type]: this.read(def.innerType, path) } // its value never crosses the wire
      case 'catch':
        this.transforms = true
        return { catch: this.read(def.innerType, path) }
      case 'lazy':
        return this.read(def.getter(), path)
      case 'pipe':
        return this.#readPipe(def, path)
      default:
        if (this.#domain && def.type !== 'transform' && def.type !== 'success') {
          return def.type
        }
        throw new TypeError(`${path}: ${NOT_JSON[def.type] ?? `a schema of type ${def.type} is not supported`}`)
    }
  }

  #readObject(def: Extract<Def, { type: 'object' }>, path: string): WireModel {
    for (const key of Object.keys(def.shape)) refuseInherited(key, def.shape[key]!, `${path}.${key}`)
    const fields = Object.keys(def.shape)
      .sort()
      .map((key): [string, WireModel] => [key, this.read(def.shape[key]!, `${path}.${key}`)])
    const others = def.catchall?._zod.def.type
    if (others === undefined) {
      return { object: Object.fromEntries(fields) }
    }
    return { object: Object.fromEntries(fields), others: others === 'never' ? false : this.read(def.catchall!, `${path}.*`) }
  }

  #readUnion(def: Extract<Def, { type: 'union' }>, path: string): WireModel {
    const options = def.options.map((option, index) => this.read(option, `${path}(${index})`))
    const discriminator: unknown = Reflect.get(def, 'discriminator')
    return {
      union: options,
      ...(typeof discriminator === 'string' && { discriminator }),
      ...(Reflect.get(def, 'inclusive') === false && discriminator === undefined && { exclusive: true }),
    }
  }

  #readPipe(def: Extract<Def, { type: 'pipe' }>, path: string): WireModel {
    if (def.in._zod.def.type === 'transform') {
      throw new TypeError(`${path}: z.preprocess() cannot be encoded again. Use z.codec(), which has both directions`)
    }
    const isCodec = typeof Reflect.get(def, 'reverseTransform') === 'function'
    if (isCodec && [Reflect.get(def, 'transform'), Reflect.get(def, 'reverseTransform')].some(isAsync)) {
      throw new TypeError(`${path}: an asynchronous codec cannot run while an event passes`)
    }
    const outer = this.transforms
    this.transforms = isCodec
    const wire = this.read(def.in, path)
    const transforms = this.transforms
    const far = transforms ? this.#readDomain(def.out, path) : this.read(def.out, path)
    this.transforms ||= outer
    return isCodec ? { codec: wire } : { pipe: transforms ? [wire] : [wire, far] }
  }

  #readDomain(schema: Schema, path: string): WireModel {
    const { open } = this
    const outer = this.#domain
    this.#domain = true
    const model = this.read(schema, path)
    this.#domain = outer
    this.open = open // what is open there is encoded before it is sent
    return model
  }

  #refuseOptionalElement(element: Schema, path: string): void {
    if (!this.#domain && mayBeUndefined(element)) {
      throw new TypeError(`${path}[]: an array element cannot be optional, since JSON would turn undefined into null. Use .nullable()`)
    }
  }

  #readTemplatePart(part: unknown, path: string): WireModel {
    return typeof part === 'object' && part !== null ? this.read(part as Schema, path) : readLiteral(part, path)
  }
}

function toRecord(model: WireModel): { [key: string]: WireModel } {
  return typeof model === 'object' && model !== null && !Array.isArray(model) ? model : { type: model }
}

/** zod looks at a field also where an object has inherited it, and passes `__proto__` over. */
function refuseInherited(key: string, schema: Schema, path: string): void {
  if (key === '__proto__') throw new TypeError(`${path}: zod never checks a field of this name. Give it another`)
  if (key in Object.prototype && schema._zod.optin !== undefined) {
    throw new TypeError(`${path}: every object has something of this name, which is taken for the field where it is left out. Make it required, or rename it`)
  }
}

/** Whether a value of the schema may be left out where it is sent. */
function mayBeUndefined(schema: Schema): boolean {
  return schema._zod.optout === 'optional'
}

function readLiteral(value: unknown, path: string): string | number | boolean | null {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) {
    return value
  }
  throw new TypeError(`${path}: the literal ${String(value)} has no JSON form`)
}

/** Whether a schema stands for "nothing": no payload, or an answer without data. */
export function isVoid(schema: Schema): boolean {
  const { type } = schema._zod.def
  return type === 'void' || type === 'undefined'
}

/** The kind of schema, in zod's words. */
export function typeOf(schema: Schema): string {
  return schema._zod.def.type
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && '_zod' in value
}

/** One object schema with the fields of all; who calls has made sure that no two declare the same. */
export function toObjectSchema(shape: { readonly [field: string]: Schema }): z.ZodObject {
  return z.object(shape)
}

/** Whether an object schema is no more than its fields, so that it can be taken apart. */
export function isPlainObject(schema: z.core.$ZodObject): boolean {
  const { def } = schema._zod
  return def.catchall === undefined && (def.checks ?? []).length === 0
}

/** Whether every value is a text on the wire, as a room's id must be. */
export function isText(model: WireModel): boolean {
  if (model === 'string' || model === 'never') {
    return true
  }
  if (typeof model !== 'object' || model === null || Array.isArray(model)) {
    return false
  }
  const { type, literal, enum: values, template, codec, pipe, union, all } = model
  const texts = (part: WireModel | undefined): boolean => Array.isArray(part) && part.every((value) => typeof value === 'string')
  const parts = (part: WireModel | undefined, test: 'every' | 'some'): boolean => Array.isArray(part) && part[test](isText)
  return (
    type === 'string' ||
    template !== undefined ||
    texts(literal) ||
    texts(values) ||
    (codec !== undefined && isText(codec)) ||
    (Array.isArray(pipe) && pipe[0] !== undefined && isText(pipe[0])) ||
    parts(union, 'every') ||
    parts(all, 'some')
  )
}
