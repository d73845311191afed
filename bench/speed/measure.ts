import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Latencies, LoadAnswer, LoadOrder } from './load.js'
import type { ServerAnswer, ServerOrder } from './server.js'
import type { ServerName } from './servers.js'

// All variants of a scenario are alive at the same time, each in processes of its own, and take turns. What one costs is
// compared with what the baseline cost in the same round: on a shared machine nothing else holds.

const MIN_ROUNDS = 40
const UNIT_MS = 60
const ANSWER_MS = 120_000
const CONTROL = { low: 0.95, high: 1.05 }
const ATTEMPTS = 3

/** CPU time of a process, in microseconds, over all its threads. */
export function cpuOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000,
    0,
  )
}

/** A process of the bench that is told things, one at a time, and answers each. */
class Worker<Order, Answer> {
  readonly #child: ChildProcess

  constructor(
    private readonly what: string,
    file: string,
    args: readonly string[],
    execArgv: readonly string[] = [],
  ) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), [...args], { execArgv: [...process.execArgv, ...execArgv] })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  tell(order: Order): Promise<Answer> {
    this.#child.send(order as object)
    return this.answer()
  }

  async answer(): Promise<Answer> {
    const ended = new AbortController()
    const late = setTimeout(() => ended.abort(new Error(`${this.what} has not answered`)), ANSWER_MS)
    const gone = (): void => ended.abort(new Error(`${this.what} has ended`))
    this.#child.once('exit', gone)
    try {
      const [answer] = await once(this.#child, 'message', { signal: ended.signal })
      return answer as Answer
    } catch (error) {
      throw ended.signal.aborted ? ended.signal.reason : error
    } finally {
      clearTimeout(late)
      this.#child.off('exit', gone)
    }
  }

  end(): void {
    this.#child.kill('SIGKILL')
  }
}

export type ServerProcess = Worker<ServerOrder, ServerAnswer>
export type LoadProcess = Worker<LoadOrder, LoadAnswer>

export function startServer(name: ServerName, args: readonly string[] = [], execArgv: readonly string[] = []): ServerProcess {
  return new Worker<ServerOrder, ServerAnswer>(`the server ${name}`, './server.ts', [name, ...args], execArgv)
}

export function startLoad(name: string): LoadProcess {
  return new Worker<LoadOrder, LoadAnswer>(`the load of ${name}`, './load.ts', [])
}

/** One of those that are compared. */
export interface Variant {
  readonly name: string
  readonly pids: readonly number[]
  /** Does so much work, and resolves when it has all been seen to be done. @returns how long it took, in milliseconds. */
  unit(times: number): Promise<number>
  /** Resolves when nothing is at work any more. */
  drained(): Promise<void>
  latencies?(): Promise<Latencies>
  forgetLatencies?(): Promise<void>
  end(): void
}

export interface Plan {
  /** The first is the baseline; the second, which is the same, the control. */
  readonly variants: ReadonlyArray<() => Promise<Variant>>
  readonly warmUp: number
  readonly rounds?: number
  /** How much work a unit is, where it is not found out. */
  readonly times?: number
}

export interface Row {
  readonly name: string
  /** CPU of the servers for one event, in microseconds: the median. */
  readonly cpuUs: number
  /** ÷ the baseline in the same round: the median, and the quartiles. */
  readonly cpu: number
  readonly cpuQuartiles: readonly [number, number]
  readonly perSecond: number
  readonly rate: number
  readonly rateQuartiles: readonly [number, number]
  readonly latencies?: Latencies | undefined
  /** Of each round. */
  readonly raw: ReadonlyArray<readonly [cpuUs: number, perSecond: number]>
}

export function quantile(values: readonly number[], part: number): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length * part)] ?? Number.NaN
}

/** @throws Error where the control is off every time. */
export async function measure(plan: Plan): Promise<Row[]> {
  for (let attempt = 1; ; attempt++) {
    const rows = await measureOnce(plan)
    const control = rows[1]?.cpu ?? Number.NaN
    if (control >= CONTROL.low && control <= CONTROL.high) return rows
    console.error(`void: the control is ${control.toFixed(3)}`)
    if (attempt === ATTEMPTS) throw new Error(`The control was off ${ATTEMPTS} times, last ${control.toFixed(3)}: nothing can be said`)
  }
}

async function measureOnce({ variants: start, warmUp, rounds = Number(process.env['BENCH_ROUNDS'] ?? MIN_ROUNDS), times }: Plan): Promise<Row[]> {
  const variants: Variant[] = []
  try {
    for (const one of start) variants.push(await one())
    for (const variant of variants) await variant.unit(warmUp)
    const perUnit = times ?? (await toTimes(variants[0] as Variant, warmUp)) // there is a baseline
    for (const variant of variants) await variant.forgetLatencies?.()
    const raw = await takeTurns(variants, perUnit, rounds)
    const latencies: Array<Latencies | undefined> = []
    for (const variant of variants) latencies.push(await variant.latencies?.())
    return variants.map(({ name }, index) => toRow(name, raw[index] ?? [], raw[0] ?? [], latencies[index]))
  } finally {
    for (const variant of variants) variant.end()
  }
}

/** How much work the baseline does in the time of a unit. */
async function toTimes(baseline: Variant, warmUp: number): Promise<number> {
  const times = Math.max(Math.ceil(warmUp / 20), 1)
  const spentUs = await costOf(baseline, times)
  return Math.max(Math.round((times * UNIT_MS * 1000) / spentUs), 1)
}

async function costOf(variant: Variant, times: number): Promise<number> {
  const before = sumOf(variant)
  await variant.unit(times)
  await variant.drained()
  return sumOf(variant) - before
}

function sumOf({ pids }: Variant): number {
  return pids.reduce((sum, pid) => sum + cpuOf(pid), 0)
}

async function takeTurns(variants: readonly Variant[], times: number, rounds: number): Promise<Array<Array<[number, number]>>> {
  const raw = variants.map((): Array<[number, number]> => [])
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < variants.length; turn++) {
      const index = (round + turn) % variants.length
      const variant = variants[index] as Variant // within its length
      const before = sumOf(variant)
      const ms = await variant.unit(times)
      await variant.drained()
      raw[index]?.push([(sumOf(variant) - before) / times, (times / ms) * 1000])
    }
  }
  return raw
}

function toRow(
  name: string,
  raw: ReadonlyArray<readonly [number, number]>,
  baseline: ReadonlyArray<readonly [number, number]>,
  latencies: Latencies | undefined,
): Row {
  const ratios = (of: 0 | 1): number[] => raw.map((values, round) => values[of] / (baseline[round]?.[of] ?? Number.NaN))
  const quartiles = (values: readonly number[]): readonly [number, number] => [quantile(values, 0.25), quantile(values, 0.75)]
  return {
    name,
    cpuUs: quantile(
      raw.map(([cpuUs]) => cpuUs),
      0.5,
    ),
    cpu: quantile(ratios(0), 0.5),
    cpuQuartiles: quartiles(ratios(0)),
    perSecond: quantile(
      raw.map(([, perSecond]) => perSecond),
      0.5,
    ),
    rate: quantile(ratios(1), 0.5),
    rateQuartiles: quartiles(ratios(1)),
    latencies,
    raw,
  }
}
