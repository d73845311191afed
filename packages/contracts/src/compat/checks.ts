import type * as z from 'zod'
import { nameRegExp } from '../checks.js'
import { canonicalJson } from '../fingerprint.js'
import { exceptionsOf } from '../open.js'
import { isUsualPattern } from './formats.js'
import type { LengthChecks, NumberChecks, TextChecks, TextFormat } from './model.js'

type Check = z.core.$ZodChecks['_zod']['def']

interface Refined {
  readonly refined?: number
}

interface Rewritten {
  readonly rewritten?: string
}

const NUMBER_RANGES: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
  float32: [-3.4028234663852886e38, 3.4028234663852886e38],
}

export function readNumberChecks(checks: readonly Check[]): NumberChecks & Refined {
  let read: NumberChecks & Refined = {}
  for (const check of checks) read = addNumberCheck(read, check)
  return read
}

function addNumberCheck(read: NumberChecks & Refined, check: Check): NumberChecks & Refined {
  switch (check.check) {
    case 'less_than':
      return atMost(read, Number(check.value), check.inclusive)
    case 'greater_than':
      return atLeast(read, Number(check.value), check.inclusive)
    case 'multiple_of':
      return { ...read, multiples: sorted([...(read.multiples ?? []), Number(check.value)]) }
    case 'number_format': {
      const [low, high] = NUMBER_RANGES[check.format] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
      const ranged = atMost(atLeast(read, low, true), high, true)
      return check.format.includes('int') ? { ...ranged, int: true } : ranged
    }
    default:
      return countRefinement(read)
  }
}

/** The tighter of two bounds stays. */
export function atMost<C extends NumberChecks>(read: C, value: number, isInclusive: boolean): C {
  const { max, below, ...others } = read
  if (!Number.isFinite(value) || (max ?? Number.POSITIVE_INFINITY) < value || (below ?? Number.POSITIVE_INFINITY) <= value) return read
  if (max === value && isInclusive) return read
  return { ...others, ...(isInclusive ? { max: value } : { below: value }) } as unknown as C // the bounds it had, tightened
}

export function atLeast<C extends NumberChecks>(read: C, value: number, isInclusive: boolean): C {
  const { min, above, ...others } = read
  if (!Number.isFinite(value) || (min ?? Number.NEGATIVE_INFINITY) > value || (above ?? Number.NEGATIVE_INFINITY) >= value) return read
  if (min === value && isInclusive) return read
  return { ...others, ...(isInclusive ? { min: value } : { above: value }) } as unknown as C // the bounds it had, tightened
}

export function readLengthChecks(checks: readonly Check[]): LengthChecks & Refined {
  let read: LengthChecks & Refined = {}
  for (const check of checks) read = addLengthCheck(read, check) ?? countRefinement(read)
  return read
}

function addLengthCheck<C extends LengthChecks>(read: C, check: Check): C | undefined {
  switch (check.check) {
    case 'min_length':
      return longer(read, check.minimum)
    case 'max_length':
      return shorter(read, check.maximum)
    case 'length_equals':
      return shorter(longer(read, check.length), check.length)
    default:
      return undefined
  }
}

function longer<C extends LengthChecks>(read: C, min: number): C {
  return min > (read.min ?? 0) ? { ...read, min } : read
}

function shorter<C extends LengthChecks>(read: C, max: number): C {
  return max < (read.max ?? Number.POSITIVE_INFINITY) ? { ...read, max } : read
}

export function readTextChecks(checks: readonly Check[]): TextChecks & Refined & Rewritten {
  const first = checks.findIndex(isRewrite)
  if (first === -1) return readPlainTextChecks(checks)
  const rest = checks.slice(first)
  const count = rest.findIndex((check) => !isRewrite(check))
  const rewrites = count === -1 ? rest : rest.slice(0, count)
  const rewrite = rewrites.map(nameRewrite)
  const after = count === -1 ? [] : rest.slice(count)
  if (rewrite.includes(undefined) || after.some(isRewrite)) return { rewritten: toRewritten(checks) }
  const { refined = 0, ...pre } = readPlainTextChecks(checks.slice(0, first))
  const { refined: refinedAfter = 0, ...post } = readPlainTextChecks(after)
  return {
    ...pre,
    rewrite: rewrite as string[], // none is undefined
    ...(Object.keys(post).length > 0 && { after: post }),
    ...(refined + refinedAfter > 0 && { refined: refined + refinedAfter }),
  }
}

