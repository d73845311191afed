import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { contract } from '@org/realtime-contracts/events'
import { createRealtimeServer, type EnvironmentOptions, jwt } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'

// Longer than nginx keeps an idle connection to a node, so that it never sends a request into one that is being closed.
const KEEP_ALIVE_MS = 75_000

export interface NodeOptions extends EnvironmentOptions {
  /** As nginx.conf has it. */
  readonly name: string
  readonly redisUrl: string
}

export type Realtime = ReturnType<typeof createNodeServer>

/** One node: the realtime server, and beside it what other services of the application ask it over HTTP. */
export function createNode(options: NodeOptions): { realtime: Realtime; server: Server } {
  const realtime = createNodeServer(options)
  const server = createServer((request, response) => {
    answer(realtime, options.name, request, response).catch((error: unknown) => {
      console.error(error)
      response.writeHead(500).end()
    })
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  realtime.attach(server)
  nameSessions(realtime, options.name)
  sendNewcomersAway(realtime)
  return { realtime, server }
}

function createNodeServer({ path, cors, jwt: token, redisUrl }: NodeOptions) {
  const realtime = createRealtimeServer(contract, { path, cors, authenticate: jwt(token), cluster: redisCluster({ url: redisUrl }) })

  realtime.on('notification:mark_read', ({ payload: { notificationId }, user, device }) => {
    // The user's other devices hear of it on whichever node they are.
    void realtime.toUser(user.userId).exceptDevice(device.id).emit('notification:read', { notificationId, success: true })
    return { success: true }
  })
  return realtime
}

/** nginx finds the node of a session by it. Whoever knows the rest of it can take over the session, so it cannot be guessed. */
function nameSessions({ io }: Realtime, name: string): void {
  io.engine.generateId = () => `${name}.${randomBytes(15).toString('base64url')}`
}

/** While this node leaves, or has no Redis, nginx takes new clients to another. Those that it has are still answered. */
function sendNewcomersAway(realtime: Realtime): void {
  realtime.io.engine.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
    const isNew = !new URL(request.url ?? '/', 'http://node').searchParams.has('sid')
    if (realtime.ready || !isNew) next()
    else response.writeHead(503).end()
  })
}

/** Only nginx's port is open to the world, and it passes on none of this. */
async function answer(realtime: Realtime, node: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, what, userId = ''] = new URL(request.url ?? '/', 'http://node').pathname.split('/')
  if (what === 'ready') {
    response.writeHead(realtime.ready ? 200 : 503).end()
  } else if (what === 'notify' && request.method === 'POST') {
    const isStored = await notify(realtime, userId, await textOf(request))
    response.writeHead(isStored ? 204 : 503).end()
  } else if (what === 'users') {
    const devices = await realtime.presence.devices(userId)
    const online = await realtime.presence.isOnline(userId)
    const here = realtime.io.of('/').adapter.rooms.get(`user:${userId}`)?.size ?? 0
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ node, online, devices: devices.length, here }))
  } else {
    response.writeHead(404).end()
  }
}

/** @returns whether it is stored, for all the user's devices. */
async function notify(realtime: Realtime, userId: string, message: string): Promise<boolean> {
  const notification = { id: randomBytes(6).toString('hex'), message }
  try {
    await realtime.toUser(userId).emit('notification:new', { notification, timestamp: new Date().toISOString() })
    return true
  } catch {
    return false // told to `onError`; whoever asks tries again
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}
