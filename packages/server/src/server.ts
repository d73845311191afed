import { createServer, type Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Contract, SessionFields } from '@org/realtime-contracts'
import { RealtimeError } from '@org/realtime-contracts/wire'
import { type Namespace, Server as SocketServer } from 'socket.io'
import { Admission, type RefusalListener } from './admission.js'
import { Attachment, checkPort } from './attachment.js'
import type { ClusterContext, ClusterNode } from './cluster.js'
import { Commands } from './commands.js'
import { Compatibility } from './compatibility.js'
import type { CloseReason, Connection } from './connection.js'
import { Connections } from './connections.js'
import type { Middleware, Report } from './context.js'
import { handleControls } from './controls.js'
import { Delivery } from './delivery.js'
import { Dispatcher } from './dispatch.js'
import { toEngineOptions } from './engine.js'
import { Feeds } from './feeds.js'
import { MemoryIdempotencyStore } from './idempotency.js'
import { type BaseUser, toAuthenticator } from './identity.js'
import { LogInbox } from './inbox.js'
import type { RealtimeServer } from './interface.js'
import { type Limits, toLimits, toRates } from './limits.js'
import { type LogStore, MemoryLogStore } from './log.js'
import { Observation } from './observe.js'
import { assertDuration, checkOptions, type RealtimeServerOptions } from './options.js'
import { createOriginCheck, type OriginCheck } from './origin.js'
import { Peers } from './peers.js'
import { checkUserId, checkUserIds, MemoryPresenceStore, PresenceService, type PresenceStore } from './presence.js'
import { Reception } from './reception.js'
import { toReport } from './report.js'
import { toRetention } from './retention.js'
import { MemoryRevocationStore, type Revocation, Revocations } from './revocation.js'
import { RoomNames, Rooms, userRoom } from './rooms.js'
import { atMost, delay, turn } from './time.js'
import { Watching } from './watching.js'

const FLUSH_MS = 1_000
const FLUSH_POLL_MS = 10

/**
 * Makes the server side of a contract. It serves once it is attached, or listens.
 * @throws TypeError for options that are missing or wrong.
 */
export function createRealtimeServer<const C extends Contract, User extends BaseUser & SessionFields<C>>(
  contract: C,
  options: RealtimeServerOptions<C, User>,
): RealtimeServer<C, User> {
  checkContract(contract)
  // The implementation knows names and codecs; the interface gives them the types of this contract.
  return new Realtime<User>(contract, options as unknown as RealtimeServerOptions<Contract, User>) as unknown as RealtimeServer<C, User>
}

/** Where `@org/realtime-testing` finds what it needs beside the interface; an application has no use for it. */
const TESTING = Symbol.for('@org/realtime-server testing')

const CLOSING: CloseReason = { code: 'UNAVAILABLE', reason: 'The server is closing', mayReturn: true }
const SPREAD_MS = 2 // between two connections, where there is time

class Realtime<User extends BaseUser> {
  readonly io: SocketServer
  readonly presence: PresenceService
  readonly #namespace: Namespace
  readonly #report: Report
  readonly #refused: RefusalListener
  readonly #allowsOrigin: OriginCheck
  readonly #limits: Limits
  readonly #connections: Connections<User>
  readonly #revocations: Revocations
  readonly #presence: PresenceStore
  readonly #logs: LogStore
  readonly #feeds: Feeds<User>
  readonly #node: ClusterNode | undefined
  readonly #peers: Peers<User>
  readonly #names: RoomNames
  readonly #delivery: Delivery
  readonly #commands: Commands
  readonly #dispatcher: Dispatcher<User, Connection<User>>
  readonly #admission: Admission<User>
  readonly #attachment: Attachment
  readonly #observation: Observation | undefined
  #closing: Promise<void> | undefined

