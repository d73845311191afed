// A copy of the repository with another scope builds, holds its types and passes quick tests, and nothing in it has the old name.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './markdown.js'
import { run } from './pack.js'

const QUICK = ['tests/session.test.ts', 'tests/events.test.ts', 'tests/client.test.ts', 'packages/contracts', 'examples/quickstart']

const copy = mkdtempSync(join(tmpdir(), 'realtime-renamed-'))
try {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter(Boolean)
  for (const file of files) {
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    cpSync(join(root, file), join(copy, file))
  }
  run('git', ['init', '--quiet'], copy)
  run('git', ['add', '--all'], copy)
  run('pnpm', ['install', '--frozen-lockfile', '--prefer-offline'], copy)
  run('pnpm', ['rename-scope', '@acme'], copy)
  const left = execFileSync('git', ['grep', '--files-with-matches', '-E', '@org/[a-z]', '--', '.'], { cwd: copy, encoding: 'utf8' }).trim()
  if (left !== '') throw new Error(`the old scope is left in:\n${left}`)
} catch (error) {
  // git grep fails where it finds nothing, which is as it should be.
  if ((error as { status?: number }).status !== 1) throw error
}
try {
  run('pnpm', ['lint'], copy)
  run('pnpm', ['typecheck'], copy)
  run('pnpm', ['build'], copy)
  run('pnpm', ['exec', 'vitest', 'run', '--project', 'node', ...QUICK], copy)
} finally {
  rmSync(copy, { recursive: true, force: true })
}
console.log('A renamed copy builds and passes its quick tests.')
