// `pnpm rename-scope @acme`: gives the packages the scope of an organisation, wherever it is said.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renameScope } from './scope.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const NEXT = `Next:
  1. pnpm install     links the packages under their new names
  2. pnpm build       dist still has the old ones
  3. pnpm test
  4. git diff --stat, and commit

Rename once, before the first release: the scope is also in the keys of Symbol.for, by which two copies of a package know each other.`

/** Another name sorts elsewhere among the imports, and makes lines longer or shorter. */
function format(): void {
  const biome = join(root, 'node_modules/.bin/biome')
  if (existsSync(biome)) execFileSync(biome, ['check', '--write', '--log-level=error', '.'], { cwd: root, stdio: 'inherit' })
}

const renaming = renameScope(root, process.argv[2])
switch (renaming.outcome) {
  case 'refused':
    console.error(`Nothing is renamed: ${renaming.reason}.`)
    process.exitCode = 1
    break
  case 'unchanged':
    console.log(`The scope is ${renaming.to} already; nothing to do.`)
    break
  case 'renamed':
    format()
    console.log(`${renaming.from} is now ${renaming.to} in ${renaming.files.length} files.\n\n${NEXT}`)
}
