import type { Server as HttpServer } from 'node:http'
import type { AddressInfo, Socket as TcpSocket } from 'node:net'
import type { Contract } from '@org/realtime-contracts'
import type { BaseUser, RealtimeServer } from '@org/realtime-server'
import { countMessages, type Traffic } from './line.js'
import { holds } from './rest.js'
import type { Packet } from './rules.js'

// Where createRealtimeServer keeps what is for this package alone.
const TESTING = Symbol.for('@org/realtime-server testing')
const LOOPBACK = '127.0.0.1'
const READY_MS = 2_000

interface Seam {
  isIdle(): boolean
  /** As though what a device has proved ended now. */
  expire(userId: string, deviceId: string): void
}

/** What Engine.IO calls a socket: one client's session. */
interface Session {
  readonly id: string
  readonly transport: { readonly name: string }
  on(event: 'packet' | 'packetCreate', listener: (packet: Packet) => void): unknown
  once(event: 'close', listener: () => void): unknown
  close(discard: boolean): void
}

/** What the server counts of a session. */
interface Counted extends Traffic {
  readonly session: Session
}

export interface HostOptions {
  readonly namespace: string
  /** Whether it may be made again. */
  readonly isFactory: boolean
  /** Whether the server is closed with the test. */
  readonly closes: boolean
}

/** The server of a test: started and stopped, always at one address. */
export class Host<C extends Contract, User extends BaseUser> {
  #realtime: RealtimeServer<C, User> | undefined
  #origin: string | undefined
  #path = '/socket.io/'
  #contract: C | undefined
  #http: HttpServer | undefined
  #listensHere = false
  readonly #counted = new Map<string, Counted>()
  readonly #sockets = new Set<TcpSocket>()

  constructor(
    private readonly make: () => RealtimeServer<C, User> | Promise<RealtimeServer<C, User>>,
    private readonly options: HostOptions,
  ) {}

