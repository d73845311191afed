import type { WireModel } from './schema.js'

const ALGORITHM = 1
// FNV-1a with 64 bits, in two halves: 2 ** 40 + PRIME_LOW is its prime.
const OFFSET_HIGH = 0xcbf29ce4
const OFFSET_LOW = 0x84222325
const PRIME_LOW = 0x1b3
const PRIME_SHIFT = 2 ** 8 // by which the low half reaches into the high one
const HALF = 2 ** 32

/**
 * Names what crosses the wire in a few characters: `1:` and the FNV-1a hash (64 bits, of UTF-8) of the model's JSON with sorted keys.
 * It tells versions apart; it is no protection against somebody who forges one.
 * The number changes when the model or the hash does.
 */
export function toFingerprint(model: WireModel): string {
  return `${ALGORITHM}:${hashText(canonicalJson(model))}`
}

/** FNV-1a, 64 bits of UTF-8, as 16 hexadecimal digits. */
export function hashText(text: string): string {
  let [high, low] = [OFFSET_HIGH, OFFSET_LOW]
  for (const byte of new TextEncoder().encode(text)) {
    low = (low ^ byte) >>> 0
    const product = low * PRIME_LOW
    high = (high * PRIME_LOW + low * PRIME_SHIFT + Math.floor(product / HALF)) % HALF
    low = product % HALF
  }
  return [high, low].map((half) => half.toString(16).padStart(8, '0')).join('')
}

/** JSON with sorted keys. */
export function canonicalJson(model: unknown): string {
  return JSON.stringify(model, (_key, value: WireModel) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
      : value,
  )
}
