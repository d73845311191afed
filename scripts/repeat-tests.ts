// Runs the tests again and again (20 times, or as many as the first argument says) and stops at the first failure.
import { spawnSync } from 'node:child_process'

const runs = Number(process.argv[2] ?? 20)
if (!Number.isInteger(runs) || runs < 1) {
  console.error('usage: pnpm test:repeat [runs]')
  process.exit(2)
}
for (let run = 1; run <= runs; run++) {
  const startMs = Date.now()
  const { status } = spawnSync('pnpm', ['exec', 'vitest', 'run', '--reporter=dot'], { stdio: ['ignore', 'ignore', 'inherit'] })
  console.log(`run ${run} of ${runs}: ${status === 0 ? 'passed' : 'FAILED'} in ${Math.round((Date.now() - startMs) / 1000)} s`)
  if (status !== 0) process.exit(1)
}
