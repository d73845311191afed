import type { TextPattern } from './model.js'

/** Code units, as ranges that do not touch, in order. */
export type Units = ReadonlyArray<readonly [number, number]>

/** The part of regular expressions that can be reasoned about: no groups to refer back to, nothing that looks around. */
export type Expression =
  | { readonly units: Units }
  | { readonly sequence: readonly Expression[] }
  | { readonly choice: readonly Expression[] }
  | { readonly repeat: Expression; readonly min: number; readonly max: number }

const LAST_UNIT = 0xffff
export const ANY_UNIT: Expression = { units: [[0, LAST_UNIT]] }
export const ANY_TEXT: Expression = repeated(ANY_UNIT, 0, Number.POSITIVE_INFINITY)

export function repeated(repeat: Expression, min: number, max: number): Expression {
  return { repeat, min, max }
}

export function literally(text: string): Expression {
  return { sequence: Array.from({ length: text.length }, (_, index) => ({ units: [unit(text.charCodeAt(index))] })) }
}

/** Reads a pattern as what a whole text looks like; `undefined` where it uses more than is understood here. */
export function parsePattern({ source, flags }: TextPattern): Expression | undefined {
  if (flags !== '' && flags !== 'i') return undefined
  try {
    return new PatternParser(source, flags === 'i').parse()
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined
    throw error
  }
}

class NotUnderstood extends Error {}

const CLASSES: Readonly<Record<string, Units>> = {
  d: ranges('09'),
  w: ranges('09', 'AZ', '__', 'az'),
  s: toUnits(...' \t\n\v\f\r\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff'.split('').map((space) => unit(space.charCodeAt(0))), [0x2000, 0x200a]),
}
const CONTROLS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v', '0': '\0' }
const LINE_ENDS = toUnits(...'\n\r\u2028\u2029'.split('').map((end) => unit(end.charCodeAt(0))))
const MAX_REPEAT = 400

class PatternParser {
  #at = 0

  constructor(
    private readonly source: string,
    private readonly anyCase: boolean,
  ) {}

