import type { Contract } from '@org/realtime-contracts'
import { MAX_DEPTH, RealtimeError } from '@org/realtime-contracts/wire'
import type { BufferLimits } from './transport.js'

/** What one client may cost. What is beyond a limit is refused with an error that names it. */
export interface Limits extends BufferLimits {
  /** How large the payload of an event may be, in bytes of its JSON; more is `INVALID_PAYLOAD`. @default 65_536 */
  readonly payloadBytes: number
  /** How deep a payload may be nested; deeper is `INVALID_PAYLOAD`. At most 256. @default 32 */
  readonly payloadDepth: number
  /** How long the name of an event may be, in characters; a longer one is `UNKNOWN_EVENT`. @default 64 */
  readonly eventNameLength: number
  /** How long the id of a room may be, in characters; a longer one is `INVALID_PAYLOAD`. @default 256 */
  readonly roomIdLength: number
  /** How many binary attachments an event may have, for listeners of your own on `realtime.io`; more ends the connection. @default 10 */
  readonly attachments: number
  /** How many events a connection may send in a second, and at once; more are `RATE_LIMITED`. @default 2_000 */
  readonly eventsPerSecond: number
  /**
   * The same for single events, and before what the contract says of them.
   * @default `limits.perSecond` in the contract; `$join` and `$leave` 256, or `roomsPerConnection` where that is more; `$watch`, `$unwatch` and `$ack` 50, `$authenticate` and `$set` 10
   */
  readonly eventRates: { readonly [event: string]: number }
  /** How many events of a connection, answered or not, may be at work in handlers; more are `RATE_LIMITED`. @default 1_000 */
  readonly pendingReplies: number
  /** How many rooms a connection may join; more are `RATE_LIMITED`. Those that the server puts it into do not count. @default 256 */
  readonly roomsPerConnection: number
  /** How many users a connection may watch; more are `RATE_LIMITED`. @default 1_000 */
  readonly watchedUsers: number
  /** How many connections a user may have to this process; more are refused with `RATE_LIMITED`. @default 100 */
  readonly connectionsPerUser: number
  /** How many refusals for limits a connection may collect, ten of them forgotten in a second, before it is closed with `RATE_LIMITED`. @default 500 */
  readonly refusals: number
}

/** A frame of more is refused by the transport, before it is parsed and without an answer. */
export const MAX_FRAME_BYTES = 1_000_000
export const MAX_PAYLOAD_DEPTH = 256 // what is recursive further on stands a multiple of it

// A page joins all its rooms again after a reconnect.
const ROOM_CHANGES = 256

export const DEFAULT_LIMITS: Limits = {
  bufferedBytes: 8 * 1024 * 1024,
  bufferedPackets: 50_000,
  payloadBytes: 64 * 1024,
  payloadDepth: MAX_DEPTH,
  eventNameLength: 64,
  roomIdLength: 256,
  attachments: 10,
  eventsPerSecond: 2_000,
  eventRates: { $join: ROOM_CHANGES, $leave: ROOM_CHANGES, $authenticate: 10, $watch: 50, $unwatch: 50, $set: 10, $ack: 50 },
  pendingReplies: 1_000,
  roomsPerConnection: ROOM_CHANGES,
  watchedUsers: 1_000,
  connectionsPerUser: 100,
  refusals: 500,
}

/** What is given, and the default of what is not. */
export function toLimits(given: Partial<Limits>): Limits {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const limits = { ...DEFAULT_LIMITS, ...known }
  const perSecond = roomChanges(limits)
  return { ...limits, eventRates: { ...DEFAULT_LIMITS.eventRates, $join: perSecond, $leave: perSecond, ...given.eventRates } }
}

/** How many rooms a connection may join or leave at once. */
export function roomChanges({ roomsPerConnection }: Limits): number {
  return Math.max(ROOM_CHANGES, roomsPerConnection)
}

