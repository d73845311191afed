// What a contract costs the type checker: instantiations of a file that defines one and uses it on both sides,
// above those of a file that only imports the packages. Run: pnpm bench:types
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const folder = join(here, '.types')
/** A prototype of the design took 140 k and 691 k; the aim is less than half. */
const GOALS: ReadonlyMap<number, number> = new Map([
  [20, 70_000],
  [200, 345_000],
])

const imports = `import * as z from 'zod'
import { defineContract, mergeContracts, toManifest } from '@org/realtime-contracts'
import { createRealtimeServer, jwt } from '@org/realtime-server'
import { createRealtimeClient } from '@org/realtime-client'
`

/** Half of the events go each way; every client event is answered and declares an error; all are used. */
function program(events: number): string {
  const names = Array.from({ length: events / 2 }, (_, index) => `domain${index % 10}:event_${index}`)
  const define = (from: number, part: string): string => `
const ${part} = defineContract({
  name: '${part}', version: '1.0.0',
  serverToClient: {${names
    .filter((_, index) => index % 2 === from)
    .map(
      (name, index) => `
    '${name}': z.object({ id: z.string(), count: z.int().min(0), text: z.string().optional(), list: z.array(z.object({ a: z.string(), b: z.enum(['x', 'y${index}']) })) }),`,
    )
    .join('')}
  },
  clientToServer: {${names
    .filter((_, index) => index % 2 === from)
    .map(
      (name) => `
    '${name}': { payload: z.object({ id: z.string(), amount: z.number() }), reply: z.object({ ok: z.boolean(), total: z.number() }), errors: { NOT_FOUND: z.object({ id: z.string() }), LOCKED: null } },`,
    )
    .join('')}
  },
})
`
  return `${imports}${define(0, 'left')}${define(1, 'right')}
const contract = mergeContracts({ name: 'all', version: '1.0.0' }, left, right)
const realtime = createRealtimeServer(contract, { authenticate: jwt({ secret: '', issuer: false, audience: false, claims: z.object({ role: z.string() }), user: ({ sub, role }) => ({ userId: sub, role }) }) })
const full = createRealtimeClient(contract, { url: '' })
const lean = createRealtimeClient(toManifest(contract), { url: '' })
${names
  .map(
    (name) => `
realtime.on('${name}', ({ payload, user, fail }) => { if (user.role === '') throw fail('NOT_FOUND', { id: payload.id }); return { ok: true, total: payload.amount } })
realtime.toUser('a').emit('${name}', { id: 'x', count: 1, list: [] })
full.on('${name}', ({ list }) => list.length)
void lean.tryRequest('${name}', { id: 'x', amount: 1 }).then((result) => result.ok ? result.data.total : result.error.code)`,
  )
  .join('')}
`
}

function measure(name: string, source: string): { instantiations: number; seconds: number } {
  const file = join(folder, `${name}.ts`)
  writeFileSync(file, source)
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.base.json', compilerOptions: { lib: ['ES2023', 'DOM'] }, files: [file] }),
  )
  const output = execFileSync(process.execPath, [join(here, '../node_modules/typescript/bin/tsc'), '-p', folder, '--extendedDiagnostics'], { encoding: 'utf8' })
  const read = (label: string): number => Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(output)?.[1])
  return { instantiations: read('Instantiations'), seconds: read('Check time') }
}

mkdirSync(folder, { recursive: true })
try {
  const base = measure(
    'empty',
    `${imports}export const all = [z, defineContract, mergeContracts, toManifest, createRealtimeServer, jwt, createRealtimeClient]\n`,
  )
  console.log(`imports only: ${base.instantiations} instantiations, ${base.seconds} s`)
  for (const [events, goal] of GOALS) {
    const { instantiations, seconds } = measure(`events${events}`, program(events))
    const above = instantiations - base.instantiations
    console.log(
      `${events} events: ${instantiations} instantiations, ${above} above imports (goal: all below ${goal}), ${seconds} s, ${(seconds - base.seconds).toFixed(2)} s above`,
    )
    if (instantiations > goal) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true })
}
