import type { DisconnectNotice } from '@org/realtime-contracts/wire'
import type { Namespace, Socket, Server as SocketServer } from 'socket.io'
import { type Admission, unavailable } from './admission.js'
import type { Acknowledge } from './answer.js'
import { type Connection, REPLACED } from './connection.js'
import type { Connections } from './connections.js'
import type { Report } from './context.js'
import type { Dispatcher } from './dispatch.js'
import type { Feeds } from './feeds.js'
import type { BaseUser } from './identity.js'
import { keepSmall } from './idle.js'
import type { Limits } from './limits.js'
import type { Observation } from './observe.js'
import { REFUSAL_MS } from './options.js'
import type { Peers } from './peers.js'
import type { PresenceStore } from './presence.js'
import { endShortcut, eventPrefix, type Inbound, Shortcut } from './shortcut.js'
import { Slot } from './slot.js'
import { BufferWatch, endUnused, resetBacklog, type Transport } from './transport.js'
import type { Watching } from './watching.js'

const UNREADABLE: DisconnectNotice = { code: 'INVALID_PAYLOAD', reason: 'What was sent is no packet of Socket.IO, or has too many attachments' }

/** Who is told of a connection that comes, sends, and goes. */
export interface ReceptionParts<User extends BaseUser> {
  readonly admission: Admission<User>
  readonly connections: Connections<User>
  readonly dispatcher: Dispatcher<User, Connection<User>>
  readonly feeds: Feeds<User>
  readonly peers: Peers<User>
  readonly presence: PresenceStore
  readonly watching: Watching<User>
  readonly observation: Observation | undefined
  readonly limits: Limits
  readonly handshakeTimeoutMs: number
  readonly isClosing: () => boolean
  readonly report: Report
}

/** One connection's way in, what it sends, and its end. */
export class Reception<User extends BaseUser> {
  readonly #inbound: Inbound<Connection<User>>
  readonly #buffers: BufferWatch
  readonly #onTransport = new Slot<Connection<User>>()
  // One for all connections: most are idle, and what each keeps counts.
  readonly #disconnected: (this: Socket) => void

  constructor(
    private readonly io: SocketServer,
    private readonly namespace: Namespace,
    private readonly parts: ReceptionParts<User>,
  ) {
    this.#inbound = {
      maxBytes: parts.limits.payloadBytes,
      prefix: eventPrefix(namespace.name),
      handles: (event) => parts.dispatcher.handles(event),
      receive: (packet, acknowledge, connection) => this.#receive(packet, acknowledge, connection),
    }
    this.#buffers = new BufferWatch(parts.limits, (transport) => this.#closeSlow(transport))
    const disconnected = this.#leave.bind(this)
    this.#disconnected = function () {
      disconnected(this)
    }
  }

  /** Lets clients in from now on. */
  open(): void {
    const { admission, isClosing, report } = this.parts
    this.namespace.use((socket, next) => {
      admission
        .admit(socket)
        .then((refused) => next(isClosing() ? unavailable() : refused))
        .catch((error: unknown) => report(error, {})) // admit() does not reject; what next() runs of the application's may throw
    })
    this.namespace.on('connection', (socket) => {
      const connection = admission.admitted(socket)
      if (connection === undefined) {
        socket.disconnect(true) // the middleware was taken out; nobody comes in without it
        return
      }
      this.#welcome(connection)
    })
    if (this.namespace.name !== '/') {
      this.#guardRoot()
    }
  }

  /** Synchronous from end to end: nothing that the client sends is dispatched before `authenticated` is on its way. */
  #welcome(connection: Connection<User>): void {
    const { socket } = connection
    const { connections, feeds, observation, peers } = this.parts
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
    this.#onTransport.set(socket.conn, connection)
    this.#buffers.watch(socket.conn)
    // What cannot be parsed ends the transport; the client is told before.
    socket.on('error', tellUnreadable)
    socket.on('disconnect', this.#disconnected)
    const replaced = connections.add(connection)
    shortcut.emit('authenticated', connection.takeSession())
    replaced?.close(REPLACED)
    if (connection.replaces) peers.replace(connection)
    connection.open()
    observation?.connected(connection, () => connection.ended?.code)
    feeds.start(connection)
    keepSmall(socket)
  }

  #closeSlow(transport: Transport): void {
    const connection = this.#onTransport.get(transport)
    connection?.close({ code: 'SLOW_CONSUMER', reason: 'The client does not read what it is sent fast enough', mayReturn: true })
  }

  #leave(socket: Socket): void {
    const { connections, handshakeTimeoutMs, presence, watching } = this.parts
    endShortcut(socket)
    endUnused(handshakeTimeoutMs + REFUSAL_MS, socket)
    const connection = connections.get(socket.id)
    if (connection === undefined) return
    if (this.#onTransport.get(socket.conn) === connection) {
      this.#onTransport.set(socket.conn, undefined)
      resetBacklog(socket.conn)
    }
    connection.gone()
    connections.remove(connection)
    watching.forget(connection)
    presence.remove(connection.present)
  }

  #receive(packet: readonly unknown[], acknowledge: Acknowledge | undefined, connection: Connection<User>): void {
    if (this.#allows(packet, acknowledge, connection)) this.parts.dispatcher.dispatch(packet, acknowledge, connection)
  }

  #allows(packet: readonly unknown[], acknowledge: Acknowledge | undefined, connection: Connection<User>): boolean {
    if (!connection.socket.connected) return false // it was disconnected, by what it sent just before perhaps
    const tooFast = connection.allowance.take(packet[0])
    if (tooFast !== undefined) this.parts.dispatcher.refuse(packet, acknowledge, tooFast, connection)
    return tooFast === undefined
  }

  #leavesToSocketIo(event: unknown, listeners: number): boolean {
    return listeners > 0 && event !== 'error' && !this.parts.dispatcher.handles(event)
  }

  /** Socket.IO always has the namespace `/`; unless the application serves it, it is nobody's way in. */
  #guardRoot(): void {
    const root = this.io.of('/')
    root.use((_socket, next) => {
      next(root.listenerCount('connection') > 0 ? undefined : new Error(`Connect to the namespace ${this.namespace.name}`))
    })
  }
}

function tellUnreadable(this: Socket): void {
  this.emit('$disconnect', UNREADABLE)
}

function toAcknowledge(last: unknown): Acknowledge | undefined {
  return typeof last === 'function' ? (last as Acknowledge) : undefined // Socket.IO has put it there
}
