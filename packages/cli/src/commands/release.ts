import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { formatLock, toLock } from '@org/realtime-contracts/compat'
import { loadContract } from '../load.js'
import { readGenerated } from '../lock.js'
import type { Settings } from '../settings.js'
import { EXIT, type Exit, type Output } from '../usage.js'

/** Keeps the lock of the version that is being released. A version that was released stays as it was. */
export async function releaseCommand(settings: Settings, { out, error }: Output): Promise<Exit> {
  const lock = toLock(await loadContract(settings.root, settings.contract))
  const file = join(settings.history, `${lock.version}.json`)
  const text = formatLock(lock)
  if (existsSync(file)) {
    if (readGenerated(file) === text) return EXIT.fine
    error(`${relative(settings.root, file)} is there already, and differs: version ${lock.version} was released. Give the contract its new version first\n`)
    return EXIT.violation
  }
  mkdirSync(settings.history, { recursive: true })
  writeFileSync(file, text)
  out(`wrote ${relative(settings.root, file)}\n`)
  return EXIT.fine
}