/** How many of an event a connection may send in a second: what the options say, else the contract. @throws TypeError for a rate of no event. */
export function toRates(contract: Contract, { eventRates }: Limits): ReadonlyMap<string, number> {
  const declared = [...contract.codec.clientToServer.entries()].flatMap(([event, { perSecond }]) =>
    perSecond === undefined ? [] : [[event, perSecond] as const],
  )
  const unknown = Object.keys(eventRates).find(
    (event) => !Object.hasOwn(DEFAULT_LIMITS.eventRates, event) && contract.codec.clientToServer.get(event) === undefined,
  )
  if (unknown !== undefined) {
    throw new TypeError(`limits.eventRates: the contract has no event ${JSON.stringify(unknown)} in clientToServer`)
  }
  return new Map([...declared, ...Object.entries(eventRates)])
}

const FORGIVEN_PER_SECOND = 10
const COUNT_RETRY_MS = 1_000 // nobody knows when a count goes down

/** @param limit the name of the limit, as in the options. */
export function rateLimited(limit: keyof Limits | 'perSecond' | 'handshakes', message: string, retryAfterMs: number = COUNT_RETRY_MS): RealtimeError {
  return new RealtimeError('RATE_LIMITED', message, { data: { retryAfterMs, limit } })
}

/** So many in a second, and at once (a token bucket). */
export class Rate {
  #left: number
  #atMs = performance.now()

  constructor(
    readonly perSecond: number,
    private readonly size = Math.max(1, perSecond),
  ) {
    this.#left = this.size
  }

  /** When it was last asked, as `performance.now()` has it. */
  get atMs(): number {
    return this.#atMs
  }

  /** @returns 0 where it is allowed; else in how many milliseconds it will be. */
  take(): number {
    const nowMs = performance.now()
    this.#left = Math.min(this.size, this.#left + ((nowMs - this.#atMs) / 1000) * this.perSecond)
    this.#atMs = nowMs
    if (this.#left < 1) {
      return Math.ceil(((1 - this.#left) / this.perSecond) * 1000)
    }
    this.#left--
    return 0
  }
}

/** What one connection has left of its limits. */
export class Allowance {
  readonly #all: Rate
  #single: Map<string, Rate> | undefined
  readonly #refusals: Rate
  #pending = 0
  #onIdle: Array<() => void> | undefined

  /**
   * @param rates of single events, by name.
   * @param exhausted called when the connection goes on although it is refused.
   */
  constructor(
    private readonly limits: Limits,
    private readonly rates: ReadonlyMap<string, number>,
    private readonly exhausted: () => void,
  ) {
    this.#all = new Rate(limits.eventsPerSecond)
    this.#refusals = new Rate(FORGIVEN_PER_SECOND, limits.refusals)
  }

  /** When the last event was taken up, as `performance.now()` has it. */
  get tookUpAtMs(): number {
    return this.#all.atMs
  }

  /** @returns what an event is refused with, where it comes too fast. */
  take(event: unknown): RealtimeError | undefined {
    const waitMs = this.#all.take()
    if (waitMs > 0) {
      return rateLimited('eventsPerSecond', `At most ${this.limits.eventsPerSecond} events in a second on a connection`, waitMs)
    }
    const rate = typeof event === 'string' ? this.#rateOf(event) : undefined
    const singleWaitMs = rate?.take() ?? 0
    return rate !== undefined && singleWaitMs > 0
      ? rateLimited('perSecond', `At most ${rate.perSecond} of ${JSON.stringify(event)} in a second on a connection`, singleWaitMs)
      : undefined
  }

  /** @returns what an event is refused with, where too many are at work. */
  begin(): RealtimeError | undefined {
    return this.#pending >= this.limits.pendingReplies
      ? rateLimited('pendingReplies', `At most ${this.limits.pendingReplies} events of a connection may be at work`)
      : undefined
  }

  pending(change: 1 | -1): void {
    this.#pending += change
    if (this.#pending === 0) for (const resolve of this.#onIdle?.splice(0) ?? []) resolve()
  }

  /** Resolves once no handler is at work for the connection. */
  idle(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve()
    this.#onIdle ??= []
    const waiting = this.#onIdle
    return new Promise((resolve) => waiting.push(resolve))
  }

  /** Something was refused for being beyond a limit. */
  refused(): void {
    if (this.#refusals.take() > 0) this.exhausted()
  }

  #rateOf(event: string): Rate | undefined {
    const perSecond = this.rates.get(event)
    if (perSecond === undefined) return undefined
    this.#single ??= new Map()
    const rate = this.#single.get(event) ?? new Rate(perSecond)
    this.#single.set(event, rate)
    return rate
  }
}
