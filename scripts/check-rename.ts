// Renames the scope in a copy of the repository, and shows that the copy is whole: it installs with its renamed lock file and without
// the network, builds, passes lint, types and tests, and says the old scope nowhere. CI runs the tests in which a name could go wrong;
// with --all, all of them.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { copyRepository, run } from './copy.js'
import { filesWith, scopeOf } from './scope.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
// Longer than the placeholder and late in the alphabet: lines break elsewhere, and imports are sorted anew.
const SCOPE = '@zebra-works'
// One of each kind: the command and its contract, the key of a symbol, and all parts over real sockets, with the client of the SDK and with a stock one.
const CORE = [
  '--project',
  'node',
  'packages/cli/src',
  'packages/contracts/src/open.test.ts',
  'tests/events.test.ts',
  'tests/stock.test.ts',
  'tests/testing.test.ts',
]
const isAll = process.argv.includes('--all')
const OFFLINE = { npm_config_offline: 'true', CI: 'true' }

function builtFiles(folder: string): string[] {
  const packages = readdirSync(join(folder, 'packages')).map((name) => join('packages', name, 'dist'))
  return packages
    .flatMap((dist) => readdirSync(join(folder, dist), { recursive: true, encoding: 'utf8' }).map((file) => join(dist, file)))
    .filter((file) => /\.[a-z]+$/.test(file))
}

function expectNothingSays(folder: string, scope: string): void {
  const left = [...filesWith(folder, scope), ...filesWith(folder, scope, builtFiles(folder))]
  if (left.length > 0) throw new Error(`${scope} is still in:\n  ${left.join('\n  ')}`)
  if (existsSync(join(folder, 'tests/node_modules', scope))) throw new Error(`tests/node_modules still has packages of ${scope}`)
}

function expectSecondRunDoesNothing(folder: string): void {
  const before = run('git', ['diff'], folder)
  run('pnpm', ['rename-scope', SCOPE], folder, OFFLINE)
  if (run('git', ['diff'], folder) !== before) throw new Error('a second renaming to the same scope has changed something')
}

function check(folder: string): void {
  const from = scopeOf(folder)
  run('pnpm', ['install', '--frozen-lockfile', '--offline'], folder)
  console.log(run('pnpm', ['rename-scope', SCOPE], folder, OFFLINE))
  run('pnpm', ['install', '--frozen-lockfile', '--offline'], folder)
  expectSecondRunDoesNothing(folder)
  run('pnpm', ['build'], folder, OFFLINE)
  expectNothingSays(folder, from)
  for (const script of ['lint', 'check:contract', 'typecheck']) run('pnpm', [script], folder, OFFLINE)
  run('pnpm', ['exec', 'vitest', 'run', ...(isAll ? [] : CORE)], folder, OFFLINE)
  const lock = readFileSync(join(folder, 'pnpm-lock.yaml'), 'utf8')
  if (!lock.includes(`'${SCOPE}/realtime-contracts'`)) throw new Error('the lock file does not name the renamed packages')
}

const folder = copyRepository(root, 'rename')
try {
  check(folder)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`Renamed to ${SCOPE}, the repository installs, builds and passes; nothing says ${scopeOf(root)} any more.`)