  /** @throws Error while it is stopped. */
  get realtime(): RealtimeServer<C, User> {
    if (this.#realtime === undefined) throw new Error('The test server is stopped: await test.start()')
    return this.#realtime
  }

  get url(): string {
    return `${this.#origin}${this.options.namespace === '/' ? '' : this.options.namespace}`
  }

  /** The path of the handshake. */
  get path(): string {
    return this.#path
  }

  /** What the server serves, also while it is stopped. */
  get contract(): C {
    if (this.#contract === undefined) throw new Error('The test server has never been up')
    return this.#contract
  }

  get isIdle(): boolean {
    return this.#realtime === undefined || toSeam(this.#realtime).isIdle()
  }

  /** What the server has counted of a session, as long as that is open. */
  traffic(sid: string): Traffic | undefined {
    return this.#counted.get(sid)
  }

  expire(userId: string, deviceId: string): void {
    toSeam(this.realtime).expire(userId, deviceId)
  }

  async start(): Promise<void> {
    if (this.#realtime !== undefined) throw new Error('The test server is up already')
    const realtime = await this.make()
    toSeam(realtime)
    this.#path = realtime.io.path()
    this.#contract = realtime.contract
    this.#realtime = realtime
    await this.#listen(realtime)
    realtime.io.engine.on('connection', this.#count)
    if (!(await holds(() => realtime.ready, READY_MS))) {
      throw new Error('The realtime server is not ready: it has been closed, or cannot reach its cluster')
    }
  }

  /** @param crash whether clients are left without a word. */
  async stop(crash: boolean): Promise<void> {
    if (!this.options.isFactory) {
      throw new TypeError('This server cannot be made again: give createTestRealtime.around a function that makes it, to stop, start and restart it')
    }
    await this.#stop(crash)
  }

  async close(): Promise<void> {
    if (this.options.closes) await this.#stop(false)
    this.#forget()
  }

  /** Resolves once the server has none of the sessions any more. */
  async closed(sids: readonly string[]): Promise<void> {
    const open = sids.flatMap((sid) => this.#counted.get(sid)?.session ?? [])
    await Promise.all(open.map((session) => new Promise<void>((resolve) => session.once('close', resolve))))
  }

  /** As `closed`, for clients that have left without a word. */
  async gone(sids: readonly string[]): Promise<void> {
    const closed = this.closed(sids)
    for (const sid of sids) {
      const session = this.#counted.get(sid)?.session
      // Between two requests there is nothing that could break.
      if (session?.transport.name === 'polling') session.close(true)
    }
    await closed
  }

  async #stop(crash: boolean): Promise<void> {
    const realtime = this.#realtime
    const http = this.#http
    if (realtime === undefined) return
    if (crash) this.#crash()
    await realtime.close({ drainMs: 0 })
    if (this.#listensHere && http?.listening === true) await closeHttp(http)
    this.#forget()
    this.#realtime = undefined
  }

  /** Nobody is told, and nobody gets in any more to be told. */
  #crash(): void {
    this.#http?.close()
    for (const socket of this.#sockets) socket.destroy()
    for (const { session } of this.#counted.values()) session.close(true)
  }

  #forget(): void {
    this.#realtime?.io.engine?.off('connection', this.#count)
    this.#http?.off('connection', this.#remember)
    this.#sockets.clear()
  }

  /** Listens on a free port at first, and on that one from then on, unless the application listens already. */
  async #listen(realtime: RealtimeServer<C, User>): Promise<void> {
    const before = this.#origin
    const port = before === undefined ? 0 : Number(new URL(before).port)
    const attached = toHttp(realtime)
    this.#listensHere = attached !== undefined && !attached.listening
    if (attached === undefined) await realtime.listen(port, LOOPBACK)
    else if (this.#listensHere) await listen(attached, port)
    const http = attached ?? toHttp(realtime)
    if (http === undefined) throw new TypeError('The realtime server does not listen; has it been closed?')
    this.#http = http
    http.on('connection', this.#remember)
    this.#origin = toOrigin(http)
    if (before !== undefined && before !== this.#origin) {
      throw new TypeError(
        `The server was at ${before} and is at ${this.#origin} now: leave listening to createTestRealtime.around, so that it stays where it was`,
      )
    }
  }

  readonly #remember = (socket: TcpSocket): void => {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  readonly #count = (session: Session): void => {
    const counted = { session, toServer: 0, toClient: 0 }
    this.#counted.set(session.id, counted)
    session.on('packet', (packet) => {
      counted.toServer += countMessages([packet])
    })
    session.on('packetCreate', (packet) => {
      counted.toClient += countMessages([packet])
    })
    session.once('close', () => this.#counted.delete(session.id))
  }
}

function toSeam(realtime: object): Seam {
  const seam: unknown = Reflect.get(Object(realtime), TESTING)
  if (typeof seam !== 'object' || seam === null) {
    throw new TypeError(
      'createTestRealtime.around: expected a server of createRealtimeServer, of the same version as @org/realtime-testing, or a function that makes one',
    )
  }
  return seam as Seam // only createRealtimeServer puts something there
}

/** Socket.IO has one from when it is attached, whatever its type says. */
function toHttp({ io }: { readonly io: { readonly httpServer?: unknown } }): HttpServer | undefined {
  return io.httpServer as HttpServer | undefined
}

function toOrigin(http: HttpServer): string {
  const address = http.address() as AddressInfo // it listens on a port, not on a pipe
  const anywhere = address.address === '::' || address.address === '0.0.0.0'
  const host = anywhere ? LOOPBACK : address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${'setSecureContext' in http ? 'https' : 'http'}://${host}:${address.port}`
}

function listen(http: HttpServer, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, LOOPBACK, () => {
      http.off('error', reject)
      resolve()
    })
  })
}

async function closeHttp(http: HttpServer): Promise<void> {
  const closed = new Promise((resolve) => http.close(resolve))
  http.closeAllConnections()
  await closed
}
