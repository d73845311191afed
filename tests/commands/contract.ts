import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

/** What a shop is asked to do once, and what it may be asked as often as one likes. */
export const shop = defineContract({
  name: 'shop',
  version: '1.0.0',
  clientToServer: {
    order: {
      payload: z.object({ item: z.string(), count: z.int().optional() }),
      reply: z.object({ number: z.int(), at: z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() }) }),
      errors: { SOLD_OUT: z.object({ item: z.string() }) },
      idempotent: true,
    },
    checkout: { reply: z.void(), idempotent: true },
    slowly: { payload: z.object({ n: z.int() }), reply: z.object({ n: z.int() }), idempotent: true, limits: { perSecond: 4 } },
    look: { payload: z.object({ item: z.string() }), reply: z.object({ item: z.string() }) },
  },
})

export type Shop = typeof shop
