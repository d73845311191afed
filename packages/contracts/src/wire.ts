import { type Issue, RealtimeError } from './errors.js'
import type { Position } from './session.js'

export * from './errors.js'
export { canonicalJson } from './fingerprint.js'
export * from './session.js'

/** The version of the handshake and the reply envelope that this package speaks. */
export const PROTOCOL_VERSION = 1

/** An error as it crosses the wire: in a reply, in `connect_error`'s `data`, and in the `error` event. */
export interface WireError<Code extends string = string, Data = unknown> {
  /** What to branch on. */
  readonly code: Code
  /** A sentence for people. */
  readonly message: string
  /** What belongs to the code. */
  readonly data?: Data
}

/** The one argument of every acknowledgement. */
export type Reply<Data = unknown, Failure extends WireError = WireError> =
  | { readonly ok: true; readonly data: Data }
  | { readonly ok: false; readonly error: Failure }

/** What a client of the SDK says about itself in `auth.realtime`. Frozen: keys may be added, none changed. */
export interface Handshake {
  /** {@link PROTOCOL_VERSION}. */
  readonly protocol: number
  /** The client's contract: the server's version decides whether the two can talk. */
  readonly contract?: { readonly name: string; readonly version: string; readonly fingerprint: string }
  /** Names the client instance across its reconnects, 1–64 of `[A-Za-z0-9_-]`. */
  readonly device?: string
  /** What the client understands beyond version 1 of the protocol. */
  readonly features?: readonly string[]
  /** Where the device is, by log: `user:ada`, or `group:7` for a room. */
  readonly since?: Readonly<Record<string, Position>>
}

/** What may come as second argument of an event, between two peers of the SDK. */
export interface EventMeta {
  /** Names what is asked, so that it happens once: 1–64 of `[A-Za-z0-9_-]`. */
  readonly key?: string
  /** The trace that the event belongs to, as W3C's `traceparent`. */
  readonly trace?: string
}

/** Whether it is an object, and neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An error as it crosses the wire: without its cause. */
export function toWireError(error: RealtimeError): WireError {
  const { code, message, data } = error
  return data === undefined ? { code, message } : { code, message, data }
}

/** Reads a {@link WireError} that came from the other side; where it is malformed, `fallback` is its code. */
export function fromWireError(value: unknown, fallback: string, event?: string): RealtimeError {
  const { code, message, data } = Object(value) as Record<string, unknown>
  const text = typeof code === 'string' ? code : fallback
  return new RealtimeError(text, typeof message === 'string' ? message : undefined, { data, origin: 'remote', event })
}

/** `INVALID_PAYLOAD`, whose message names the reasons. */
export function invalidPayload(issues: readonly Issue[], event?: string): RealtimeError {
  const { message, data } = invalidPayloadOnWire(issues, event)
  return new RealtimeError('INVALID_PAYLOAD', message, { data, event })
}

/** The same, for who answers with it: an Error that nobody throws costs more than all the rest of the answer. */
export function invalidPayloadOnWire(issues: readonly Issue[], event?: string): WireError {
  const subject = event === undefined ? 'The payload' : `The payload of ${JSON.stringify(event)}`
  return { code: 'INVALID_PAYLOAD', message: `${subject} does not match the contract: ${describeIssues(issues)}`, data: { issues } }
}

/** Issues as one line of text. */
export function describeIssues(issues: readonly Issue[]): string {
  return issues.map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message)).join('; ')
}

/** What came of a request: the reply's data, or why there is none. */
export type Result<Data = unknown, Failure = RealtimeError> = { readonly ok: true; readonly data: Data } | { readonly ok: false; readonly error: Failure }

/**
 * The data of what the other side answered.
 * @throws RealtimeError the failure that was answered; `INVALID_REPLY` for what is no envelope.
 */
export function readReply(event: string, answer: unknown): unknown {
  const { ok, data, error } = Object(answer) as Record<string, unknown>
  if (ok === true) {
    return data
  }
  throw ok === false ? fromWireError(error, 'INTERNAL', event) : invalidReply(event, [])
}

/** `INVALID_REPLY`: the other side answered what the contract does not allow. */
export function invalidReply(event: string, issues: readonly Issue[]): RealtimeError {
  return new RealtimeError('INVALID_REPLY', 'The answer does not match the contract', { data: { issues }, event })
}

const MAX_TIMEOUT_MS = 2 ** 31 - 1 // a longer timer fires at once

