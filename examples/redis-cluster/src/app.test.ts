import { createTestRealtime, testTokens } from '@org/realtime-testing'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { findProgram, INSTALL_MS } from '../../../tests/programs.js'
import { startRedis } from '../../../tests/redis.js'
import { createNode } from './app.js'

const secret = 'a secret of the tests, of 32 bytes or more'
beforeAll(() => findProgram('redis-server'), INSTALL_MS)

test('what is read on one node is read on the other', async () => {
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  const jwt = { secret, issuer: false, audience: false } as const
  const start = async (name: string) => {
    const node = createNode({ name, port: 0, path: '/socket.io/', cors: { origin: [] }, jwt, redisUrl: redis.url })
    node.server.listen(0, '127.0.0.1')
    const kit = await createTestRealtime.around(node.realtime, { tokens: testTokens({ secret }) })
    onTestFinished(() => kit.close())
    await expect.poll(() => node.realtime.ready, { timeout: 20_000 }).toBe(true) // Redis is reached
    return kit
  }
  const [a, b] = [await start('a'), await start('b')]
  const laptop = await a.connect('ada')
  const phone = await b.connect('ada')

  expect(await laptop.request('notification:mark_read', { notificationId: 'n-1' })).toEqual({ success: true })

  await phone.expectEvent('notification:read', { notificationId: 'n-1' })
})
