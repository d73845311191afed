import * as z from 'zod'
import type { Delivery } from './contract.js'
import { type Issue, RealtimeError } from './errors.js'
import type { Schema, SchemaFacts } from './schema.js'
import type { SessionFacts } from './session.js'
import { findNonJson, invalidPayload, invalidReply, MAX_DEPTH, readReply } from './wire.js'

/** A value that has crossed the border, or the reasons why it may not. */
export type Coded = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly issues: Issue[]; readonly isTooLarge?: true }

/** One schema, compiled once: a domain value to the wire's and back. Neither way throws for a wrong value. */
export interface ValueCodec {
  /** From a domain value to what crosses the wire. Never throws. */
  encode(value: unknown): Coded
  /** From what came over the wire to a domain value. Never throws. */
  decode(wire: unknown): Coded
}

/** One event, compiled: what it carries each way. */
export interface EventCodec {
  /** `undefined` where the event has no payload. */
  readonly payload: ValueCodec | undefined
  /** How many of it a client may send in a second, where the contract says so. */
  readonly perSecond: number | undefined
  /** Whether what is asked with one key happens once. */
  readonly idempotent: boolean
  /** What becomes of it for who is not there. */
  readonly delivery: Delivery
  /** `undefined` where the event is not answered. */
  readonly reply: ValueCodec | undefined
  /** The data of each declared error; `undefined` for one without data. */
  readonly errors: ReadonlyMap<string, ValueCodec | undefined>
}

/** What a side of a connection needs of the events of one direction. A client without schemas has one that lets all through. */
export interface EventBorder {
  /**
   * The arguments of an event as they go over the wire.
   * @throws RealtimeError `INVALID_PAYLOAD`; TypeError for an event that the contract does not have.
   */
  encodeArguments(event: string, payload: unknown): unknown[]
  /** @throws TypeError for an event that has no reply. */
  assertAnswered(event: string): void
  /** @throws RealtimeError `INVALID_PAYLOAD`. */
  decodePayload(event: string, wire: unknown): unknown
  /** @throws RealtimeError `INVALID_PAYLOAD`. */
  encodeReply(event: string, value: unknown): unknown
  /** The data of a declared error. @throws RealtimeError `INVALID_PAYLOAD`; TypeError for a code that is not declared. */
  encodeFailure(event: string, code: string, data: unknown): unknown
  /** The data of an answer. @throws RealtimeError the failure that was answered, or `INVALID_REPLY`. */
  decodeReply(event: string, answer: unknown): unknown
}

/** The events of one direction of a contract, compiled. */
export interface EventCodecs extends EventBorder {
  /** The codec of one event; `undefined` for a name that the contract does not have. */
  get(event: string): EventCodec | undefined
  /** Every event with its codec. */
  entries(): IterableIterator<[string, EventCodec]>
}

/** A whole contract, compiled. A contract carries its own, so that who uses it need not know zod. */
export interface ContractCodec {
  /** What the server sends. */
  readonly serverToClient: EventCodecs
  /** What clients send. */
  readonly clientToServer: EventCodecs
  /** The id of a room, by kind. */
  readonly rooms: ReadonlyMap<string, ValueCodec>
  /** The fields of `authenticated` that the contract adds. */
  readonly session: ValueCodec | undefined
  /** What a device says about itself. */
  readonly presence: ValueCodec | undefined
  /** @throws RealtimeError `INVALID_PAYLOAD` for an id that the contract does not allow; TypeError for a kind that it does not have. */
  encodeRoomId(kind: string, id: unknown): unknown
  /** What `authenticated` says, its session fields decoded. @throws RealtimeError `INVALID_PAYLOAD`. */
  decodeSession(wire: SessionFacts): SessionFacts
  /** @throws RealtimeError `INVALID_PAYLOAD`; TypeError where the contract declares no presence. */
  encodePresence(meta: unknown): unknown
  /** @throws RealtimeError `INVALID_PAYLOAD`. */
  decodePresence(wire: unknown): unknown
}

export class CompiledEvents implements EventCodecs {
  constructor(
    private readonly where: string,
    private readonly events: ReadonlyMap<string, EventCodec>,
  ) {}

  get(event: string): EventCodec | undefined {
    return this.events.get(event)
  }

  entries(): IterableIterator<[string, EventCodec]> {
    return this.events.entries()
  }

  encodeArguments(event: string, payload: unknown): unknown[] {
    const codec = this.#of(event).payload
    if (codec === undefined) {
      if (payload !== undefined) throw invalidPayload([{ path: [], message: 'the event has no payload' }], event)
      return []
    }
    const value = unwrap(codec.encode(payload), event)
    return value === undefined ? [] : [value]
  }

  decodePayload(event: string, wire: unknown): unknown {
    const codec = this.events.get(event)?.payload
    return codec && unwrap(codec.decode(wire), event)
  }

  encodeReply(event: string, value: unknown): unknown {
    const codec = this.#of(event).reply
    return codec && unwrap(codec.encode(value), event)
  }

  encodeFailure(event: string, code: string, data: unknown): unknown {
    const { errors } = this.#of(event)
    if (!errors.has(code)) {
      throw new TypeError(`${JSON.stringify(event)} does not declare the error ${JSON.stringify(code)}`)
    }
    const codec = errors.get(code)
    return codec && unwrap(codec.encode(data), event)
  }

