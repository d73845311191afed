import * as z from 'zod'
import { canonicalJson } from '../fingerprint.js'
import { isReceivedOnly } from '../open.js'
import { isRewrite, readLengthChecks, readNumberChecks, readTextChecks, toRewritten } from './checks.js'
import type { LockModel, Scalar } from './model.js'

type Schema = z.core.$ZodType
// zod narrows on `def.type` only through this union.
type Def = z.core.$ZodTypes['_zod']['def']
type DefOf<T extends Def['type']> = Extract<Def, { type: T }>

/** Reads what a schema of a contract lets over the wire. What a contract may not hold, `defineContract` has refused before. */
export function readModel(schema: Schema): LockModel {
  const reader = new ModelReader()
  const model = reader.read(schema)
  return reader.isRecursive ? rename(model, new Map()) : model
}

class ModelReader {
  isRecursive = false
  // Schemas that are being read, and whether something within has led back to them.
  readonly #visiting = new Map<Schema, { readonly id: string; isUsed: boolean }>()
  #visited = 0

  read(schema: Schema): LockModel {
    const around = this.#visiting.get(schema)
    if (around !== undefined) {
      around.isUsed = true
      this.isRecursive = true
      return { type: 'ref', to: around.id }
    }
    const entry = { id: String(this.#visited++), isUsed: false }
    this.#visiting.set(schema, entry)
    const model = this.#readChecked(schema)
    this.#visiting.delete(schema)
    if (!entry.isUsed) return model
    // One that only leads on to another has no place of its own to refer to.
    return model.type === 'ref' || model.id !== undefined ? { type: 'union', of: [model], id: entry.id } : { ...model, id: entry.id }
  }

  #readChecked(schema: Schema): LockModel {
    const { def } = (schema as z.core.$ZodTypes)._zod
    const own = 'check' in def ? [def as unknown as z.core.$ZodChecks['_zod']['def']] : [] // a format is a schema and a check at once
    const checks = [...own, ...(def.checks ?? []).map((check) => check._zod.def as z.core.$ZodChecks['_zod']['def'])]
    if (def.type === 'string') return { type: 'string', ...readTextChecks(checks) }
    const model = this.#readType(schema, def)
    if (checks.length === 0) return model
    if (checks.some(isRewrite)) return mark(model, { rewritten: toRewritten(checks) })
    if (def.type === 'number') return mark(model, readNumberChecks(checks))
    return mark(model, readLengthChecks(checks))
  }

  #readType(schema: Schema, def: Def): LockModel {
    switch (def.type) {
      case 'boolean':
      case 'null':
      case 'never':
      case 'number':
        return { type: def.type }
      case 'literal':
        return toEnum(def.values)
      case 'enum':
        return toEnum(z.core.util.getEnumValues(def.entries)) // which leaves out what a numeric enum has in reverse
      case 'template_literal':
        return { type: 'template', parts: def.parts.map((part) => this.#readPart(part)) }
      case 'object':
        return this.#readObject(def)
      case 'array':
        return { type: 'array', items: this.read(def.element) }
      case 'tuple':
        return { type: 'tuple', items: def.items.map((item) => this.read(item)), ...(def.rest && { rest: this.read(def.rest) }) }
      case 'record':
        return this.#readRecord(def)
      case 'union':
        return this.#readUnion(def)
      case 'intersection':
        return { type: 'all', of: [this.read(def.left), this.read(def.right)] }
      case 'optional':
      case 'nullable':
      case 'catch':
      case 'default':
        return { type: def.type, of: this.read(def.innerType) }
      case 'prefault':
        return { type: 'default', of: this.read(def.innerType) }
      case 'nonoptional':
        return { type: 'required', of: this.read(def.innerType) }
      case 'readonly':
        return this.read(def.innerType)
      case 'lazy':
        return this.read(def.getter())
      case 'pipe':
        return this.#readPipe(schema, def)
      default:
        return { type: 'unknown' } // any and unknown; beyond a codec, what never crosses the wire
    }
  }

  #readObject({ shape, catchall }: DefOf<'object'>): LockModel {
    const fields = Object.fromEntries(
      Object.keys(shape)
        .sort()
        .map((key): [string, LockModel] => [key, this.read(shape[key]!)]),
    )
    if (catchall === undefined) return { type: 'object', fields }
    return { type: 'object', fields, others: catchall._zod.def.type === 'never' ? 'refused' : this.read(catchall) }
  }

  #readRecord(def: DefOf<'record'>): LockModel {
    return {
      type: 'record',
      keys: this.read(def.keyType),
      values: this.read(def.valueType),
      ...(isPartial(def) && { partial: true }),
      ...(Reflect.get(def, 'mode') === 'loose' && { loose: true }),
    }
  }

