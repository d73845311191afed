// Runs the packed packages as CommonJS.
const assert = require('node:assert/strict')
const { createRealtimeClient, RealtimeError } = require('@org/realtime-client')
const { createRealtimeHooks } = require('@org/realtime-client/react')
const { RealtimeError: SameError } = require('@org/realtime-contracts')
const { contract } = require('@org/realtime-contracts/events')
const { createRealtimeServer } = require('@org/realtime-server')
const { redisCluster } = require('@org/realtime-server/redis')
const { createTestRealtime } = require('@org/realtime-testing')

async function main() {
  assert.equal(RealtimeError, SameError)
  assert.equal(typeof createRealtimeHooks().useEvent, 'function')
  assert.throws(() => redisCluster({}), TypeError)
  const realtime = createRealtimeServer(contract, { authenticate: () => ({ userId: 'ada' }) })
  realtime.on('notification:mark_read', () => ({ success: true }))
  const { port } = await realtime.listen(0)
  const client = createRealtimeClient(contract, { url: `http://localhost:${port}` })
  await client.connect()
  assert.deepEqual(await client.request('notification:mark_read', { notificationId: 'n-1' }), { success: true })
  client.close()
  await realtime.close()
  const app = await createTestRealtime(contract, { setup: (test) => test.on('notification:mark_read', () => ({ success: true })) })
  const ada = await app.connect('ada')
  ada.faults.duplicate('notification:deleted')
  app.realtime.toUser('ada').emit('notification:deleted', { notificationId: 'n-1' })
  await ada.expectEvent('notification:deleted', { notificationId: 'n-1' })
  await app.close()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