/** @throws TypeError unless it is a number of milliseconds that a timer can hold. */
export function checkTimeout(timeoutMs: number, name = 'timeoutMs'): number {
  if (!(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS)) {
    throw new TypeError(`${name} must be above 0 and at most ${MAX_TIMEOUT_MS}`)
  }
  return timeoutMs
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/
const TEXT_MAX = 128
const FEATURES_MAX = 16

/**
 * Reads `auth.realtime`. Absent (a stock client) gives `undefined`; unknown keys are ignored.
 * @throws RealtimeError `INVALID_PAYLOAD` where a known key has a wrong value, `CONTRACT_MISMATCH` for another protocol.
 */
export function parseHandshake(value: unknown): Handshake | undefined {
  if (value === undefined || value === null) {
    return undefined
  }
  if (!isObject(value)) {
    throw invalidHandshake([], 'expected an object')
  }
  const { protocol, contract, device, features, since } = value
  if (protocol !== PROTOCOL_VERSION) {
    throw new RealtimeError('CONTRACT_MISMATCH', `This server speaks protocol ${PROTOCOL_VERSION} of the realtime SDK`, {
      data: { reason: typeof protocol === 'number' && protocol > PROTOCOL_VERSION ? 'too_new' : 'wrong_contract' },
    })
  }
  return {
    protocol,
    ...(contract !== undefined && { contract: parseContractFacts(contract) }),
    ...(device !== undefined && { device: parseDevice(device) }),
    ...(features !== undefined && { features: parseFeatures(features) }),
    ...(since !== undefined && { since: parseSince(since) }),
  }
}

function parseContractFacts(value: unknown): NonNullable<Handshake['contract']> {
  const { name, version, fingerprint } = isObject(value) ? value : {}
  if (!isShortText(name) || !isShortText(version) || !isShortText(fingerprint)) {
    throw invalidHandshake(['contract'], `expected name, version and fingerprint, each a string of at most ${TEXT_MAX} characters`)
  }
  return { name, version, fingerprint }
}

function parseDevice(value: unknown): string {
  if (!isKey(value)) {
    throw invalidHandshake(['device'], 'expected 1–64 of [A-Za-z0-9_-]')
  }
  return value
}

/** Whether it can be the key of an {@link EventMeta}. */
export function isKey(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value)
}

function parseFeatures(value: unknown): string[] {
  if (!Array.isArray(value) || value.length > FEATURES_MAX || !value.every(isShortText)) {
    throw invalidHandshake(['features'], `expected at most ${FEATURES_MAX} strings of at most ${TEXT_MAX} characters`)
  }
  return value
}

// What a connection may join at most, by default, and the user's own log.
const POSITIONS_MAX = 257
const LOG_NAME_MAX = 512

/** What is no position is passed over, and so are those at the end where there are too many: their logs begin anew, which is said. */
function parseSince(value: unknown): Record<string, Position> {
  const positions = isObject(value) ? Object.entries(value).slice(0, POSITIONS_MAX) : []
  return Object.fromEntries(
    positions.flatMap(([log, at]) => {
      const position = log.length <= LOG_NAME_MAX ? toPosition(at) : undefined
      return position === undefined ? [] : [[log, position]]
    }),
  )
}

/** A position that came from the other side; `undefined` for what is none. */
export function toPosition(value: unknown): Position | undefined {
  const { epoch, sequence, atMs } = isObject(value) ? value : {}
  return isShortText(epoch) && isCount(sequence) && isCount(atMs) ? { epoch, sequence, atMs } : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= TEXT_MAX
}

function invalidHandshake(path: string[], reason: string): RealtimeError {
  return new RealtimeError('INVALID_PAYLOAD', `The handshake is invalid at ${['auth', 'realtime', ...path].join('.')}: ${reason}`, {
    data: { issues: [{ path: ['auth', 'realtime', ...path], message: reason }] },
  })
}

/** How deep a payload may be nested: deeper ones overflow the stack of what is recursive further on. */
export const MAX_DEPTH = 32

/**
 * Why `value` is not plain JSON of at most `maxDepth` levels, or `undefined` where it is.
 * Never recursive: it is what stands before everything that is.
 */
export function findNonJson(value: unknown, maxDepth: number): string | undefined {
  const scalarProblem = isScalar(value) ? nonJsonScalar(value) : undefined
  if (scalarProblem !== undefined) return scalarProblem
  // It looks at every event that comes in: two lists, so that nothing is made for each value.
  const nodes = isScalar(value) ? [] : [value]
  const depths = [0]
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    const depth = depths.pop() as number // there is one for each node
    if (depth >= maxDepth) return `nested deeper than ${maxDepth} levels`
    const problem = Array.isArray(node) ? nonJsonArray(node) : nonJsonObject(node)
    if (problem !== undefined) return problem
    for (const child of Array.isArray(node) ? node : Object.values(node)) {
      if (!isScalar(child)) {
        nodes.push(child)
        depths.push(depth + 1)
      } else if (typeof child !== 'string') {
        const childProblem = nonJsonScalar(child)
        if (childProblem !== undefined) return childProblem
      }
    }
  }
  return undefined
}

function isScalar(value: unknown): value is Exclude<unknown, object> {
  return typeof value !== 'object' || value === null
}

function nonJsonScalar(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'object':
    case 'undefined': // an absent optional field: JSON leaves it out
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : 'a number that JSON cannot hold (NaN or infinite)'
    default:
      return `a ${typeof value} is not JSON`
  }
}

function nonJsonArray(value: readonly unknown[]): string | undefined {
  return value.includes(undefined) ? 'undefined in a list, which JSON would turn into null' : undefined
}

function nonJsonObject(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    return `a ${value.constructor?.name || 'class instance'} is not JSON`
  }
  return Object.hasOwn(value, '__proto__') ? 'the key __proto__ is not allowed' : undefined
}
