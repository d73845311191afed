import { randomInt } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { findMutant, inParallel, MUTANTS } from '../tests/chaos/mutants.js'
import { type ChaosResult, runChaos } from '../tests/chaos/run.js'

// The long form of tests/chaos.test.ts; `pnpm chaos delivery` is that of tests/lossless.test.ts.
if (process.argv[2] === 'delivery') await import('./delivery.js') // it ends the process

const AT_ONCE = 3

interface Found {
  readonly name: string
  readonly scene: string
  readonly checks: readonly string[]
}

async function findMutants(): Promise<Found[]> {
  return inParallel(MUTANTS, AT_ONCE, async (mutant) => ({ name: mutant.name, scene: mutant.scene.name, checks: await findMutant(mutant) }))
}

function report(seed: number, result: ChaosResult, found: readonly Found[]): string {
  const { transitions, connections, seconds, violations, judged, faults } = result
  const of = (check: string): number => violations.filter((violation) => violation.check === check).length
  const list = Object.entries(faults).map(([name, times]) => `${name} ${times} times`)
  return [
    '# Chaos',
    '',
    'Four node processes over one Redis (lease 1 s, grace period 200 ms), with plain Socket.IO clients of 200 users on several devices that come and go all the time, while nodes and Redis are broken at random. What every process told, what the clients did, and what is left in the end is judged by a checker that knows nothing of the SDK (`tests/chaos/checker.ts`). What is told while Redis is away or has lost everything, and until the nodes have registered again, may be late and is not judged by its time; that it alternates and adds up is.',
    '',
    `Made by \`pnpm chaos\` on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, in ${seconds} s, with the seed ${seed}: **${transitions.toLocaleString('en')} transitions** of ${connections.toLocaleString('en')} connections, **${violations.length} violations**. Faults: ${list.join(', ')}.`,
    '',
    '| check | judged | violations |',
    '|---|---|---|',
    ...Object.entries(judged).map(([check, times]) => `| ${check} | ${times.toLocaleString('en')} | ${of(check)} |`),
    '',
    '## Bugs that the checker finds',
    '',
    'Each is put into a copy of the store, which then goes through a scene of a few seconds.',
    '',
    '| bug | scene | found by |',
    '|---|---|---|',
    ...found.map(({ name, scene, checks }) => `| ${name} | ${scene} | ${checks.join(', ') || '**nothing**'} |`),
    '',
  ].join('\n')
}

const { values: arguments_ } = parseArgs({
  options: { write: { type: 'boolean', default: false }, seed: { type: 'string' }, transitions: { type: 'string', default: '50000' } },
})
const seed = Number(arguments_.seed ?? randomInt(2 ** 31))
console.log(`seed ${seed}`)
const result = await runChaos({ seed, transitions: Number(arguments_.transitions), users: 200, rounds: 3, maxMs: 30 * 60_000 })
for (const { check, text } of result.violations.slice(0, 50)) console.error(`${check}: ${text}`)
const found = await findMutants()
const text = report(seed, result, found)
console.log(text)
if (arguments_.write) {
  mkdirSync('docs/measured', { recursive: true })
  writeFileSync('docs/measured/chaos.md', text)
}
process.exitCode = result.violations.length === 0 && found.every(({ checks }) => checks.length > 0) ? 0 : 1