function readPlainTextChecks(checks: readonly Check[]): TextChecks & Refined {
  let read: TextChecks & Refined = {}
  for (const check of checks) read = addLengthCheck(read, check) ?? addTextCheck(read, check)
  return read
}

function addTextCheck(read: TextChecks & Refined, check: Check): TextChecks & Refined {
  const except = exceptionsOf(Reflect.get(check, 'fn'))
  if (except !== undefined) return { ...read, except: sorted([...(read.except ?? []), ...except]) }
  return check.check === 'string_format' ? addFormat(read, check) : countRefinement(read)
}

function addFormat(read: TextChecks & Refined, check: z.core.$ZodCheckStringFormatDef): TextChecks & Refined {
  const text = (key: string): string => String(Reflect.get(check, key))
  switch (check.format) {
    case 'regex':
      return { ...read, patterns: sorted([...(read.patterns ?? []), toPattern(check.pattern!)]) }
    case 'starts_with':
      return { ...read, startsWith: sorted([...(read.startsWith ?? []), text('prefix')]) }
    case 'ends_with':
      return { ...read, endsWith: sorted([...(read.endsWith ?? []), text('suffix')]) }
    case 'includes': // from a position on it is more than that, which is counted
      return { ...(text('position') === 'undefined' ? read : countRefinement(read)), includes: sorted([...(read.includes ?? []), text('includes')]) }
    default:
      return { ...read, formats: sorted([...(read.formats ?? []), toFormat(check)]) }
  }
}

const OPTIONS = ['precision', 'offset', 'local', 'version', 'alg', 'protocol', 'hostname', 'normalize', 'delimiter', 'length']

function toFormat(check: z.core.$ZodCheckStringFormatDef): TextFormat {
  const options = OPTIONS.flatMap((key): Array<[string, string | number]> => {
    const value: unknown = Reflect.get(check, key)
    if (value === undefined || value === null || value === false) return []
    return [[key, value instanceof RegExp ? nameRegExp(value) : typeof value === 'number' ? value : String(value)]]
  })
  const format: TextFormat = { name: check.format, ...Object.fromEntries(options) }
  if (isUsualPattern(format, check.pattern)) return format
  return check.pattern === undefined ? { ...format, custom: true } : { ...format, ...toPattern(check.pattern) }
}

function toPattern({ source, flags }: RegExp): { source: string; flags: string } {
  return { source, flags: flags.replace('g', '') } // which zod resets
}

export function isRewrite(check: Check): boolean {
  return check.check === 'overwrite'
}

const LONG = 'Ab'.repeat(2000)
const REWRITES: Readonly<Record<string, (text: string) => string>> = {
  trim: (text) => text.trim(),
  lower: (text) => text.toLowerCase(),
  upper: (text) => text.toUpperCase(),
}

/** zod's own functions cannot be told from others but by what they do. */
function nameRewrite(check: Check): string | undefined {
  const change: unknown = Reflect.get(check, 'tx')
  if (typeof change !== 'function') return undefined
  const probes = [' Aß b ', `\t${LONG}\n`, 'İi', '  ', '']
  return Object.keys(REWRITES).find((name) => probes.every((probe) => attempt(change, probe) === REWRITES[name]!(probe)))
}

function attempt(change: CallableFunction, probe: string): unknown {
  try {
    return change(probe)
  } catch {
    return undefined // one of the application, which does not take this text
  }
}

export function rewriteText(text: string, names: readonly string[]): string {
  return names.reduce((changed, name) => REWRITES[name]?.(changed) ?? changed, text)
}

/** Checks around a function that changes the value in a way that nobody knows: equal ones are equal, and no more can be said. */
export function toRewritten(checks: readonly Check[]): string {
  return canonicalJson(checks.map((check) => (isRewrite(check) ? 'rewrite' : [readTextChecks([check]), readNumberChecks([check])])))
}

function countRefinement<C extends Refined>(read: C): C {
  return { ...read, refined: (read.refined ?? 0) + 1 }
}

function sorted<T>(values: readonly T[]): T[] {
  const named = new Map(values.map((value) => [canonicalJson(value), value])) // each once
  return [...named].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, value]) => value)
}
