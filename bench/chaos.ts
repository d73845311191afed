import { runChaos } from '../tests/chaos/run.js'
const r = await runChaos({ seed: Number(process.argv[2] ?? 1), transitions: Number(process.argv[3] ?? 1000), users: Number(process.argv[4] ?? 250), rounds: 1, maxMs: 120_000 })
console.log({ ...r, violations: r.violations.slice(0, 20), n: r.violations.length })
