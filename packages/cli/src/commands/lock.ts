import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { loadContract } from '../load.js'
import { findStale, toFiles } from '../lock.js'
import type { Settings } from '../settings.js'
import { EXIT, type Exit, type Output } from '../usage.js'

/** Writes the lock and the manifest; with `check`, fails where what is there is stale. */
export async function lockCommand(settings: Settings, { check }: { readonly check: boolean }, { out, error }: Output): Promise<Exit> {
  const files = toFiles(await loadContract(settings.root, settings.contract), settings)
  const stale = findStale(files)
  if (check) {
    for (const file of stale) error(`${relative(settings.root, file)} is stale: run "realtime lock" and commit the result\n`)
    return stale.length > 0 ? EXIT.stale : EXIT.fine
  }
  for (const file of stale) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, files.get(file) ?? '')
    out(`wrote ${relative(settings.root, file)}\n`)
  }
  if (stale.length === 0) out('nothing has changed\n')
  return EXIT.fine
}