  constructor(
    readonly contract: Contract,
    options: RealtimeServerOptions<Contract, User>,
  ) {
    const {
      authenticate,
      cors = {},
      rooms: rules = {},
      handshakeTimeoutMs = 5_000,
      presence: { graceMs = 5_000, visible } = {},
      limits = {},
      idempotency = {},
      cluster,
      onRefused = () => {},
      onError,
      observe,
    } = checkOptions(options)
    this.#report = toReport(onError)
    this.#observation = observe && new Observation(observe, (event) => this.#isKnown(event), this.#report)
    this.#refused = (error, client) => {
      try {
        onRefused(error, client)
      } catch (thrown) {
        this.#report(thrown, {})
      }
      this.#observation?.refused(error, client)
    }
    this.#limits = toLimits(limits)
    this.#allowsOrigin = createOriginCheck(cors)
    const retention = toRetention('durable', options.durable)
    this.#node = cluster?.open({ namespace: options.namespace ?? '/', graceMs, retention, report: (error) => this.#report(error, {}), ...this.#toWritten() })
    this.io = new SocketServer({
      ...toEngineOptions(options, this.#limits, handshakeTimeoutMs, (request) => this.#refuseRequest(request)),
      ...(this.#node !== undefined && { adapter: this.#node.adapter }),
    })
    this.#attachment = new Attachment(this.io)
    this.#namespace = this.io.of(options.namespace ?? '/')
    this.#presence = this.#node?.presence ?? new MemoryPresenceStore(graceMs)
    this.#names = new RoomNames(contract.codec.rooms, this.#limits.roomIdLength)
    this.#connections = new Connections(this.#limits.connectionsPerUser)
    this.#logs = this.#node?.logs ?? new MemoryLogStore(retention)
    this.#feeds = new Feeds(this.#namespace, this.#connections, this.#logs, durableEvents(contract), retention.pollMs, (error) => this.#report(error, {}))
    const rooms = new Rooms(
      this.#namespace,
      this.#names,
      this.#connections,
      this.#presence,
      this.#feeds,
      this.#report,
      rules,
      [...contract.codec.rooms.keys()],
      handshakeTimeoutMs,
      this.#limits.roomsPerConnection,
    )
    const watching = new Watching(this.#presence, contract.codec.presence, visible, this.#limits, handshakeTimeoutMs, this.#report)
    this.#peers = new Peers(this.#namespace, this.#connections, this.#presence, this.#feeds, this.#node, (error) => this.#report(error, {}), this.#observation)
    this.#delivery = new Delivery(contract.codec.serverToClient, this.#names, this.#peers, this.#logs, retention.maxBytes, this.#report, this.#observation)
    this.#commands = new Commands(idempotency.store ?? this.#node?.idempotency ?? new MemoryIdempotencyStore(), idempotency, this.#report)
    this.#dispatcher = new Dispatcher(contract, this.#limits, this.#report, this.#commands, this.#observation)
    const authenticator = toAuthenticator(authenticate)
    this.#revocations = new Revocations(
      options.revocations ?? this.#node?.revocations ?? new MemoryRevocationStore(),
      handshakeTimeoutMs,
      authenticator.maxLifetimeMs,
    )
    this.#admission = new Admission(
      authenticator,
      this.#revocations,
      this.#connections,
      this.#presence,
      this.#feeds,
      new Compatibility(contract, options.history ?? [], options.evolutions ?? [], this.#report),
      contract.codec.session,
      this.#limits,
      toRates(contract, this.#limits),
      handshakeTimeoutMs,
      this.#report,
      this.#refused,
    )
    this.#node?.onUp(() => {
      void this.#admission.recheckAll()
      void this.#feeds.checkAll()
    })
    this.presence = new PresenceService(this.#presence, this.#names, contract.codec, (error) => this.#report(error, {}))
    handleControls(this.#dispatcher, { admission: this.#admission, rooms, watching, logs: this.#logs })
    new Reception(this.io, this.#namespace, {
      admission: this.#admission,
      connections: this.#connections,
      dispatcher: this.#dispatcher,
      feeds: this.#feeds,
      peers: this.#peers,
      presence: this.#presence,
      watching,
      observation: this.#observation,
      limits: this.#limits,
      handshakeTimeoutMs,
      isClosing: () => this.#closing !== undefined,
      report: this.#report,
    }).open()
  }

  get ready(): boolean {
    return this.#attachment.isAttached && this.#closing === undefined && this.#node?.isUp !== false
  }

  get [TESTING]() {
    return {
      isIdle: (): boolean => this.#dispatcher.isIdle,
      expire: (userId: string, deviceId: string): void => this.#connections.expire(userId, deviceId),
    }
  }

  use(middleware: Middleware<User>): this {
    this.#dispatcher.use(middleware)
    return this
  }

  on(event: string, ...steps: unknown[]): this {
    const handler = steps.pop() as Middleware<User> // checked by the dispatcher
    this.#dispatcher.on(event, steps.flat() as Middleware<User>[], handler as never)
    return this
  }

  toUser(userId: string) {
    return this.#delivery.toUser(checkUserId(userId))
  }

  toUsers(userIds: Iterable<string> & object) {
    return this.#delivery.toUsers([...new Set(checkUserIds(userIds))])
  }

  toRoom(kind: string, id: unknown) {
    return this.#delivery.toRoom(kind, id)
  }

  toAll() {
    return this.#delivery.toAll()
  }

  inbox(userId: string) {
    return new LogInbox(this.#logs, userRoom(checkUserId(userId)), this.contract.codec.serverToClient)
  }

  async disconnectUser(userId: string, { reason = 'Disconnected by the server', deviceId }: { reason?: string; deviceId?: string } = {}): Promise<void> {
    await this.#peers.disconnect(checkUserId(userId), reason, deviceId)
  }

  async revoke(revocation: Revocation): Promise<void> {
    const revoked = this.#revocations.read(revocation)
    try {
      await this.#revocations.remember(revoked)
    } finally {
      await this.#peers.revoke(revoked)
    }
  }

  attach(server: HttpServer | HttpsServer): this {
    if (this.#closing !== undefined) {
      throw new TypeError('attach: this realtime server is closed; make another')
    }
    this.#attachment.attach(server)
    return this
  }

  async listen(port: number, host?: string): Promise<AddressInfo> {
    checkPort(port)
    const server = createServer((_request, response) => response.writeHead(404).end())
    this.attach(server)
    return this.#attachment.listen(server, port, host)
  }

  close({ drainMs = 5_000 }: { drainMs?: number } = {}): Promise<void> {
    assertDuration('close: drainMs', drainMs, 0)
    this.#closing ??= this.#close(drainMs)
    return this.#closing
  }

  async #close(drainMs: number): Promise<void> {
    const untilMs = Date.now() + drainMs
    await this.#attachment.settled()
    this.#attachment.refuseNewcomers()
    this.#commands.close()
    await this.#drain(drainMs, untilMs)
    await atMost(untilMs - Date.now(), this.#dispatcher.close())
    for (const connection of this.#connections.all()) connection.close(CLOSING)
    await this.#flushed()
    await this.#presence.close()
    this.#connections.close()
    this.#feeds.close()
    this.#logs.close()
    if (this.#attachment.isAttached) {
      this.io.engine.close()
      await this.#namespace.adapter.close()
      this.#attachment.detach()
    }
    await this.#node?.close()
    await this.#attachment.close()
  }

  /** One connection after the other, so that not all clients dial elsewhere at once; each is let go when it has its answers. */
  async #drain(drainMs: number, untilMs: number): Promise<void> {
    if (drainMs === 0) return
    const connections = this.#connections.all()
    const spreadMs = Math.min(drainMs / 2, connections.length * SPREAD_MS)
    await Promise.all(
      connections.map(async (connection, index) => {
        if (index > 0) await delay((spreadMs * index) / connections.length)
        await connection.drain(CLOSING, untilMs)
      }),
    )
  }

  /** Clients must hear why before the transport is gone; one that does not read is not waited for. */
  async #flushed(): Promise<void> {
    const untilMs = Date.now() + FLUSH_MS
    await turn() // what is written in one leaves with its end
    while (this.#attachment.isAttached && this.io.engine.clientsCount > 0 && Date.now() < untilMs) {
      await delay(FLUSH_POLL_MS)
    }
  }

  #refuseRequest(request: Parameters<OriginCheck>[0]): string | undefined {
    if (this.#closing !== undefined) {
      return 'The server is closing'
    }
    try {
      if (this.#allowsOrigin(request)) return undefined
    } catch (error) {
      this.#report(error, {}) // the application's own function
    }
    const { origin } = request.headers
    const refusal = new RealtimeError('FORBIDDEN', 'Origin not allowed', { cause: `cors.origin does not allow ${origin ?? 'a missing Origin'}` })
    this.#refused(refusal, { address: request.socket.remoteAddress ?? '', origin })
    return refusal.message
  }

  #isKnown(event: unknown): boolean {
    return typeof event === 'string' && (this.#dispatcher.handles(event) || this.contract.codec.clientToServer.get(event) !== undefined)
  }

  /** What other nodes have sent, and this one has written. */
  #toWritten(): Pick<ClusterContext, 'written'> {
    const observation = this.#observation
    if (observation === undefined) return {}
    return {
      written: (event, recipients, length, trace) =>
        observation.sent({ event, origin: 'remote', isRequest: false, recipients, length, ...(trace !== undefined && { trace }) }),
    }
  }
}

function durableEvents({ codec }: Contract): string[] {
  return [...codec.serverToClient.entries()].flatMap(([event, { delivery }]) => (delivery === 'durable' ? [event] : []))
}

function checkContract(contract: Contract): void {
  if (contract?.codec === undefined) {
    throw new TypeError('createRealtimeServer: expected a contract from defineContract or mergeContracts; a manifest is for clients')
  }
}
