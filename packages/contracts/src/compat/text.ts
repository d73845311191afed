import { canonicalJson } from '../fingerprint.js'
import { type Answer, all, type Role, toAnswer } from './answer.js'
import { rewriteText } from './checks.js'
import { hasFormat, isWithin, lengthsOf, samplesOf } from './formats.js'
import { findDifference, findText } from './language.js'
import type { TextChecks, TextPattern } from './model.js'
import { ANY_TEXT, ANY_UNIT, type Expression, literally, parsePattern, repeated, without } from './pattern.js'

export type TextAspect = 'bound' | 'format' | 'pattern' | 'except' | 'rewrite'

export function admitsText(checks: TextChecks, text: string, role: Role): Answer {
  const { rewrite } = checks
  if (rewrite === undefined) return admitsPlain(checks, text)
  const rewritten = rewriteText(text, rewrite)
  const after = admitsPlain(checks.after ?? {}, rewritten)
  if (role !== 'server') return all([admitsPlain(checks, text), after])
  return text === rewritten ? all([after, isPlain(checks) ? 'yes' : 'maybe']) : 'no'
}

function isPlain({ rewrite, after, ...checks }: TextChecks): boolean {
  return Object.keys(checks).length === 0
}

function admitsPlain(checks: TextChecks, text: string): Answer {
  const { min = 0, max = Number.POSITIVE_INFINITY, formats = [], patterns = [] } = checks
  const { startsWith = [], endsWith = [], includes = [], except = [] } = checks
  const length = [...text].length // zod counts code points
  return all([
    toAnswer(length >= min && length <= max),
    toAnswer(startsWith.every((part) => text.startsWith(part)) && endsWith.every((part) => text.endsWith(part))),
    toAnswer(includes.every((part) => text.includes(part)) && !except.includes(text)),
    ...patterns.map((pattern) => toAnswer(matches(pattern, text))),
    ...formats.map((format) => toAnswer(hasFormat(text, format))),
  ])
}

function matches({ source, flags }: TextPattern, text: string): boolean | undefined {
  try {
    return new RegExp(source, flags).test(text)
  } catch {
    return undefined // a lock may come from a newer engine
  }
}

/** What of the receiver's checks the sender's do not promise. */
export function failText(sender: TextChecks, receiver: TextChecks, role: Role): TextAspect[] {
  const { rewrite, after, ...pre } = receiver
  const failures = failPlain(toSent(sender, role), pre)
  return rewrite === undefined || after === undefined ? failures : [...failures, ...failRewritten(sender, rewrite, after)]
}

/** What is promised of the text as it is sent: the server runs its own rewriting, a client with the manifest runs none. */
function toSent(sender: TextChecks, role: Role): TextChecks {
  const { rewrite, after, ...pre } = sender
  return rewrite !== undefined && role === 'server' ? (after ?? {}) : pre
}

/** Rewriting once more changes nothing, and trimming makes nothing longer. */
function failRewritten(sender: TextChecks, rewrite: readonly string[], after: TextChecks): TextAspect[] {
  if (sender.rewrite?.join() === rewrite.join()) return failPlain(sender.after ?? {}, after)
  const { max, ...others } = after
  const isShortened =
    rewrite.every((name) => name === 'trim') && sender.rewrite === undefined && failPlain(sender, max === undefined ? {} : { max }).length === 0
  return isShortened && Object.keys(others).length === 0 ? [] : ['rewrite']
}

function failPlain(sender: TextChecks, receiver: TextChecks): TextAspect[] {
  const { min, max, formats = [], except = [], patterns = [], startsWith = [], endsWith = [], includes = [] } = receiver
  const own = toExpressions(sender)
  const promises = (wide: Expression | undefined): boolean => wide !== undefined && own.some((narrow) => findDifference(narrow, wide) === undefined)
  const isLong = min === undefined || (sender.min ?? 0) >= min || formatLengths(sender)[0] >= min || promises(atLeastLong(min))
  const isShort = max === undefined || (sender.max ?? Number.POSITIVE_INFINITY) <= max || formatLengths(sender)[1] <= max || promises(atMostLong(max))
  const hasFormats = formats.every((wide) => (sender.formats ?? []).some((narrow) => isWithin(narrow, wide)))
  const hasPatterns = patterns.every((pattern) => isAmong(pattern, sender.patterns ?? []) || promises(parsePattern(pattern)))
  const hasAffixes = toExpressions({ startsWith, endsWith, includes }).every(promises)
  return [
    ...(isLong && isShort ? [] : ['bound' as const]),
    ...(hasFormats ? [] : ['format' as const]),
    ...(hasPatterns && hasAffixes ? [] : ['pattern' as const]),
    ...(except.every((text) => admitsPlain(sender, text) === 'no') ? [] : ['except' as const]),
  ]
}

function isAmong({ source, flags }: TextPattern, patterns: readonly TextPattern[]): boolean {
  return patterns.some((pattern) => pattern.source === source && pattern.flags === flags)
}

function formatLengths({ formats = [] }: TextChecks): readonly [number, number] {
  const lengths = formats.map(lengthsOf)
  return [Math.max(0, ...lengths.map(([min]) => min)), Math.min(Number.POSITIVE_INFINITY, ...lengths.map(([, max]) => max))]
}

const LONGEST = 400 // an automaton has a state for each
const LOW_SURROGATES: readonly [number, number] = [0xdc00, 0xdfff]
const COUNTED: Expression = { units: without([LOW_SURROGATES]) } // each of them is a code point, or the first half of one
const LOW: Expression = repeated({ units: [LOW_SURROGATES] }, 0, Number.POSITIVE_INFINITY)

