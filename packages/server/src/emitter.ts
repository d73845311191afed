import type { Contract, RoomId, RoomKind } from '@org/realtime-contracts'
import type { Cluster, ClusterLink } from './cluster.js'
import type { Report } from './context.js'
import { Delivery, type EmitTarget, type Outbound, type UserEmitTarget } from './delivery.js'
import type { Presence } from './interface.js'
import { DEFAULT_LIMITS } from './limits.js'
import { Observation, type RealtimeObserver } from './observe.js'
import { assertKeys, checkCluster, checkObserver } from './options.js'
import { move, TASK_MS } from './peers.js'
import { checkUserId, checkUserIds, PresenceService } from './presence.js'
import { toReport } from './report.js'
import { RoomNames } from './rooms.js'

/** What `createRealtimeEmitter` takes. */
export interface RealtimeEmitterOptions<C extends Contract = Contract> {
  /** The servers' own: `redisCluster({ url })` with the same prefix. */
  readonly cluster: Cluster
  /** The servers' namespace. @default '/' */
  readonly namespace?: string
  /** Told of what could not be sent. @default a Node.js process warning */
  readonly onError?: Report
  /** Told of what it sends (`eventOut`). @default nobody */
  readonly observe?: RealtimeObserver<NoInfer<C>>
}

/** The servers of a contract, from a process that serves no sockets: a job worker, a REST API. Made by `createRealtimeEmitter`. */
export interface RealtimeEmitter<C extends Contract> {
  /** The contract it was made of. */
  readonly contract: C
  /** Who is connected to the servers. */
  readonly presence: Presence<C>
  /** Whether the servers can be reached, as far as is known. */
  readonly ready: boolean
  /** All devices of one user. @throws TypeError where the id can be nobody's. */
  toUser(userId: string): UserEmitTarget<C>
  /** All devices of several users; of nobody, where there are none. @throws TypeError where an id can be nobody's. */
  toUsers(userIds: Iterable<string> & object): UserEmitTarget<C>
  /** Everybody in a room. @throws RealtimeError `INVALID_PAYLOAD` for what is no room. */
  toRoom<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): EmitTarget<C>
  /** Everybody who is connected. */
  toAll(): EmitTarget<C>
  /** Ends its connections to Redis. */
  close(): Promise<void>
}

/**
 * Makes an emitter: the same typed, validated targets as a server has, without `request`.
 * @throws TypeError for options that are missing or wrong.
 */
export function createRealtimeEmitter<const C extends Contract>(contract: C, options: RealtimeEmitterOptions<C>): RealtimeEmitter<C> {
  if (contract?.codec === undefined) {
    throw new TypeError('createRealtimeEmitter: expected a contract from defineContract or mergeContracts; a manifest is for clients')
  }
  assertKeys('createRealtimeEmitter', options ?? null, ['cluster', 'namespace', 'onError', 'observe'])
  if (options.cluster === undefined) throw new TypeError('createRealtimeEmitter: cluster is required; without it there is no server to reach')
  checkCluster(options.cluster)
  checkObserver(options.observe)
  // The implementation knows names and codecs; the interface gives them the types of this contract.
  return createEmitter(contract, options) as unknown as RealtimeEmitter<C>
}

function createEmitter(contract: Contract, { cluster, namespace = '/', onError, observe }: RealtimeEmitterOptions) {
  const report = toReport(onError)
  const link = cluster.link({ namespace, graceMs: 0, report: (error) => report(error, {}) })
  const observation = observe && new Observation(observe, () => false, report)
  const names = new RoomNames(contract.codec.rooms, DEFAULT_LIMITS.roomIdLength)
  const delivery = new Delivery(contract.codec.serverToClient, names, toOutbound(link, observation))
  return {
    contract,
    presence: new PresenceService(link.presence, names, contract.codec, (error) => report(error, {})),
    get ready() {
      return link.isUp
    },
    toUser: (userId: string) => delivery.toUsers([checkUserId(userId)]),
    toUsers: (userIds: Iterable<string> & object) => delivery.toUsers([...new Set(checkUserIds(userIds))]),
    toRoom: (kind: string, id: unknown) => delivery.toRoom(kind, id),
    toAll: () => delivery.toAll(),
    close: () => link.close(),
  }
}

function toOutbound(link: ClusterLink, observation: Observation | undefined): Outbound {
  return {
    emit(audience, event, args) {
      const trace = observation?.sent({ event, origin: 'local', isRequest: false, recipients: undefined, length: undefined })
      link.emit(audience, event, args, trace)
    },
    request: () => Promise.reject(new TypeError('An emitter cannot ask: request is for a process that serves sockets')),
    move: (kind, room, userIds, except) => move(kind, room, userIds, except, link.presence, (audience, task) => link.ask(audience, task, TASK_MS, () => {})),
  }
}
