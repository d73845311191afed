import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Skew } from '@org/realtime-contracts/compat'
import { findChangesets } from '../changesets.js'
import { whereOf } from '../format.js'
import { loadContract } from '../load.js'
import { planBump } from '../released.js'
import type { Settings } from '../settings.js'
import { EXIT, type Exit, type Output, UsageError } from '../usage.js'
import { readHistory } from '../versions.js'

/** Writes the changeset that the change needs. @throws UsageError where there are no changesets. */
export async function changesetCommand(settings: Settings, { skew }: { readonly skew: Skew }, { out }: Output): Promise<Exit> {
  const folder = findChangesets(settings.root)
  if (folder === undefined || settings.packageName === undefined) {
    throw new UsageError('There is no .changeset folder beside or above this package, or the package has no name: run "changeset init"')
  }
  const { bump, findings } = planBump(readHistory(settings), await loadContract(settings.root, settings.contract), { skew })
  if (findings.length === 0) {
    out('nothing has changed on the wire since the last release\n')
    return EXIT.fine
  }
  const lines = findings.map((finding) => `- ${finding.verdict}: ${whereOf(finding)}: ${finding.message}`)
  const [first] = findings
  const file = join(folder, `contract-${first?.id.replaceAll(/[^\w-]/g, '-')}.md`) // run again, it is the same file
  writeFileSync(file, `---\n'${settings.packageName}': ${bump}\n---\n\nThe contract has changed:\n\n${[...new Set(lines)].join('\n')}\n`)
  out(`wrote ${file}\n`)
  return EXIT.fine
}
