import { type Server as HttpServer, type IncomingMessage, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Server as SocketServer } from 'socket.io'
import { boundClosing } from './transport.js'
import { tendUpgrades } from './upgrade.js'

const SERVER_EVENTS = ['request', 'upgrade', 'close', 'listening'] as const

const UPGRADE_REFUSED = 'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n'

/** With the query as Engine.IO has read it. */
type EngineRequest = IncomingMessage & { readonly _query?: Readonly<Record<string, unknown>> }

/** The HTTP server that Socket.IO serves on: the application's, or one of its own. */
export class Attachment {
  #detach: (() => void) | undefined
  #ownServer: HttpServer | undefined
  #listening: Promise<AddressInfo> | undefined

  constructor(private readonly io: SocketServer) {}

  get isAttached(): boolean {
    return this.#detach !== undefined
  }

  /** @throws TypeError for what is no server, and the second time. */
  attach(server: HttpServer | HttpsServer): void {
    if (this.isAttached) {
      throw new TypeError('attach: this realtime server is attached, or listens, already')
    }
    if (typeof server !== 'object' || typeof server?.on !== 'function' || typeof server.listen !== 'function') {
      throw new TypeError(
        'attach: expected a node:http Server. For Express: attach(createServer(app)); for Fastify: attach(app.server); for Koa: attach(createServer(app.callback()))',
      )
    }
    const detach = attachTo(server, `${this.io.path().replace(/\/$/, '')}/`, () => this.io.attach(server))
    const untend = tendUpgrades(server, this.io.engine)
    this.#detach = () => {
      untend()
      detach()
    }
    this.io.engine.on('connection', boundClosing)
  }

  /** Has a server that it is attached to listen, and keeps it as its own. */
  async listen(server: HttpServer, port: number, host: string | undefined): Promise<AddressInfo> {
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
      this.detach() // so that another port can be tried
      throw error
    }
  }

  /** Resolves when it listens, or has failed to: who asked for that has been told. */
  async settled(): Promise<void> {
    await this.#listening?.catch(() => {})
  }

  /** From now on who is new is answered 503, which sends a load balancer to another node; who is here is served on. */
  refuseNewcomers(): void {
    if (!this.isAttached) return
    this.io.engine.use((request: EngineRequest, response: unknown, next: () => void) => {
      if (request._query?.['sid'] !== undefined) next()
      else if (response instanceof ServerResponse) response.writeHead(503, { 'retry-after': '1' }).end()
      else request.socket.end(UPGRADE_REFUSED) // an upgrade has no response of its own
    })
  }

  detach(): void {
    this.#detach?.()
    this.#detach = undefined
  }

  async close(): Promise<void> {
    await closeServer(this.#ownServer)
  }
}

/** @throws TypeError */
export function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new TypeError(`listen: port must be a whole number from 0 to 65535; got ${String(port)}`)
  }
}

/** Lets Socket.IO onto a server. @returns what takes it off again, and ends what it still holds open there. */
function attachTo(server: HttpServer | HttpsServer, path: string, attach: () => void): () => void {
  const before = SERVER_EVENTS.map((event) => server.rawListeners(event) as Listener[])
  attach()
  const added = SERVER_EVENTS.map((event, index) => (server.rawListeners(event) as Listener[]).filter((listener) => before[index]?.includes(listener) !== true))
  // A client that never answers a close would hold its socket, and so the server, for half a minute.
  const upgraded = new Set<Duplex>()
  const forget = function (this: Duplex): void {
    upgraded.delete(this)
  }
  const remember = (request: IncomingMessage, socket: Duplex): void => {
    if (request.url?.startsWith(path) !== true) return // somebody else's
    upgraded.add(socket)
    socket.on('close', forget)
  }
  server.on('upgrade', remember)

  return () => {
    server.off('upgrade', remember)
    for (const socket of upgraded) socket.destroy()
    for (const [index, event] of SERVER_EVENTS.entries()) restore(server, event, before[index] ?? [], added[index] ?? [])
  }
}

/** Takes out what was added, and for requests, which Socket.IO has taken over, puts back what it took. */
function restore(server: HttpServer | HttpsServer, event: string, before: readonly Listener[], added: readonly Listener[]): void {
  const now = server.rawListeners(event) as Listener[]
  if (event !== 'request') {
    for (const listener of added) server.removeListener(event, listener)
    return
  }
  // Where something else has wrapped ours since, taking it out would take out the application, too.
  if (!added.every((listener) => now.includes(listener))) return
  const since = now.filter((listener) => !before.includes(listener) && !added.includes(listener))
  server.removeAllListeners(event)
  for (const listener of [...before, ...since]) server.on(event, listener)
}

type Listener = (...args: unknown[]) => void

async function closeServer(server: HttpServer | undefined): Promise<void> {
  if (server?.listening !== true) {
    return
  }
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