/** Texts of which it is certain that they have at least so many code points. */
function atLeastLong(min: number): Expression | undefined {
  return min <= LONGEST ? { sequence: [repeated({ sequence: [LOW, COUNTED] }, min, min), ANY_TEXT] } : undefined
}

/** Texts of which it is certain that they have at most so many code points. */
function atMostLong(max: number): Expression | undefined {
  return max <= LONGEST ? repeated(ANY_UNIT, 0, max) : undefined
}

/** Expressions that hold every text of the checks, each for a part of them. */
function toExpressions({ patterns = [], startsWith = [], endsWith = [], includes = [] }: TextChecks): Expression[] {
  return [
    ...patterns.map(parsePattern).filter((expression) => expression !== undefined),
    ...startsWith.map((part) => ({ sequence: [literally(part), ANY_TEXT] })),
    ...endsWith.map((part) => ({ sequence: [ANY_TEXT, literally(part)] })),
    ...includes.map((part) => ({ sequence: [ANY_TEXT, literally(part), ANY_TEXT] })),
  ]
}

export function meetTexts(left: TextChecks, right: TextChecks): TextChecks | undefined {
  if (left.rewrite !== undefined || right.rewrite !== undefined) return undefined
  const met: Record<string, unknown> = { ...left, ...right }
  for (const key of ['formats', 'patterns', 'startsWith', 'endsWith', 'includes', 'except'] as const) {
    if (left[key] !== undefined && right[key] !== undefined) met[key] = [...left[key], ...right[key]]
  }
  if (left.min !== undefined && right.min !== undefined) met['min'] = Math.max(left.min, right.min)
  if (left.max !== undefined && right.max !== undefined) met['max'] = Math.min(left.max, right.max)
  return met
}

const PLAIN = ['text', 'a', '', 'A', '0', ' a ', 'other', '1.5', 'true', '\u00e9']

const sampled = new Map<string, readonly string[]>()

/** Texts that the sender may send, those first that show where the others end. The same checks are met again and again. */
export function sampleTexts(sender: TextChecks, others: readonly TextChecks[], role: Role): readonly string[] {
  const key = canonicalJson([role, sender, others])
  const known = sampled.get(key) ?? drawTexts(sender, others, role)
  sampled.set(key, known)
  return known
}

const ENOUGH = 4

function drawTexts(sender: TextChecks, others: readonly TextChecks[], role: Role): readonly string[] {
  const own = { ...sender, ...sender.after }
  const hints = [...others, ...others.flatMap(({ after }) => after ?? []), own]
  const formatted = hints.flatMap(({ formats = [] }) => formats.flatMap(samplesOf))
  const usual = keepSent([...PLAIN, ...formatted], sender, role)
  if (others.length === 0 && usual.length >= ENOUGH) return usual
  const bounds = hints.flatMap(({ min, max }) => [min, max]).filter((bound) => bound !== undefined && bound <= LONGEST * 5)
  const lengths = bounds.flatMap((bound) => [bound! - 1, bound!, bound! + 1]).filter((length) => length >= 0)
  const seeds = [...sampleDifferences(own, hints), ...formatted, ...others.flatMap(({ except = [] }) => except)]
  const composed = [...seeds, ...PLAIN].map((seed) => compose(own, seed))
  const padded = [...composed.slice(0, 12), compose(own, '')].flatMap((text) => lengths.flatMap((length) => pad(own, text, length)))
  return keepSent([...(others.length === 0 ? PLAIN : []), ...seeds, ...PLAIN, ...composed, ...padded], sender, role)
}

/** Those that the checks let through, the certain ones first. */
function keepSent(texts: readonly string[], checks: TextChecks, role: Role): string[] {
  const found = [...new Set(texts)].map((text) => ({ text, answer: admitsText(checks, text, role) }))
  return (['yes', 'maybe'] as const).flatMap((wanted) => found.filter(({ answer }) => answer === wanted).map(({ text }) => text))
}

function sampleDifferences(sender: TextChecks, hints: readonly TextChecks[]): string[] {
  const narrow = toExpressions(sender)
  const bounds = hints.flatMap(({ min, max }) => [min === undefined ? undefined : atMostLong(min - 1), max === undefined ? undefined : atMostLong(max)])
  const wide = [...hints.flatMap(toExpressions), ...bounds.filter((bound) => bound !== undefined)]
  const found = [...(narrow.length === 0 ? [ANY_TEXT] : narrow)].flatMap((own) => [findText(own), ...wide.map((other) => findDifference(own, other))])
  return found.filter((text) => typeof text === 'string')
}

function compose({ startsWith = [], includes = [], endsWith = [] }: TextChecks, middle: string): string {
  const longest = (parts: readonly string[]): string => parts.reduce((best, part) => (part.length > best.length ? part : best), '')
  return longest(startsWith) + includes.join('') + middle + longest(endsWith)
}

function pad({ startsWith = [], endsWith = [] }: TextChecks, text: string, length: number): string[] {
  const missing = length - text.length
  if (missing < 0) return startsWith.length + endsWith.length === 0 ? [text.slice(0, length)] : []
  const head = startsWith.reduce((best, part) => Math.max(best, part.length), 0)
  const tail = text.length - endsWith.reduce((best, part) => Math.max(best, part.length), 0)
  return [
    text.slice(0, head) + 'a'.repeat(missing) + text.slice(head),
    text.slice(0, tail) + 'a'.repeat(missing) + text.slice(tail),
    text + '0'.repeat(missing),
  ]
}
