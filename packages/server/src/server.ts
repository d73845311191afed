import { createServer, type Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Contract, SessionFields } from '@org/realtime-contracts'
import { CONTROL, type DisconnectNotice, isObject, RealtimeError, toPosition } from '@org/realtime-contracts/wire'
import { type Namespace, type Socket, Server as SocketServer } from 'socket.io'
import { Admission, type RefusalListener, unavailable } from './admission.js'
import type { Acknowledge } from './answer.js'
import { Attachment, checkPort } from './attachment.js'
import type { ClusterContext, ClusterNode } from './cluster.js'
import { Commands } from './commands.js'
import { Compatibility } from './compatibility.js'
import { type CloseReason, type Connection, Connections, REPLACED } from './connection.js'
import type { Middleware, Report } from './context.js'
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
import { assertDuration, checkOptions, REFUSAL_MS, type RealtimeServerOptions } from './options.js'
import { createOriginCheck, type OriginCheck } from './origin.js'
import { Peers } from './peers.js'
import { checkUserId, checkUserIds, MemoryPresenceStore, PresenceService, type PresenceStore } from './presence.js'
import { toReport } from './report.js'
import { toRetention } from './retention.js'
import { MemoryRevocationStore, type Revocation, Revocations } from './revocation.js'
import { RoomNames, Rooms, userRoom } from './rooms.js'
import { type Inbound, Shortcut } from './shortcut.js'
import { atMost, delay, turn } from './time.js'
import { endUnused, watchBuffer } from './transport.js'
import { Watching } from './watching.js'

const FLUSH_MS = 1_000
const FLUSH_POLL_MS = 10
const MAX_RECEIPTS = 100 // in one message; a client of the SDK sends no more

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
const UNREADABLE: DisconnectNotice = { code: 'INVALID_PAYLOAD', reason: 'What was sent is no packet of Socket.IO, or has too many attachments' }

class Realtime<User extends BaseUser> {
  readonly io: SocketServer
  readonly presence: PresenceService
  readonly #namespace: Namespace
  readonly #report: Report
  readonly #refused: RefusalListener
  readonly #allowsOrigin: OriginCheck
  readonly #limits: Limits
  readonly #handshakeTimeoutMs: number
  readonly #connections: Connections<User>
  readonly #revocations: Revocations
  readonly #presence: PresenceStore
  readonly #logs: LogStore
  readonly #feeds: Feeds<User>
  readonly #node: ClusterNode | undefined
  readonly #peers: Peers<User>
  readonly #names: RoomNames
  readonly #rooms: Rooms<User>
  readonly #watching: Watching<User>
  readonly #delivery: Delivery
  readonly #commands: Commands
  readonly #dispatcher: Dispatcher<User, Connection<User>>
  readonly #admission: Admission<User>
  readonly #attachment: Attachment
  readonly #observation: Observation | undefined
  readonly #inbound: Inbound<Connection<User>>
  #closing: Promise<void> | undefined

  constructor(
    readonly contract: Contract,
    options: RealtimeServerOptions<Contract, User>,
  ) {
    const {
      authenticate,
      cors = {},
      rooms = {},
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
    this.#handshakeTimeoutMs = handshakeTimeoutMs
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
    this.#feeds = new Feeds(this.#namespace, this.#connections, this.#logs, hasDurable(contract), retention.pollMs, (error) => this.#report(error, {}))
    this.#rooms = new Rooms(
      this.#namespace,
      this.#names,
      this.#connections,
      this.#presence,
      this.#feeds,
      this.#report,
      rooms,
      [...contract.codec.rooms.keys()],
      handshakeTimeoutMs,
      this.#limits.roomsPerConnection,
    )
    this.#watching = new Watching(this.#presence, contract.codec.presence, visible, this.#limits, handshakeTimeoutMs, this.#report)
    this.#peers = new Peers(this.#namespace, this.#connections, this.#presence, this.#feeds, this.#node, (error) => this.#report(error, {}), this.#observation)
    this.#delivery = new Delivery(contract.codec.serverToClient, this.#names, this.#peers, this.#logs, retention.maxBytes, this.#report, this.#observation)
    this.#commands = new Commands(idempotency.store ?? this.#node?.idempotency ?? new MemoryIdempotencyStore(), idempotency, this.#report)
    this.#dispatcher = new Dispatcher(contract, this.#limits, this.#report, this.#commands, this.#observation)
    this.#inbound = {
      maxBytes: this.#limits.payloadBytes,
      handles: (event) => this.#dispatcher.handles(event),
      receive: (packet, acknowledge, connection) => this.#receive(packet, acknowledge, connection),
    }
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
    this.#handleControlEvents()
    this.#admitClients()
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

