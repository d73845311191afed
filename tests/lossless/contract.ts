import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

const N = z.object({ n: z.number() })

/** What a command does: it counts here, behind its number. */
export const EFFECT = 'effect:'

/** Numbered events: stored ones, and plain ones, which may be lost; and commands that take effect once, which answer how often they have. */
export const numbered = defineContract({
  name: 'lossless',
  version: '1.0.0',
  serverToClient: { kept: { payload: N, delivery: 'durable' }, plain: N },
  clientToServer: { command: { payload: N, reply: z.object({ n: z.number(), times: z.number() }), idempotent: true } },
})
