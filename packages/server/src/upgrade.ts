import { type Server as HttpServer, type IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Server as SocketServer } from 'socket.io'
import { intern } from './idle.js'
import { cork, isOff } from './shortcut.js'
import { Slot } from './slot.js'
import type { Transport } from './transport.js'

type Engine = SocketServer['engine']
type Upgrade = IncomingMessage & { readonly _query?: Readonly<Record<string, unknown>> }

/**
 * Looks after WebSockets as they open: what is written to one in a turn leaves at once, its handshake too, and its request is let go.
 * @returns a function that ends it.
 */
export function tendUpgrades(server: HttpServer | HttpsServer, engine: Engine): () => void {
  if (isOff) return () => {}
  const before = new Slot<readonly unknown[]>()
  const remember = (request: IncomingMessage, tcp: Duplex): void => void before.set(request, tcp.rawListeners('close'))
  // Refused are only requests before this.
  const accept = (_headers: unknown, request: Upgrade): void => {
    const listeners = before.get(request)
    if (listeners === undefined || request._query?.['EIO'] !== '4') return
    cork(request.socket)
    if (!hasMiddleware(engine)) forgetResponse(request, listeners)
  }
  server.prependListener('upgrade', remember)
  engine.on('headers', accept)
  engine.on('connection', tend)
  return () => {
    server.off('upgrade', remember)
    engine.off('headers', accept)
    engine.off('connection', tend)
  }
}

function tend(transport: Transport): void {
  if (transport.transport.name === 'websocket') {
    transport.request = toFacts(transport.request, transport.request.socket)
    transport.on('flush', corkRequest)
  } else {
    transport.once('upgrade', () => {
      const { request } = transport
      const { remoteAddress, encrypted } = request.socket as TcpSocket & { readonly encrypted?: true }
      transport.request = toFacts(request, { remoteAddress, encrypted }) // its socket is not the WebSocket's
    })
  }
}

function corkRequest(this: Transport): void {
  cork(this.request.socket)
}

/** Engine.IO's response to an upgrade listens to the end of the socket, and so keeps the request for as long as that lives. */
function forgetResponse({ socket }: IncomingMessage, before: readonly unknown[]): void {
  const added = socket.rawListeners('close').filter((listener) => !before.includes(listener))
  if (added.length === 1) socket.off('close', (added[0] as { listener?: () => void }).listener ?? noop)
}

/** Middleware of the application may wait for the end of the response. */
function hasMiddleware(engine: Engine): boolean {
  const middlewares: unknown = Reflect.get(engine, 'middlewares')
  return !Array.isArray(middlewares) || middlewares.length > 0
}

// What every request has, and what Engine.IO adds.
const USUAL: ReadonlySet<string> = new Set([...Object.keys(new IncomingMessage(new TcpSocket())), 'res', 'websocket', 'cleanup'])

/** What is asked of a request once it is over, and what middleware has put there: the rest of it takes ten times as much memory. */
function toFacts(request: IncomingMessage, socket: object): IncomingMessage {
  const { headers, url = '', method = '', httpVersion } = request
  const facts: Record<string, unknown> = {
    headers: toKept(headers),
    url: USUAL_URL.test(url) ? intern(url) : url,
    method,
    httpVersion: intern(httpVersion),
    socket,
    connection: socket,
    _query: Reflect.get(request, '_query'),
  }
  for (const key of Object.keys(request)) if (!USUAL.has(key) && !key.startsWith('_')) facts[key] = Reflect.get(request, key)
  return facts as unknown as IncomingMessage // as much of it as Socket.IO uses
}

const ANSWERED = 'sec-websocket-key' // by the response
// Others may be one client's own, and are let go with it.
const SHARED =
  /^(accept|accept-encoding|accept-language|cache-control|connection|host|origin|pragma|sec-ch-ua.*|sec-fetch-.*|sec-websocket-(extensions|version)|upgrade|user-agent)$/
const USUAL_URL = /^[^?]*\?EIO=4&transport=[a-z]+$/

/** Most headers are the same for many clients, and are kept once. */
function toKept(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept: IncomingHttpHeaders = {}
  for (const [name, value] of Object.entries(headers)) {
    if (name !== ANSWERED) kept[name] = typeof value === 'string' && SHARED.test(name) ? intern(value) : value
  }
  return kept
}

function noop(): void {}
