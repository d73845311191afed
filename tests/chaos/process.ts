import { pathToFileURL } from 'node:url'
import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'
import type { Told } from './checker.js'
import type { Order, Report, Setup, State } from './messages.js'

// A process of the cluster: a node that serves sockets, or an observer without any.

const STALL_MS = 400
const TICK_MS = 50
const DEVICES_AT_ONCE = 100

const contract = defineContract({ name: 'chaos', version: '1.0.0', serverToClient: {}, clientToServer: {}, rooms: { group: z.string() } })

const setup = JSON.parse(process.env['CHAOS_SETUP'] ?? '{}') as Setup // the driver has written it
const load = async <M>(file: string): Promise<M> => (await import(pathToFileURL(`${setup.source}/${file}`).href)) as M
const { createRealtimeServer, createRealtimeEmitter } = await load<typeof import('@org/realtime-server')>('index.ts')
const { redisCluster } = await load<typeof import('@org/realtime-server/redis')>('redis/index.ts')

const cluster = redisCluster({ url: setup.url, prefix: setup.prefix, leaseMs: setup.leaseMs })
const onError = (): void => {} // faults are made on purpose; what matters is what presence makes of them

function say(report: Report): void {
  process.send?.(report)
}

function createNode() {
  const realtime = createRealtimeServer(contract, {
    authenticate: ({ token }) => ({ userId: token ?? '' }),
    rooms: { group: { authorize: () => true } },
    presence: { graceMs: setup.graceMs },
    cluster,
    onError,
  })
  const listening = realtime.listen(0, '127.0.0.1').then(({ port }) => say({ kind: 'listening', port }))
  return { presence: realtime.presence, isReady: () => realtime.ready, listening, close: () => realtime.close({ drainMs: 0 }) }
}

function createObserver() {
  const emitter = createRealtimeEmitter(contract, { cluster, onError })
  const listening = Promise.resolve(say({ kind: 'listening', port: 0 }))
  return { presence: emitter.presence, isReady: () => emitter.ready, listening, close: () => emitter.close() }
}

const { presence, isReady, listening, close } = setup.role === 'node' ? createNode() : createObserver()

let told: Told[] = []
for (const change of ['online', 'offline'] as const) {
  presence.on(change, ({ userId }) => {
    if (told.length === 0) setImmediate(flush)
    told.push({ atMs: Date.now(), change, userId })
  })
}

function flush(): void {
  if (told.length > 0) say({ kind: 'told', told })
  told = []
}

async function stateOf(userIds: readonly string[], rooms: readonly string[]): Promise<State> {
  const devices: Array<readonly [string, readonly string[]]> = []
  for (let start = 0; start < userIds.length; start += DEVICES_AT_ONCE) {
    const some = userIds.slice(start, start + DEVICES_AT_ONCE)
    devices.push(...(await Promise.all(some.map(async (userId) => [userId, (await presence.devices(userId)).map(({ id }) => id)] as const))))
  }
  return {
    online: await presence.online([...userIds]),
    count: await presence.count(),
    devices,
    members: await Promise.all(rooms.map(async (room) => [room, await presence.members('group', room)] as const)),
  }
}

async function answer(order: Order): Promise<unknown> {
  switch (order.ask) {
    case 'ready':
      return isReady()
    case 'state':
      return stateOf(order.userIds, order.rooms)
    case 'close':
      await close()
      flush()
      return undefined
  }
}

process.on('message', (order: Order) => {
  answer(order).then(
    (value) => say({ kind: 'answer', id: order.id, value }),
    (error: unknown) => say({ kind: 'failed', id: order.id, message: String(error) }),
  )
})
process.on('disconnect', () => process.exit()) // the driver is gone

let lastMs = Date.now()
setInterval(() => {
  const nowMs = Date.now()
  if (nowMs - lastMs > STALL_MS) say({ kind: 'stalled', fromMs: lastMs, toMs: nowMs })
  lastMs = nowMs
}, TICK_MS)

await listening
