import { compareHistory, type Skew } from '@org/realtime-contracts/compat'
import { type Format, formatReport } from '../format.js'
import { loadContract } from '../load.js'
import { Places } from '../places.js'
import type { Settings } from '../settings.js'
import { EXIT, type Exit, type Output } from '../usage.js'
import { readVersions } from '../versions.js'

export const FAIL_ON = ['breaking', 'risky', 'none'] as const

export interface DiffOptions {
  readonly against: string
  readonly format: Format
  readonly failOn: (typeof FAIL_ON)[number]
  readonly skew: Skew
}

/** Lists what the contract as it is now does to who is deployed with other versions. */
export async function diffCommand(settings: Settings, { against, format, failOn, skew }: DiffOptions, { out, error }: Output): Promise<Exit> {
  const versions = readVersions(against, settings)
  if (versions.length === 0) error(`There is no released version in ${settings.history}: "realtime release" writes the first\n`)
  const comparison = compareHistory(versions, await loadContract(settings.root, settings.contract), { skew })
  out(formatReport({ ...comparison, places: new Places(settings) }, format))
  const fails = comparison.verdict === 'breaking' ? failOn !== 'none' : comparison.verdict === 'risky' && failOn === 'risky'
  return fails ? EXIT.violation : EXIT.fine
}
