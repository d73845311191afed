import { createRealtimeClient, RealtimeError } from '@org/realtime-client'
import { toManifest } from '@org/realtime-contracts'
import type { App } from './app.js'
import { contract } from './contract.js'
import type { Timeline } from './timeline.js'

export interface SessionOptions {
  readonly url: string
  readonly path: string
  readonly tokenOf: (userId: string) => Promise<string>
  readonly timeline: Timeline
}

const SERVER_EVENTS = [
  'notification:new',
  'notification:read',
  'notification:unread_count',
  'achievement:unlocked',
  'rank:updated',
  'xp:gained',
  'leaderboard:updated',
] as const

const manifest = toManifest(contract)

/** Three clients and a server, one step after the other; what they say is in the timeline. */
export async function runSession({ service }: App, { url, path, tokenOf, timeline }: SessionOptions): Promise<void> {
  const laptop = createRealtimeClient(contract, { url, path, getToken: () => tokenOf('ada') })
  const phone = createRealtimeClient(contract, { url, path, getToken: () => tokenOf('ada'), transports: ['websocket'] })
  // Takes the types and leaves the validating to the server: no zod in its bundle.
  const tablet = createRealtimeClient(manifest, { url, path, getToken: () => tokenOf('grace') })
  const devices = { 'ada/laptop': laptop, 'ada/phone': phone, 'grace/tablet': tablet }

  for (const [name, client] of Object.entries(devices)) {
    client.on('authenticated', (session) => timeline.add(name, '←', 'authenticated', { userId: session.userId, email: session.email }))
    for (const event of SERVER_EVENTS) {
      client.on(event, (payload) => timeline.add(name, '←', event, payload))
    }
  }
  try {
    for (const client of Object.values(devices)) await client.connect()

    const arrived = Promise.all([laptop, phone].map((client) => next(client, 'notification:unread_count')))
    timeline.add('server', '·', 'notify ada')
    const { notification } = await service.notify('ada', { title: 'Mission', message: 'Your daily mission is done' })
    const notificationId = notification.id
    await arrived

    const told = next(phone, 'notification:read')
    timeline.add('ada/laptop', '→', 'notification:mark_read', { notificationId })
    const reply = await laptop.request('notification:mark_read', { notificationId })
    timeline.add('ada/laptop', '←', 'reply', reply)
    await told

    const seen = Promise.all(Object.values(devices).map((client) => next(client, 'leaderboard:updated')))
    timeline.add('server', '·', 'xp, achievement and rank for ada, and the leaderboard for everybody')
    service.grantXp('ada', 100, 'daily_mission', { achievementId: 'ach-001', title: 'First steps', description: 'Finish a daily mission' })
    await seen

    timeline.add('server', '·', 'notify katherine, who is not connected')
    await service.notify('katherine', { title: 'Mission', message: 'A new mission waits for you' })

    await showRefusedToken(url, path, timeline)

    // A page that was built against another contract, or by hand, may send anything.
    const wrong = { notificationId: 42 } as never
    timeline.add('grace/tablet', '→', 'notification:mark_read', wrong)
    const result = await tablet.tryRequest('notification:mark_read', wrong)
    if (!result.ok) timeline.add('grace/tablet', '←', result.error.code, result.error.data)
  } finally {
    for (const client of Object.values(devices)) client.close()
  }
}

async function showRefusedToken(url: string, path: string, timeline: Timeline): Promise<void> {
  const stranger = createRealtimeClient(manifest, { url, path, getToken: () => 'not.a.token' })
  timeline.add('stranger', '→', 'connect', { token: 'not.a.token' })
  try {
    await stranger.connect()
  } catch (error) {
    if (!(error instanceof RealtimeError)) throw error
    timeline.add('stranger', '←', error.code, error.message)
  } finally {
    stranger.close()
  }
}

function next(client: { once(event: (typeof SERVER_EVENTS)[number], listener: () => void): () => void }, event: (typeof SERVER_EVENTS)[number]): Promise<void> {
  return new Promise((resolve) => {
    client.once(event, () => resolve())
  })
}
