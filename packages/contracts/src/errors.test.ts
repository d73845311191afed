import { expect, test, vi } from 'vitest'
import { RealtimeError } from './errors.js'

test('an error carries code, origin, data and cause', () => {
  const cause = new Error('inner')
  const error = new RealtimeError('NOT_FOUND', 'no such thing', { data: { id: 'x' }, cause, origin: 'remote', event: 'take' })
  expect(error).toMatchObject({ name: 'RealtimeError', code: 'NOT_FOUND', message: 'no such thing', data: { id: 'x' }, cause, origin: 'remote', event: 'take' })
  expect(error).toBeInstanceOf(Error)
  expect(new RealtimeError('CLOSED')).toMatchObject({ message: 'CLOSED', origin: 'local', data: undefined })
})

test('an error of another copy of the package is recognised', async () => {
  vi.resetModules()
  const copy = await import('./errors.js')
  expect(copy.RealtimeError).not.toBe(RealtimeError)
  expect(new copy.RealtimeError('CLOSED')).toBeInstanceOf(RealtimeError)
  expect(new RealtimeError('CLOSED')).toBeInstanceOf(copy.RealtimeError)
  for (const other of [new Error('x'), null, undefined, 'x', { code: 'CLOSED' }]) expect(other instanceof RealtimeError).toBe(false)
})

test('a subclass is recognised as itself only', () => {
  class Special extends RealtimeError {}
  expect(new Special('CLOSED')).toBeInstanceOf(Special)
  expect(new Special('CLOSED')).toBeInstanceOf(RealtimeError)
  expect(new RealtimeError('CLOSED')).not.toBeInstanceOf(Special)
})

test.each([
  ['UNAVAILABLE', true],
  ['RATE_LIMITED', true],
  ['SLOW_CONSUMER', true],
  ['NOT_CONNECTED', true],
  ['TOKEN_EXPIRED', true],
  ['UNAUTHENTICATED', false],
  ['REVOKED', false],
  ['REPLACED', false],
  ['REPLY_LOST', false],
  ['CONTRACT_MISMATCH', false],
  ['SOLD_OUT', false],
])('%s is retryable: %s', (code, retryable) => {
  expect(new RealtimeError(code).retryable).toBe(retryable)
})
