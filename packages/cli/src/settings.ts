import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { UsageError } from './usage.js'

/** What a project says of its contract, as `"realtime"` in its package.json; each can be given as a flag. */
export interface Settings {
  /** The folder of the package.json; the other paths start there. */
  readonly root: string
  /** The name of the package, whose changesets carry its bump. */
  readonly packageName: string | undefined
  /** The file of the contract, with `#name` where it is not exported as `contract`. */
  readonly contract: string
  /** @default 'contract.lock.json' */
  readonly lock: string
  /** The folder of the locks of released versions. @default 'contract.history' */
  readonly history: string
  /** Where `realtime lock` writes the manifest; nowhere where it is left out. */
  readonly manifest: string | undefined
  /** Acknowledgements of risky findings. @default 'contract.acknowledged.json' */
  readonly acknowledged: string
  /** Which released versions are still in use: every one from this on. @default all */
  readonly supported: string | undefined
  /** The file that exports what `evolve` returns, for older versions that are served although they could not talk to the contract. */
  readonly evolutions: string | undefined
  /** Where `realtime docs` writes. @default 'contract.docs' */
  readonly docs: string
}

type Given = { readonly [name in 'contract' | 'lock' | 'history' | 'manifest' | 'acknowledged' | 'supported' | 'evolutions' | 'docs']?: string | undefined }

const PATHS = { lock: 'contract.lock.json', history: 'contract.history', acknowledged: 'contract.acknowledged.json', docs: 'contract.docs' } as const
const KNOWN = ['contract', 'manifest', 'supported', 'evolutions', ...Object.keys(PATHS)]

/** @throws UsageError */
export function readSettings(folder: string, flags: Given): Settings {
  const root = findRoot(resolve(folder))
  const { name, realtime = {} } = readPackage(root)
  const unknown = Object.keys(realtime).find((key) => !KNOWN.includes(key))
  if (unknown !== undefined) throw new UsageError(`package.json: "realtime" has an unknown key ${JSON.stringify(unknown)}; known are ${KNOWN.join(', ')}`)
  const setting = (key: keyof Given): string | undefined => {
    const value = flags[key] ?? realtime[key]
    if (value !== undefined && (typeof value !== 'string' || value === '')) throw new UsageError(`package.json: "realtime.${key}" must be a text`)
    return value
  }
  const contract = setting('contract')
  if (contract === undefined) {
    throw new UsageError('Where is the contract? Give --contract src/contract.ts, or "realtime": { "contract": "src/contract.ts" } in package.json')
  }
  const path = (key: keyof typeof PATHS): string => join(root, setting(key) ?? PATHS[key])
  const manifest = setting('manifest')
  return {
    root,
    packageName: name,
    contract,
    lock: path('lock'),
    history: path('history'),
    acknowledged: path('acknowledged'),
    docs: path('docs'),
    manifest: manifest && join(root, manifest),
    supported: setting('supported'),
    evolutions: setting('evolutions'),
  }
}

function findRoot(folder: string): string {
  for (let root = folder; ; root = dirname(root)) {
    if (existsSync(join(root, 'package.json'))) return root
    if (dirname(root) === root) return folder
  }
}

interface Package {
  readonly name?: string
  readonly realtime?: Readonly<Record<string, unknown>>
}

function readPackage(root: string): { name: string | undefined; realtime: Readonly<Record<string, string>> | undefined } {
  const file = join(root, 'package.json')
  if (!existsSync(file)) return { name: undefined, realtime: undefined }
  try {
    const { name, realtime } = JSON.parse(readFileSync(file, 'utf8')) as Package
    return { name, realtime: realtime as Readonly<Record<string, string>> | undefined } // each is checked when it is asked for
  } catch (cause) {
    throw new UsageError(`${file} is not JSON`, { cause })
  }
}
