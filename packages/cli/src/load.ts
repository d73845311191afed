import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Contract, Evolution } from '@org/realtime-contracts'
import { tsImport } from 'tsx/esm/api'
import { UsageError } from './usage.js'

/** Loads the contract of a project, also of TypeScript, without a build step. @throws UsageError */
export async function loadContract(root: string, place: string): Promise<Contract> {
  const [path = '', name = 'contract'] = place.split('#')
  const file = join(root, path)
  if (!existsSync(file)) throw new UsageError(`There is no ${file}; --contract is a file, with #name where its contract is not exported as "contract"`)
  const found = (await importFile(file))[name]
  if (isContract(found)) return found
  throw new UsageError(
    `${file} exports no contract as ${JSON.stringify(name)}: expected what defineContract or mergeContracts returns; another name is given as ${path}#name`,
  )
}

/** Loads what `evolve` has returned, alone or in lists, from whatever a file exports. @throws UsageError */
export async function loadEvolutions(root: string, path: string): Promise<Evolution[]> {
  const file = join(root, path)
  if (!existsSync(file)) throw new UsageError(`There is no ${file}; "realtime.evolutions" is the file that exports what evolve returns`)
  const found = [...new Set(Object.values(await importFile(file)).flat())].filter(isEvolution)
  if (found.length === 0) throw new UsageError(`${file} exports nothing that evolve has returned`)
  return found
}

async function importFile(file: string): Promise<Record<string, unknown>> {
  try {
    const loaded: Record<string, unknown> = await tsImport(pathToFileURL(file).href, import.meta.url)
    // What was CommonJS has its exports in the default one, too.
    return { ...(isRecord(loaded['default']) && loaded['default']), ...loaded }
  } catch (cause) {
    const { message = String(cause) } = Object(cause) as { message?: string }
    throw new UsageError(`${file} cannot be loaded: ${message}`, { cause })
  }
}

function isContract(value: unknown): value is Contract {
  return isRecord(value) && 'codec' in value && 'fingerprint' in value
}

function isEvolution(value: unknown): value is Evolution {
  return isRecord(value) && isContract(value['from']) && isContract(value['to'])
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
