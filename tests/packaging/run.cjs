// Runs the packed packages as CommonJS.
const assert = require('node:assert/strict')
const { createRealtimeClient, RealtimeError } = require('@org/realtime-client')
const { RealtimeError: SameError } = require('@org/realtime-contracts')
const { compareContracts } = require('@org/realtime-contracts/compat')
const { contract } = require('@org/realtime-contracts/events')
const { createRealtimeServer } = require('@org/realtime-server')
const { redisCluster } = require('@org/realtime-server/redis')

async function main() {
  assert.equal(RealtimeError, SameError)
  assert.equal(compareContracts(contract, contract).verdict, 'safe')
  assert.throws(() => redisCluster({}), TypeError)
  const realtime = createRealtimeServer(contract, { authenticate: () => ({ userId: 'ada' }) })
  realtime.on('notification:mark_read', () => ({ success: true }))
  const { port } = await realtime.listen(0)
  const client = createRealtimeClient(contract, { url: `http://localhost:${port}` })
  await client.connect()
  assert.deepEqual(await client.request('notification:mark_read', { notificationId: 'n-1' }), { success: true })
  client.close()
  await realtime.close()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
