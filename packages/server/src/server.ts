import { createServer, type Server as HttpServer, type IncomingMessage } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ClientEvent, Contract, RoomId, RoomKind, SessionFields } from '@org/realtime-contracts'
import { CONTROL } from '@org/realtime-contracts/wire'
import { type Namespace, Server as SocketServer } from 'socket.io'
import { Admission, unavailable } from './admission.js'
import { type Connection, Connections } from './connection.js'
import { Delivery, type Target, type UserTarget } from './delivery.js'
import { Dispatcher, type Handler, type Middleware, type Report } from './dispatch.js'
import { type AuthenticateFunction, type Authenticator, type BaseUser, toAuthenticator } from './identity.js'
import { type CorsOptions, createOriginCheck, type OriginCheck } from './origin.js'
import { checkUserIds, MemoryPresence, type PresenceReader } from './presence.js'
import { RoomNames, type RoomRule, Rooms, userRoom } from './rooms.js'

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
  readonly presence?: {
    /** How long a user stays online after their last device has gone, so that a reload is no transition, in milliseconds. @default 5_000 */
    readonly graceMs?: number
  }
  /** How often an idle connection is checked for being alive, in milliseconds. @default 25_000 */
  readonly pingIntervalMs?: number
  /** How long a client may take to answer that, in milliseconds. @default 20_000 */
  readonly pingTimeoutMs?: number
  /** How long `authenticate` may take, in milliseconds; a transport without a finished handshake is closed 1.5 s later. @default 5_000 */
  readonly handshakeTimeoutMs?: number
  /** Told of every failure that clients see only as `INTERNAL` or `UNAVAILABLE`. @default a Node.js process warning */
  readonly onError?: Report
}

/** The presence of users and of rooms' members. */
export interface Presence<C extends Contract> extends PresenceReader {
  /** The ids of the users who have a device in the room, each once. @throws RealtimeError `INVALID_PAYLOAD` for what is no room. */
  members<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): Promise<string[]>
}

export interface RealtimeServer<C extends Contract, User extends BaseUser = BaseUser> {
  readonly contract: C
  /** The Socket.IO server beneath, for what the SDK does not cover. */
  readonly io: SocketServer
  readonly presence: Presence<C>
  /** Adds a middleware around the handlers of all events; the first one added is the outermost. */
  use(middleware: Middleware<User>): this
  /**
   * Handles an event of clients, with middleware of its own where given.
   * @throws TypeError where the event has a handler already, or is not in the contract.
   */
  on<K extends ClientEvent<C>>(event: K, handler: Handler<C['clientToServer'][K], K, User>): this
  on<K extends ClientEvent<C>>(event: K, middleware: Middleware<User>, handler: Handler<C['clientToServer'][K], K, User>): this
  on<K extends ClientEvent<C>>(event: K, first: Middleware<User>, second: Middleware<User>, handler: Handler<C['clientToServer'][K], K, User>): this
  on<K extends ClientEvent<C>>(event: K, middleware: ReadonlyArray<Middleware<User>>, handler: Handler<C['clientToServer'][K], K, User>): this
  /** All devices of one user. @throws TypeError where the id can be nobody's. */
  toUser(userId: string): UserTarget<C>
  /** All devices of several users; of nobody, where there are none. @throws TypeError where an id can be nobody's. */
  toUsers(userIds: Iterable<string> & object): UserTarget<C>
  /** Everybody in a room. @throws RealtimeError `INVALID_PAYLOAD` for what is no room. */
  toRoom<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): Target<C>
  /** Everybody who is connected. */
  toAll(): Target<C>
  /** Ends the connections of a user, or of one device; stock clients stay away, too, until they are told to connect. */
  disconnectUser(userId: string, options?: { readonly reason?: string; readonly deviceId?: string }): Promise<void>
  /** Serves on an HTTP server that the application has, and keeps: `close()` leaves it open. */
  attach(server: HttpServer | HttpsServer): this
  /** Serves on an HTTP server of its own; port 0 takes a free one. @returns where it listens. */
  listen(port: number, host?: string): Promise<AddressInfo>
  /**
   * Lets no one in any more, waits for handlers at work, tells clients to come back later, and closes.
   * It can be called again: there is one closing.
   */
  close(options?: {
    /** How long to wait for handlers at work, in milliseconds. @default 5_000 */
    readonly drainMs?: number
  }): Promise<void>
}

