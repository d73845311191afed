import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

const N = z.object({ n: z.number() })

/** Numbered events: stored ones, and plain ones, which may be lost. */
export const numbered = defineContract({
  name: 'lossless',
  version: '1.0.0',
  serverToClient: { kept: { payload: N, delivery: 'durable' }, plain: N },
})
