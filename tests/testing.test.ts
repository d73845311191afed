import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { root } from './example.js'

test("Node.js's own test runner needs nothing else for the kit, and ends by itself", async () => {
  const args = ['--conditions=@org/source', '--import', 'tsx', '--test', '--test-reporter=tap', `${root}tests/testing/node.ts`]
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|NODE_TEST|VITEST)/.test(name)))
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk) => (output += String(chunk)))
  const code = await new Promise((resolve) => child.once('exit', resolve))
  expect(code, output).toBe(0)
  expect(output).toContain('# pass 4')
})
