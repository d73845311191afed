// Runs the packed packages as ES modules.
import assert from 'node:assert/strict'
import { createRealtimeClient, RealtimeError } from '@org/realtime-client'
import { openTelemetry as clientTelemetry } from '@org/realtime-client/opentelemetry'
import { createOutbox } from '@org/realtime-client/outbox'
import { createRealtimeHooks } from '@org/realtime-client/react'
import { RealtimeError as SameError } from '@org/realtime-contracts'
import { compareContracts } from '@org/realtime-contracts/compat'
import { contract } from '@org/realtime-contracts/events'
import { manifest } from '@org/realtime-contracts/events/manifest'
import { createRealtimeServer } from '@org/realtime-server'
import { openTelemetry } from '@org/realtime-server/opentelemetry'
import { redisCluster } from '@org/realtime-server/redis'
import { createTestRealtime } from '@org/realtime-testing'

assert.equal(RealtimeError, SameError)
assert.equal(typeof createRealtimeHooks().useEvent, 'function')
assert.equal(compareContracts(contract, contract).verdict, 'safe')
assert.equal(typeof createOutbox, 'function')
assert.throws(() => redisCluster({}), TypeError)
const realtime = createRealtimeServer(contract, { authenticate: () => ({ userId: 'ada' }), observe: openTelemetry() })
realtime.on('notification:mark_read', () => ({ success: true }))
const { port } = await realtime.listen(0)
const client = createRealtimeClient(manifest, { url: `http://localhost:${port}`, tracing: clientTelemetry() })
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
