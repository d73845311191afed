import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

/** A date on both sides, its ISO text between them. */
const Time = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })

/** One of everything that a contract can hold. */
export const contract = defineContract({
  name: 'tests',
  version: '1.2.0',
  serverToClient: {
    note: z.object({ text: z.string(), n: z.number().optional() }),
    bare: {},
    at: z.object({ time: Time }),
    open: z.object({ data: z.record(z.string(), z.unknown()) }),
    confirm: {
      payload: z.object({ question: z.string() }),
      reply: z.object({ yes: z.boolean() }),
      errors: { BUSY: z.object({ untilMs: z.number() }) },
    },
  },
  clientToServer: {
    say: z.object({ text: z.string() }),
    poke: {},
    echo: { payload: z.object({ text: z.string() }), reply: z.object({ text: z.string() }) },
    done: { reply: z.void() },
    shift: { payload: z.object({ time: Time }), reply: z.object({ time: Time }) },
    knock: { payload: z.object({ text: z.string() }), reply: z.void(), limits: { perSecond: 3, maxBytes: 100 } },
    take: {
      payload: z.object({ id: z.string() }),
      reply: z.object({ left: z.int() }),
      errors: { NOT_FOUND: z.object({ id: z.string() }), LOCKED: null },
    },
  },
  rooms: { group: z.string().max(300), team: z.enum(['red', 'blue']) },
  session: z.object({ role: z.string() }),
})

export type TestContract = typeof contract
