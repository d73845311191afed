import { randomInt } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { caughtBy, inParallel, MUTANTS, play, playMutant, SCENES } from './chaos/mutants.js'
import { runChaos } from './chaos/run.js'
import { findProgram, INSTALL_MS } from './programs.js'

// `pnpm chaos` is the long form.

const MINUTE_MS = 60_000
const AT_ONCE = 4

beforeAll(() => findProgram('redis-server'), INSTALL_MS)

test(
  'four nodes, killed, stopped and without their Redis, tell 5,000 transitions as they are',
  async () => {
    const seed = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31))
    console.log(`CHAOS_SEED=${seed}`)
    const { violations, transitions, judged } = await runChaos({ seed, transitions: 5_000, users: 200, rounds: 1, maxMs: 3 * MINUTE_MS })
    expect(violations, `seed ${seed}`).toEqual([])
    expect(transitions).toBeGreaterThanOrEqual(5_000)
    for (const [check, times] of Object.entries(judged)) expect(times, `what "${check}" judged, seed ${seed}`).toBeGreaterThan(0)
  },
  6 * MINUTE_MS,
)

test(
  'what shows the bugs shows none where there is none',
  async () => {
    const verdicts = await inParallel(SCENES, AT_ONCE, (scene) => play(scene))
    expect(verdicts.flatMap(({ violations }) => violations)).toEqual([])
  },
  5 * MINUTE_MS,
)

test(
  'every bug that is put into the store is found',
  async () => {
    const found = await inParallel(MUTANTS, AT_ONCE, async (mutant) => ({ name: mutant.name, checks: caughtBy(await playMutant(mutant)) }))
    expect(found.filter(({ checks }) => checks.length === 0)).toEqual([])
    expect(found.length).toBeGreaterThanOrEqual(8)
  },
  10 * MINUTE_MS,
)
