import { existsSync, readFileSync } from 'node:fs'
import type { Finding } from '@org/realtime-contracts/compat'
import { UsageError } from './usage.js'

/** That somebody has looked at a risky finding, and until when that counts. */
interface Acknowledgement {
  readonly id: string
  readonly reason: string
  /** A day, as 2026-12-31; the last on which it counts. */
  readonly until: string
}

/** @throws UsageError for a file that is not a list of them. */
export function readAcknowledged(file: string): readonly Acknowledgement[] {
  if (!existsSync(file)) return []
  const expected = `${file}: expected a list of { "id", "reason", "until": "2026-12-31" }`
  let list: unknown
  try {
    list = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new UsageError(expected, { cause })
  }
  if (!Array.isArray(list) || !list.every(isAcknowledgement)) throw new UsageError(expected)
  return list
}

function isAcknowledgement(value: unknown): value is Acknowledgement {
  const { id, reason, until } = Object(value) as Partial<Record<keyof Acknowledgement, unknown>>
  return typeof id === 'string' && typeof reason === 'string' && reason.trim() !== '' && typeof until === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(until)
}

/** The risky findings that nobody has acknowledged, or whose acknowledgement has ended. */
export function findUnacknowledged<F extends Finding>(findings: readonly F[], acknowledged: readonly Acknowledgement[], today: string): F[] {
  const valid = new Set(acknowledged.filter(({ until }) => until >= today).map(({ id }) => id))
  return findings.filter(({ id, verdict }) => verdict === 'risky' && !valid.has(id))
}
