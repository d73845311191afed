import type { Definitions, JsonSchema } from './json-schema.js'

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-31T12:00:00Z',
  date: '2026-01-31',
  time: '12:00:00',
  duration: 'PT1H',
  email: 'ada@example.com',
  uri: 'https://example.com',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  hostname: 'example.com',
}

/** A value as the schema describes it, without what would contain itself; text of a pattern is only right where the schema has an example. */
export function toSample(schema: JsonSchema, definitions: Definitions, name = 'text', within: readonly string[] = []): unknown {
  const { $ref, examples, const: constant, enum: values, anyOf, oneOf, allOf } = schema
  if (Array.isArray(examples) && examples.length > 0) return examples[0]
  if (constant !== undefined) return constant
  if (values) return values[0]
  const inner = (each: unknown, of = name, refs = within): unknown => toSample(isSchema(each) ? each : {}, definitions, of, refs)
  if ($ref) return within.includes($ref) ? undefined : inner(definitions[$ref.replace('#/definitions/', '')], name, [...within, $ref])
  const [first] = anyOf ?? oneOf ?? []
  if (first !== undefined) return inner(first)
  if (allOf) return Object.assign({}, ...allOf.map((each) => inner(each)))
  return ofType(schema, inner, name)
}

type Inner = (schema: unknown, name?: string) => unknown

function ofType(schema: JsonSchema, inner: Inner, name: string): unknown {
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'object':
      return toObject(schema, inner)
    case 'array':
      return toArray(schema, inner, name)
    case 'string':
      return toText(schema, name)
    case 'integer':
    case 'number':
      return toNumber(schema)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return {}
  }
}

function toObject({ properties = {}, additionalProperties, propertyNames }: JsonSchema, inner: Inner): object {
  const all = Object.entries(properties).map(([key, value]) => [key, inner(value, key)] as const)
  const own = Object.fromEntries(all.filter(([, value]) => value !== undefined))
  if (Object.keys(own).length > 0 || !isSchema(additionalProperties)) return own
  return { [String(isSchema(propertyNames) ? inner(propertyNames, 'key') : 'key')]: inner(additionalProperties, 'value') }
}

function toArray({ items, minItems = 0 }: JsonSchema, inner: Inner, name: string): unknown[] {
  if (Array.isArray(items)) return items.map((item) => inner(item, name))
  return Array.from({ length: Math.max(minItems, 1) }, () => inner(items ?? {}, name)).filter((item) => item !== undefined)
}

function toText({ format, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: JsonSchema, name: string): string {
  const text = FORMATS[format ?? ''] ?? (/id$/i.test(name) ? `${name.replace(/_?id$/i, '') || 'id'}-1` : name)
  return text.padEnd(minLength, '.').slice(0, maxLength)
}

function toNumber({ minimum, exclusiveMinimum, maximum, exclusiveMaximum, multipleOf }: JsonSchema): number {
  const least = minimum ?? (typeof exclusiveMinimum === 'number' ? exclusiveMinimum + 1 : undefined)
  const most = maximum ?? (typeof exclusiveMaximum === 'number' ? exclusiveMaximum - 1 : undefined)
  if (multipleOf !== undefined) return multipleOf * Math.max(1, Math.ceil((least ?? 0) / multipleOf))
  return Math.min(Math.max(1, least ?? 1), most ?? 1)
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null
}
