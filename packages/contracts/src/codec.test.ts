import { describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { compileSchema } from './codec.js'
import { readSchema } from './schema.js'

function compile(schema: z.ZodType) {
  return compileSchema(schema, readSchema(schema, 'test'))
}

const Time = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })

describe('a compiled schema', () => {
  test('encodes a domain value for the wire and decodes it back', () => {
    const { encode, decode } = compile(z.object({ time: Time, on: z.stringbool() }))
    const value = { time: new Date('2026-01-01T00:00:00.000Z'), on: true }
    expect(encode(value)).toEqual({ ok: true, value: { time: '2026-01-01T00:00:00.000Z', on: 'true' } })
    expect(decode({ time: '2026-01-01T00:00:00.000Z', on: 'true' })).toEqual({ ok: true, value })
  })

  test('sends no key that is not declared, with and without a codec', () => {
    expect(compile(z.object({ a: z.string() })).encode({ a: 'x', b: 1 })).toEqual({ ok: true, value: { a: 'x' } })
    expect(compile(z.object({ a: z.string(), t: Time.optional() })).encode({ a: 'x', b: 1 })).toEqual({ ok: true, value: { a: 'x' } })
  })

  test('fills in a default where it receives, and wants it given where it sends', () => {
    const { encode, decode } = compile(z.object({ a: z.string().default('x') }))
    expect(decode({})).toEqual({ ok: true, value: { a: 'x' } })
    expect(encode({})).toMatchObject({ ok: false })
    expect(encode({ a: 'y' })).toEqual({ ok: true, value: { a: 'y' } })
  })

  test('tells reasons with their paths, and never a value', () => {
    const { decode } = compile(z.object({ list: z.array(z.object({ n: z.number() })), kind: z.enum(['a', 'b']) }))
    const result = decode({ list: [{ n: 1 }, { n: 's3cret' }], kind: 's3cret' })
    expect(result).toEqual({
      ok: false,
      issues: [
        { path: ['list', 1, 'n'], message: 'Invalid input: expected number, received string' },
        { path: ['kind'], message: 'Invalid option: expected one of "a"|"b"' },
      ],
    })
    expect(JSON.stringify(result)).not.toContain('s3cret')
  })

  test('tells a bounded number of reasons, each of bounded length', () => {
    const { decode } = compile(z.strictObject({}))
    const many = compile(z.array(z.string())).decode(Array.from({ length: 10_000 }, () => 1))
    expect(!many.ok && many.issues.length).toBe(16)
    const long = decode({ ['x'.repeat(100_000)]: 1 })
    expect(JSON.stringify(long).length).toBeLessThan(1000)
  })

  test('calls a schema once for a value', () => {
    const check = vi.fn(() => true)
    compile(z.object({ a: z.string().refine(check) })).encode({ a: 'x' })
    expect(check).toHaveBeenCalledTimes(1)
  })

  test('survives a codec or refinement that throws, and a value that overflows the stack', () => {
    const throwing = compile(
      z.object({
        a: z.string().refine(() => {
          throw new Error('secret')
        }),
      }),
    ).decode({ a: 'x' })
    expect(throwing).toEqual({ ok: false, issues: [{ path: [], message: 'cannot be validated: Error' }] })
    let deep: unknown = 'x'
    for (let level = 0; level < 100_000; level++) deep = [deep]
    expect(compile(z.json()).decode(deep)).toMatchObject({ ok: false })
  })

  test.each([
    ['a date', new Date(), 'a Date is not JSON'],
    ['bytes', new Uint8Array(1), 'a Uint8Array is not JSON'],
    ['a map', new Map(), 'a Map is not JSON'],
    ['a bigint', 1n, 'a bigint is not JSON'],
    ['a function', () => {}, 'a function is not JSON'],
    ['NaN', Number.NaN, 'a number that JSON cannot hold (NaN or infinite)'],
    ['a __proto__ key', JSON.parse('{"__proto__":{}}'), 'the key __proto__ is not allowed'],
  ])('does not let %s through an open field', (_case, value, message) => {
    expect(compile(z.object({ any: z.unknown() })).encode({ any: [value] })).toEqual({ ok: false, issues: [{ path: [], message }] })
  })

  test('lets JSON, also without a prototype, through an open field as it is', () => {
    const value = { any: Object.assign(Object.create(null), { a: [1, 'x', null, true, { b: undefined }] }) }
    expect(compile(z.object({ any: z.unknown() })).encode(value)).toEqual({ ok: true, value })
  })
})
