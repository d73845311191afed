import { createRealtimeClient } from '@org/realtime-client'
import { manifest } from '@org/realtime-contracts/events/manifest'
import type { App } from './app.js'

/** Three users who do this and that, for something to be seen. @returns a function that ends it. */
export async function startTraffic({ realtime, port }: App): Promise<() => void> {
  const url = `http://127.0.0.1:${port}`
  const users = ['ada', 'grace', 'katherine']
  const clients = users.map((userId) => createRealtimeClient(manifest, { url, getToken: () => userId }))
  await Promise.all(clients.map((client) => client.connect()))
  const stranger = createRealtimeClient(manifest, { url })
  stranger.on('error', () => {}) // it is refused
  await stranger.connect().catch(() => {})
  const turn = (): void => {
    for (const client of clients) {
      void client.tryRequest('notification:mark_read', { notificationId: Math.random() < 0.1 ? 'gone' : 'n-1' })
      realtime.toUser(users[Math.floor(Math.random() * users.length)] ?? 'ada').emit('xp:gained', { amount: 10, source: 'traffic', totalXp: 10 })
    }
  }
  turn()
  const timer = setInterval(turn, 200)
  return () => {
    clearInterval(timer)
    for (const client of [...clients, stranger]) client.close()
  }
}
