import type { Contract, Evolution, RoomId, RoomKind, SessionFields } from '@org/realtime-contracts'
import type { RefusalListener } from './admission.js'
import type { Cluster } from './cluster.js'
import type { IdempotencyOptions } from './commands.js'
import type { Report } from './context.js'
import type { IdempotencyStore } from './idempotency.js'
import type { AuthenticateFunction, Authenticator, BaseUser } from './identity.js'
import { DEFAULT_LIMITS, type Limits, MAX_PAYLOAD_DEPTH } from './limits.js'
import type { RealtimeObserver } from './observe.js'
import type { CorsOptions } from './origin.js'
import type { DurableOptions } from './retention.js'
import type { RevocationStore } from './revocation.js'
import type { RoomRule } from './rooms.js'
import type { VisibleRule } from './watching.js'

/** What `createRealtimeServer` takes. */
export interface RealtimeServerOptions<C extends Contract, User extends BaseUser & SessionFields<C>> {
  /** Who a client is: `jwt({ ... })`, or a function of your own. */
  readonly authenticate: Authenticator<User> | AuthenticateFunction<User>
  /** Which pages may connect, over either transport. @default the server's own origin */
  readonly cors?: CorsOptions
  /** Who may join which room. A kind of room without a rule cannot be joined by clients. */
  readonly rooms?: { readonly [K in RoomKind<C>]?: RoomRule<User, RoomId<C, K>> }
  /** The path of the handshake. @default '/socket.io/' */
  readonly path?: string
  /** Socket.IO's namespace that clients connect to. @default '/' */
  readonly namespace?: string
  /** @default ['polling', 'websocket'] */
  readonly transports?: ReadonlyArray<'polling' | 'websocket'>
  /** When a user counts as online, and who may see it. */
  readonly presence?: {
    /** How long a user stays online after their last device has gone, so that a reload is no transition, in milliseconds. @default 5_000 */
    readonly graceMs?: number
    /** Whether a client may see where a user stands (`client.presence.watch`). Only `true` lets it. @default nobody may */
    readonly visible?: VisibleRule<User>
  }
  /** How often an idle connection is checked for being alive, in milliseconds. @default 25_000 */
  readonly pingIntervalMs?: number
  /** How long a client may take to answer that, in milliseconds. @default 20_000 */
  readonly pingTimeoutMs?: number
  /** How long `authenticate`, and a room's `authorize`, may take, in milliseconds; a transport without a finished handshake is ended 2 s later at the most. @default 5_000 */
  readonly handshakeTimeoutMs?: number
  /** What one client may cost. Only what is given differs from the default. */
  readonly limits?: Partial<Limits>
  /** How long durable events are kept for devices that are away; the same on every node and emitter. */
  readonly durable?: DurableOptions
  /** Where it is kept who was revoked. @default in memory: a restart forgets */
  readonly revocations?: RevocationStore
  /** How what idempotent events ask is remembered, so that it happens once. */
  readonly idempotency?: IdempotencyOptions
  /**
   * The locks of released versions (`contract.history/*.json`, as `realtime release` writes them): clients of those are let in where the two
   * can really talk. @default none: versions decide, as in Semantic Versioning
   */
  readonly history?: readonly unknown[]
  /**
   * How to talk to clients of older versions that could not be talked to otherwise: what `evolve(older, newer, casts)` of the contracts'
   * package returns. @default none: they are refused with `CONTRACT_MISMATCH`
   */
  readonly evolutions?: readonly Evolution[]
  /** What joins several processes to one server: `redisCluster({ url })` of `@org/realtime-server/redis`. @default this process alone */
  readonly cluster?: Cluster
  /** Told of every client that was not let in: `error.cause` has the reason, which the client is not told. */
  readonly onRefused?: RefusalListener
  /** Told of every fault of the server, which clients see only as `INTERNAL` or `UNAVAILABLE`. @default a Node.js process warning */
  readonly onError?: Report
  /** Told what the server does: callbacks of your own, or `openTelemetry()` of `@org/realtime-server/opentelemetry`. @default nobody, which costs nothing */
  readonly observe?: RealtimeObserver<NoInfer<C>>
}

// A handshake that took too long is still told so before its transport is closed.
export const REFUSAL_MS = 900

const OPTIONS: ReadonlyArray<keyof RealtimeServerOptions<Contract, BaseUser>> = [
  'authenticate',
  'cors',
  'rooms',
  'path',
  'namespace',
  'transports',
  'presence',
  'pingIntervalMs',
  'pingTimeoutMs',
  'handshakeTimeoutMs',
  'limits',
  'durable',
  'revocations',
  'idempotency',
  'cluster',
  'history',
  'evolutions',
  'onRefused',
  'onError',
  'observe',
]

