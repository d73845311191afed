import type { Definitions, JsonSchema } from './json-schema.js'

/** One field of a payload, as a line of a table. */
export interface FieldRow {
  /** From the payload down, such as `notification.id` or `leaderboard[].rank`; empty for the payload itself. */
  readonly path: string
  readonly type: string
  readonly isRequired: boolean
  readonly description: string
}

/** The fields of a schema, those within others after them. A schema within itself is told once. */
export function toRows(schema: JsonSchema, definitions: Definitions): FieldRow[] {
  const rows: FieldRow[] = []
  const visit = (each: JsonSchema, path: string, isRequired: boolean, within: readonly string[]): void => {
    const [target, refs] = follow(each, definitions, within)
    if (path !== '' || !isObject(target))
      rows.push({ path, type: typeOf(target, definitions), isRequired, description: target.description ?? each.description ?? '' })
    if (new Set(refs).size < refs.length) return // it has been told
    for (const part of partsOf(target)) {
      for (const [name, value] of Object.entries(part.properties ?? {})) {
        visit(value as JsonSchema, path === '' ? name : `${path}.${name}`, part.required?.includes(name) === true, refs)
      }
      if (isSchema(part.items) && isDeep(part.items, definitions)) visit(part.items, `${path}[]`, true, refs)
      if (isSchema(part.additionalProperties) && isDeep(part.additionalProperties, definitions)) visit(part.additionalProperties, `${path}.*`, true, refs)
    }
  }
  visit(schema, '', true, [])
  return rows
}

const MAX_REFS = 8

function follow(schema: JsonSchema, definitions: Definitions, within: readonly string[]): [JsonSchema, string[]] {
  const refs = [...within]
  let target = schema
  for (let hops = 0; target.$ref !== undefined && hops < MAX_REFS; hops++) {
    refs.push(target.$ref)
    target = definitions[target.$ref.replace('#/definitions/', '')] ?? {}
  }
  return [target, refs]
}

/** The schema, and what it is made of: a value has the fields of all of them, or of one. */
function partsOf(schema: JsonSchema): JsonSchema[] {
  if (isAnyJson(schema)) return []
  return [schema, ...[...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter(isSchema)]
}

function isObject(schema: JsonSchema): boolean {
  return schema.properties !== undefined || (schema.allOf ?? []).some((part) => isSchema(part) && isObject(part))
}

function isDeep(schema: JsonSchema, definitions: Definitions): boolean {
  const [target] = follow(schema, definitions, [])
  if (isAnyJson(target)) return false
  return target.description !== undefined || partsOf(target).some(({ properties, items }) => properties !== undefined || items !== undefined)
}

/** In words: `string (date-time)`, `"a" | "b"`, `integer, from 1`. */
export function typeOf(schema: JsonSchema, definitions: Definitions, within: readonly string[] = []): string {
  const [target, refs] = follow(schema, definitions, within)
  if (new Set(refs).size < refs.length) return '…'
  if (target.const !== undefined) return JSON.stringify(target.const)
  if (target.enum) return target.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (isAnyJson(target)) return 'any JSON'
  const alternatives = [...(target.anyOf ?? []), ...(target.oneOf ?? [])].filter(isSchema)
  if (alternatives.length > 0) return [...new Set(alternatives.map((each) => typeOf(each, definitions, refs)))].join(' | ')
  const { type = 'any', format, items } = target
  if (type === 'array') return isSchema(items) ? `array of ${typeOf(items, definitions, refs)}${lengthOf(target.minItems, target.maxItems)}` : 'array'
  return `${Array.isArray(type) ? type.join(' | ') : type}${format ? ` (${format})` : ''}${boundsOf(target)}${lengthOf(target.minLength, target.maxLength)}`
}

const JSON_TYPES = ['string', 'number', 'boolean', 'null', 'array', 'object']

/** As `z.json()` is told. */
function isAnyJson({ anyOf = [] }: JsonSchema): boolean {
  return JSON_TYPES.every((type) => anyOf.some((each) => isSchema(each) && each.type === type))
}

function boundsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }: JsonSchema): string {
  const bounds = [
    isBound(minimum) && `from ${minimum}`,
    typeof exclusiveMinimum === 'number' && `above ${exclusiveMinimum}`,
    isBound(maximum) && `to ${maximum}`,
    typeof exclusiveMaximum === 'number' && `below ${exclusiveMaximum}`,
    multipleOf !== undefined && `a multiple of ${multipleOf}`,
  ].filter((bound) => bound !== false)
  return bounds.length === 0 ? '' : `, ${bounds.join(' ')}`
}

// z.int() is bounded by what a number can hold exactly, which tells nobody anything.
function isBound(value: number | undefined): boolean {
  return value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER
}

function lengthOf(min: number | undefined, max: number | undefined): string {
  if (min === undefined && max === undefined) return ''
  return `, length ${max === undefined ? `${min} or more` : min === undefined ? `up to ${max}` : `${min}–${max}`}`
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
