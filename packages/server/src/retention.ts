import { assertCount, assertDuration, assertKeys } from './options.js'

/** How long durable events are kept for devices that are away, and how large one may be. */
export interface DurableOptions {
  /** How many events of one user, or of one room, are kept. @default 1_000 */
  readonly maxMessages?: number
  /** How long an event is kept, in milliseconds. @default 86_400_000, a day */
  readonly maxAgeMs?: number
  /** How large the payload of a durable event may be, in bytes of its JSON; a larger one is `INVALID_PAYLOAD`. @default 65_536 */
  readonly maxBytes?: number
  /** How often it is looked whether something was stored that this process was not told of, in milliseconds. @default 5_000 */
  readonly pollMs?: number
}

/** What a store keeps. */
export interface Retention {
  /** How many entries a log keeps. */
  readonly maxMessages: number
  /** How long an entry is kept, in milliseconds. */
  readonly maxAgeMs: number
  /** How large a payload may be, in bytes. */
  readonly maxBytes: number
  /** How often it is looked for what was not told, in milliseconds. */
  readonly pollMs: number
  /** How long the number of a log's last event is remembered after it was last asked for: who is away longer is told of a gap. */
  readonly emptyLogMs: number
}

const DAY_MS = 86_400_000
const MAX_AGE_MS = 366 * DAY_MS
const EMPTY_LOG_MS = 30 * DAY_MS
const MAX_MESSAGES = 100_000
const MAX_BYTES = 1_000_000 // of a frame; a client that gets a larger one may end the connection

/** @throws TypeError for what is wrong or unknown. */
export function toRetention(where: string, options: DurableOptions = {}): Retention {
  assertKeys(where, options, ['maxMessages', 'maxAgeMs', 'maxBytes', 'pollMs'])
  const { maxMessages = 1_000, maxAgeMs = DAY_MS, maxBytes = 64 * 1024, pollMs = 5_000 } = options
  assertCount(`${where}.maxMessages`, maxMessages, 1, MAX_MESSAGES)
  assertCount(`${where}.maxAgeMs`, maxAgeMs, 1_000, MAX_AGE_MS)
  assertCount(`${where}.maxBytes`, maxBytes, 1, MAX_BYTES)
  assertDuration(`${where}.pollMs`, pollMs, 100)
  return { maxMessages, maxAgeMs, maxBytes, pollMs, emptyLogMs: Math.max(EMPTY_LOG_MS, 2 * maxAgeMs) }
}
