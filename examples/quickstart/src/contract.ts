import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

export const contract = defineContract({
  name: 'chat',
  version: '1.0.0',
  serverToClient: { 'message:new': z.object({ from: z.string(), text: z.string() }) },
  clientToServer: {
    'message:send': {
      payload: z.object({ to: z.string(), text: z.string().max(2000) }),
      reply: z.object({ devices: z.int() }), // how many devices it has reached
      errors: { OFFLINE: null }, // a failure of its own, without data
    },
  },
})
