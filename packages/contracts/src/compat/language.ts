import type { Expression, Units } from './pattern.js'

// Texts as automata: whether every text of one expression is a text of another, and the shortest that is not.

interface State {
  readonly id: number
  readonly silent: State[]
  readonly reading: Array<{ readonly units: Units; readonly to: State }>
}

interface Automaton {
  readonly start: State
  readonly end: State
}

class TooLarge extends Error {}

const MAX_STATES = 6000
const MAX_PAIRS = 20_000

class Builder {
  #states = 0

  build(expression: Expression): Automaton {
    const start = this.#state()
    return { start, end: this.#add(expression, start) }
  }

  #state(): State {
    if (this.#states > MAX_STATES) throw new TooLarge()
    return { id: this.#states++, silent: [], reading: [] }
  }

  #add(expression: Expression, from: State): State {
    if ('units' in expression) {
      const to = this.#state()
      from.reading.push({ units: expression.units, to })
      return to
    }
    if ('sequence' in expression) return expression.sequence.reduce((state, part) => this.#add(part, state), from)
    if ('choice' in expression) return this.#addChoice(expression.choice, from)
    return this.#addRepeat(expression, from)
  }

  #addChoice(choice: readonly Expression[], from: State): State {
    const to = this.#state()
    for (const part of choice) {
      const start = this.#state()
      from.silent.push(start)
      this.#add(part, start).silent.push(to)
    }
    return to
  }

  #addRepeat({ repeat, min, max }: Extract<Expression, { repeat: Expression }>, from: State): State {
    let state = from
    for (let count = 0; count < min; count++) state = this.#add(repeat, state)
    if (max !== Number.POSITIVE_INFINITY) {
      const to = this.#state()
      for (let count = min; count < max; count++) {
        state.silent.push(to)
        state = this.#add(repeat, state)
      }
      state.silent.push(to)
      return to
    }
    const loop = this.#state()
    state.silent.push(loop)
    this.#add(repeat, loop).silent.push(loop)
    return loop
  }
}

/** All states that are reached without reading. */
function close(states: Iterable<State>): State[] {
  const found = new Set(states)
  for (const state of found) for (const next of state.silent) found.add(next) // a set is walked to what is added meanwhile
  return [...found].sort((left, right) => left.id - right.id)
}

interface Pair {
  readonly narrow: readonly State[]
  readonly wide: readonly State[]
  readonly text: string
}

/**
 * The shortest text of `narrow` that is none of `wide`, one of nice characters where there is a choice; `undefined` where every text of
 * the one is one of the other, and `null` where that is too much to find out.
 */
export function findDifference(narrow: Expression, wide: Expression): string | undefined | null {
  try {
    return search(new Builder().build(narrow), new Builder().build(wide))
  } catch (error) {
    if (error instanceof TooLarge) return null
    throw error
  }
}

/** The shortest text of an expression. */
export function findText(expression: Expression): string | undefined {
  return findDifference(expression, { choice: [] }) ?? undefined
}

function search(narrow: Automaton, wide: Automaton): string | undefined {
  const first: Pair = { narrow: close([narrow.start]), wide: close([wide.start]), text: '' }
  const seen = new Set([toKey(first)])
  const queue = [first]
  for (const pair of queue) {
    if (pair.narrow.includes(narrow.end) && !pair.wide.includes(wide.end)) return pair.text
    for (const next of stepsOf(pair)) {
      const key = toKey(next)
      if (seen.has(key)) continue
      if (seen.size > MAX_PAIRS) throw new TooLarge()
      seen.add(key)
      queue.push(next)
    }
  }
  return undefined
}

function toKey({ narrow, wide }: Pair): string {
  return `${narrow.map(({ id }) => id).join()}|${wide.map(({ id }) => id).join()}`
}

function* stepsOf({ narrow, wide, text }: Pair): Generator<Pair> {
  for (const range of split([...narrow, ...wide])) {
    const next = close(stepTo(narrow, range[0]))
    if (next.length > 0) yield { narrow: next, wide: close(stepTo(wide, range[0])), text: text + nice(range) }
  }
}

function stepTo(states: readonly State[], code: number): State[] {
  return states.flatMap(({ reading }) => reading.filter(({ units }) => units.some((range) => isWithin(code, range))).map(({ to }) => to))
}

/** Ranges in which no state tells one unit from another. */
function split(states: readonly State[]): Array<readonly [number, number]> {
  const ranges = states.flatMap(({ reading }) => reading.flatMap(({ units }) => units))
  const starts = [...new Set(ranges.flatMap(([low, high]) => [low, high + 1]))].sort((left, right) => left - right)
  const parts = starts.slice(0, -1).map((start, index) => [start, starts[index + 1]! - 1] as const)
  return parts.sort((left, right) => rank(left) - rank(right))
}

const NICE = [...'a0A-_ .'].map((character) => character.charCodeAt(0))

/** Units that read well come first. */
function rank(range: readonly [number, number]): number {
  const index = NICE.findIndex((code) => isWithin(code, range))
  return index === -1 ? NICE.length : index
}

function nice(range: readonly [number, number]): string {
  return String.fromCharCode(NICE.find((code) => isWithin(code, range)) ?? range[0])
}

function isWithin(code: number, [low, high]: readonly [number, number]): boolean {
  return low <= code && code <= high
}
