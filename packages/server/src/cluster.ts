import type { Namespace } from 'socket.io'
import type { IdempotencyStore } from './idempotency.js'
import type { LogStore } from './log.js'
import type { PresenceStore } from './presence.js'
import type { Retention } from './retention.js'
import type { RevocationStore } from './revocation.js'

/** Whom something is for: those in any of the rooms, or everybody where none is given, but for those in `except`. */
export interface Audience {
  /** Names of rooms; none is everybody. */
  readonly rooms: readonly string[]
  /** Names of rooms whose sockets are left out. */
  readonly except: readonly string[]
}

/** What a cluster is told of the server that takes part. */
export interface ClusterContext {
  /** The namespace that is served. */
  readonly namespace: string
  /** How long a user stays online after the last connection has gone, in milliseconds. */
  readonly graceMs: number
  /** How long durable events are kept. */
  readonly retention: Retention
  /** Told of what could not be done, at most about once a second. */
  readonly report: (error: Error) => void
  /** Told of each event of another node that this one has written; absent where nobody observes. */
  readonly written?: (event: string, recipients: number, length: number, trace: string | undefined) => void
}

/** What joins processes to one: made by `redisCluster`, and given to each server and emitter. */
export interface Cluster {
  /** Takes part with the connections of a server. */
  open(context: ClusterContext): ClusterNode
  /** Reaches the servers from a process that has no connections. */
  link(context: ClusterContext): ClusterLink
}

/** The way to all nodes. */
export interface ClusterLink {
  /** Whether the nodes can be reached, as far as is known. */
  readonly isUp: boolean
  /** Where it is kept who is connected, of all nodes. */
  readonly presence: PresenceStore
  /** What is kept of durable events. */
  readonly logs: LogStore
  /** Does not wait; what fails is reported. @param trace goes along with it. */
  emit(audience: Audience, event: string, args: readonly unknown[], isVolatile: boolean, trace?: string): void
  /**
   * Has every other node with connections of the audience do something, and resolves once they have, or the time is over.
   * @param tell hears what they tell of it. @throws RealtimeError `UNAVAILABLE` where they could not be told.
   */
  ask(audience: Audience, task: unknown, timeoutMs: number, tell: (answer: unknown) => void): Promise<void>
  /** Leaves; others are told. */
  close(): Promise<void>
}

/** Does what another node asks for, tells it what comes of it, and never rejects. */
export type Perform = (audience: Audience, task: unknown, tell: (answer: unknown) => void) => Promise<void>

/** One process of several. */
export interface ClusterNode extends Omit<ClusterLink, 'emit'> {
  /** Sends an event to those of the audience that other nodes have. Does not wait; what fails is reported. @param json the event's name and its arguments, as a list. @param trace goes along with it. */
  forward(audience: Audience, json: string, isVolatile: boolean, trace?: string): void
  /** Called with `new`, once for each namespace. */
  readonly adapter: (namespace: Namespace) => Namespace['adapter']
  /** Where it is kept who was revoked, for all nodes. */
  readonly revocations: RevocationStore
  /** Where the replies of idempotent events are kept, for all nodes. */
  readonly idempotency: IdempotencyStore
  /** Does what other nodes ask for. */
  start(perform: Perform): void
  /** Calls back when the nodes can be reached again. */
  onUp(listener: () => void): void
}
