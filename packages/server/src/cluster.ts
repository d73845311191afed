import type { Namespace } from 'socket.io'
import type { Adapter } from 'socket.io-adapter'
import type { PresenceStore } from './presence.js'
import type { RevocationStore } from './revocation.js'

/** Whom something is for: those in any of the rooms, or everybody where none is given, but for those in `except`. */
export interface Audience {
  readonly rooms: readonly string[]
  readonly except: readonly string[]
}

export interface ClusterContext {
  readonly namespace: string
  /** How long a user stays online after the last connection has gone, in milliseconds. */
  readonly graceMs: number
  /** Told of what could not be done, at most about once a second. */
  readonly report: (error: Error) => void
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
  readonly presence: PresenceStore
  /** Does not wait; what fails is reported. */
  emit(audience: Audience, event: string, args: readonly unknown[]): void
  /**
   * Has every other node with connections of the audience do something.
   * @returns what those answered that did in time. @throws RealtimeError `UNAVAILABLE` where they could not be told.
   */
  ask(audience: Audience, task: unknown, timeoutMs: number): Promise<unknown[]>
  close(): Promise<void>
}

/** One process of several. */
export interface ClusterNode extends Omit<ClusterLink, 'emit'> {
  /** Called with `new`, once for each namespace. */
  readonly adapter: (namespace: Namespace) => Adapter
  readonly revocations: RevocationStore
  /** Does what other nodes ask for; `perform` never rejects. */
  start(perform: (audience: Audience, task: unknown) => Promise<unknown>): void
  /** Calls back when the nodes can be reached again. */
  onUp(listener: () => void): void
}