// A payload of 64 KiB and its name. Beyond it a frame is refused before it is parsed: Socket.IO passes the elements of one
// as arguments, and 100,000 of them overflow the stack.
const MAX_FRAME_BYTES = 65 * 1024
// A handshake that took too long is still told so before its transport is closed.
const REFUSAL_MS = 1_500
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

class Realtime<User extends BaseUser> {
  readonly io: SocketServer
  readonly presence: Presence<Contract>
  readonly #namespace: Namespace
  readonly #report: Report
  readonly #allowsOrigin: OriginCheck
  readonly #connections = new Connections<User>()
  readonly #presence: MemoryPresence
  readonly #names: RoomNames
  readonly #rooms: Rooms<User>
  readonly #delivery: Delivery<User>
  readonly #dispatcher: Dispatcher<User, Connection<User>>
  readonly #admission: Admission<User>
  #ownServer: HttpServer | undefined
  #detach: (() => void) | undefined
  #listening: Promise<AddressInfo> | undefined
  #closing: Promise<void> | undefined

  constructor(
    readonly contract: Contract,
    options: RealtimeServerOptions<Contract, User>,
  ) {
    const { authenticate, cors = {}, rooms = {}, handshakeTimeoutMs = 5_000, presence: { graceMs = 5_000 } = {}, onError } = checkOptions(options)
    this.#report = toReport(onError)
    this.#allowsOrigin = createOriginCheck(cors)
    this.io = new SocketServer(this.#engineOptions(options, handshakeTimeoutMs))
    this.#namespace = this.io.of(options.namespace ?? '/')
    this.#presence = new MemoryPresence(graceMs, (error) => this.#report(error, {}))
    this.#names = new RoomNames(contract.codec.rooms)
    this.#rooms = new Rooms(this.#namespace, this.#names, this.#connections, this.#report, rooms, [...contract.codec.rooms.keys()])
    this.#delivery = new Delivery(contract.codec.serverToClient, this.#namespace, this.#names, this.#connections)
    this.#dispatcher = new Dispatcher(contract, this.#report)
    this.#admission = new Admission(toAuthenticator(authenticate), contract.codec.session, handshakeTimeoutMs, this.#report)
    this.presence = this.#publicPresence()
    this.#handleControlEvents()
    this.#admitClients()
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
    return this.#delivery.to([userRoom(userId)])
  }

  toUsers(userIds: Iterable<string> & object) {
    return this.#delivery.to([...new Set(checkUserIds(userIds))].map(userRoom))
  }

  toRoom(kind: string, id: unknown) {
    return this.#delivery.to([this.#names.fromDomain(kind, id).name])
  }

  toAll() {
    return this.#delivery.to('all')
  }

  async disconnectUser(userId: string, { reason = 'Disconnected by the server', deviceId }: { reason?: string; deviceId?: string } = {}): Promise<void> {
    userRoom(userId)
    for (const connection of this.#connections.of(userId, deviceId)) {
      connection.close({ code: 'DISCONNECTED', reason })
    }
  }

  attach(server: HttpServer | HttpsServer): this {
    if (this.#closing !== undefined) {
      throw new TypeError('attach: this realtime server is closed; make another')
    }
    if (this.#detach !== undefined) {
      throw new TypeError('attach: this realtime server is attached, or listens, already')
    }
    if (typeof server !== 'object' || typeof server?.on !== 'function' || typeof server.listen !== 'function') {
      throw new TypeError(
        'attach: expected a node:http Server. For Express: attach(createServer(app)); for Fastify: attach(app.server); for Koa: attach(createServer(app.callback()))',
      )
    }
    this.#detach = attachTo(server, () => this.io.attach(server))
    return this
  }

  async listen(port: number, host?: string): Promise<AddressInfo> {
    const server = createServer((_request, response) => response.writeHead(404).end())
    this.attach(server)
    this.#listening = new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        this.#ownServer = server
        resolve(server.address() as AddressInfo) // it listens on a port, not on a pipe
      })
    })
    try {
      return await this.#listening
    } catch (error) {
      this.#detach?.()
      this.#detach = undefined // so that another port can be tried
      throw error
    }
  }

  close({ drainMs = 5_000 }: { drainMs?: number } = {}): Promise<void> {
    assertDuration('close: drainMs', drainMs, 0)
    this.#closing ??= this.#close(drainMs)
    return this.#closing
  }

  async #close(drainMs: number): Promise<void> {
    await this.#listening?.catch(() => {}) // who listens has been told
    await atMost(drainMs, this.#dispatcher.close())
    for (const connection of this.#connections.all()) {
      // A polling transport that has no request open waits 30 s for one before it closes; that would keep the process up.
      Reflect.set(connection.socket.conn.transport, 'closeTimeout', FLUSH_MS)
      connection.close({ code: 'UNAVAILABLE', reason: 'The server is closing', mayReturn: true })
    }
    await this.#flushed()
    this.#presence.close()
    this.#connections.close()
    if (this.#detach !== undefined) {
      this.io.engine.close()
      await this.#namespace.adapter.close()
      this.#detach()
    }
    await closeServer(this.#ownServer)
  }

  /** Clients must hear why before the transport is gone; one that does not read is not waited for. */
  async #flushed(): Promise<void> {
    const untilMs = Date.now() + FLUSH_MS
    while (this.#detach !== undefined && this.io.engine.clientsCount > 0 && Date.now() < untilMs) {
      await delay(FLUSH_POLL_MS)
    }
  }

  #engineOptions(options: RealtimeServerOptions<Contract, User>, handshakeTimeoutMs: number) {
    const { path = '/socket.io/', transports = ['polling', 'websocket'], pingIntervalMs = 25_000, pingTimeoutMs = 20_000, cors = {} } = options
    return {
      path,
      transports: [...transports],
      pingInterval: pingIntervalMs,
      pingTimeout: pingTimeoutMs,
      connectTimeout: handshakeTimeoutMs + REFUSAL_MS,
      maxHttpBufferSize: MAX_FRAME_BYTES,
      serveClient: false,
      allowEIO3: false,
      perMessageDeflate: false, // five times the CPU and 240 kB a connection
      ...(cors.origin !== undefined && { cors: { origin: toCorsOrigin(cors.origin), credentials: cors.credentials ?? false } }),
      allowRequest: (request: Parameters<OriginCheck>[0], decide: (error: string | null | undefined, success: boolean) => void) => {
        const refused = this.#refuseRequest(request)
        decide(refused, refused === undefined)
      },
    }
  }

  #refuseRequest(request: Parameters<OriginCheck>[0]): string | undefined {
    if (this.#closing !== undefined) {
      return 'The server is closing'
    }
    try {
      return this.#allowsOrigin(request) ? undefined : 'Origin not allowed'
    } catch (error) {
      this.#report(error, {}) // the application's own function
      return 'Origin not allowed'
    }
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
    const { socket, device, user } = connection
    socket.use((packet, next) => {
      if (!socket.connected) return // it was disconnected, by what it sent just before perhaps
      // What only a bare listener of the application handles stays Socket.IO's.
      if (this.#leavesToSocketIo(packet[0], socket.listenerCount(packet[0]))) next()
      else this.#dispatcher.dispatch(packet, connection)
    })
    socket.on('disconnect', () => {
      this.#connections.remove(connection)
      this.#presence.remove(user.userId, socket.id)
    })
    const replaced = this.#connections.add(connection)
    socket.emit('authenticated', connection.session)
    this.#presence.add(user.userId, socket.id, device)
    replaced?.close({ code: 'REPLACED', reason: 'The same device has connected again' })
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
      return session
    })
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

  #publicPresence(): Presence<Contract> {
    const presence = this.#presence
    return {
      isOnline: (userId) => presence.isOnline(userId),
      online: (userIds) => presence.online(userIds),
      devices: (userId) => presence.devices(userId),
      on: (event, listener) => presence.on(event, listener),
      members: async (kind: string, id: unknown) => this.#rooms.members(this.#names.fromDomain(kind, id).name),
    }
  }
}

