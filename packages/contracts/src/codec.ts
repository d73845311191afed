import * as z from 'zod'
import type { Issue } from './errors.js'
import type { Schema, SchemaFacts } from './schema.js'
import { findNonJson, MAX_DEPTH } from './wire.js'

/** A value that has crossed the border, or the reasons why it may not. */
export type Coded = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly issues: Issue[] }

/** One schema, compiled once: a domain value to the wire's and back. Neither way throws for a wrong value. */
export interface ValueCodec {
  encode(value: unknown): Coded
  decode(wire: unknown): Coded
}

/** One event, compiled: what it carries each way. */
export interface EventCodec {
  /** `undefined` where the event has no payload. */
  readonly payload: ValueCodec | undefined
  /** `undefined` where the event is not answered. */
  readonly reply: ValueCodec | undefined
  /** The data of each declared error; `undefined` for one without data. */
  readonly errors: ReadonlyMap<string, ValueCodec | undefined>
}

/** A whole contract, compiled. A contract carries its own, so that who uses it need not know zod. */
export interface ContractCodec {
  readonly serverToClient: ReadonlyMap<string, EventCodec>
  readonly clientToServer: ReadonlyMap<string, EventCodec>
  /** The id of a room, by kind. */
  readonly rooms: ReadonlyMap<string, ValueCodec>
  readonly session: ValueCodec | undefined
}

// More than these would make a small bad payload into a large answer.
const MAX_ISSUES = 16
const MAX_MESSAGE_LENGTH = 200
const MAX_PATH_LENGTH = 32

/**
 * Compiles a schema. Where both sides of it are the same, both ways are `safeParse`, which zod compiles;
 * its `encode` is not compiled and costs 12–20 times as much.
 */
export function compileSchema(schema: Schema, facts: SchemaFacts): ValueCodec {
  const encode = facts.transforms ? guarded((value) => z.safeEncode(schema, value)) : guarded((value) => z.safeParse(schema, value))
  const decode = facts.transforms ? guarded((value) => z.safeDecode(schema, value)) : encode
  return { encode: facts.open ? onlyJson(encode) : encode, decode }
}

/** The reply of an event that is answered without data. */
export const NO_DATA: ValueCodec = {
  encode: () => ({ ok: true, value: undefined }),
  decode: () => ({ ok: true, value: undefined }),
}

function guarded(parse: (value: unknown) => z.core.util.SafeParseResult<unknown>): (value: unknown) => Coded {
  return (value) => {
    try {
      const result = parse(value)
      return result.success ? { ok: true, value: result.data } : { ok: false, issues: toIssues(result.error.issues) }
    } catch (error) {
      // A value nested too deeply for a recursive schema, or a codec or refinement of the application that throws.
      return { ok: false, issues: [{ path: [], message: `cannot be validated: ${error instanceof Error ? error.name : 'failure'}` }] }
    }
  }
}

function onlyJson(encode: (value: unknown) => Coded): (value: unknown) => Coded {
  return (value) => {
    const coded = encode(value)
    const problem = coded.ok ? findNonJson(coded.value, MAX_DEPTH) : undefined
    return problem === undefined ? coded : { ok: false, issues: [{ path: [], message: problem }] }
  }
}

function toIssues(issues: readonly z.core.$ZodIssue[]): Issue[] {
  return issues.slice(0, MAX_ISSUES).map((issue) => ({
    path: issue.path.slice(0, MAX_PATH_LENGTH).map((key) => (typeof key === 'number' ? key : cut(String(key)))),
    message: cut(issue.message),
  }))
}

function cut(text: string): string {
  return text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH)}…` : text
}
