import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { filesWith, renameScope } from '../scripts/scope.js'

const FILES = {
  'packages/contracts/package.json':
    '{ "name": "@before/realtime-contracts", "repository": "https://github.com/before/realtime", "exports": { ".": { "@before/source": "./src/index.ts" } } }',
  'pnpm-lock.yaml': "'@before/realtime-contracts':\n  '@nestjs/common':\n",
  'src/index.ts': "import '@before/realtime-contracts'\nexport const KEY = Symbol.for('@before/realtime-contracts key')\n",
  'config.json': '{ "fixed": [["@before/realtime-*"]], "pattern": "^@before\\\\/" }',
  'README.md': 'The packages of @before. Write to ada@before.example, not to @beforehand/other or @before-all.\n',
  '.gitignore': 'dist\n',
  'dist/index.js': "import '@before/realtime-contracts'\n",
}

/** A small repository with everything committed. */
function repository() {
  const folder = mkdtempSync(join(tmpdir(), 'scope-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [file, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  const git = (...args: string[]) => execFileSync('git', ['-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args], { cwd: folder, stdio: 'pipe' })
  const commit = () => {
    git('add', '--all')
    git('commit', '--quiet', '--message', 'all')
  }
  git('init', '--quiet')
  commit()
  return { folder, commit, read: (file: string) => readFileSync(join(folder, file), 'utf8') }
}

test('the scope is renamed in every tracked file, and nothing that only looks like it', () => {
  const { folder, read } = repository()
  expect(renameScope(folder, '@after')).toMatchObject({ outcome: 'renamed', from: '@before', to: '@after', files: { length: 5 } })
  expect(filesWith(folder, '@before')).toEqual([])
  expect(read('packages/contracts/package.json')).toBe(
    FILES['packages/contracts/package.json'].replaceAll('@before', '@after').replace('github.com/before/', 'github.com/after/'),
  )
  expect(read('src/index.ts')).toBe(FILES['src/index.ts'].replaceAll('@before', '@after'))
  expect(read('config.json')).toBe(FILES['config.json'].replaceAll('@before', '@after'))
  expect(read('README.md')).toBe('The packages of @after. Write to ada@before.example, not to @beforehand/other or @before-all.\n')
  expect(read('dist/index.js')).toBe(FILES['dist/index.js'])
})

test('renaming to the scope that it has does nothing, also before the renaming is committed', () => {
  const { folder } = repository()
  expect(renameScope(folder, '@before')).toEqual({ outcome: 'unchanged', to: '@before' })
  renameScope(folder, '@after')
  expect(renameScope(folder, '@after')).toEqual({ outcome: 'unchanged', to: '@after' })
})

test('renaming there and back leaves the repository as it was', () => {
  const { folder, commit, read } = repository()
  renameScope(folder, '@after.all-1')
  commit()
  expect(renameScope(folder, '@before')).toMatchObject({ outcome: 'renamed', from: '@after.all-1' })
  for (const [file, text] of Object.entries(FILES)) expect(read(file)).toBe(text)
})

test.each([undefined, '', 'acme', '@', '@Acme', '@acme/', '@acme/realtime', '@ac me', '@.acme', '@$&', `@${'a'.repeat(200)}`])(
  '%j is refused as a scope',
  (scope) => {
    const { folder, read } = repository()
    expect(renameScope(folder, scope)).toMatchObject({ outcome: 'refused', reason: expect.stringContaining('scope') })
    expect(read('src/index.ts')).toBe(FILES['src/index.ts'])
  },
)

test('the scope of a dependency is refused', () => {
  const { folder } = repository()
  expect(renameScope(folder, '@nestjs')).toMatchObject({ outcome: 'refused', reason: expect.stringContaining('dependencies') })
})

test('a repository with changes that are not committed is refused, and left as it is', () => {
  const { folder, read } = repository()
  writeFileSync(join(folder, 'new.ts'), '')
  expect(renameScope(folder, '@after')).toMatchObject({ outcome: 'refused', reason: expect.stringContaining('not committed') })
  expect(read('src/index.ts')).toBe(FILES['src/index.ts'])
})
