import * as z from 'zod'
import { canonicalJson } from '../fingerprint.js'
import type { Role } from './answer.js'
import type { Model } from './model.js'
import type { Flow, Obstacle } from './obstacle.js'
import type { Verdict } from './rules.js'
import { admits, type Reader } from './value.js'

/** The two sides of one value: what may be sent, and what is accepted. */
export interface Sides {
  readonly flow: Flow
  readonly sender: Model
  readonly receiver: Model
  /** The schemas themselves, where the contracts are at hand. */
  readonly senderSchema?: z.core.$ZodType | undefined
  readonly receiverSchema?: z.core.$ZodType | undefined
}

export interface Judgement {
  readonly verdict: Verdict
  /** A value that shows it; `undefined` is an absent one. */
  readonly counterexample?: { readonly value: unknown }
}

// Other values beside the one that matters, where the first ones are refused by a function of the application.
const VARIANTS = 12

/** Judges an obstacle: it is breaking only where a value shows it. */
export function judge(obstacle: Obstacle, sides: Sides): Judgement {
  if (obstacle.severity === 'note') return { verdict: 'safe' }
  const shows = (value: unknown): boolean =>
    obstacle.severity === 'failure' ? isRefused(value, sides) : obstacle.isReplaced === true && isReplaced(value, sides)
  const counterexample = findWitness(obstacle, sides, shows)
  if (counterexample === undefined) return { verdict: 'risky' }
  return { verdict: obstacle.severity === 'failure' ? 'breaking' : 'risky', counterexample }
}

function findWitness(obstacle: Obstacle, sides: Sides, shows: (value: unknown) => boolean): { value: unknown } | undefined {
  const { flow, sender, senderSchema } = sides
  const seen = new Set<string | undefined>()
  let probable: { value: unknown } | undefined
  for (let variant = 0; variant < VARIANTS; variant++) {
    for (const value of obstacle.witnesses(variant)) {
      const text = JSON.stringify(value)
      if (seen.has(text)) continue
      seen.add(text)
      const sent = admits(sender, value, flow.sender)
      if (sent === 'no' || (sent === 'maybe' && !obstacle.isCertain) || !shows(value)) continue
      if (senderSchema !== undefined && !isSent(senderSchema, value, flow.sender)) continue
      if (sent === 'yes') return { value }
      probable ??= { value }
    }
  }
  return probable
}

function isRefused(value: unknown, { receiver, receiverSchema }: Sides): boolean {
  return admits(receiver, value, 'receiver') === 'no' && (receiverSchema === undefined || !isAccepted(receiverSchema, value))
}

function isReplaced(value: unknown, { receiver }: Sides): boolean {
  const answer = (reader: Reader) => admits(receiver, value, reader)
  return answer('receiver') === 'yes' && answer('keeper') === 'no'
}

/** Whether zod accepts a value. */
export function isAccepted(schema: z.core.$ZodType, value: unknown): boolean {
  try {
    return z.safeDecode(schema, value).success
  } catch {
    return false // a codec or refinement of the application that throws
  }
}

/** Whether zod lets a value be sent: the server encodes what it would have received as this value; a client may send what is accepted. */
export function isSent(schema: z.core.$ZodType, value: unknown, role: Role): boolean {
  try {
    const decoded = z.safeDecode(schema, value)
    if (!decoded.success || role !== 'server') return decoded.success
    const encoded = z.safeEncode(schema, decoded.data)
    return encoded.success && canonicalJson(encoded.data) === canonicalJson(value)
  } catch {
    return false // a codec or refinement of the application that throws
  }
}