  #admitClients(): void {
    this.#namespace.use((socket, next) => {
      this.#admission
        .admit(socket)
        .then((refused) => next(this.#closing === undefined ? refused : unavailable()))
        .catch((error: unknown) => this.#report(error, {})) // admit() does not reject; what next() runs of the application's may throw
    })
    this.#namespace.on('connection', (socket) => {
      const connection = this.#admission.admitted(socket)
      if (connection === undefined) {
        socket.disconnect(true) // the middleware was taken out; nobody comes in without it
        return
      }
      this.#welcome(connection)
    })
    if (this.#namespace.name !== '/') {
      this.#guardRoot()
    }
  }

  /** Synchronous from end to end: nothing that the client sends is dispatched before `authenticated` is on its way. */
  #welcome(connection: Connection<User>): void {
    const { socket } = connection
    socket.use((packet: unknown[], next) => {
      const acknowledge = toAcknowledge(packet.at(-1))
      // What only a bare listener of the application handles stays Socket.IO's.
      if (this.#leavesToSocketIo(packet[0], socket.listenerCount(packet[0] as string))) {
        if (this.#allows(packet, acknowledge, connection)) next()
        return
      }
      if (acknowledge !== undefined) packet.pop()
      this.#receive(packet, acknowledge, connection)
    })
    const shortcut = new Shortcut(socket, this.#inbound, connection)
    const unwatch = watchBuffer(socket.conn, this.#limits, () => {
      connection.close({ code: 'SLOW_CONSUMER', reason: 'The client does not read what it is sent fast enough', mayReturn: true })
    })
    // What cannot be parsed ends the transport; the client is told before.
    socket.on('error', tellUnreadable)
    socket.on('disconnect', () => {
      unwatch()
      shortcut.close()
      endUnused(this.#handshakeTimeoutMs + REFUSAL_MS, socket)
      connection.gone()
      this.#connections.remove(connection)
      this.#watching.forget(connection)
      this.#presence.remove(connection.present)
    })
    const replaced = this.#connections.add(connection)
    shortcut.emit('authenticated', connection.session)
    replaced?.close(REPLACED)
    if (connection.replaces) this.#peers.replace(connection)
    connection.open()
    this.#observation?.connected(connection, () => connection.ended?.code)
    this.#feeds.start(connection)
  }

  #receive(packet: readonly unknown[], acknowledge: Acknowledge | undefined, connection: Connection<User>): void {
    if (this.#allows(packet, acknowledge, connection)) this.#dispatcher.dispatch(packet, acknowledge, connection)
  }

  #allows(packet: readonly unknown[], acknowledge: Acknowledge | undefined, connection: Connection<User>): boolean {
    if (!connection.socket.connected) return false // it was disconnected, by what it sent just before perhaps
    const tooFast = connection.allowance.take(packet[0])
    if (tooFast !== undefined) this.#dispatcher.refuse(packet, acknowledge, tooFast, connection)
    return tooFast === undefined
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

  #leavesToSocketIo(event: unknown, listeners: number): boolean {
    return listeners > 0 && event !== 'error' && !this.#dispatcher.handles(event)
  }

  #handleControlEvents(): void {
    this.#control(CONTROL.join, (payload, connection) => this.#rooms.join(payload, connection))
    this.#control(CONTROL.leave, (payload, connection) => this.#rooms.leave(payload, connection))
    this.#control(CONTROL.authenticate, async (payload, connection) => {
      const session = await this.#admission.renew(payload, connection)
      await this.#rooms.authorizeAgain(connection)
      await this.#watching.authorizeAgain(connection)
      return session
    })
    this.#control(CONTROL.watch, (payload, connection) => (isRoom(payload) ? this.#rooms : this.#watching).watch(payload, connection))
    this.#control(CONTROL.unwatch, (payload, connection) => (isRoom(payload) ? this.#rooms : this.#watching).unwatch(payload, connection))
    this.#dispatcher.control(CONTROL.ack, (payload, connection) => this.#confirm(payload, connection))
    this.#control(CONTROL.set, (payload, connection) => this.#watching.set(payload, connection))
  }

  /** What the client's device has taken in. */
  async #confirm(payload: unknown, { user }: Connection<User>): Promise<void> {
    const { receipts } = isObject(payload) ? payload : {}
    const positions = Array.isArray(receipts) ? receipts.slice(0, MAX_RECEIPTS).map(toPosition) : []
    const valid = positions.filter((position) => position !== undefined)
    if (valid.length > 0) await this.#logs.confirm(userRoom(user.userId), valid)
  }

  #control(event: string, handler: (payload: unknown, connection: Connection<User>) => Promise<unknown>): void {
    this.#dispatcher.control(event, (payload, connection) => connection.inTurn(() => handler(payload, connection)))
  }

  /** Socket.IO always has the namespace `/`; unless the application serves it, it is nobody's way in. */
  #guardRoot(): void {
    const root = this.io.of('/')
    root.use((_socket, next) => {
      next(root.listenerCount('connection') > 0 ? undefined : new Error(`Connect to the namespace ${this.#namespace.name}`))
    })
  }
}

function tellUnreadable(this: Socket): void {
  this.emit('$disconnect', UNREADABLE)
}

function hasDurable({ codec }: Contract): boolean {
  return [...codec.serverToClient.entries()].some(([, { delivery }]) => delivery === 'durable')
}

function toAcknowledge(last: unknown): Acknowledge | undefined {
  return typeof last === 'function' ? (last as Acknowledge) : undefined // Socket.IO has put it there
}

/** What a client watches: a room's members, or users. */
function isRoom(payload: unknown): boolean {
  return isObject(payload) && 'kind' in payload
}

function checkContract(contract: Contract): void {
  if (contract?.codec === undefined) {
    throw new TypeError('createRealtimeServer: expected a contract from defineContract or mergeContracts; a manifest is for clients')
  }
}
