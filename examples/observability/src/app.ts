import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { contract } from '@org/realtime-contracts/events'
import { createRealtimeServer, type RealtimeServer } from '@org/realtime-server'
import { openTelemetry } from '@org/realtime-server/opentelemetry'

export interface App {
  readonly realtime: RealtimeServer<typeof contract>
  readonly port: number
  close(): Promise<void>
}

/** A server that shows at `/metrics` what it does. */
export async function startApp(port: number): Promise<App> {
  const exporter = new PrometheusExporter({ preventServerStart: true })
  const meterProvider = new MeterProvider({ readers: [exporter] })
  const realtime = createRealtimeServer(contract, {
    authenticate: ({ token }) => (token === undefined ? null : { userId: token }), // whoever names a user is it: this is an example
    observe: openTelemetry({ meterProvider, tracerProvider: false }),
  })
  realtime.on('notification:mark_read', ({ payload, user, fail }) => {
    if (payload.notificationId === 'gone') throw fail('NOT_FOUND', { notificationId: payload.notificationId })
    realtime.toUser(user.userId).emit('notification:read', { notificationId: payload.notificationId, success: true })
    return { success: true }
  })
  const server = createServer((request, response) => {
    if (request.url === '/metrics') exporter.getMetricsRequestHandler(request, response)
    else response.writeHead(404).end()
  })
  realtime.attach(server)
  return {
    realtime,
    port: await listen(server, port),
    async close() {
      await realtime.close({ drainMs: 0 })
      server.close()
      server.closeAllConnections()
      await meterProvider.shutdown()
    },
  }
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // it listens on a port
}
