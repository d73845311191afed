import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { type ContractLock, readLock } from '@org/realtime-contracts/compat'
import type { Bump } from './changesets.js'
import type { Settings } from './settings.js'
import { UsageError } from './usage.js'

/** @throws UsageError for a file that is none, or no lock. */
function readLockFile(file: string): ContractLock {
  if (!existsSync(file)) throw new UsageError(`There is no ${file}; "realtime lock" writes the lock of a contract, "realtime release" that of a version`)
  return parseLock(readFileSync(file, 'utf8'), file)
}

/** The released versions that are still in use, the oldest first. */
export function readHistory({ history, supported }: Settings): ContractLock[] {
  if (!existsSync(history)) return []
  const files = readdirSync(history).filter((file) => file.endsWith('.json'))
  const locks = files.map((file) => parseLock(readFileSync(join(history, file), 'utf8'), join(history, file)))
  return locks
    .filter(({ version }) => supported === undefined || compareVersions(version, supported) >= 0)
    .sort((left, right) => compareVersions(left.version, right.version))
}

/**
 * The versions to compare with: `history` (the released ones), `git:ref`, `npm:package@range`, or a lock's file.
 * @throws UsageError
 */
export function readVersions(against: string, settings: Settings): ContractLock[] {
  if (against === 'history') return readHistory(settings)
  if (against.startsWith('git:')) return [readGit(against.slice('git:'.length), settings)]
  if (against.startsWith('npm:')) return [readNpm(against.slice('npm:'.length), settings)]
  return [readLockFile(resolve(settings.root, against))]
}

function readGit(ref: string, settings: Settings): ContractLock {
  const { root } = settings
  const path = pathOfLock(settings)
  return parseLock(run('git', ['show', '--end-of-options', `${ref}:./${path}`], root, `git has no ${path} at ${JSON.stringify(ref)}`), `${ref}:${path}`)
}

function readNpm(specifier: string, settings: Settings): ContractLock {
  const { root } = settings
  const path = pathOfLock(settings)
  const folder = mkdtempSync(join(tmpdir(), 'realtime-npm-'))
  try {
    const why = `npm has no ${specifier}, or it holds no ${path}`
    run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder, '--', specifier], root, why)
    const [tarball = ''] = readdirSync(folder)
    return parseLock(run('tar', ['-xzOf', join(folder, tarball), `package/${path}`], root, why), specifier)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** As git and archives write it. */
function pathOfLock({ root, lock }: Settings): string {
  return relative(root, lock).replaceAll('\\', '/')
}

function run(command: string, args: readonly string[], cwd: string, otherwise: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 28 })
  } catch (cause) {
    const { stderr = '' } = cause as { stderr?: string }
    throw new UsageError(`${otherwise}. ${stderr.trim()}`.trim(), { cause })
  }
}

function parseLock(text: string, where: string): ContractLock {
  try {
    return readLock(text)
  } catch (cause) {
    throw new UsageError(`${where}: ${(cause as Error).message}`, { cause }) // readLock throws nothing else
  }
}

/** As Semantic Versioning orders them, up to pre-releases, which come in the order of their text. */
export function compareVersions(left: string, right: string): number {
  const [lefts, rights] = [toParts(left), toParts(right)]
  for (let part = 0; part < 3; part++) {
    const difference = (lefts.numbers[part] ?? 0) - (rights.numbers[part] ?? 0)
    if (difference !== 0) return difference
  }
  if (lefts.pre === rights.pre) return 0
  if (lefts.pre === '' || rights.pre === '') return lefts.pre === '' ? 1 : -1
  return lefts.pre < rights.pre ? -1 : 1
}

/** How far one version is beyond another. Before 1.0.0 a minor one may break, as in Semantic Versioning. */
export function bumpBetween(from: string, to: string): Bump {
  if (compareVersions(from, to) >= 0) return 'none'
  const [older, newer] = [from, to].map((version) => toParts(version).numbers)
  const part = older?.findIndex((number, index) => number !== newer?.[index]) ?? -1
  if (part === 0 || (part === 1 && older?.[0] === 0)) return 'major'
  return part === 1 ? 'minor' : 'patch'
}

function toParts(version: string): { numbers: number[]; pre: string } {
  const [release = '', pre = ''] = version.split('+', 1).join().split(/-(.*)/s)
  return { numbers: release.split('.').map(Number), pre }
}
