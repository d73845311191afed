import { createRealtimeClient } from '@org/realtime-client'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import * as z from 'zod'
import { startRedis } from '../tests/redis.js'

// How long a device that has missed 1,000 events of 200 bytes waits for the last of them after it is connected again; and what a durable emit costs beside a plain one.

const MISSED = 1_000
const ROUNDS = 100
const EMITS = 2_000

const N = z.object({ n: z.number(), text: z.string() })
const contract = defineContract({ name: 'catchup', version: '1.0.0', serverToClient: { kept: { payload: N, delivery: 'durable' }, plain: N } })
const text = 'x'.repeat(160)

const redis = await startRedis()
const start = () =>
  createRealtimeServer(contract, {
    authenticate: ({ token }) => ({ userId: token ?? '' }),
    cluster: redisCluster({ url: redis.url }),
    presence: { graceMs: 0 },
  })
const [home, away] = [start(), start()]
await home.listen(0, '127.0.0.1')
const { port } = await away.listen(0, '127.0.0.1')
while (!home.ready || !away.ready) await new Promise((resolve) => setTimeout(resolve, 10))

const client = createRealtimeClient(contract, { url: `http://127.0.0.1:${port}`, getToken: () => 'ada', transports: ['websocket'] })
let heard = 0
let done = (): void => {}
client.on('kept', () => {
  if (++heard === MISSED) done()
})
await new Promise((resolve) => {
  client.once('$caughtUp', resolve)
  client.connect().catch(() => {})
})

const times: number[] = []
for (let round = 0; round < ROUNDS; round++) {
  client.close()
  while (await home.presence.isOnline('ada')) await new Promise((resolve) => setTimeout(resolve, 1))
  for (let n = 0; n < MISSED; n += 100) await Promise.all(Array.from({ length: 100 }, (_, index) => home.toUser('ada').emit('kept', { n: n + index, text })))
  heard = 0
  const caught = new Promise<void>((resolve) => {
    done = resolve
  })
  await client.connect()
  const startMs = performance.now()
  await caught
  times.push(performance.now() - startMs)
}

async function perSecond(emit: () => unknown): Promise<number> {
  const startMs = performance.now()
  for (let sent = 0; sent < EMITS; sent += 50) await Promise.all(Array.from({ length: 50 }, emit))
  return Math.round((EMITS / (performance.now() - startMs)) * 1_000)
}

async function oneByOne(): Promise<number> {
  const startMs = performance.now()
  for (let sent = 0; sent < EMITS; sent++) await home.toUser('nobody').emit('kept', { n: sent, text })
  return (performance.now() - startMs) / EMITS
}

times.sort((left, right) => left - right)
const at = (part: number): string => `${times[Math.min(ROUNDS - 1, Math.floor(ROUNDS * part))]?.toFixed(1)} ms`
console.log(`${MISSED} missed events, after the connection: p50 ${at(0.5)}, p99 ${at(0.99)} (${ROUNDS} rounds)`)
console.log(
  `a durable emit: ${(await oneByOne()).toFixed(3)} ms, one after the other; 50 at a time: ${await perSecond(() => home.toUser('nobody').emit('kept', { n: 1, text }))} a second`,
)
console.log(`a plain emit, 50 a turn: ${await perSecond(() => home.toUser('nobody').emit('plain', { n: 1, text }))} a second`)
client.close()
await Promise.all([home.close({ drainMs: 0 }), away.close({ drainMs: 0 })])
await redis.stop()
const p99 = times[Math.min(ROUNDS - 1, Math.floor(ROUNDS * 0.99))] ?? Number.POSITIVE_INFINITY
process.exitCode = p99 <= 250 ? 0 : 1
