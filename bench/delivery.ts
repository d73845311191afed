import { randomInt } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { check, type Flaw, type Verdict } from '../tests/lossless/checker.js'
import { type LosslessOptions, runLossless } from '../tests/lossless/run.js'

// Whether durable events are ever lost, repeated or out of order; and that the same run over plain ones loses some.

const { values: given } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: 'boolean', default: false },
    seed: { type: 'string' },
    messages: { type: 'string', default: '20000' },
    faults: { type: 'string', default: '60' },
    history: { type: 'string' },
  },
})
const seed = Number(given.seed ?? randomInt(2 ** 31))
console.log(`seed ${seed}`)

async function run(options: LosslessOptions): Promise<{ verdict: Verdict; faults: Readonly<Record<string, number>>; seconds: number }> {
  const { history, faults, seconds } = await runLossless(options)
  if (given.history !== undefined) writeFileSync(`${given.history}.${options.event}.jsonl`, `${history.map((entry) => JSON.stringify(entry)).join('\n')}\n`)
  return { verdict: check(history), faults, seconds }
}

const FLAWS = ['lost', 'duplicated', 'reordered', 'invented', 'strayed'] as const
const COMMAND_FLAWS = ['done again', 'answered otherwise'] as const

function countOf({ violations }: Verdict, flaw: Flaw): number {
  return violations.filter((violation) => violation.flaw === flaw).length
}

function row(name: string, verdict: Verdict): string {
  const { sent, stored, heard, gaps, covered } = verdict
  const counts = FLAWS.map((flaw) => countOf(verdict, flaw))
  return `| ${[name, sent, stored, heard, gaps, covered, ...counts].map((cell) => cell.toLocaleString('en')).join(' | ')} |`
}

const durable = await run({ seed, messages: Number(given.messages), faults: Number(given.faults), event: 'kept' })
const plain = await run({ seed, messages: Math.min(5_000, Number(given.messages)), faults: 20, event: 'plain' })
const text = [
  '# Durable events under faults',
  '',
  'Three node processes over one Redis (append-only file, fsync every second), 8 users with two devices each, and a producer that numbers what it sends, while nodes, transports and Redis are broken at random. A checker that knows nothing of the SDK (`tests/lossless/checker.ts`) looks at what was sent, acknowledged, heard and said to be missing: everything acknowledged was heard by every device that was connected in the end, or is covered by a gap; nothing twice, out of order, or never sent.',
  '',
  `Made by \`pnpm chaos delivery --write\` on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, in ${durable.seconds} s, with the seed ${seed}. Faults: ${Object.entries(
    durable.faults,
  )
    .map(([name, times]) => `${name} ${times} times`)
    .join(', ')}.`,
  '',
  `| events | sent | acknowledged | heard | gaps told | missing and told | ${FLAWS.map((flaw) => (flaw === 'lost' ? 'lost in silence' : flaw)).join(' | ')} |`,
  `|${'---|'.repeat(6 + FLAWS.length)}`,
  row('durable', durable.verdict),
  row('plain', plain.verdict),
  '',
  'Meanwhile each device asked for one command after the other, whose handler counts in Redis by `once`. A command that was not answered within 8 s may have taken effect or not.',
  '',
  `| commands asked for | answered | ${COMMAND_FLAWS.join(' | ')} |`,
  `|${'---|'.repeat(2 + COMMAND_FLAWS.length)}`,
  `| ${[durable.verdict.asked, durable.verdict.answered, ...COMMAND_FLAWS.map((flaw) => countOf(durable.verdict, flaw))].map((cell) => cell.toLocaleString('en')).join(' | ')} |`,
  '',
].join('\n')
console.log(text)
for (const violation of durable.verdict.violations.slice(0, 20)) console.error(JSON.stringify(violation))
if (given.write) {
  mkdirSync('docs/measured', { recursive: true })
  writeFileSync('docs/measured/delivery.md', text)
}
const findsLosses = plain.verdict.violations.some(({ flaw }) => flaw === 'lost')
process.exitCode = durable.verdict.violations.length === 0 && findsLosses ? 0 : 1
process.exit()
