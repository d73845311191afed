import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { createRealtimeServer, jwt, type RealtimeObserver } from '@org/realtime-server'
import { openTelemetry } from '@org/realtime-server/opentelemetry'
import { redisCluster } from '@org/realtime-server/redis'
import { type ServerOptions, Server as SocketServer } from 'socket.io'
import { WebSocketServer } from 'ws'
import { contract, everything, kept, Notification, PAYLOAD } from './contract.js'

// Every server that is measured, each used as its documentation says.

/** One that serves, and emits when told. */
export interface Serving {
  readonly port: number
  /** To all devices of a user. */
  toUser?(userId: string): void
  toAll?(): void
}

export type Start = (options: StartOptions) => Promise<Serving>

interface StartOptions {
  readonly redisUrl?: string
}

export const SECRET = 'uL3n8vQ1zR7xW2kJ5mB9sD4fG6hT0pYc'
const HOST = '127.0.0.1'
const EVENT = 'notification:new'

/** Socket.IO as it is, with a room for each user; compression is off by default. */
async function serveSocketIo(options: Partial<ServerOptions> = {}, listen: (io: SocketServer) => void = () => {}): Promise<Serving> {
  const http = createServer()
  const io = new SocketServer(http, { serveClient: false, ...options })
  io.use((socket, next) => {
    socket.join(`user:${String(socket.handshake.auth['token'])}`)
    next()
  })
  listen(io)
  http.listen(0, HOST)
  await once(http, 'listening')
  return {
    port: (http.address() as AddressInfo).port, // it listens on a port
    toUser: (userId) => void io.to(`user:${userId}`).emit(EVENT, PAYLOAD),
    toAll: () => void io.emit(EVENT, PAYLOAD),
  }
}

const bare: Start = () =>
  serveSocketIo({}, (io) => {
    io.on('connection', (socket) => {
      socket.on('notify', (payload, acknowledge) => acknowledge({ ok: true, data: payload }))
    })
  })

const bareZod: Start = () =>
  serveSocketIo({}, (io) => {
    io.on('connection', (socket) => {
      socket.on('notify', (payload, acknowledge) => {
        const inbound = Notification.safeParse(payload)
        if (!inbound.success) return acknowledge({ ok: false, error: { code: 'INVALID_PAYLOAD', data: inbound.error.issues } })
        const outbound = Notification.safeParse(inbound.data)
        if (!outbound.success) return acknowledge({ ok: false, error: { code: 'INTERNAL' } })
        acknowledge({ ok: true, data: outbound.data })
      })
    })
  })

interface Message {
  readonly id: number
  readonly event: string
  readonly data: unknown
}

async function serveWs(answer: (message: Message) => unknown): Promise<Serving> {
  const server = new WebSocketServer({ port: 0, host: HOST })
  server.on('connection', (socket) => {
    socket.on('message', (raw) => {
      const message = JSON.parse(String(raw)) as Message // as it is written by hand
      socket.send(JSON.stringify({ id: message.id, ...(answer(message) as object) }))
    })
  })
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port }
}

const ws: Start = () => serveWs(({ data }) => ({ ok: true, data }))

const wsZod: Start = () =>
  serveWs(({ data }) => {
    const inbound = Notification.safeParse(data)
    if (!inbound.success) return { ok: false, error: { code: 'INVALID_PAYLOAD', data: inbound.error.issues } }
    const outbound = Notification.safeParse(inbound.data)
    return outbound.success ? { ok: true, data: outbound.data } : { ok: false, error: { code: 'INTERNAL' } }
  })

// The load has a few connections, of which each does what a thousand clients would.
const limits = { eventsPerSecond: 1e9 }

const serveSdk = async (observe?: RealtimeObserver): Promise<Serving> => {
  const authenticate = ({ token }: { token?: string }) => ({ userId: token ?? 'nobody' })
  const realtime = createRealtimeServer(contract, { authenticate, limits, ...(observe && { observe }) })
  realtime.on('notify', ({ payload }) => payload)
  const { port } = await realtime.listen(0, HOST)
  return {
    port,
    toUser: (userId) => realtime.toUser(userId).emit(EVENT, PAYLOAD),
    toAll: () => realtime.toAll().emit(EVENT, PAYLOAD),
  }
}

const sdk: Start = () => serveSdk()

/** With the metrics of OpenTelemetry, without spans. */
const sdkMetrics: Start = () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const meterProvider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] })
  return serveSdk(openTelemetry({ meterProvider, tracerProvider: false }))
}

/** Over Redis, as one of several nodes would be. */
const serveOverRedis = async (url: string | undefined, event: 'notification:new' | 'notification:kept'): Promise<Serving> => {
  const authenticate = ({ token }: { token?: string }) => ({ userId: token ?? 'nobody' })
  const realtime = createRealtimeServer(kept, { authenticate, cluster: redisCluster({ url }) })
  const { port } = await realtime.listen(0, HOST)
  while (!realtime.ready) await new Promise((resolve) => setTimeout(resolve, 10))
  return { port, toUser: (userId) => void realtime.toUser(userId).emit(event, PAYLOAD) }
}

const sdkRedis: Start = ({ redisUrl }) => serveOverRedis(redisUrl, 'notification:new')

const sdkDurable: Start = ({ redisUrl }) => serveOverRedis(redisUrl, 'notification:kept')

/** All features are configured, and none is used by what is sent. */
const sdkEverything: Start = async () => {
  const realtime = createRealtimeServer(everything, {
    authenticate: jwt({ secret: SECRET, issuer: false, audience: false, user: ({ sub }) => ({ userId: sub, role: 'member' }) }),
    limits: { ...limits, eventRates: { other: 5 } },
    presence: { visible: () => true },
    rooms: { group: { authorize: () => true, authorizeWatch: () => true, members: 'visible' }, team: { authorize: () => true } },
  })
  realtime.presence.on('online', () => {})
  realtime.on('notify', ({ payload }) => payload)
  realtime.on('other', () => {})
  const { port } = await realtime.listen(0, HOST)
  return { port }
}

const sdkJwt: Start = async () => {
  const realtime = createRealtimeServer(contract, { authenticate: jwt({ secret: SECRET, issuer: false, audience: false }), limits })
  const { port } = await realtime.listen(0, HOST)
  return { port }
}

/** Authenticated, and presence is listened to. */
const sdkIdle: Start = async () => {
  const realtime = createRealtimeServer(contract, { authenticate: jwt({ secret: SECRET, issuer: false, audience: false }) })
  realtime.presence.on('online', () => {})
  realtime.presence.on('offline', () => {})
  const { port } = await realtime.listen(0, HOST)
  return { port }
}

export const SERVERS = {
  'socket.io': bare,
  'socket.io, zod': bareZod,
  ws,
  'ws, zod': wsZod,
  'zod-sockets': async () => (await import('../zod-sockets/server.js')).serve(),
  nest: async () => (await import('./nest.js')).serve(false),
  'nest, zod': async () => (await import('./nest.js')).serve(true),
  sdk,
  'sdk, metrics': sdkMetrics,
  'sdk, redis': sdkRedis,
  'sdk, redis, durable': sdkDurable,
  'sdk, everything': sdkEverything,
  'sdk, jwt': sdkJwt,
  'sdk, idle': sdkIdle,
} satisfies Record<string, Start>

export type ServerName = keyof typeof SERVERS
