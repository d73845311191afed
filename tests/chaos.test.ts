import { randomInt } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { findMutant, inParallel, MUTANTS, play, SCENES } from './chaos/mutants.js'
import { runChaos } from './chaos/run.js'
import { findProgram, INSTALL_MS } from './programs.js'

// `pnpm chaos` is the long form, which has all of the bugs found; here it is every second one.

const MINUTE_MS = 60_000
const AT_ONCE = 3

beforeAll(() => findProgram('redis-server'), INSTALL_MS)

test(
  'four nodes, killed, stopped and without their Redis, tell 5,000 transitions as they are',
  async () => {
    const seed = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31))
    console.log(`CHAOS_SEED=${seed}`)
    const { violations, transitions, judged } = await runChaos({ seed, transitions: 5_000, users: 200, rounds: 1, maxMs: 3 * MINUTE_MS })
    expect(violations, `seed ${seed}`).toEqual([])
    expect(transitions).toBeGreaterThanOrEqual(5_000)
    expect(
      Object.entries(judged).filter(([, times]) => times === 0),
      `checks that had nothing to judge, seed ${seed}`,
    ).toEqual([])
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
  'bugs that are put into the store are found',
  async () => {
    const some = MUTANTS.filter((_, index) => index % 2 === 0)
    const found = await inParallel(some, AT_ONCE, async (mutant) => ({ name: mutant.name, checks: await findMutant(mutant) }))
    expect(found.filter(({ checks }) => checks.length === 0)).toEqual([])
    expect(found.length).toBeGreaterThanOrEqual(8)
  },
  10 * MINUTE_MS,
)
