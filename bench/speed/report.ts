import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import type { Row } from './measure.js'

// Raw results are kept, one file a scenario; the tables in the docs are made of all of them.

const RAW = 'docs/measured/speed'
const PAGE = 'docs/performance.md'
const [BEGIN, END] = ['<!-- made by pnpm bench: begin -->', '<!-- made by pnpm bench: end -->']

/** What a scenario has to reach, and what came of it. */
export interface Reached {
  readonly number: string
  readonly what: string
  readonly must: string
  readonly aim: string
  readonly measured: number
  readonly isMet: boolean
  readonly isAimMet: boolean
}

/** One table, of rows that are compared with the first. */
export interface Result {
  readonly name: string
  readonly title: string
  readonly order: number
  readonly date: string
  readonly versions: Readonly<Record<string, string>>
  readonly machine: string
  readonly unit: string
  readonly reached: readonly Reached[]
  readonly rows: readonly Row[]
}

const PACKAGES = ['socket.io', 'ws', 'zod', 'jose', 'ioredis', '@nestjs/core', '@nestjs/platform-socket.io', '@socket.io/redis-adapter']

export function versions(): Record<string, string> {
  const [bench, zodSockets] = [createRequire(import.meta.url), createRequire(new URL('../zod-sockets/server.ts', import.meta.url))]
  const found = PACKAGES.map((name) => [name, versionOf(bench, name)])
  return {
    node: process.version,
    ...Object.fromEntries(found),
    'zod-sockets': versionOf(zodSockets, 'zod-sockets'),
    'zod of zod-sockets': versionOf(zodSockets, 'zod'),
  }
}

/** Of the package that is loaded: some do not export their package.json. */
function versionOf(require: NodeJS.Require, name: string): string {
  const [folder] = (require.resolve.paths(name) ?? []).flatMap((path) => {
    try {
      return [readFileSync(`${path}/${name}/package.json`, 'utf8')]
    } catch {
      return [] // not there, further up perhaps
    }
  })
  return folder === undefined ? 'not installed' : (JSON.parse(folder) as { version: string }).version
}

export function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`
}

export function keep(result: Result): void {
  mkdirSync(RAW, { recursive: true })
  writeFileSync(`${RAW}/${result.name}.json`, `${JSON.stringify(result)}\n`)
  const all = readdirSync(RAW)
    .map((file) => JSON.parse(readFileSync(`${RAW}/${file}`, 'utf8')) as Result)
    .toSorted((left, right) => left.order - right.order)
  const page = readFileSync(PAGE, 'utf8')
  const [before] = page.split(BEGIN)
  const [, after = '\n'] = page.split(END)
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${[...goals(all), ...all.flatMap(toTable)].join('\n')}\n${END}${after}`)
}

function goals(results: readonly Result[]): string[] {
  return [
    '| # | goal | must | aim | measured | |',
    '|---|---|---|---|---|---|',
    ...results
      .flatMap(({ reached }) => reached)
      .map(
        ({ number, what, must, aim, measured, isMet, isAimMet }) =>
          `| ${number} | ${what} | ${must} | ${aim} | ${format(measured)} | ${isAimMet ? 'aim' : isMet ? 'must' : '**not met**'} |`,
      ),
    '',
  ]
}

export function toTable({ title, rows, unit, date, versions: used, machine: on }: Result): string[] {
  if (rows.length === 0) return []
  return [
    `### ${title}`,
    '',
    `| | CPU, µs ${unit} | CPU ÷ first | quartiles | a second | rate ÷ first | p50, ms | p99, ms |`,
    '|---|---|---|---|---|---|---|---|',
    ...rows.map(
      ({ name, cpuUs, cpu, cpuQuartiles: [low, high], perSecond, rate, latencies }) =>
        `| ${name} | ${cpuUs.toFixed(1)} | ${cpu.toFixed(2)} | ${low.toFixed(2)}–${high.toFixed(2)} | ${perSecond.toFixed(0)} | ${rate.toFixed(2)} | ${latencies?.p50.toFixed(2) ?? ''} | ${latencies?.p99.toFixed(2) ?? ''} |`,
    ),
    '',
    `${date}, ${on}; ${Object.entries(used)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}; ${rows[0]?.raw.length ?? 0} rounds.`,
    '',
  ]
}

function format(measured: number): string {
  return measured >= 100 ? measured.toFixed(0) : measured.toFixed(2)
}
