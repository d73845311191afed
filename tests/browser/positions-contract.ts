import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

export const kept = defineContract({
  name: 'positions',
  version: '1.0.0',
  serverToClient: { told: { payload: z.object({ n: z.int() }), delivery: 'durable' } },
})
