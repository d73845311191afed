// Gives all packages another scope: `pnpm rename-scope @acme`. Renames it in every file that git knows, packages, imports, documents
// and lock files alike, then puts the imports in the order of their new names. Look at the diff, and commit it.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './markdown.js'
import { run } from './pack.js'

const SCOPE = /^@[a-z0-9][a-z0-9._-]*$/

/** The scope as it is now. */
function currentScope(): string {
  const { name } = JSON.parse(readFileSync(join(root, 'packages/server/package.json'), 'utf8')) as { name: string }
  return name.split('/')[0] ?? ''
}

/** @returns how many files were changed. */
function rename(from: string, to: string): number {
  // Of a longer name only the beginning would be the same.
  const old = new RegExp(`${from}(?![A-Za-z0-9._-])`, 'g')
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean)
  const changed = files.filter((file) => {
    const bytes = readFileSync(join(root, file))
    if (bytes.includes(0)) return false // a picture
    const text = bytes.toString()
    const renamed = text.replaceAll(old, to)
    if (renamed !== text) writeFileSync(join(root, file), renamed)
    return renamed !== text
  })
  return changed.length
}

const [to = ''] = process.argv.slice(2)
if (!SCOPE.test(to)) {
  console.error('usage: pnpm rename-scope @acme')
  process.exit(1)
}
const from = currentScope()
console.log(`${from} is ${to} now, in ${rename(from, to)} files.`)
run('pnpm', ['install', '--no-frozen-lockfile', '--prefer-offline'])
run('pnpm', ['exec', 'biome', 'check', '--write', '.'])
