import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

export const contract = defineContract({
  name: 'nest',
  version: '1.0.0',
  serverToClient: { note: z.object({ text: z.string() }) },
  clientToServer: {
    take: { payload: z.object({ id: z.string() }), reply: z.object({ text: z.string() }), errors: { GONE: null } },
    reset: { reply: z.void() },
  },
})