  #readUnion(def: DefOf<'union'>): LockModel {
    const discriminator: unknown = Reflect.get(def, 'discriminator')
    const members = def.options.map((option) => this.read(option))
    if (typeof discriminator === 'string') return { type: 'union', of: sortMembers(members, discriminator), discriminator }
    return { type: 'union', of: members, ...(Reflect.get(def, 'inclusive') === false && { exclusive: true }) }
  }

  #readPipe(schema: Schema, def: DefOf<'pipe'>): LockModel {
    const reverse: unknown = Reflect.get(def, 'reverseTransform')
    if (typeof reverse !== 'function') return { type: 'pipe', of: this.read(def.in), into: canonicalJson(this.read(def.out)) }
    if (isReceivedOnly(reverse)) return { type: 'received', of: this.read(def.in) }
    return readStringbool(schema, def) ?? { type: 'codec', of: this.read(def.in), to: toFarSide(def.out) }
  }

  #readPart(part: unknown): string | LockModel {
    return typeof part === 'object' && part !== null ? this.read(part as Schema) : String(part)
  }
}

/** zod 4.1 has no flag for it, and takes the list of its values from the schema of the keys. */
function isPartial(def: DefOf<'record'>): boolean {
  if (Reflect.get(def, 'partial') === true) return true
  const keys = (def.keyType as z.core.$ZodTypes)._zod
  const isListed =
    keys.def.type === 'enum' || keys.def.type === 'literal' || (keys.def.type === 'union' && keys.def.options.every(({ _zod }) => _zod.values !== undefined))
  return isListed && keys.values === undefined
}

/** Members that are told apart by a field have no order. */
function sortMembers(members: readonly LockModel[], discriminator: string): LockModel[] {
  const named = members.map((member) => [canonicalJson(member.type === 'object' ? member.fields[discriminator] : null) ?? '', member] as const)
  return named.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0)).map(([, member]) => member)
}

function mark(model: LockModel, marks: object): LockModel {
  if (model.type === 'ref') return { type: 'union', of: [model], ...marks }
  const refined = sum(model.refined, Reflect.get(marks, 'refined'))
  return { ...model, ...marks, ...(refined > 0 && { refined }) }
}

function sum(...counts: unknown[]): number {
  return counts.reduce<number>((total, count) => total + (typeof count === 'number' ? count : 0), 0)
}

function toEnum(values: Iterable<unknown>): LockModel {
  const scalars = [...new Set(values)] as Scalar[] // others have been refused by defineContract
  const named = scalars.map((value) => [JSON.stringify(value), value] as const)
  return { type: 'enum', values: named.sort(([left], [right]) => (left < right ? -1 : 1)).map(([, value]) => value) }
}

/** What kind of value a codec makes. Anything more than its kind may refuse what the input side lets through. */
function toFarSide(schema: Schema): string {
  const { def } = schema._zod
  return (def.checks ?? []).length > 0 || 'check' in def ? `${def.type}, checked` : def.type
}

// What is in no list of words for yes and no.
const NO_WORD = '\u0000'

/** The words of a `z.stringbool()`. It is a codec like any other, but for the issue that it makes. */
function readStringbool(schema: Schema, def: DefOf<'pipe'>): LockModel | undefined {
  if (def.in._zod.def.type !== 'string' || def.out._zod.def.type !== 'boolean') return undefined
  const decode = (word: string) => schema._zod.run({ value: word, issues: [] }, { async: false }) as z.core.ParsePayload
  const [issue] = attempt(() => decode(NO_WORD).issues) ?? []
  if (issue === undefined || Reflect.get(issue, 'expected') !== 'stringbool') return undefined
  const words: unknown = Reflect.get(issue, 'values')
  const texts = Array.isArray(words) ? words.filter((word): word is string => typeof word === 'string') : []
  const means = (word: string, value: boolean) => decode(word).issues.length === 0 && decode(word).value === value
  const cased = texts.find((word) => word !== word.toUpperCase())
  const anyCase = cased !== undefined && decode(cased.toUpperCase()).issues.length === 0
  const [yes, no] = [true, false].map((value) => texts.filter((word) => means(word, value)))
  return { type: 'stringbool', yes: yes!, no: no!, ...(anyCase && { anyCase }) }
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined // a codec of the application, which takes other texts than this one
  }
}

/** Gives the places that refs lead to short names, in the order in which they stand. */
function rename<T>(part: T, names: Map<string, string>): T {
  if (Array.isArray(part)) return part.map((each) => rename(each, names)) as T
  if (typeof part !== 'object' || part === null) return part
  const { id, type, to } = part as { id?: unknown; type?: unknown; to?: unknown }
  const isBinder = typeof id === 'string' && typeof type === 'string'
  if (isBinder) names.set(id, `#${names.size + 1}`)
  const copy = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, rename(value, names)]))
  if (isBinder) copy['id'] = names.get(id)
  if (type === 'ref' && typeof to === 'string') copy['to'] = names.get(to)
  return copy as T // the same, with other names
}