const SERVER_EVENTS = ['request', 'upgrade', 'close', 'listening'] as const

/** Lets Socket.IO onto a server. @returns what takes it off again, and ends what it still holds open there. */
function attachTo(server: HttpServer | HttpsServer, attach: () => void): () => void {
  const before = SERVER_EVENTS.map((event) => server.listeners(event))
  attach()
  const added = SERVER_EVENTS.map((event, index) => server.listeners(event).filter((listener) => !before[index]!.includes(listener)))
  // A client that never answers a close would hold its socket, and so the server, for half a minute.
  const upgraded = new Set<Duplex>()
  const remember = (_request: IncomingMessage, socket: Duplex): void => {
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
  }
  server.on('upgrade', remember)

  return () => {
    server.off('upgrade', remember)
    for (const socket of upgraded) socket.destroy()
    SERVER_EVENTS.forEach((event, index) => {
      const listeners = server.listeners(event)
      // Where something else has wrapped ours since, taking it out would take out the application, too.
      if (event === 'request' && !added[index]!.every((listener) => listeners.includes(listener))) return
      for (const listener of added[index]!) server.removeListener(event, listener as () => void)
      if (event === 'request') for (const listener of before[index]!) server.on(event, listener as () => void)
    })
  }
}

function checkContract(contract: Contract): void {
  if (contract?.codec === undefined) {
    throw new TypeError('createRealtimeServer: expected a contract from defineContract or mergeContracts; a manifest is for clients')
  }
}

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
  'onError',
]

