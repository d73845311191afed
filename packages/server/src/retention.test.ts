import { expect, test } from 'vitest'
import { toRetention } from './retention.js'

test('a thousand events of 64 KiB are kept for a day, unless something else is asked for', () => {
  expect(toRetention('durable')).toMatchObject({ maxMessages: 1_000, maxAgeMs: 24 * 60 * 60 * 1_000, maxBytes: 64 * 1024 })
  expect(toRetention('durable', { maxMessages: 5 })).toMatchObject({ maxMessages: 5, maxBytes: 64 * 1024 })
})

test.each([{ maxMessages: 0 }, { maxAgeMs: 999 }, { maxBytes: 1_000_001 }, { pollMs: 99 }, { maxMesages: 5 }])('%o is refused', (options) => {
  expect(() => toRetention('durable', options)).toThrow(TypeError)
})
