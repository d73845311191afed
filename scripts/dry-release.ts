// As far as a release goes without publishing: what the changesets make of the versions, on a copy; and the packed packages, installed
// from a local registry by their names, import each other in the version that they have.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './markdown.js'
import { packAll, run } from './pack.js'
import { serveRegistry } from './registry.js'

console.log(run('pnpm', ['exec', 'changeset', 'status', '--verbose']))
const packed = packAll(join(root, '.cache/release'))
const registry = await serveRegistry(packed)
const folder = mkdtempSync(join(tmpdir(), 'realtime-release-'))
try {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'application', private: true, type: 'module' }))
  const names = packed.map(({ name }) => name).filter((name) => !name.endsWith('nestjs')) // which wants Nest beside it
  const env = { ...process.env, ...registry.env }
  await promisify(execFile)('npm', ['install', ...names, 'zod'], { cwd: folder, env })
  const program = `${names.map((name) => `await import('${name}')`).join('\n')}\nconsole.log('imported')`
  console.log(run(process.execPath, ['--input-type=module', '--eval', program], folder))
} finally {
  rmSync(folder, { recursive: true, force: true })
  registry.close()
}
console.log(`Ready to be released: ${packed.map(({ name }) => name).join(', ')}.`)
