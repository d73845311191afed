// Runs the tests on the other supported lines of Node.js; the machine's own has run them already,
// and the chaos run, of which most is waiting.
import { spawnSync } from 'node:child_process'

const LINES = ['22', '24']

for (const line of LINES.filter((other) => !process.version.startsWith(`v${other}.`))) {
  console.log(`Node.js ${line}:`)
  const script =
    'node --version && node node_modules/vitest/vitest.mjs run --reporter=dot --silent --project node --project "react*" --exclude tests/chaos.test.ts'
  const { status } = spawnSync('npx', ['-y', '-p', `node@${line}`, '-c', script], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