  decodeReply(event: string, answer: unknown): unknown {
    const { reply, errors } = this.#of(event)
    try {
      return decodeAnswer(event, reply, readReply(event, answer))
    } catch (error) {
      const codec = error instanceof RealtimeError ? errors.get(error.code) : undefined
      if (codec === undefined) throw error
      const { code, message, data } = error as RealtimeError // it has a code
      throw new RealtimeError(code, message, { data: decodeAnswer(event, codec, data), origin: 'remote', event })
    }
  }

  assertAnswered(event: string): void {
    if (this.#of(event).reply === undefined) {
      throw new TypeError(`The event ${JSON.stringify(event)} has no reply in the contract; use emit`)
    }
  }

  #of(event: string): EventCodec {
    const codec = this.events.get(event)
    if (codec === undefined) {
      throw new TypeError(`The ${this.where} has no event ${JSON.stringify(event)}`)
    }
    return codec
  }
}

function unwrap(coded: Coded, event: string): unknown {
  if (!coded.ok) {
    throw invalidPayload(coded.issues, event)
  }
  return coded.value
}

function decodeAnswer(event: string, codec: ValueCodec | undefined, wire: unknown): unknown {
  const data = codec?.decode(wire) ?? { ok: true, value: wire }
  if (!data.ok) {
    throw invalidReply(event, data.issues)
  }
  return data.value
}

export class CompiledContract implements ContractCodec {
  constructor(
    readonly serverToClient: EventCodecs,
    readonly clientToServer: EventCodecs,
    readonly rooms: ReadonlyMap<string, ValueCodec>,
    readonly session: ValueCodec | undefined,
    readonly presence: ValueCodec | undefined,
  ) {}

  encodeRoomId(kind: string, id: unknown): unknown {
    const codec = this.rooms.get(kind)
    if (codec === undefined) {
      throw new TypeError(`The contract has no room of kind ${JSON.stringify(kind)}`)
    }
    return unwrap(codec.encode(id), '$join')
  }

  decodeSession({ userId, email, deviceId, expiresInMs, ...fields }: SessionFacts): SessionFacts {
    const facts = { userId, deviceId, ...(email !== undefined && { email }), ...(expiresInMs !== undefined && { expiresInMs }) }
    const decoded = this.session === undefined ? undefined : unwrap(this.session.decode(fields), 'authenticated')
    return { ...(decoded as object | undefined), ...facts } // a session is an object
  }

  encodePresence(meta: unknown): unknown {
    if (this.presence === undefined) throw new TypeError('The contract declares no presence')
    return unwrap(this.presence.encode(meta), '$set')
  }

  decodePresence(wire: unknown): unknown {
    return this.presence === undefined ? wire : unwrap(this.presence.decode(wire), '$presence')
  }
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
  const encode = guarded(facts.transforms ? (value) => toCoded(z.safeEncode(schema, value)) : (value) => parse(schema, value))
  const decode = facts.transforms ? guarded((value) => toCoded(z.safeDecode(schema, value))) : encode
  return { encode: facts.open ? onlyJson(encode) : encode, decode }
}

/** As `safeParse` does it, but for the ZodError, which costs five times what finding the issues does. */
function parse(schema: Schema, value: unknown): Coded {
  const context = { async: false }
  const result = schema._zod.run({ value, issues: [] }, context)
  if (result instanceof Promise) throw new z.core.$ZodAsyncError()
  if (result.issues.length === 0) return { ok: true, value: result.value }
  const found = result.issues.slice(0, MAX_ISSUES).map((issue) => z.core.util.finalizeIssue(issue, context, z.config()))
  return { ok: false, issues: toIssues(found) }
}

function toCoded(result: z.core.util.SafeParseResult<unknown>): Coded {
  return result.success ? { ok: true, value: result.data } : { ok: false, issues: toIssues(result.error.issues) }
}

/** The reply of an event that is answered without data. */
export const NO_DATA: ValueCodec = {
  encode: () => ({ ok: true, value: undefined }),
  decode: () => ({ ok: true, value: undefined }),
}

/** A codec that lets no value through, either way, whose JSON is larger. */
export function limitBytes(codec: ValueCodec, maxBytes: number): ValueCodec {
  const tooLarge: Coded = { ok: false, issues: [{ path: [], message: `larger than ${maxBytes} bytes` }], isTooLarge: true }
  return {
    encode(value) {
      const encoded = codec.encode(value)
      return encoded.ok && isLarger(encoded.value, maxBytes) ? tooLarge : encoded
    },
    decode: (wire) => (isLarger(wire, maxBytes) ? tooLarge : codec.decode(wire)),
  }
}

const MAX_BYTES_PER_CHARACTER = 3 // of a UTF-16 code unit, in UTF-8

function isLarger(wire: unknown, maxBytes: number): boolean {
  const json = JSON.stringify(wire) ?? '' // undefined has none
  return json.length * MAX_BYTES_PER_CHARACTER > maxBytes && new TextEncoder().encode(json).length > maxBytes
}

function guarded(code: (value: unknown) => Coded): (value: unknown) => Coded {
  return (value) => {
    try {
      return code(value)
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
