/** Where an error was decided: by this process, or by the other side of the connection. */
export type ErrorOrigin = 'local' | 'remote'

/** One reason why a payload does not match its contract. Never holds the value itself. */
export interface Issue {
  /** Where in the payload, from its root; empty for the payload as a whole. */
  readonly path: ReadonlyArray<string | number>
  /** What is wrong there; never the value. */
  readonly message: string
}

/** Why the contracts of a client and a server cannot talk. A client that is `too_new` is ahead of a server that is still being updated. */
export interface ContractMismatch {
  /** Which of the two is at fault; only `too_new` changes by waiting. */
  reason: 'too_old' | 'too_new' | 'wrong_contract'
  /** The client's contract, as it said. */
  client?: { name: string; version: string }
  /** The server's contract. */
  server?: { name: string; version: string }
  /** How long to wait, in milliseconds, where coming back helps. */
  retryAfterMs?: number
}

/** What `error.data` holds, by built-in code. Codes that are not listed here carry no data. */
export interface BuiltInErrorData {
  /** The payload does not match the contract: paths and reasons, never values. */
  INVALID_PAYLOAD: { issues: Issue[] }
  /** The other side answered what the contract does not allow. */
  INVALID_REPLY: { issues: Issue[] }
  /** No token, or it was refused; one public reason for all causes. */
  UNAUTHENTICATED: undefined
  /** The token was good, and is old. */
  TOKEN_EXPIRED: undefined
  /** The user is known, and not allowed. */
  FORBIDDEN: undefined
  /** The server has no such event, or no handler for it. */
  UNKNOWN_EVENT: undefined
  /** `retryAfterMs`: how long to wait, in milliseconds, where the server knows; `limit`: which of its limits it was. */
  RATE_LIMITED: { retryAfterMs: number; limit?: string } | undefined
  /** What was proved does not count any more. */
  REVOKED: undefined
  /** The server ended the connection. */
  DISCONNECTED: undefined
  /** The client did not read fast enough. */
  SLOW_CONSUMER: undefined
  /** The two contracts cannot talk. */
  CONTRACT_MISMATCH: ContractMismatch | undefined
  /** It cannot be served now, or not be reached in time; try again after `retryAfterMs` milliseconds. */
  UNAVAILABLE: { retryAfterMs: number } | undefined
  /** The same device connected again. */
  REPLACED: undefined
  /** An idempotency key was used with another payload. */
  CONFLICT: undefined
  /** The caller's signal ended it. */
  ABORTED: undefined
  /** The handler failed, and the client is not told why. */
  INTERNAL: undefined
  /** There was no connection: nothing was sent. */
  NOT_CONNECTED: undefined
  /** Sent, and not answered in time: the outcome is unknown. */
  REPLY_TIMEOUT: undefined
  /** Sent, and the connection was lost before an answer: the outcome is unknown. */
  REPLY_LOST: undefined
  /** `close()` was called. */
  CLOSED: undefined
}

/** The codes that the SDK itself uses. A contract's own error codes may not equal any of these. */
export type BuiltInErrorCode = keyof BuiltInErrorData

/** A built-in error as a union on `code`, so that a `switch` narrows `data`. */
export type BuiltInError = { [Code in BuiltInErrorCode]: RealtimeError<Code, BuiltInErrorData[Code]> }[BuiltInErrorCode]

const RETRYABLE: readonly string[] = ['TOKEN_EXPIRED', 'RATE_LIMITED', 'SLOW_CONSUMER', 'UNAVAILABLE', 'NOT_CONNECTED'] satisfies BuiltInErrorCode[]

/** What an error carries beside code and message. */
export interface RealtimeErrorOptions<Data = unknown> {
  /** The code's data. */
  readonly data?: Data
  /** What led to it; never sent to the other side. */
  readonly cause?: unknown
  /** @default 'local' */
  readonly origin?: ErrorOrigin | undefined
  /** The event that the error is about. */
  readonly event?: string | undefined
}

// Registered globally, so that an error made by another copy of the package is recognised.
const BRAND: unique symbol = Symbol.for('realtime.error')

/**
 * Every failure that this SDK reports. Branch on `code`; `message` is for people and may change.
 * `instanceof` also recognises errors made by another copy of the package.
 */
export class RealtimeError<Code extends string = string, Data = unknown> extends Error {
  override readonly name = 'RealtimeError'
  /** What to branch on: a built-in code, or one that the event declares. */
  readonly code: Code
  /** Whether this side made it, or the other side answered it. */
  readonly origin: ErrorOrigin
  /** What belongs to the code. */
  readonly data: Data
  /** The event that the error is about, where there is one. */
  readonly event: string | undefined
  readonly [BRAND] = true

  constructor(code: Code, message?: string, { data, cause, origin = 'local', event }: RealtimeErrorOptions<Data> = {}) {
    super(message ?? (event ? `${code} (${event})` : code), cause === undefined ? undefined : { cause })
    this.code = code
    this.origin = origin
    this.data = data as Data // absent data is `undefined`, which is what the codes without data declare
    this.event = event
  }

  /** Whether the same attempt may succeed later without anyone changing anything. */
  get retryable(): boolean {
    return RETRYABLE.includes(this.code) || (this.data as Partial<ContractMismatch> | undefined)?.reason === 'too_new'
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass keeps the ordinary meaning of instanceof.
    return Object.hasOwn(this, Symbol.hasInstance) ? Boolean((value as { [BRAND]?: true } | null | undefined)?.[BRAND]) : super[Symbol.hasInstance](value)
  }
}

// A full record, so that a new code cannot be left out.
const BUILT_IN_CODES: Readonly<Record<BuiltInErrorCode, true>> = {
  INVALID_PAYLOAD: true,
  INVALID_REPLY: true,
  UNAUTHENTICATED: true,
  TOKEN_EXPIRED: true,
  FORBIDDEN: true,
  UNKNOWN_EVENT: true,
  RATE_LIMITED: true,
  REVOKED: true,
  DISCONNECTED: true,
  SLOW_CONSUMER: true,
  CONTRACT_MISMATCH: true,
  UNAVAILABLE: true,
  REPLACED: true,
  CONFLICT: true,
  ABORTED: true,
  INTERNAL: true,
  NOT_CONNECTED: true,
  REPLY_TIMEOUT: true,
  REPLY_LOST: true,
  CLOSED: true,
}

/** Whether `code` belongs to the SDK, so that a contract may not declare it. */
export function isBuiltInErrorCode(code: string): code is BuiltInErrorCode {
  return Object.hasOwn(BUILT_IN_CODES, code)
}
