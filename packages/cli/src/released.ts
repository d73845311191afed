import type { Contract } from '@org/realtime-contracts'
import { type CompareOptions, type ContractLock, compareContracts, compareHistory, type HistoryFinding } from '@org/realtime-contracts/compat'
import { type Bump, isLess } from './changesets.js'
import { bumpBetween } from './versions.js'

/** What has changed since the newest release, and the bump that it needs. */
export interface Planning {
  readonly bump: Bump
  readonly findings: readonly HistoryFinding[]
}

/**
 * Compares with the released versions whose next bump is still to be planned: what breaks 1.0.0 has been planned where 2.0.0 is out,
 * while what breaks 1.0.0 alone needs a major also where only 1.1.0 is.
 */
export function planBump(history: readonly ContractLock[], contract: Contract, options: CompareOptions): Planning {
  const newest = history.at(-1)
  const isOpen = (lock: ContractLock): boolean =>
    newest === undefined || lock === newest || isLess(bumpBetween(lock.version, newest.version), compareContracts(lock, contract, options).bump)
  const { bump, findings } = compareHistory(history.filter(isOpen), contract, options)
  return { bump: findings.length === 0 ? 'none' : bump, findings }
}
