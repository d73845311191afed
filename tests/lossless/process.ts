import { createRealtimeServer } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { EFFECT, numbered, type Target } from './contract.js'
import type { Place } from './history.js'

// One node of the run: serves devices, and emits what the driver tells it to.

export interface Setup {
  readonly url: string
  readonly prefix: string
  readonly port: number
  readonly maxMessages: number
}

/** What came of one message. */
export interface Sent {
  readonly isStored: boolean
  readonly place?: Place
}

export type Order =
  | { readonly id: number; readonly ask: 'emit'; readonly event: 'kept' | 'plain'; readonly to: Target; readonly ns: readonly number[] }
  | { readonly id: number; readonly ask: 'trim'; readonly user: string; readonly through: number }
  | { readonly id: number; readonly ask: 'drop' }
  | { readonly id: number; readonly ask: 'ready' }

const setup = JSON.parse(process.env['LOSSLESS_SETUP'] ?? '{}') as Setup // the driver has written it

const realtime = createRealtimeServer(numbered, {
  authenticate: ({ token }) => ({ userId: token ?? '' }),
  presence: { graceMs: 0 },
  cluster: redisCluster({ url: setup.url, prefix: setup.prefix, leaseMs: 1_000 }),
  idempotency: { leaseMs: 2_000 },
  rooms: { hall: { authorize: () => true } },
  durable: { maxMessages: setup.maxMessages, pollMs: 1_000 },
  pingIntervalMs: 1_000,
  pingTimeoutMs: 1_000,
  onError: () => {}, // faults are made on purpose
})

realtime.on('command', async ({ payload: { n }, once }) => {
  const times = await once('effect', ['INCR', `${EFFECT}${n}`])
  return { n, times: Number(times) }
})

function toTarget({ kind, id }: Target) {
  return kind === 'user' ? realtime.toUser(id) : realtime.toRoom(kind, id)
}

/** One after the other, so that they have an order. */
async function emitAll({ to, event, ns }: Extract<Order, { ask: 'emit' }>): Promise<Sent[]> {
  const sent: Sent[] = []
  for (const n of ns) {
    try {
      const place = await toTarget(to).emit(event, { n })
      sent.push({ isStored: true, ...(place !== undefined && { place }) })
    } catch {
      sent.push({ isStored: false })
    }
  }
  return sent
}

async function perform(order: Order): Promise<unknown> {
  switch (order.ask) {
    case 'emit':
      return emitAll(order)
    case 'trim':
      return realtime.inbox(order.user).trim({ through: order.through })
    case 'drop':
      for (const socket of realtime.io.of('/').sockets.values()) if (Math.random() < 0.5) socket.conn.close()
      return undefined
    case 'ready':
      return realtime.ready
  }
}

process.on('message', (order: Order) => {
  perform(order).then(
    (value) => process.send?.({ id: order.id, value }),
    (error: unknown) => process.send?.({ id: order.id, failed: String(error) }),
  )
})
process.on('disconnect', () => process.exit()) // the driver is gone

await realtime.listen(setup.port, '127.0.0.1')
process.send?.({ id: -1 })
