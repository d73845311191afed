import type { Schema } from '@org/realtime-contracts'
import * as z from 'zod'

/** A JSON Schema of draft 7, which every tool that reads AsyncAPI reads. */
export type JsonSchema = z.core.JSONSchema.JSONSchema

/** Schemas that refer to each other, by name; a `$ref` is `#/definitions/{name}`. */
export type Definitions = Record<string, JsonSchema>

const PREFIX = '#/definitions/'

/**
 * What a schema lets over the wire: its input side. Where it contains itself, it goes into the definitions, under names that start with its own.
 * Functions of the application (`refine`) cannot be told in it.
 */
export function toJsonSchema(schema: Schema, name: string, definitions: Definitions): JsonSchema {
  const { $schema: _, definitions: own = {}, ...root } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input', unrepresentable: 'any' }) as JsonSchema
  const rename = (ref: string): string => (ref === '#' ? PREFIX + name : `${PREFIX}${name}.${ref.slice(PREFIX.length)}`)
  const found = mapRefs(root, rename)
  for (const [key, value] of Object.entries(own as Definitions)) definitions[`${name}.${key}`] = mapRefs(value, rename)
  if (!refersTo({ found, definitions }, PREFIX + name)) return found
  definitions[name] = found
  return { $ref: PREFIX + name }
}

/** The schema with every `$ref` in it renamed. */
export function mapRefs<T>(value: T, rename: (ref: string) => string): T {
  return JSON.parse(JSON.stringify(value), (key, each: unknown) => (key === '$ref' && typeof each === 'string' ? rename(each) : each)) as T
}

function refersTo(value: unknown, ref: string): boolean {
  return JSON.stringify(value).includes(`"$ref":${JSON.stringify(ref)}`)
}

/** The schema as a document of its own, with the definitions that it refers to. */
export function toStandalone(schema: JsonSchema, id: string, definitions: Definitions): JsonSchema {
  const used: Definitions = {}
  const take = (value: JsonSchema): void => {
    for (const [, name = ''] of JSON.stringify(value).matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)) {
      const target = definitions[name]
      if (target === undefined || used[name] !== undefined) continue
      used[name] = target
      take(target)
    }
  }
  take(schema)
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: id,
    ...schema,
    ...(Object.keys(used).length > 0 && { definitions: used }),
  }
}
