// Runs the tests on the other supported lines of Node.js; the machine's own has run them already, and the chaos runs, of which
// most is waiting, and what compares schemas at random, which is the same on each. On the newest line everything takes Socket.IO's
// usual way: so the whole suite runs both with the shortcuts and without. On the line between, what all else stands on is enough.
import { spawnSync } from 'node:child_process'

const CORE = [
  'packages',
  'tests/session',
  'tests/events',
  'tests/client',
  'tests/rooms',
  'tests/stock',
  'tests/cluster',
  'tests/delivery',
  'tests/commands.test',
]
const LINES = [
  { line: '22', env: {}, files: CORE },
  { line: '24', env: { REALTIME_NO_SHORTCUTS: '1' }, files: [] },
]
const LONG = ['tests/chaos.test.ts', 'tests/lossless.test.ts', 'tests/compat/fuzz.test.ts']

for (const { line, env, files } of LINES.filter((other) => !process.version.startsWith(`v${other.line}.`))) {
  console.log(`Node.js ${line}${'REALTIME_NO_SHORTCUTS' in env ? ', without shortcuts' : ''}:`)
  const given = [...files, ...LONG.map((file) => `--exclude ${file}`)].join(' ')
  const script = `node --version && node node_modules/vitest/vitest.mjs run --reporter=dot --silent --project node --project "react*" ${given}`
  const { status } = spawnSync('npx', ['-y', '-p', `node@${line}`, '-c', script], { stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) process.exit(1)
}
