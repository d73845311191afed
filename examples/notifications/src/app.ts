import { createServer, type Server } from 'node:http'
import { type CorsOptions, createRealtimeServer, type EnvironmentOptions, jwt } from '@org/realtime-server'
import express from 'express'
import { createApi } from './api.js'
import { contract } from './contract.js'
import type { Fallback } from './fallback.js'
import { handleEvents } from './handlers.js'
import { Inbox } from './inbox.js'
import { type Page, servePage } from './page.js'
import { GROUPS } from './people.js'
import { Progress } from './progress.js'
import { Service } from './service.js'

export type App = ReturnType<typeof createApp>

/** The application: Express with the page and an HTTP interface, stores of its own, and the realtime server between them and the browsers. */
export function createApp({ path, cors, jwt: token }: Omit<EnvironmentOptions, 'port'>, fallback: Fallback, page: () => Page | Promise<Page>) {
  const app = express()
  const server = createServer(app)
  const inbox = new Inbox()
  const progress = new Progress()

  const realtime = createRealtimeServer(contract, {
    path,
    cors: withOwnPage(cors, server),
    authenticate: jwt(token),
    rooms: { group: { authorize: ({ user, id }) => GROUPS.get(id)?.includes(user.userId) === true, members: 'visible' } },
    presence: { visible: ({ userId }) => progress.has(userId) },
  })
  const parts = { realtime, inbox, progress, fallback }
  const service = new Service(parts)
  handleEvents(realtime, service)
  realtime.attach(server)

  app.disable('x-powered-by')
  app.use('/api', createApi(service, parts, token))
  app.use(async (request, response, next) => servePage(await page())(request, response, next))
  return { realtime, server, service }
}

/** The server's own page may always connect; `CORS_ORIGIN` lists those of other origins. */
function withOwnPage(cors: CorsOptions, server: Server): CorsOptions {
  const { origin } = cors
  if (!Array.isArray(origin) || origin.includes('*')) return cors
  return { ...cors, origin: (sent) => origin.includes(sent) || ['localhost', '127.0.0.1'].some((host) => sent === `http://${host}:${portOf(server)}`) }
}

function portOf(server: Server): number | undefined {
  const address = server.address()
  return typeof address === 'object' ? address?.port : undefined
}

/** @returns the port. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve(portOf(server) ?? port))
  })
}

export async function close({ realtime, server }: App): Promise<void> {
  await realtime.close()
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
