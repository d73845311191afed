import { randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { check, type Flaw, type Tally, type Verdict } from '../tests/lossless/checker.js'
import { HistoryFile } from '../tests/lossless/history.js'
import { DEVICES, type LosslessOptions, type LosslessResult, runLossless } from '../tests/lossless/run.js'

// Whether durable events are ever lost, repeated or out of order; and that the same run over plain ones loses some.
// The long form: `pnpm chaos delivery --messages 1000000 --faults 2000 --users 32 --halls 8 --at-once 10 --minutes 40`.

const { values: given } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: 'boolean', default: false },
    seed: { type: 'string' },
    messages: { type: 'string', default: '20000' },
    faults: { type: 'string', default: '60' },
    users: { type: 'string', default: '8' },
    halls: { type: 'string', default: '4' },
    /** How many messages a node is told to send at once. */
    'at-once': { type: 'string', default: '1' },
    /** Over which the faults are spread; then the run ends. */
    minutes: { type: 'string' },
    /** Where the histories are kept; without it they are removed. */
    history: { type: 'string' },
  },
})
const seed = Number(given.seed ?? randomInt(2 ** 31))
console.log(`seed ${seed}`)
const folder = given.history ?? mkdtempSync(join(tmpdir(), 'realtime-chaos-'))
mkdirSync(folder, { recursive: true })

interface Judged extends LosslessResult {
  readonly verdict: Verdict
}

async function run(size: Pick<LosslessOptions, 'messages' | 'faults' | 'event' | 'spreadMs'>): Promise<Judged> {
  const options = {
    ...size,
    seed,
    users: Number(given.users),
    halls: Number(given.halls),
    ...(given.minutes !== undefined && { untilMs: Date.now() + Number(given.minutes) * 60_000 }),
  }
  const history = new HistoryFile(join(folder, `${options.event}.jsonl`))
  const result = await runLossless({ ...options, write: (entry) => history.write(entry) })
  return { ...result, verdict: check(history) }
}

const FLAWS = ['lost', 'duplicated', 'reordered', 'invented', 'strayed'] as const
const COMMAND_FLAWS = ['done again', 'answered otherwise', 'invented'] as const
const KINDS = { user: 'to users', hall: 'to rooms' } as const

/** Of the logs of one kind. */
function rowOf(event: string, kind: keyof typeof KINDS, { logs, violations }: Verdict): string {
  const isOfKind = (log: string | undefined): boolean => log?.startsWith(`${kind}:`) === true
  const tallies = [...logs].flatMap(([log, tally]) => (isOfKind(log) ? [tally] : []))
  const sumOf = (what: keyof Tally): number => tallies.reduce((sum, tally) => sum + tally[what], 0)
  const counts = FLAWS.map((flaw) => violations.filter((each) => each.flaw === flaw && isOfKind(each.log)).length)
  return toRow([`${event}, ${KINDS[kind]}`, ...(['sent', 'stored', 'heard', 'gaps', 'covered'] as const).map(sumOf), ...counts])
}

/** What was never sent is of no log, as is a command. */
function countOf({ violations }: Verdict, flaw: Flaw, ofDevice: boolean): number {
  return violations.filter((each) => each.flaw === flaw && each.log === undefined && (each.device !== undefined) === ofDevice).length
}

function toRow(cells: ReadonlyArray<string | number>): string {
  return `| ${cells.map((cell) => cell.toLocaleString('en')).join(' | ')} |`
}

function report(durable: Judged, plain: Judged): string {
  const { verdict } = durable
  const faults = Object.entries(durable.faults)
  return [
    '# Durable events under faults',
    '',
    `Three node processes over one Redis (append-only file, fsync every second), ${given.users} users with ${DEVICES} devices each, each device in one of ${given.halls} rooms for the whole run. For each user and each room a producer numbers what it sends, one after the other, while nodes, Redis, and devices with their transports are broken at random, side by side. A checker that knows nothing of the SDK (\`tests/lossless/checker.ts\`) looks at what was sent, acknowledged, heard and said to be missing: everything acknowledged was heard by every device that was there in the end, or is covered by a gap; nothing twice, out of the order of its log, or never sent. The tests show that it finds 32 bugs that are put into a history.`,
    '',
    `Made by \`pnpm chaos ${process.argv.slice(2).join(' ')}\` on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, in ${durable.seconds.toLocaleString('en')} s, with the seed ${seed}. ${faults.reduce((sum, [, times]) => sum + times, 0).toLocaleString('en')} faults: ${faults.map(([name, times]) => `${name} ${times} times`).join(', ')}. The plain events are of a run of 20 faults.`,
    '',
    `| events | sent | acknowledged | heard | gaps told | missing and told | ${FLAWS.map((flaw) => (flaw === 'lost' ? 'lost in silence' : flaw)).join(' | ')} |`,
    `|${'---|'.repeat(6 + FLAWS.length)}`,
    rowOf('durable', 'user', verdict),
    rowOf('durable', 'hall', verdict),
    rowOf('plain', 'user', plain.verdict),
    rowOf('plain', 'hall', plain.verdict),
    '',
    `Heard, and never sent to anybody: ${countOf(verdict, 'invented', true)}.`,
    '',
    'Meanwhile each device asked for one command after the other, whose handler counts in Redis by `once`. A command that was not answered within 8 s may have taken effect or not. Counts are read before Redis is emptied and in the end. A Redis that is emptied forgets which commands were done: one that was under way then may be done again, as the guide says, and is counted anew.',
    '',
    `| commands asked for | answered | ${COMMAND_FLAWS.join(' | ')} |`,
    `|${'---|'.repeat(2 + COMMAND_FLAWS.length)}`,
    toRow([verdict.asked, verdict.answered, ...COMMAND_FLAWS.map((flaw) => countOf(verdict, flaw, false))]),
    '',
  ].join('\n')
}

const durable = await run({
  messages: Number(given.messages),
  faults: Number(given.faults),
  event: 'kept',
  ...(given.minutes !== undefined && { spreadMs: Number(given.minutes) * 60_000 }),
})
for (const violation of durable.verdict.violations.slice(0, 20)) console.error(JSON.stringify(violation))
const plain = await run({ messages: Math.min(5_000, Number(given.messages)), faults: 20, event: 'plain' })
const text = report(durable, plain)
console.log(text)
if (given.write) {
  mkdirSync('docs/measured', { recursive: true })
  writeFileSync('docs/measured/delivery.md', text)
}
if (given.history === undefined) rmSync(folder, { recursive: true })
const findsLosses = plain.verdict.violations.some(({ flaw }) => flaw === 'lost')
process.exitCode = durable.verdict.violations.length === 0 && findsLosses ? 0 : 1
process.exit()
