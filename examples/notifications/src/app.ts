import { createServer, type Server } from 'node:http'
import { contract } from '@org/realtime-contracts/events'
import { createRealtimeServer, type EnvironmentOptions, jwt } from '@org/realtime-server'
import { NotificationStore } from './store.js'

export type App = ReturnType<typeof createApp>

/** The application: an HTTP server, a store of its own, and the realtime server between them and the browsers. */
export function createApp({ path, cors, jwt: token }: EnvironmentOptions) {
  const store = new NotificationStore()
  const realtime = createRealtimeServer(contract, { path, cors, authenticate: jwt(token) })

  realtime.on('notification:mark_read', ({ payload: { notificationId }, user, device, fail }) => {
    if (!store.markRead(user.userId, notificationId)) {
      throw fail('NOT_FOUND', { notificationId })
    }
    realtime.toUser(user.userId).exceptDevice(device.id).emit('notification:read', { notificationId, success: true })
    realtime.toUser(user.userId).emit('notification:unread_count', { unreadCount: store.unreadCount(user.userId) })
    return { success: true }
  })

  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
    response.end(`A realtime server: connect with socket.io-client, path ${path}, auth: { token }.\n`)
  })
  realtime.attach(server)
  return { realtime, server, store, notify }

  /** What an HTTP route or a job of the application would call. */
  function notify(userId: string, message: string, title: string): string {
    const notification = store.add(userId, message, title)
    realtime.toUser(userId).emit('notification:new', { notification, timestamp: new Date().toISOString() })
    realtime.toUser(userId).emit('notification:unread_count', { unreadCount: store.unreadCount(userId) })
    return notification.id
  }
}

export function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}
