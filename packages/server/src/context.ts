import type { ErrorsOf, Issue, PayloadOf, ReplyOf, Schema } from '@org/realtime-contracts'
import type { EventMeta, RealtimeError, WireError } from '@org/realtime-contracts/wire'
import type { CommandContext } from './commands.js'
import type { BaseUser } from './identity.js'
import type { Allowance } from './limits.js'
import type { OlderVersion } from './older.js'

/** One client instance, kept across its reconnects; the socket's id for stock clients. An address, not a credential. */
export interface Device {
  /** 1–64 of `[A-Za-z0-9_-]`, or the id of a socket. */
  readonly id: string
}

/** Failures that any handler or middleware may declare, with their data. */
export interface OpenFailures {
  /** For what a schema cannot say: the client is told which parts of the payload, and why. */
  readonly INVALID_PAYLOAD: { readonly issues: readonly Issue[] }
  readonly FORBIDDEN: undefined
  readonly RATE_LIMITED: { retryAfterMs: number } | undefined
  readonly UNAVAILABLE: { retryAfterMs: number } | undefined
}

/** Makes the error that answers this call; throw what it returns. An error made elsewhere is answered as `INTERNAL`. */
export type Fail<Declared = unknown> = <Code extends keyof (Declared & OpenFailures) & string>(
  code: Code,
  ...rest: undefined extends (Declared & OpenFailures)[Code]
    ? [data?: (Declared & OpenFailures)[Code], message?: string]
    : [data: (Declared & OpenFailures)[Code], message?: string]
) => RealtimeError<Code>

interface Context<User> {
  readonly user: User
  readonly device: Device
  /** What the client's SDK sent beside the payload. */
  readonly meta: EventMeta
}

/** What a middleware sees of an event. */
export interface MiddlewareContext<User = BaseUser> extends Context<User> {
  /** The event's name. */
  readonly event: string
  /** Validated and decoded. */
  readonly payload: unknown
  /** Makes the error that answers this call: `FORBIDDEN`, `RATE_LIMITED` or `UNAVAILABLE`. */
  readonly fail: Fail
}

/**
 * Runs around the handlers of events, outermost first. It lets the event through by `await next()`,
 * which rejects where what is inside failed, or refuses it by throwing `fail(...)`.
 */
export type Middleware<User = BaseUser> = (context: MiddlewareContext<User>, next: () => Promise<void>) => unknown

interface EventContext<E, K extends string, User> extends Context<User> {
  /** The event's name. */
  readonly event: K
  /** Validated and decoded. */
  readonly payload: PayloadOf<E>
  /** Makes the error that answers this call: one that the event declares, or as in a middleware. */
  readonly fail: Fail<ErrorsOf<E>>
}

/** What a handler sees of an event `E`, named `K`. */
export type HandlerContext<E, K extends string = string, User = BaseUser> = EventContext<E, K, User> &
  (E extends { idempotent: true } ? CommandContext : unknown)

/** Handles one event of clients; what it returns is the reply, where the event has one. */
export type Handler<E, K extends string = string, User = BaseUser> = (context: HandlerContext<E, K, User>) => HandlerResult<E>
type HandlerResult<E> = E extends { reply: Schema } ? ReplyOf<E> | Promise<ReplyOf<E>> : unknown

/** Who sent an event, and how to tell them of a failure that nobody waits for. */
export interface Sender<User> {
  readonly user: User
  readonly device: Device
  readonly allowance: Allowance
  readonly isDraining: boolean
  /** The version of its contract, where the server casts to and from it. */
  readonly older?: OlderVersion | undefined
  sendError(error: WireError, event: string): void
}

/** Told of everything that went wrong inside the server and is answered as `INTERNAL`. */
export type Report = (error: unknown, context: { readonly event?: string; readonly userId?: string }) => void
