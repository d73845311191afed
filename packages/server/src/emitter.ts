import type { Contract, RoomId, RoomKind } from '@org/realtime-contracts'
import type { Cluster, ClusterLink } from './cluster.js'
import type { Report } from './context.js'
import { type AllEmitTarget, Delivery, type EmitTarget, type Outbound, type Receipt, type UserEmitTarget } from './delivery.js'
import { type Inbox, LogInbox } from './inbox.js'
import type { Presence } from './interface.js'
import { DEFAULT_LIMITS } from './limits.js'
import { Observation, type RealtimeObserver } from './observe.js'
import { assertKeys, checkCluster, checkObserver } from './options.js'
import { move, TASK_MS } from './peers.js'
import { checkUserId, checkUserIds, PresenceService } from './presence.js'
import { toReport } from './report.js'
import { type DurableOptions, toRetention } from './retention.js'
import { RoomNames, userRoom } from './rooms.js'

/** What `createRealtimeEmitter` takes. */
export interface RealtimeEmitterOptions<C extends Contract = Contract> {
  /** The servers' own: `redisCluster({ url })` with the same prefix. */
  readonly cluster: Cluster
  /** The servers' namespace. @default '/' */
  readonly namespace?: string
  /** The servers' own option of that name, which must be the same. */
  readonly durable?: DurableOptions
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
  toUsers(userIds: Iterable<string> & object): UserEmitTarget<C, Receipt[]>
  /** Everybody in a room. @throws RealtimeError `INVALID_PAYLOAD` for what is no room. */
  toRoom<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): EmitTarget<C>
  /** Everybody who is connected. */
  toAll(): AllEmitTarget<C>
  /** The durable events that are kept for a user. @throws TypeError where the id can be nobody's. */
  inbox(userId: string): Inbox<C>
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
  assertKeys('createRealtimeEmitter', options ?? null, ['cluster', 'namespace', 'durable', 'onError', 'observe'])
  if (options.cluster === undefined) throw new TypeError('createRealtimeEmitter: cluster is required; without it there is no server to reach')
  checkCluster(options.cluster)
  checkObserver(options.observe)
  // The implementation knows names and codecs; the interface gives them the types of this contract.
  return createEmitter(contract, options) as unknown as RealtimeEmitter<C>
}

function createEmitter(contract: Contract, { cluster, namespace = '/', durable, onError, observe }: RealtimeEmitterOptions) {
  const report = toReport(onError)
  const retention = toRetention('durable', durable)
  const link = cluster.link({ namespace, graceMs: 0, retention, report: (error) => report(error, {}) })
  const observation = observe && new Observation(observe, () => false, report)
  const names = new RoomNames(contract.codec.rooms, DEFAULT_LIMITS.roomIdLength)
  const delivery = new Delivery(contract.codec.serverToClient, names, toOutbound(link, observation), link.logs, retention.maxBytes, report, observation)
  return {
    contract,
    presence: new PresenceService(link.presence, names, contract.codec, (error) => report(error, {})),
    get ready() {
      return link.isUp
    },
    toUser: (userId: string) => delivery.toUser(checkUserId(userId)),
    toUsers: (userIds: Iterable<string> & object) => delivery.toUsers([...new Set(checkUserIds(userIds))]),
    toRoom: (kind: string, id: unknown) => delivery.toRoom(kind, id),
    toAll: () => delivery.toAll(),
    inbox: (userId: string) => new LogInbox(link.logs, userRoom(userId), contract.codec.serverToClient),
    close: () => link.close(),
  }
}

function toOutbound(link: ClusterLink, observation: Observation | undefined): Outbound {
  return {
    emit(audience, event, args, isVolatile) {
      const trace = observation?.sent({ event, origin: 'local', isRequest: false, recipients: undefined, length: undefined })
      link.emit(audience, event, args, isVolatile, trace)
    },
    request: () => Promise.reject(new TypeError('An emitter cannot ask: request is for a process that serves sockets')),
    move: (kind, room, userIds, except) => move(kind, room, userIds, except, link.presence, (audience, task) => link.ask(audience, task, TASK_MS, () => {})),
  }
}
