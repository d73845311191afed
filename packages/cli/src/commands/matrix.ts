import { compareContracts, toLock, type Verdict } from '@org/realtime-contracts/compat'
import { loadContract } from '../load.js'
import type { Settings } from '../settings.js'
import { EXIT, type Exit, type Output } from '../usage.js'
import { compareVersions, readHistory } from '../versions.js'

const WORDS: Readonly<Record<Verdict, string>> = { safe: 'yes', risky: 'risky', breaking: 'no' }

/** Says which versions can talk to which: a line for each version of the server, a column for each of clients. */
export async function matrixCommand(settings: Settings, { out }: Output): Promise<Exit> {
  const current = toLock(await loadContract(settings.root, settings.contract))
  const versions = [...readHistory(settings).filter(({ version }) => version !== current.version), current].sort((left, right) =>
    compareVersions(left.version, right.version),
  )
  const names = versions.map(({ version }) => version)
  const rows = versions.map((server) => [server.version, ...versions.map((client) => WORDS[compareContracts(client, server).verdict])])
  const widths = ['server', ...names].map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of [['server', ...names], ...rows])
    out(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    )
  return EXIT.fine
}
