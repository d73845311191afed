// Stands for a job: tells the users that its arguments name that their report is ready.
import { contract } from '@org/realtime-contracts/events'
import { createRealtimeEmitter } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { type Fallback, Notifier } from './notifier.js'

const mail: Fallback = {
  send: async (userId, { title }) => console.log(`mail to ${userId}@example.com: ${title}`),
}

async function main(userIds: readonly string[]): Promise<void> {
  const { REDIS_URL: url } = process.env
  if (!url || userIds.length === 0) throw new TypeError('usage: REDIS_URL=redis://127.0.0.1:6379 pnpm --filter example-worker start USER...')
  const emitter = createRealtimeEmitter(contract, { cluster: redisCluster({ url }) })
  try {
    const told = await new Notifier(emitter, mail).notify(userIds, 'Report', 'Your report is ready')
    for (const [userId, way] of told) console.log(`${userId}: ${way}`)
  } finally {
    await emitter.close()
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
})