  parse(): Expression {
    const choice: Expression[] = []
    do choice.push(this.#parseAnchored())
    while (this.#take('|'))
    if (this.#at < this.source.length) throw new NotUnderstood()
    return { choice }
  }

  /** What is not anchored may stand anywhere in the text. */
  #parseAnchored(): Expression {
    const isStart = this.#take('^')
    const body = this.#parseSequence()
    const isEnd = this.#take('$')
    return { sequence: [...(isStart ? [] : [ANY_TEXT]), body, ...(isEnd ? [] : [ANY_TEXT])] }
  }

  #parseChoice(): Expression {
    const choice: Expression[] = []
    do choice.push(this.#parseSequence())
    while (this.#take('|'))
    return { choice }
  }

  #parseSequence(): Expression {
    const sequence: Expression[] = []
    while (this.#at < this.source.length && !'|)$'.includes(this.source[this.#at]!)) sequence.push(this.#parseRepeated())
    return { sequence }
  }

  #parseRepeated(): Expression {
    const atom = this.#parseAtom()
    const [min, max] = this.#parseCount() ?? [1, 1]
    this.#take('?') // lazy or not, it is the same texts
    if (min > MAX_REPEAT || (max > MAX_REPEAT && max !== Number.POSITIVE_INFINITY)) throw new NotUnderstood()
    return min === 1 && max === 1 ? atom : repeated(atom, min, max)
  }

  #parseCount(): readonly [number, number] | undefined {
    if (this.#take('*')) return [0, Number.POSITIVE_INFINITY]
    if (this.#take('+')) return [1, Number.POSITIVE_INFINITY]
    if (this.#take('?')) return [0, 1]
    const [text, min, comma, max] = /^\{(\d+)(,?)(\d*)\}/.exec(this.source.slice(this.#at)) ?? []
    if (text === undefined) return undefined
    this.#at += text.length
    return [Number(min), comma === '' ? Number(min) : max === '' ? Number.POSITIVE_INFINITY : Number(max)]
  }

  #parseAtom(): Expression {
    const character = this.#next()
    switch (character) {
      case '(':
        return this.#parseGroup()
      case '[':
        return { units: this.#fold(this.#parseClass()) }
      case '.':
        return { units: without(LINE_ENDS) }
      case '\\':
        return { units: this.#fold(this.#parseEscape()) }
      case '^':
      case '*':
      case '+':
      case '?':
      case '{':
        throw new NotUnderstood()
      default:
        return { units: this.#fold([unit(character.charCodeAt(0))]) }
    }
  }

  #parseGroup(): Expression {
    if (this.#take('?') && !this.#take(':')) throw new NotUnderstood()
    const choice = this.#parseChoice()
    if (!this.#take(')')) throw new NotUnderstood()
    return choice
  }

  #parseClass(): Units {
    const isNegated = this.#take('^')
    const found: Array<readonly [number, number]> = []
    while (!this.#take(']')) {
      const low = this.#parseClassPart()
      if (this.source[this.#at] !== '-' || this.source[this.#at + 1] === ']' || low.length !== 1) {
        found.push(...low)
        continue
      }
      this.#at++
      const high = this.#parseClassPart()
      if (low[0]![0] !== low[0]![1] || high[0]?.[0] !== high[0]?.[1] || high.length !== 1) throw new NotUnderstood()
      found.push([low[0]![0], high[0]![0]])
    }
    const units = toUnits(...found)
    return isNegated ? without(this.#fold(units)) : units
  }

  #parseClassPart(): Units {
    const character = this.#next()
    return character === '\\' ? this.#parseEscape() : [unit(character.charCodeAt(0))]
  }

  #parseEscape(): Units {
    const character = this.#next()
    const known = CLASSES[character]
    if (known !== undefined) return known
    const negated = CLASSES[character.toLowerCase()]
    if (negated !== undefined) return without(negated)
    const code = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/.exec(this.source.slice(this.#at - 1))
    if (code !== null) {
      this.#at += code[0].length - 1
      return [unit(Number.parseInt((code[1] ?? code[2])!, 16))]
    }
    if (CONTROLS[character] !== undefined) return [unit(CONTROLS[character].charCodeAt(0))]
    if (/[A-Za-z0-9]/.test(character)) throw new NotUnderstood() // \b, \1, \p{…}
    return [unit(character.charCodeAt(0))]
  }

  /** Both cases, of letters without accents; others are not understood. */
  #fold(units: Units): Units {
    if (!this.anyCase) return units
    if (units.some(([, high]) => high > 0x7f)) throw new NotUnderstood()
    const both = units.flatMap(([low, high]) => [[low, high] as const, ...shift(low, high, 0x41, 0x5a, 32), ...shift(low, high, 0x61, 0x7a, -32)])
    return toUnits(...both)
  }

  #take(text: string): boolean {
    if (this.source[this.#at] !== text) return false
    this.#at++
    return true
  }

  #next(): string {
    const character = this.source[this.#at++]
    if (character === undefined) throw new NotUnderstood()
    return character
  }
}

function shift(low: number, high: number, from: number, to: number, by: number): Array<readonly [number, number]> {
  const [first, last] = [Math.max(low, from), Math.min(high, to)]
  return first <= last ? [[first + by, last + by]] : []
}

function unit(code: number): readonly [number, number] {
  return [code, code]
}

function ranges(...pairs: string[]): Units {
  return toUnits(...pairs.map((pair) => [pair.charCodeAt(0), pair.charCodeAt(1)] as const))
}

/** Ranges in order, those that touch joined. */
function toUnits(...found: Array<readonly [number, number]>): Units {
  const joined: Array<[number, number]> = []
  for (const [low, high] of found.sort(([left], [right]) => left - right)) {
    const last = joined.at(-1)
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high)
    else joined.push([low, high])
  }
  return joined
}

export function without(units: Units): Units {
  const gaps: Array<readonly [number, number]> = []
  let next = 0
  for (const [low, high] of units) {
    if (low > next) gaps.push([next, low - 1])
    next = high + 1
  }
  return next <= LAST_UNIT ? [...gaps, [next, LAST_UNIT]] : gaps
}
