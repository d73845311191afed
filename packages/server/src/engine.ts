import type { IncomingMessage } from 'node:http'
import type { Contract } from '@org/realtime-contracts'
import type { ServerOptions } from 'socket.io'
import type { BaseUser } from './identity.js'
import { type Limits, MAX_FRAME_BYTES } from './limits.js'
import { REFUSAL_MS, type RealtimeServerOptions } from './options.js'
import { toCorsOrigin } from './origin.js'
import { boundedParser } from './parser.js'

/**
 * What Socket.IO is made with: its own options, and what must be off.
 * @param refuse says why a request is not let in, before anything else of it is looked at.
 */
export function toEngineOptions<User extends BaseUser>(
  options: RealtimeServerOptions<Contract, User>,
  limits: Limits,
  handshakeTimeoutMs: number,
  refuse: (request: IncomingMessage) => string | undefined,
): Partial<ServerOptions> {
  const { path = '/socket.io/', transports = ['polling', 'websocket'], pingIntervalMs = 25_000, pingTimeoutMs = 20_000, cors = {} } = options
  return {
    path,
    transports: [...transports],
    pingInterval: pingIntervalMs,
    pingTimeout: pingTimeoutMs,
    connectTimeout: handshakeTimeoutMs + REFUSAL_MS,
    maxHttpBufferSize: Math.max(MAX_FRAME_BYTES, 2 * limits.payloadBytes),
    parser: boundedParser(limits),
    serveClient: false,
    allowEIO3: false,
    perMessageDeflate: false, // five times the CPU and 240 kB a connection
    ...(cors.origin !== undefined && { cors: { origin: toCorsOrigin(cors.origin), credentials: cors.credentials ?? false } }),
    allowRequest: (request, decide) => {
      const refused = refuse(request)
      decide(refused, refused === undefined)
    },
  }
}
