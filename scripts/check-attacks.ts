import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

// Every row of the table of attacks in docs/security.md names a file and a test; each must be there.

interface Attack {
  readonly name: string
  readonly file: string
  readonly test: string
}

function readAttacks(markdown: string): Attack[] {
  const table = markdown.split('## Attacks and faults')[1] ?? ''
  return table
    .split('\n')
    .filter((line) => /^\| (?!attack or fault|-)/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, name = '', , file = '', test = '']) => ({ name, file, test }))
}

function listTests(): Map<string, string[]> {
  const json = execFileSync('vitest', ['list', '--json', '--typecheck.enabled=false'], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  const tests = JSON.parse(json) as Array<{ name: string; file: string }> // what vitest's --json is documented to be
  const byFile = new Map<string, string[]>()
  for (const { name, file } of tests) {
    const path = relative(process.cwd(), file)
    byFile.set(path, [...(byFile.get(path) ?? []), name])
  }
  return byFile
}

const attacks = readAttacks(readFileSync('docs/security.md', 'utf8'))
const tests = listTests()
const uncovered = attacks.filter(({ file, test }) => test === '' || !tests.get(file)?.some((name) => name.includes(test)))
for (const { name, file, test } of uncovered) console.error(`No test for "${name}": ${file || 'no file'} has none named "${test}"`)
if (attacks.length === 0) console.error('docs/security.md has no table of attacks')
if (uncovered.length > 0 || attacks.length === 0) process.exit(1)
console.log(`${attacks.length} attacks, each with a test.`)
