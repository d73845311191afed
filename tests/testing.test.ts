import { spawn } from 'node:child_process'
import { createTestRealtime } from '@org/realtime-testing'
import { expect, test } from 'vitest'
import { Random } from './chaos/random.js'
import { contract } from './contract.js'
import { root } from './example.js'
import { rejection, TRANSPORTS } from './harness.js'

test("Node.js's own test runner needs nothing else for the kit, and ends by itself", async () => {
  const args = ['--conditions=@org/source', '--import', 'tsx', '--test', '--test-reporter=tap', `${root}tests/testing/node.ts`]
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|NODE_TEST|VITEST)/.test(name)))
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk) => (output += String(chunk)))
  const code = await new Promise((resolve) => child.once('exit', resolve))
  expect(code, output).toBe(0)
  expect(output).toContain('# pass 4')
})

test.each(TRANSPORTS)('expecting no event misses none that a handler has sent, however long that takes, over %s', async (transport) => {
  const seed = Date.now() % 2 ** 31
  const random = new Random(seed)
  const turns = async (most: number): Promise<void> => {
    for (let left = Math.floor(random.between(0, most)); left > 0; left--) await new Promise((resolve) => setImmediate(resolve))
  }
  await using app = await createTestRealtime(contract, {
    timeoutMs: 20_000,
    transports: [transport],
    limits: { eventsPerSecond: 10_000 },
    user: (userId) => ({ userId, role: 'member' }),
    setup: (realtime) =>
      realtime.on('say', async ({ payload }) => {
        await turns(6)
        realtime.toUser('bob').emit('note', payload)
      }),
  })
  const alice = await app.connect('alice')
  const bob = await app.connect('bob')
  for (let round = 0; round < 50; round++) {
    const text = `${round} of seed ${seed}`
    if (random.chance(0.3)) alice.emit('say', { text: 'before' })
    alice.emit('say', { text })
    await turns(12)
    expect(await rejection(bob.expectNoEvent('note', { text }))).toMatchObject({ message: expect.stringContaining(text) })
  }
})
