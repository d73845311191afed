import { generateKeyPairSync } from 'node:crypto'
import { jwt } from '@org/realtime-server'
import { expect, test } from 'vitest'
import { testTokens } from './index.js'

const secret = 'uL3n8vQ1zR7xW2kJ5mB9sD4fG6hT0pYc'
const request = { headers: {}, address: '127.0.0.1' }

test('a token says what the test says of its user, and holds as long', async () => {
  const tokens = testTokens({ secret, issuer: 'app', audience: 'realtime' })
  const { authenticate } = jwt({ secret, issuer: 'app', audience: 'realtime', user: ({ sub, jti }) => ({ userId: sub, jti }) })
  const { user, expiresAtMs = 0 } = await authenticate({ ...request, token: await tokens.for('alice', { expiresInMs: 5_000, claims: { jti: 't-1' } }) })
  expect(user).toEqual({ userId: 'alice', jti: 't-1' })
  expect(expiresAtMs - Date.now()).toBeGreaterThan(4_000)
  expect(expiresAtMs - Date.now()).toBeLessThanOrEqual(6_000)
})

test('a token is old, or forged, on demand', async () => {
  const tokens = testTokens({ secret })
  const { authenticate } = jwt({ secret, issuer: false, audience: false })
  await expect(authenticate({ ...request, token: await tokens.expired('alice') })).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' })
  await expect(authenticate({ ...request, token: await tokens.forged('alice') })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('a private key signs for an application that has the public one', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { authenticate } = jwt({ publicKey, algorithms: ['ES256'], issuer: false, audience: false, subject: ({ uid }) => uid })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  for (const key of [privateKey, pem]) {
    const tokens = testTokens({ privateKey: key, algorithm: 'ES256', keyId: 'k1', claims: ({ userId }) => ({ uid: userId }) })
    expect((await authenticate({ ...request, token: await tokens.for('alice') })).user).toEqual({ userId: 'alice' })
    await expect(authenticate({ ...request, token: await tokens.forged('alice') })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  }
})

test('a missing secret is a TypeError', () => {
  expect(() => testTokens({ secret: undefined })).toThrow(TypeError)
})
