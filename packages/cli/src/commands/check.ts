import { relative } from 'node:path'
import { type ContractLock, compareHistory, formatLock, type HistoryFinding, type Skew, toLock } from '@org/realtime-contracts/compat'
import { findUnacknowledged, readAcknowledged } from '../acknowledged.js'
import { type Bump, findChangesets, isLess, plannedBump } from '../changesets.js'
import { findUnserved } from '../evolutions.js'
import { formatReport } from '../format.js'
import { lint } from '../lints.js'
import { loadContract } from '../load.js'
import { findStale, toFiles } from '../lock.js'
import { Places } from '../places.js'
import { planBump } from '../released.js'
import type { Settings } from '../settings.js'
import { EXIT, type Exit, type Output } from '../usage.js'
import { bumpBetween, readHistory } from '../versions.js'

/** Without changesets, the contract's own version is the plan. */
function toOwnBump(history: readonly ContractLock[], version: string): Bump {
  const last = history.at(-1)
  return last === undefined ? 'none' : bumpBetween(last.version, version)
}

/** Whether the version that the contract says is one that was released with another content; `realtime release` would refuse it. */
function isVersionTaken(history: readonly ContractLock[], now: ContractLock): boolean {
  const released = history.find(({ version }) => version === now.version)
  return released !== undefined && formatLock(released) !== formatLock(now)
}

export interface CheckOptions {
  readonly skew: Skew
  /** Whether lints fail the check, and are not only told. */
  readonly strict: boolean
  /** As 2026-11-24. */
  readonly today: string
}

/** The gate for CI: the lock is fresh, the planned bump is what the change needs, what is risky has been acknowledged, and supported versions are served. */
export async function checkCommand(settings: Settings, { skew, strict, today }: CheckOptions, { out, error }: Output): Promise<Exit> {
  const contract = await loadContract(settings.root, settings.contract)
  const stale = findStale(toFiles(contract, settings))
  for (const file of stale) error(`${relative(settings.root, file)} is stale: run "realtime lock" and commit the result\n`)

  const lints = lint(contract)
  for (const { lint: rule, event, path, message } of lints) out(`lint ${rule}: ${event} ${path}: ${message}\n`)

  const history = readHistory(settings)
  const comparison = compareHistory(history, contract, { skew })
  const findings: readonly HistoryFinding[] = comparison.findings
  const changesets = findChangesets(settings.root)
  const planned = changesets === undefined ? toOwnBump(history, contract.version) : plannedBump(changesets, settings.packageName)
  const needed = planBump(history, contract, { skew })
  const tooSmall = isLess(planned, needed.bump)
  const open = findUnacknowledged(findings, readAcknowledged(settings.acknowledged), today)
  const isTooMuch = ({ id, verdict }: HistoryFinding): boolean => tooSmall && verdict === 'breaking' && needed.findings.some((each) => each.id === id)
  const told = findings.filter((finding) => isTooMuch(finding) || open.includes(finding))
  if (told.length > 0) out(formatReport({ ...comparison, findings: told, places: new Places(settings) }, 'human'))
  if (tooSmall) {
    const [of, planner, what] =
      changesets === undefined
        ? ['the contract', 'its version says', 'give it the next version']
        : [settings.packageName, 'the changesets plan', 'run "realtime changeset"']
    error(`The change needs a ${needed.bump} of ${of}, and ${planner} ${planned === 'none' ? 'nothing' : `a ${planned}`}: ${what}\n`)
  }
  if (open.length > 0)
    error(`${open.length} risky findings are not acknowledged: add { "id", "reason", "until" } to ${relative(settings.root, settings.acknowledged)}\n`)

  const versionTaken = isVersionTaken(history, toLock(contract))
  if (versionTaken) error(`${contract.name} ${contract.version} was released, and the contract has changed since: give it the next version\n`)

  const unserved = await findUnserved(settings, contract, history)
  for (const line of unserved) error(`${line}\n`)

  if (stale.length > 0) return EXIT.stale
  if (unserved.length > 0 || versionTaken || tooSmall || open.length > 0 || (strict && lints.length > 0)) return EXIT.violation
  out(`${contract.name} ${contract.version}: fine\n`)
  return EXIT.fine
}