/** @throws TypeError for what is missing, wrong or unknown. */
export function checkOptions<User extends BaseUser>(options: RealtimeServerOptions<Contract, User>): RealtimeServerOptions<Contract, User> {
  assertKeys('createRealtimeServer', options ?? null, OPTIONS)
  assertKeys('cors', options.cors, ['origin', 'credentials', 'allowMissingOrigin'])
  checkLimits(options.limits)
  checkIdempotency(options.idempotency)
  assertKeys('rooms', options.rooms, Object.keys(options.rooms ?? {}))
  assertKeys('presence', options.presence, ['graceMs', 'visible'])
  if (options.presence?.visible !== undefined && typeof options.presence.visible !== 'function') {
    throw new TypeError('presence.visible must be a function of { user, userId }')
  }
  if (options.history !== undefined && !Array.isArray(options.history)) {
    throw new TypeError('history must be a list of contract locks, such as those in contract.history')
  }
  if (options.evolutions !== undefined && !Array.isArray(options.evolutions)) {
    throw new TypeError('evolutions must be a list of what evolve(older, newer, casts) returns')
  }
  for (const name of ['pingIntervalMs', 'pingTimeoutMs', 'handshakeTimeoutMs'] as const) {
    assertDuration(name, options[name], 1)
  }
  assertDuration('presence.graceMs', options.presence?.graceMs, 0)
  const { namespace = '/', path = '/', transports = ['websocket'] } = options
  if (!/^\/[^?,]*$/.test(namespace)) {
    throw new TypeError(`namespace must start with a slash and hold neither ? nor a comma; got ${JSON.stringify(namespace)}`)
  }
  if (!/^\/[^?#\s]*$/.test(path)) {
    throw new TypeError(`path must start with a slash; got ${JSON.stringify(path)}`)
  }
  if (!Array.isArray(transports) || transports.length === 0 || !transports.every((name) => name === 'polling' || name === 'websocket')) {
    throw new TypeError("transports must be a list of 'polling' and 'websocket'")
  }
  for (const name of ['onError', 'onRefused'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function') throw new TypeError(`${name} must be a function`)
  }
  checkCluster(options.cluster)
  checkObserver(options.observe)
  return options
}

/** @throws TypeError for what is none. */
export function checkCluster(cluster: Cluster | undefined): void {
  if (cluster !== undefined && (typeof cluster?.open !== 'function' || typeof cluster.link !== 'function')) {
    throw new TypeError("cluster must be redisCluster({ url }) of '@org/realtime-server/redis'")
  }
}

const STORE_FUNCTIONS: ReadonlyArray<keyof IdempotencyStore> = ['claim', 'renew', 'release', 'finish', 'recall', 'remember']

function checkIdempotency(idempotency: IdempotencyOptions = {}): void {
  assertKeys('idempotency', idempotency, ['store', 'leaseMs', 'retentionMs', 'maxReplyBytes'])
  const { store, leaseMs, retentionMs, maxReplyBytes } = idempotency
  if (store !== undefined && !STORE_FUNCTIONS.every((name) => typeof store?.[name] === 'function')) {
    throw new TypeError(`idempotency.store must be a store with the functions ${STORE_FUNCTIONS.join(', ')}`)
  }
  assertDuration('idempotency.leaseMs', leaseMs, 100)
  assertCount('idempotency.retentionMs', retentionMs, 1_000)
  assertCount('idempotency.maxReplyBytes', maxReplyBytes, 1)
}

const CALLBACKS: ReadonlyArray<keyof RealtimeObserver> = ['connect', 'refuse', 'disconnect', 'eventIn', 'handle', 'reply', 'eventOut', 'limitHit']

/** @throws TypeError for what is no observer. */
export function checkObserver(observer: RealtimeObserver | undefined): void {
  assertKeys('observe', observer, CALLBACKS)
  for (const name of CALLBACKS) {
    if (observer?.[name] !== undefined && typeof observer[name] !== 'function') throw new TypeError(`observe.${name} must be a function`)
  }
}

function checkLimits(limits: Partial<Limits> = {}): void {
  assertKeys('limits', limits, Object.keys(DEFAULT_LIMITS))
  const { eventRates = {}, payloadDepth, ...counts } = limits
  assertKeys('limits.eventRates', eventRates, Object.keys(eventRates))
  for (const [event, rate] of Object.entries(eventRates)) {
    if (!(typeof rate === 'number' && Number.isFinite(rate) && rate > 0))
      throw new TypeError(`limits.eventRates: the rate of ${event} must be a number above 0`)
  }
  if (payloadDepth !== undefined && !(Number.isInteger(payloadDepth) && payloadDepth > 0 && payloadDepth <= MAX_PAYLOAD_DEPTH)) {
    throw new TypeError(`limits.payloadDepth must be a whole number from 1 to ${MAX_PAYLOAD_DEPTH}; got ${String(payloadDepth)}`)
  }
  for (const [name, value] of Object.entries(counts)) assertCount(`limits.${name}`, value, name === 'attachments' ? 0 : 1)
}

/** @throws TypeError for what is no object, or has other keys. */
export function assertKeys(where: string, value: object | null | undefined, known: readonly string[]): void {
  if (value === undefined) return
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${where}: expected an object of ${known.join(', ')}`)
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) {
    throw new TypeError(`${where}: unknown option ${JSON.stringify(unknown)}; known are ${known.join(', ')}`)
  }
}

/** @throws TypeError unless it is absent, or a whole number within the bounds. */
export function assertCount(name: string, value: unknown, least: number, most?: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= (most ?? Number.MAX_SAFE_INTEGER))) return
  throw new TypeError(`${name} must be a whole number ${most === undefined ? `of ${least} or more` : `from ${least} to ${most}`}; got ${String(value)}`)
}

// A timer of more would fire at once; the handshake's is longer by a little.
const MAX_DURATION_MS = 2 ** 31 - 1 - REFUSAL_MS

/** @throws TypeError unless it is absent, or a number of milliseconds. */
export function assertDuration(name: string, value: unknown, least: number): void {
  if (value !== undefined && !(typeof value === 'number' && value >= least && value <= MAX_DURATION_MS)) {
    throw new TypeError(`${name} must be a number of milliseconds from ${least} to ${MAX_DURATION_MS}; got ${String(value)}`)
  }
}
