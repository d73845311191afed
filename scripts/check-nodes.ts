// Runs the tests on the other supported lines of Node.js; the machine's own has run them already, and the chaos runs, of which
// most is waiting, and what compares schemas at random, which is the same on each. On one of them everything takes Socket.IO's usual way:
// so the whole suite runs both with the shortcuts and without.
import { spawnSync } from 'node:child_process'

const LINES = [
  { line: '22', env: {} },
  { line: '24', env: { REALTIME_NO_SHORTCUTS: '1' } },
]
const LONG = ['tests/chaos.test.ts', 'tests/lossless.test.ts', 'tests/compat/fuzz.test.ts']

for (const { line, env } of LINES.filter((other) => !process.version.startsWith(`v${other.line}.`))) {
  console.log(`Node.js ${line}${'REALTIME_NO_SHORTCUTS' in env ? ', without shortcuts' : ''}:`)
  const excluded = LONG.map((file) => `--exclude ${file}`).join(' ')
  const script = `node --version && node node_modules/vitest/vitest.mjs run --reporter=dot --silent --project node --project "react*" ${excluded}`
  const { status } = spawnSync('npx', ['-y', '-p', `node@${line}`, '-c', script], { stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) process.exit(1)
}
