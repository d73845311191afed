import type { IdempotencyStore } from '@org/realtime-server'
import { MemoryIdempotencyStore } from '@org/realtime-server'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { type NodeOptions, type ShopNode, startInMemory } from './nodes.js'

vi.setConfig({ testTimeout: 120_000 })

// Printed, and given again by SEED=... to see the same run.
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
console.info(`commands: SEED=${seed}`)

const DEADLINE_MS = 6_000
const fault = fc.constantFrom('drop', 'drop the answer', 'duplicate', 'kill', 'throw', 'refuse', 'fail to finish', 'none', 'none')
const command = fc.record({ fault, node: fc.nat(1), delayMs: fc.nat(20), twice: fc.boolean() })

/** What the handlers do: an effect for each key, by a step, and what goes wrong around it. */
function shopWith({ effects, runs }: Counts, wrong: Map<number, string>): NodeOptions['setup'] {
  return (realtime) =>
    realtime.on('slowly', async ({ payload: { n }, once, fail }) => {
      const planned = wrong.get(n)
      if (planned === 'refuse') {
        wrong.delete(n)
        throw fail('UNAVAILABLE', { retryAfterMs: 10 })
      }
      const number = await once('effect', async () => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        count(effects, n)
        return n
      })
      if (planned === 'throw') {
        wrong.delete(n)
        throw new Error('broken')
      }
      count(runs, n)
      return { n: number }
    })
}

/** By command: how often its step was done, and its handler came to its end. */
interface Counts {
  readonly effects: Map<number, number>
  readonly runs: Map<number, number>
}

function count(counts: Map<number, number>, n: number): void {
  counts.set(n, (counts.get(n) ?? 0) + 1)
}

/** Fails to keep the first reply of those commands. */
function unreliable(wrong: Map<number, string>, store: IdempotencyStore): IdempotencyStore {
  const finish = store.finish.bind(store)
  store.finish = async (id, claimant, reply, retentionMs) => {
    const n = Number(id.split(' n-')[1])
    if (wrong.get(n) !== 'fail to finish') return finish(id, claimant, reply, retentionMs)
    wrong.delete(n)
    throw new Error('down')
  }
  return store
}

async function ask(node: ShopNode, n: number, { fault: what, delayMs }: { fault: string; delayMs: number }): Promise<number> {
  const client = await node.connect('ada')
  await new Promise((resolve) => setTimeout(resolve, delayMs))
  if (what === 'drop') client.faults.drop('slowly', { times: 1 })
  if (what === 'drop the answer') client.faults.drop('slowly', { answer: true, times: 1 })
  if (what === 'duplicate') client.faults.duplicate('slowly', { times: 1 })
  try {
    for (;;) {
      const result = client.tryRequest('slowly', { n }, { key: `n-${n}`, timeoutMs: DEADLINE_MS })
      if (what === 'kill') await client.faults.kill()
      const outcome = await result
      if (outcome.ok) return outcome.data.n
      expect(['INTERNAL', 'REPLY_TIMEOUT', 'UNAVAILABLE']).toContain(outcome.error.code) // which is asked again by hand
    }
  } finally {
    client.close()
  }
}

test('whatever goes wrong, each command takes effect once, and all who ask for it get one reply', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 4, maxLength: 24 }), async (commands) => {
      const counts: Counts = { effects: new Map(), runs: new Map() }
      const wrong = new Map(commands.map(({ fault: what }, n) => [n, what]))
      const store = unreliable(wrong, new MemoryIdempotencyStore())
      const nodes = await startInMemory(2, { setup: shopWith(counts, wrong), idempotency: { store } })
      const asked = commands.flatMap((each, n) => {
        const first = ask(nodes[each.node] as ShopNode, n, each)
        return each.twice ? [first, ask(nodes[1 - each.node] as ShopNode, n, { ...each, fault: 'none' })] : [first]
      })
      const replies = await Promise.all(asked)
      expect(replies).toEqual(commands.flatMap(({ twice }, n) => (twice ? [n, n] : [n])))
      for (const times of [counts.effects, counts.runs]) expect([...times.values()]).toEqual(commands.map(() => 1))
      await Promise.all(nodes.map((node) => node.close()))
    }),
    { seed, numRuns: 6 },
  )
})
