import { isDeepStrictEqual } from 'node:util'

/**
 * What a payload should be like: a function that says so, or what it should have. Of an object, only the keys that are given
 * count; a list must match as a whole. `expect.any(String)` and the like of jest and vitest can stand anywhere.
 */
export type Match<Payload> = ((payload: Payload) => boolean) | Partially<Payload>

type Partially<T> = T extends Date
  ? T
  : T extends ReadonlyArray<infer Item>
    ? ReadonlyArray<Partially<Item>>
    : T extends object
      ? { readonly [K in keyof T]?: Partially<T[K]> | undefined }
      : T

/** Why a payload does not match; `undefined` where it does. */
export function findMismatch(payload: unknown, match: unknown): string | undefined {
  if (typeof match !== 'function') return mismatchAt([], payload, match)
  const answer: unknown = match(payload)
  if (typeof answer !== 'boolean') {
    throw new TypeError(`The function that says whether an event matches must return true or false; it returned ${show(answer)}`)
  }
  return answer ? undefined : 'the function says no'
}

function mismatchAt(path: readonly string[], actual: unknown, expected: unknown): string | undefined {
  if (isAsymmetric(expected)) {
    return expected.asymmetricMatch(actual) ? undefined : differs(path, actual, String(expected))
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return differs(path, actual, show(expected))
    return firstOf(expected.keys(), (index) => mismatchAt([...path, String(index)], actual[index], expected[index]))
  }
  if (isPlain(expected)) {
    if (typeof actual !== 'object' || actual === null) return differs(path, actual, show(expected))
    return firstOf(Object.keys(expected), (key) => mismatchAt([...path, key], Reflect.get(actual, key), expected[key]))
  }
  return isDeepStrictEqual(actual, expected) ? undefined : differs(path, actual, show(expected))
}

function firstOf<T>(items: Iterable<T>, find: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}

function differs(path: readonly string[], actual: unknown, expected: string): string {
  return `${path.join('.') || 'the payload'} is ${show(actual)}, expected ${expected}`
}

function isAsymmetric(value: unknown): value is { asymmetricMatch(actual: unknown): boolean } {
  return typeof value === 'object' && value !== null && 'asymmetricMatch' in value && typeof value.asymmetricMatch === 'function'
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

const MAX_SHOWN = 300

export function show(value: unknown): string {
  const text = value instanceof Error ? `${value.name} ${Reflect.get(value, 'code') ?? ''}: ${value.message}` : (safeJson(value) ?? String(value))
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}

function safeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}
