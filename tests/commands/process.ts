// A node of its own, to be killed: `HANG` has its handler never come to its end.
import { createRealtimeServer } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { until } from '../programs.js'
import { shop } from './contract.js'

const { REDIS_URL, PREFIX, HANG } = process.env

const realtime = createRealtimeServer(shop, {
  authenticate: ({ token }) => ({ userId: token ?? 'nobody' }),
  cluster: redisCluster({ url: REDIS_URL, ...(PREFIX && { prefix: PREFIX }), leaseMs: 1_000 }),
  idempotency: { leaseMs: 1_000 },
})
realtime.on('checkout', async ({ once, attempt }) => {
  await once(`run-${attempt}`, ['RPUSH', `${PREFIX}:runs`, attempt])
  await once('effect', ['INCR', `${PREFIX}:effects`])
  if (HANG) await new Promise(() => {})
})
const { port } = await realtime.listen(0, '127.0.0.1')
await until(() => realtime.ready, 20_000, 'the node did not get ready')
console.log(`listens on http://127.0.0.1:${port}`)
