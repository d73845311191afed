import { test } from 'vitest'
import * as z from 'zod'
import { compareContracts, formatLock, toLock } from '/tmp/helper-compat/packages/contracts/src/compat/index.js'
import { openEnum, openUnion } from '/tmp/helper-compat/packages/contracts/src/compat/open.js'
import { defineContract } from '/tmp/helper-compat/packages/contracts/src/index.js'

const c = (p: any, dir = 'serverToClient') => defineContract({ name: 't', version: '1.0.0', [dir]: { e: p } } as never)
const show = (t: string, a: any, b: any) => {
  for (const dir of ['serverToClient', 'clientToServer']) {
    const r = compareContracts(c(a, dir), c(b, dir))
    console.log(
      t,
      dir,
      r.verdict,
      r.bump,
      r.findings.map((f) => `${f.rule}@${f.path}=${f.verdict} ${JSON.stringify(f.counterexample)} ${f.message}`),
    )
  }
}
test('x', () => {
  show('add opt', z.object({ a: z.string() }), z.object({ a: z.string(), b: z.string().optional() }))
  show('add req', z.object({ a: z.string() }), z.object({ a: z.string(), b: z.string() }))
  show('enum', z.object({ a: z.enum(['x', 'y']) }), z.object({ a: z.enum(['x', 'y', 'z']) }))
  show('open', z.object({ a: z.enum(['x', 'y']) }), z.object({ a: openEnum(['x', 'y']) }))
  show('open grow', z.object({ a: openEnum(['x', 'y']) }), z.object({ a: openEnum(['x', 'y', 'z']) }))
  const m = (...t: string[]) => t.map((k) => z.object({ type: z.literal(k), [k]: z.string() })) as any
  show('ou grow', openUnion('type', m('a', 'b')), openUnion('type', m('a', 'b', 'c')))
  show('du grow', z.discriminatedUnion('type', m('a', 'b')), z.discriminatedUnion('type', m('a', 'b', 'c')))
  show('pattern', z.object({ a: z.string().regex(/^[a-z]{1,20}$/) }), z.object({ a: z.string().regex(/^[a-z0-9]{1,20}$/) }))
  show('max', z.object({ a: z.string().max(10) }), z.object({ a: z.string().max(20) }))
  show('uuid', z.object({ a: z.uuid() }), z.object({ a: z.string().min(1).max(36) }))
  const tree: any = z.object({
    get kids() {
      return z.array(tree)
    },
    n: z.number(),
  })
  const tree2: any = z.object({
    get kids() {
      return z.array(tree2)
    },
    n: z.string(),
  })
  const tree3: any = z.object({
    get kids() {
      return z.array(tree3).optional()
    },
    n: z.number(),
  })
  show('tree', tree, tree2)
  show('tree3', tree, tree3)
  console.log(formatLock(toLock(c(tree))), formatLock(toLock(c(openUnion('type', m('a', 'b'))))))
})