function checkOptions<User extends BaseUser>(options: RealtimeServerOptions<Contract, User>): RealtimeServerOptions<Contract, User> {
  assertKeys('createRealtimeServer', options, OPTIONS)
  assertKeys('cors', options.cors ?? {}, ['origin', 'credentials', 'allowMissingOrigin'])
  assertKeys('presence', options.presence ?? {}, ['graceMs'])
  for (const name of ['pingIntervalMs', 'pingTimeoutMs', 'handshakeTimeoutMs'] as const) {
    assertDuration(name, options[name], 1)
  }
  assertDuration('presence.graceMs', options.presence?.graceMs, 0)
  const { namespace = '/', path = '/', transports = ['websocket'], onError } = options
  if (!/^\/[^?,]*$/.test(namespace)) {
    throw new TypeError(`namespace must start with a slash and hold neither ? nor a comma; got ${JSON.stringify(namespace)}`)
  }
  if (!/^\/[^?#\s]*$/.test(path)) {
    throw new TypeError(`path must start with a slash; got ${JSON.stringify(path)}`)
  }
  if (!Array.isArray(transports) || transports.length === 0 || !transports.every((name) => name === 'polling' || name === 'websocket')) {
    throw new TypeError("transports must be a list of 'polling' and 'websocket'")
  }
  if (onError !== undefined && typeof onError !== 'function') {
    throw new TypeError('onError must be a function')
  }
  return options
}

function assertKeys(where: string, value: object, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${where}: expected an object of ${known.join(', ')}`)
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) {
    throw new TypeError(`${where}: unknown option ${JSON.stringify(unknown)}; known are ${known.join(', ')}`)
  }
}

// A timer of more would fire at once; the handshake's is longer by a little.
const MAX_DURATION_MS = 2 ** 31 - 1 - REFUSAL_MS

function assertDuration(name: string, value: unknown, least: number): void {
  if (value !== undefined && !(typeof value === 'number' && value >= least && value <= MAX_DURATION_MS)) {
    throw new TypeError(`${name} must be a number of milliseconds from ${least} to ${MAX_DURATION_MS}; got ${String(value)}`)
  }
}

/** For the headers that let a page read an answer; who may really connect is decided by the check of the request. */
function toCorsOrigin(origin: NonNullable<CorsOptions['origin']>) {
  if (typeof origin === 'function') {
    return (sent: string | undefined, decide: (error: Error | null, allow?: boolean) => void) => {
      try {
        const answer: unknown = sent !== undefined && origin(sent)
        if (answer instanceof Promise) answer.catch(() => {})
        decide(null, answer === true)
      } catch {
        decide(null, false) // reported where the request itself is checked
      }
    }
  }
  return origin.includes('*') ? true : [origin].flat()
}

/** Never throws, whatever the application's function does. */
function toReport(onError: Report | undefined): Report {
  return (error, context) => {
    try {
      const result: unknown = (onError ?? warn)(error, context)
      if (result instanceof Promise) result.catch((thrown: unknown) => warn(thrown, context))
    } catch (thrown) {
      warn(thrown, context)
    }
  }
}

function warn(error: unknown, { event, userId }: { event?: string; userId?: string }): void {
  const detail = [event && `event ${event}`, userId && `user ${userId}`].filter(Boolean).join(', ')
  process.emitWarning(describe(error), { type: 'RealtimeServerError', detail })
}

function describe(error: unknown): string {
  try {
    return error instanceof Error ? String(error.stack ?? error.message) : String(error)
  } catch {
    return 'an error that cannot be described'
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

/** Waits for work, but no longer; nothing is left behind that would keep the process up. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}

async function closeServer(server: HttpServer | undefined): Promise<void> {
  if (server?.listening !== true) {
    return
  }
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
