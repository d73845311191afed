import type { WireModel } from './schema.js'

const ALGORITHM = 1
const FNV_OFFSET = 0xcbf29ce484222325n
const FNV_PRIME = 0x100000001b3n

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
  let hash = FNV_OFFSET
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME)
  }
  return hash.toString(16).padStart(16, '0')
}

/** JSON with sorted keys. */
export function canonicalJson(model: unknown): string {
  return JSON.stringify(model, (_key, value: WireModel) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
      : value,
  )
}
