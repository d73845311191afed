import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

const N = z.object({ n: z.number() })

/** What a command does: it counts here, behind its number. */
export const EFFECT = 'effect:'

/** Numbered events, for users and halls: stored ones, and plain ones, which may be lost; and commands that take effect once, which answer how often they have. */
export const numbered = defineContract({
  name: 'lossless',
  version: '1.0.0',
  serverToClient: { kept: { payload: N, delivery: 'durable' }, plain: N },
  clientToServer: { command: { payload: N, reply: z.object({ n: z.number(), times: z.number() }), idempotent: true } },
  rooms: { hall: z.string() },
})

/** Who an event is for: the devices of a user, or those in a hall. */
export interface Target {
  readonly kind: 'user' | 'hall'
  readonly id: string
}

/** What the history calls the log of a target. */
export function toLog({ kind, id }: Target): string {
  return `${kind}:${id}`
}
