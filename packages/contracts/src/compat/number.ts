import * as z from 'zod'
import { atLeast, atMost } from './checks.js'
import type { NumberChecks } from './model.js'

export type NumberAspect = 'bound' | 'integer' | 'multiple'

export function admitsNumber(checks: NumberChecks, value: number): boolean {
  const { int, min, max, above, below, multiples = [] } = checks
  return (
    (int !== true || Number.isSafeInteger(value)) &&
    !(min !== undefined && value < min) &&
    !(max !== undefined && value > max) &&
    !(above !== undefined && value <= above) &&
    !(below !== undefined && value >= below) &&
    multiples.every((step) => z.core.util.floatSafeRemainder(value, step) === 0)
  )
}

/** What of the receiver's checks the sender's do not promise. */
export function failNumber(sender: NumberChecks, receiver: NumberChecks): NumberAspect[] {
  const { int, min, max, above, below, multiples = [] } = receiver
  const low = lowest(sender)
  const high = highest(sender)
  const isBounded =
    (min === undefined || low.value >= min) &&
    (max === undefined || high.value <= max) &&
    (above === undefined || low.value > above || (low.value === above && !low.isReached)) &&
    (below === undefined || high.value < below || (high.value === below && !high.isReached))
  return [
    ...(isBounded ? [] : ['bound' as const]),
    ...(int === true && sender.int !== true ? ['integer' as const] : []),
    ...(multiples.every((step) => promisesMultiple(sender, step)) ? [] : ['multiple' as const]),
  ]
}

function promisesMultiple({ int, multiples = [] }: NumberChecks, step: number): boolean {
  if (multiples.includes(step) || (int === true && step === 1)) return true
  return Number.isInteger(step) && multiples.some((own) => Number.isInteger(own) && own % step === 0)
}

interface Bound {
  readonly value: number
  readonly isReached: boolean
}

function lowest({ int, min, above }: NumberChecks): Bound {
  const floor = int === true ? Number.MIN_SAFE_INTEGER : -Number.MAX_VALUE
  if (above !== undefined && above >= (min ?? floor)) return int === true ? reached(Math.floor(above) + 1) : { value: above, isReached: false }
  return reached(int === true ? Math.ceil(min ?? floor) : (min ?? floor))
}

function highest({ int, max, below }: NumberChecks): Bound {
  const ceiling = int === true ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE
  if (below !== undefined && below <= (max ?? ceiling)) return int === true ? reached(Math.ceil(below) - 1) : { value: below, isReached: false }
  return reached(int === true ? Math.floor(max ?? ceiling) : (max ?? ceiling))
}

function reached(value: number): Bound {
  return { value, isReached: true }
}

export function meetNumbers(left: NumberChecks, right: NumberChecks): NumberChecks {
  let met: NumberChecks = { ...left, ...(right.int === true && { int: true }) }
  for (const [value, isReached] of [
    [right.min, true],
    [right.above, false],
  ] as const) {
    if (value !== undefined) met = atLeast(met, value, isReached)
  }
  for (const [value, isReached] of [
    [right.max, true],
    [right.below, false],
  ] as const) {
    if (value !== undefined) met = atMost(met, value, isReached)
  }
  const multiples = [...new Set([...(left.multiples ?? []), ...(right.multiples ?? [])])]
  return multiples.length > 0 ? { ...met, multiples } : met
}

/** Numbers that the sender may send, those first that show where the others end. */
export function sampleNumbers(sender: NumberChecks, others: readonly NumberChecks[]): number[] {
  const all = [...others, sender]
  const bounds = all.flatMap(({ min, max, above, below }) => [min, max, above, below]).filter((value) => value !== undefined)
  const steps = all.flatMap(({ multiples = [] }) => multiples)
  const around = bounds.flatMap((bound) => [bound, bound + 1, bound - 1, bound + 0.5, bound - 0.5])
  const stepped = steps.flatMap((step) => [0, ...bounds].flatMap((bound) => [-1, 0, 1].map((more) => (Math.round(bound / step) + more) * step)))
  const plain = [1, 0, 2, -1, 0.5, 7, 1000, 3e9, -3e9, 2 ** 53, 1e40, -1e40]
  return [...new Set([...plain, ...around, ...stepped].map((value) => value + 0))].filter((value) => Number.isFinite(value) && admitsNumber(sender, value))
}
