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

// How often other values are put beside the one that matters: more often where a function of the application refuses the first ones.
const VARIANTS = 3
const MORE_VARIANTS = 16

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
  const seen = new Set<string | undefined>()
  let isDoubtful = false
  for (let variant = 0; variant < VARIANTS || (isDoubtful && variant < MORE_VARIANTS); variant++) {
    for (const value of obstacle.witnesses(variant)) {
      const text = JSON.stringify(value)
      if (seen.has(text)) continue
      seen.add(text)
      if (!shows(value)) continue
      if (maySend(value, obstacle, sides)) return { value }
      isDoubtful = true
    }
  }
  return undefined
}

/** Where the sender's schema is at hand, it is asked; else it may be that a function of the application sends none of these. */
function maySend(value: unknown, { isCertain }: Obstacle, { flow, sender, senderSchema }: Sides): boolean {
  const answer = admits(sender, value, flow.sender)
  if (answer === 'no') return false
  return senderSchema === undefined ? answer === 'yes' || isCertain : isSent(senderSchema, value, flow.sender)
}

/** Where it depends on a function of the application, the receiver's schema is asked, if it is at hand. */
function isRefused(value: unknown, { receiver, receiverSchema }: Sides): boolean {
  const answer = admits(receiver, value, 'receiver')
  return receiverSchema === undefined ? answer === 'no' : answer !== 'yes' && !isAccepted(receiverSchema, value)
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
