import { parseArgs } from 'node:util'
import { keep, machine, type Reached, type Result, toTable, versions } from './report.js'
import { measureIdle, reach, SCENARIOS } from './scenarios.js'

// `pnpm bench` runs all scenarios; `pnpm bench NAME [SERVER...]` one, with only these servers beside the baseline.
// With --write, what came of it goes into the docs.

async function runScenario(name: string): Promise<Result> {
  const scenario = SCENARIOS[name]
  if (scenario === undefined) throw new Error(`There is no scenario ${name}; there are ${[...Object.keys(SCENARIOS), 'idle'].join(', ')}`)
  const rows = await scenario.run()
  return toResult(
    name,
    scenario.title,
    scenario.unit,
    scenario.goals.flatMap((goal) => reach(goal, rows) ?? []),
    rows,
  )
}

/** Memory instead of CPU: a figure of each, and no rounds. */
async function runIdle(): Promise<Result> {
  const [bare, sdk] = await measureIdle()
  if (bare === undefined || sdk === undefined) throw new Error('nothing was measured')
  const goal = (what: 'heap' | 'RSS', measured: number, must: number, aim: number): Reached => ({
    number: '8',
    what: `10,000 idle connections, ${what} ÷ bare Socket.IO (${((what === 'heap' ? sdk.heapBytes : sdk.rssBytes) / 1000).toFixed(1)} kB ÷ ${((what === 'heap' ? bare.heapBytes : bare.rssBytes) / 1000).toFixed(1)} kB each)`,
    must: `≤ ${must}`,
    aim: `≤ ${aim}`,
    measured,
    isMet: measured <= must,
    isAimMet: measured <= aim,
  })
  const reached = [goal('heap', sdk.heapBytes / bare.heapBytes, 0.85, 0.76), goal('RSS', sdk.rssBytes / bare.rssBytes, 0.9, 0.82)]
  return toResult('idle', '10,000 idle connections', '', reached, [])
}

function toResult(name: string, title: string, unit: string, reached: Result['reached'], rows: Result['rows']): Result {
  const order = [...Object.keys(SCENARIOS), 'idle'].indexOf(name)
  return { name, title, unit, order, reached, rows, date: new Date().toISOString().slice(0, 10), versions: versions(), machine: machine() }
}

const { values, positionals } = parseArgs({ options: { write: { type: 'boolean', default: false } }, allowPositionals: true })
const failures: unknown[] = []
for (const name of positionals.length > 0 ? positionals.slice(0, 1) : [...Object.keys(SCENARIOS), 'idle']) {
  try {
    const result = name === 'idle' ? await runIdle() : await runScenario(name)
    console.log(
      [
        ...toTable(result),
        ...result.reached.map((reached) => `${reached.number} ${reached.what}: ${reached.measured.toFixed(3)} (must ${reached.must}, aim ${reached.aim})`),
        '',
      ].join('\n'),
    )
    if (values.write) keep(result)
  } catch (error) {
    console.error(`${name}:`, error) // the others are measured all the same
    failures.push(error)
  }
}
process.exit(failures.length === 0 ? 0 : 1)
