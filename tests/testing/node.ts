// Run by Node.js's own test runner: the kit needs no framework, and nothing that it leaves keeps the process up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestRealtime } from '@org/realtime-testing'
import { contract } from '../contract.js'

const user = (userId: string) => ({ userId, role: 'member' })

for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']] as const) {
  test(`over ${transports.join(' and ')}, disposed`, async () => {
    await using app = await createTestRealtime(contract, { user, transports, setup: (realtime) => realtime.on('echo', ({ payload }) => payload) })
    const ada = await app.connect('ada')
    assert.deepEqual(await ada.request('echo', { text: 'x' }), { text: 'x' })
    ada.faults.delay(60_000)
    ada.emit('poke')
    const eve = await app.connect('eve')
    eve.faults.stall()
    eve.emit('poke')
    ;(await app.connect('bob')).faults.offline()
  })
}

test('closed after what has failed', async () => {
  const app = await createTestRealtime(contract, { user })
  try {
    const ada = await app.connect('ada')
    const note = ada.expectEvent('note')
    await assert.rejects(ada.expectEvent('bare', undefined, { timeoutMs: 20 }), /none came within 20 ms/)
    void note // nobody waits for it any more
  } finally {
    await app.close()
    await app.close()
  }
})
