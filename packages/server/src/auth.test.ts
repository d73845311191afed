import { createHmac, createPrivateKey, generateKeyPairSync, sign as signBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { inspect } from 'node:util'
import { exportJWK, SignJWT } from 'jose'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import * as z from 'zod'
import { jwt } from './auth.js'
import type { Authenticator } from './identity.js'

const SECRET = 'uL3n8vQ1zR7xW2kJ5mB9sD4fG6hT0pYc'
const nowS = () => Math.floor(Date.now() / 1000)
const any = { issuer: false, audience: false } as const
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()

const base64url = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Signs whatever it is given, however wrong. */
function forge(payload: unknown, header: unknown = { alg: 'HS256' }, secret: string | Buffer = SECRET): string {
  const body = `${base64url(header)}.${base64url(payload)}`
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`
}

const good = (): Record<string, unknown> => ({ sub: 'ada', exp: nowS() + 60 })

async function codeOf(authenticator: Authenticator<unknown>, token: string | undefined): Promise<string> {
  try {
    await authenticator.authenticate({ ...(token !== undefined && { token }), headers: {}, address: '' })
    return 'let in'
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('jwt() is not made', () => {
  test.each<[string, object, RegExp]>([
    ['without a secret', { secret: undefined }, /secret is not set/],
    ['with an empty secret', { secret: '' }, /secret is not set/],
    ['with a short secret', { secret: 'x7!kQ9' }, /48 bits and needs 256/],
    ['with 31 bytes', { secret: Buffer.from('uL3n8vQ1zR7xW2kJ5mB9sD4fG6hT0pY') }, /248 bits/],
    ['with one character', { secret: 'a'.repeat(64) }, /easily guessed/],
    ['with a word again and again', { secret: 'secret'.repeat(8) }, /easily guessed/],
    ['with digits in order', { secret: '0123456789'.repeat(4) }, /easily guessed/],
    ['with the alphabet', { secret: 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ' }, /easily guessed/],
    ['with the secret of a web page', { secret: 'a-string-secret-at-least-256-bits-long' }, /easily guessed/],
    ['with a PEM for a secret', { secret: pem }, /is a PEM, JWK or DER key/],
    ['with a PEM as bytes', { secret: Buffer.from(pem) }, /is a PEM, JWK or DER key/],
    ['with a DER', { secret: rsa.publicKey.export({ type: 'spki', format: 'der' }) }, /is a PEM, JWK or DER key/],
    ['with a DER as text', { secret: rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64') }, /is a PEM, JWK or DER key/],
    ['with a JWK as text', { secret: JSON.stringify(rsa.publicKey.export({ format: 'jwk' })) }, /is a PEM, JWK or DER key/],
    ['with a PEM in base64', { secret: Buffer.from(pem).toString('base64') }, /is a PEM, JWK or DER key/],
    ['with a JWK in base64', { secret: Buffer.from(JSON.stringify(rsa.publicKey.export({ format: 'jwk' }))).toString('base64') }, /is a PEM, JWK or DER key/],
    ['with a PEM in UTF-16', { secret: Buffer.from(pem, 'utf16le') }, /is a PEM, JWK or DER key/],
    ['with an SSH key', { secret: `ssh-rsa AAAA${'bC4dE5fG'.repeat(8)}` }, /is a PEM, JWK or DER key/],
    ['with a password', { secret: 'password123-password124-password125' }, /easily guessed/],
    ['with a placeholder', { secret: 'my-super-long-jwt-key-change-me-please' }, /easily guessed/],
    ['with mostly one letter', { secret: `${'a'.repeat(29)}bcdef` }, /easily guessed/],
    [
      'with a key of another curve',
      { publicKey: generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey, algorithms: ['ES256'] },
      /which ES256 cannot use/,
    ],
    ['with claims that are no schema', { secret: SECRET, claims: {} }, /claims must be a schema/],
    ['with a user that is no function', { secret: SECRET, user: 'x' }, /user must be a function/],
    ['with a key for a secret', { secret: rsa.publicKey }, /must be a string or bytes/],
    ['with algorithms beside a secret', { secret: SECRET, algorithms: ['RS256'] }, /implies HS256/],
    ['with two keys', { secret: SECRET, publicKey: pem, algorithms: ['RS256'] }, /exactly one of/],
    ['without a key', {}, /exactly one of/],
    ['with a public key and no algorithms', { publicKey: pem }, /needs the algorithms/],
    ['with an empty list of algorithms', { publicKey: pem, algorithms: [] }, /needs the algorithms/],
    ['with algorithms of two families', { publicKey: pem, algorithms: ['RS256', 'ES256'] }, /of one family/],
    ['with HS256 for a public key', { publicKey: pem, algorithms: ['HS256'] }, /not an algorithm for a public key/],
    ['with none', { publicKey: pem, algorithms: ['none'] }, /not an algorithm/],
    ['with a key of another family', { publicKey: ec.publicKey, algorithms: ['RS256'] }, /is a key for ec/],
    ['with a private key', { publicKey: rsa.privateKey, algorithms: ['RS256'] }, /is a private key/],
    ['with a private PEM', { publicKey: rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), algorithms: ['RS256'] }, /is a private key/],
    ['with a private JWK', { publicKey: rsa.privateKey.export({ format: 'jwk' }), algorithms: ['RS256'] }, /private JWK/],
    ['with nonsense for a key', { publicKey: 'nonsense', algorithms: ['RS256'] }, /must be a PEM text/],
    ['with a short RSA key', { publicKey: generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey, algorithms: ['RS256'] }, /1024 bits and needs 2048/],
    ['with a key set over plain http', { jwks: 'http://id.example.com/jwks', algorithms: ['RS256'] }, /must be an https URL/],
    ['with a key set that is no URL', { jwks: 'nonsense', algorithms: ['RS256'] }, /must be the URL/],
    ['with a key set and no algorithms', { jwks: 'https://id.example.com/jwks' }, /needs the algorithms/],
    ['without an issuer', { secret: SECRET, issuer: undefined }, /issuer: false/],
    ['with an empty issuer', { secret: SECRET, issuer: '' }, /issuer must be given/],
    ['without an audience', { secret: SECRET, audience: undefined }, /audience: false/],
    ['with an empty list of audiences', { secret: SECRET, audience: [] }, /audience must be given/],
    ['with a lifetime that is none', { secret: SECRET, maxLifetimeMs: 0 }, /maxLifetimeMs/],
  ])('%s', (_case, options, message) => {
    const make = () => jwt({ ...any, ...options } as never)
    expect(make).toThrow(message)
    expect(make).toThrow(TypeError)
    expect(make).not.toThrow(SECRET)
  })

  test.each([
    SECRET,
    Buffer.from(SECRET),
    'k9#fj2lsdkfj203jfsdlkfj2309fjslkdfj',
    'test-secret-test-secret-test-secret-42',
    Buffer.from(crypto.getRandomValues(new Uint8Array(48))).toString('base64'),
  ])('but it is with a good secret', async (secret) => {
    expect(await codeOf(jwt({ ...any, secret }), forge(good(), undefined, secret as string))).toBe('let in')
  })
})

describe('a token is let in', () => {
  const authenticator = jwt({ ...any, secret: SECRET })

  test.each<[string, () => Record<string, unknown>]>([
    ['with an end', good],
    ['with nbf now and iat now', () => ({ ...good(), nbf: nowS(), iat: nowS() })],
    ['with nbf and iat 4 s ahead', () => ({ ...good(), nbf: nowS() + 4, iat: nowS() + 4 })],
    ['that lasts 60 days', () => ({ sub: 'ada', iat: nowS(), exp: nowS() + 60 * 86_400 })],
    ['with any issuer where that is said', () => ({ ...good(), iss: 'x', aud: ['y'] })],
    ['with odd claims', () => JSON.parse(`{"sub":"ada","exp":${nowS() + 60},"__proto__":{"x":1},"toString":1}`)],
    ['of a user whose id is long and odd', () => ({ ...good(), sub: `${'a'.repeat(119)}._@|-A9` })],
  ])('%s', async (_case, payload) => {
    expect(await codeOf(authenticator, forge(payload()))).toBe('let in')
  })
})

test.each<[string, Record<string, unknown>]>([
  ['flat', { role: 'member' }],
  ['with a list', { role: 'member', groups: ['a'] }],
])('what an application does to claims, %s, is not there when the token comes again', async (_case, own) => {
  const seen: string[] = []
  const authenticator = jwt({
    ...any,
    secret: SECRET,
    subject(claims) {
      seen.push(JSON.stringify({ role: claims['role'], groups: claims['groups'] }))
      Object.assign(claims, { role: 'admin', exp: 1 })
      if (Array.isArray(claims['groups'])) claims['groups'].push('admins')
      return claims['sub']
    },
  })
  const token = forge({ ...good(), ...own })
  for (let time = 0; time < 3; time++) expect(await codeOf(authenticator, token)).toBe('let in')
  expect(seen).toEqual(Array(3).fill(JSON.stringify(own)))
})

describe('a token is refused', () => {
  const authenticator = jwt({ ...any, secret: SECRET })
  const cases: Array<[string, () => string | undefined]> = [
    ['where there is none', () => undefined],
    ['where it is empty', () => ''],
    ['of two parts', () => 'a.b'],
    ['of four parts', () => `${forge(good())}.x`],
    ['with padding', () => `${forge(good())}=`],
    ['with another base64', () => forge(good()).replace('.', '+.')],
    ['that is too long', () => forge({ ...good(), pad: 'x'.repeat(9000) })],
    ['with a last character that says the same', () => withTwinSignature(forge(good()))],
    ['signed with another secret', () => forge(good(), undefined, 'Another-Secret-Of-The-Right-Length-77')],
    ['not signed', () => `${base64url({ alg: 'none' })}.${base64url(good())}.`],
    ['with alg none and a signature', () => forge(good(), { alg: 'none' })],
    ['with alg None', () => forge(good(), { alg: 'None' })],
    ['without alg', () => forge(good(), {})],
    ['with HS512', () => forge(good(), { alg: 'HS512' })],
    ['with crit', () => forge(good(), { alg: 'HS256', crit: ['exp'], exp: 1 })],
    ['with b64 false', () => forge(good(), { alg: 'HS256', b64: false, crit: ['b64'] })],
    ['with a header that is a list', () => forge(good(), [])],
    ['with a header that is no JSON', () => forge(good(), 'x')],
    ['with a payload that is no JSON', () => forge('x')],
    ['with a payload that is a list', () => forge([])],
    ['without exp', () => forge({ sub: 'ada' })],
    ['with exp as text', () => forge({ sub: 'ada', exp: String(nowS() + 60) })],
    ['with exp that is infinite', () => forge('{"sub":"ada","exp":1e400}')],
    ['with exp that is a fraction', () => forge({ sub: 'ada', exp: nowS() + 60.5 })],
    ['with exp null', () => forge({ sub: 'ada', exp: null })],
    ['that lasts too long', () => forge({ sub: 'ada', exp: nowS() + 91 * 86_400 })],
    ['that lasts too long, counted from iat', () => forge({ sub: 'ada', iat: nowS() - 80 * 86_400, exp: nowS() + 20 * 86_400 })],
    ['with nbf ahead', () => forge({ ...good(), nbf: nowS() + 30 })],
    ['with iat ahead', () => forge({ ...good(), iat: nowS() + 30 })],
    ['with iat as text', () => forge({ ...good(), iat: 'x' })],
    ['with iat infinite', () => forge(`{"sub":"ada","exp":${nowS() + 60},"iat":-1e400}`)],
    ['without sub', () => forge({ exp: nowS() + 60 })],
    ['with an empty sub', () => forge({ ...good(), sub: '' })],
    ['with sub as number', () => forge({ ...good(), sub: 7 })],
    ['with a sub that is too long', () => forge({ ...good(), sub: 'x'.repeat(129) })],
    ['with a sub of other characters', () => forge({ ...good(), sub: 'user:ada' })],
    ['with a sub on two lines', () => forge({ ...good(), sub: 'ada\n' })],
    ['signed with the PEM of a public key', () => forge(good(), { alg: 'HS256' }, pem)],
    ['with its own key', () => forge(good(), { alg: 'HS256', jwk: { kty: 'oct', k: base64url(SECRET) } }, 'x'.repeat(32))],
  ]
  test.each(cases)('%s', async (_case, token) => {
    expect(await codeOf(authenticator, token())).toBe('UNAUTHENTICATED')
  })

  test('as expired where it was good', async () => {
    expect(await codeOf(authenticator, forge({ sub: 'ada', exp: nowS() }))).toBe('TOKEN_EXPIRED')
    expect(await codeOf(authenticator, forge({ sub: 'ada', exp: nowS() - 3 }))).toBe('TOKEN_EXPIRED')
    expect(await codeOf(authenticator, forge({ sub: 'ada', exp: nowS() - 3600 }))).toBe('TOKEN_EXPIRED')
    expect(await codeOf(authenticator, forge({ sub: 'ada', exp: nowS() - 3600 }, undefined, 'Another-Secret-Of-The-Right-Length-77'))).toBe('UNAUTHENTICATED')
  })
})

test('issuer, audience and type are checked where they are given', async () => {
  const authenticator = jwt({ secret: SECRET, issuer: ['https://id.example.com', 'https://id2.example.com'], audience: 'realtime', type: 'at+jwt' })
  const claims = { ...good(), iss: 'https://id.example.com', aud: ['realtime', 'other'] }
  const header = { alg: 'HS256', typ: 'at+jwt' }
  expect(await codeOf(authenticator, forge(claims, header))).toBe('let in')
  expect(await codeOf(authenticator, forge({ ...claims, iss: 'https://id2.example.com' }, header))).toBe('let in')
  for (const wrong of [
    { iss: 'https://id.example.com/' },
    { iss: undefined },
    { iss: ['https://id.example.com'] },
    { aud: 'real' },
    { aud: undefined },
    { aud: [] },
  ]) {
    expect(await codeOf(authenticator, forge({ ...claims, ...wrong }, header))).toBe('UNAUTHENTICATED')
  }
  for (const typ of ['JWT', undefined, 'at+jwt2']) {
    expect(await codeOf(authenticator, forge(claims, { alg: 'HS256', typ }))).toBe('UNAUTHENTICATED')
  }
})

test('the user is made of verified and checked claims', async () => {
  const authenticator = jwt({
    ...any,
    secret: SECRET,
    claims: z.object({ role: z.enum(['admin', 'member']), since: z.string().transform(Number).optional() }),
    user: ({ sub, role, since, jti }) => ({ userId: sub, role, since, jti }),
  })
  const exp = nowS() + 60
  const result = await authenticator.authenticate({
    token: forge({ sub: 'ada', exp, role: 'admin', since: '7', jti: 't-1', other: 1 }),
    headers: {},
    address: '',
  })
  expect(result).toEqual({
    issuedAtMs: (exp - 90 * 24 * 3600) * 1000,
    user: { userId: 'ada', role: 'admin', since: 7, jti: 't-1' },
    expiresAtMs: exp * 1000,
    tokenId: 't-1',
  })
  expect(await codeOf(authenticator, forge({ ...good(), role: 'root' }))).toBe('UNAUTHENTICATED')
  expect(await codeOf(authenticator, forge(good()))).toBe('UNAUTHENTICATED')
})

test('without a rule of its own, the user is sub and email', async () => {
  const request = { token: forge({ ...good(), email: 'ada@example.com' }), headers: {}, address: '' }
  expect((await jwt({ ...any, secret: SECRET }).authenticate(request)).user).toEqual({ userId: 'ada', email: 'ada@example.com' })
})

test('the user id is where subject says', async () => {
  const authenticator = jwt({ ...any, secret: SECRET, subject: (claims) => claims['userId'] })
  expect((await authenticator.authenticate({ token: forge({ userId: 'ada', exp: nowS() + 60 }), headers: {}, address: '' })).user).toEqual({ userId: 'ada' })
  expect(await codeOf(authenticator, forge(good()))).toBe('UNAUTHENTICATED')
})

test('claims named like members of Object are only claims', async () => {
  const seen = vi.fn()
  const authenticator = jwt({
    ...any,
    secret: SECRET,
    subject: (claims) => {
      seen(Object.getPrototypeOf(claims), claims['isAdmin'])
      return claims['sub']
    },
  })
  await authenticator.authenticate({ token: forge(`{"sub":"ada","exp":${nowS() + 60},"__proto__":{"isAdmin":true}}`), headers: {}, address: '' })
  expect(seen).toHaveBeenCalledWith(null, undefined)
})

describe('a public key', () => {
  test.each([
    ['RS256 with a PEM', 'RS256', rsa, pem],
    ['PS256 with a KeyObject', 'PS256', rsa, rsa.publicKey],
    ['ES256 with a JWK', 'ES256', ec, ec.publicKey.export({ format: 'jwk' })],
  ] as const)('checks %s', async (_case, alg, pair, publicKey) => {
    const authenticator = jwt({ ...any, publicKey, algorithms: [alg] })
    const sign = (key: typeof pair.privateKey) => new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg }).setExpirationTime('1h').sign(key)
    expect(await codeOf(authenticator, await sign(pair.privateKey))).toBe('let in')
    expect(await codeOf(authenticator, forge(good(), { alg: 'HS256' }, pem))).toBe('UNAUTHENTICATED')
    expect(await codeOf(authenticator, forge(good(), { alg }, pem))).toBe('UNAUTHENTICATED')
  })

  test('checks EdDSA', async () => {
    const pair = generateKeyPairSync('ed25519')
    const token = await new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg: 'EdDSA' }).setExpirationTime('1h').sign(pair.privateKey)
    expect(await codeOf(jwt({ ...any, publicKey: pair.publicKey, algorithms: ['EdDSA'] }), token)).toBe('let in')
  })
})

describe('a key set', () => {
  async function serveKeys() {
    const state = { keys: [] as object[], fetches: 0, up: true }
    const server = createServer((_request, response) => {
      state.fetches++
      if (state.up) response.end(JSON.stringify({ keys: state.keys }))
      else response.writeHead(500).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const address = server.address()
    return { state, url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/jwks` }
  }
  const sign = (kid: string, header = {}) =>
    new SignJWT({ sub: 'ada' })
      .setProtectedHeader({ alg: 'RS256', kid, ...header })
      .setExpirationTime('1h')
      .sign(rsa.privateKey)

  test('is fetched once, and an unknown key does not fetch it again at once', async () => {
    const { state, url } = await serveKeys()
    state.keys = [{ ...(await exportJWK(rsa.publicKey)), kid: 'one', alg: 'RS256' }]
    const authenticator = jwt({ ...any, jwks: url, algorithms: ['RS256'] })
    expect(await codeOf(authenticator, await sign('one'))).toBe('let in')
    for (let attempt = 0; attempt < 5; attempt++) expect(await codeOf(authenticator, await sign(`unknown-${attempt}`))).toBe('UNAUTHENTICATED')
    expect(await codeOf(authenticator, await sign('one'))).toBe('let in')
    expect(state.fetches).toBe(1)
  })

  test('that cannot be fetched is UNAVAILABLE, which is no fault of the token', async () => {
    const { state, url } = await serveKeys()
    state.up = false
    expect(await codeOf(jwt({ ...any, jwks: url, algorithms: ['RS256'] }), await sign('one'))).toBe('UNAVAILABLE')
  })

  test('that cannot be fetched any more is used for an hour, and then UNAVAILABLE', async () => {
    const { state, url } = await serveKeys()
    state.keys = [{ ...(await exportJWK(rsa.publicKey)), kid: 'one', alg: 'RS256' }]
    const authenticator = jwt({ ...any, jwks: url, algorithms: ['RS256'], maxLifetimeMs: 7 * 86_400_000 })
    const token = await new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg: 'RS256', kid: 'one' }).setExpirationTime('3d').sign(rsa.privateKey)
    expect(await codeOf(authenticator, token)).toBe('let in')
    state.up = false
    onTestFinished(() => void vi.useRealTimers())
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 50 * 60_000 })
    expect(await codeOf(authenticator, token)).toBe('let in')
    expect(state.fetches).toBeGreaterThan(1)
    vi.setSystemTime(Date.now() + 11 * 60_000)
    expect(await codeOf(authenticator, token)).toBe('UNAVAILABLE')
    state.up = true
    expect(await codeOf(authenticator, token)).toBe('let in')
  })

  const signWithoutKid = () => new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg: 'RS256' }).setExpirationTime('1h').sign(rsa.privateKey)

  test('in which several keys match is tried key by key, and used while it cannot be fetched', async () => {
    const { state, url } = await serveKeys()
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
    state.keys = [
      { ...(await exportJWK(other.publicKey)), kid: 'one' },
      { ...(await exportJWK(rsa.publicKey)), kid: 'two' },
    ]
    const authenticator = jwt({ ...any, jwks: url, algorithms: ['RS256'] })
    expect(await codeOf(authenticator, await signWithoutKid())).toBe('let in')
    state.up = false
    onTestFinished(() => void vi.useRealTimers())
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 20 * 60_000 })
    expect(await codeOf(authenticator, await signWithoutKid())).toBe('let in')
  })

  test('with a key that is broken or weak is no outage, and hinders no other key', async () => {
    const { state, url } = await serveKeys()
    state.keys = [
      { kty: 'RSA', kid: 'broken', e: 'AQAB' },
      { ...(await exportJWK(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)), kid: 'weak' },
    ]
    const authenticator = jwt({ ...any, jwks: url, algorithms: ['RS256'] })
    expect(await codeOf(authenticator, await sign('broken'))).toBe('UNAUTHENTICATED')
    expect(await codeOf(authenticator, await sign('weak'))).toBe('UNAUTHENTICATED')
    state.keys.push({ ...(await exportJWK(rsa.publicKey)), kid: 'new' })
    onTestFinished(() => void vi.useRealTimers())
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 })
    expect(await codeOf(authenticator, await sign('broken'))).toBe('UNAUTHENTICATED')
    expect(await codeOf(authenticator, await sign('new'))).toBe('let in')
    expect(await codeOf(authenticator, await signWithoutKid())).toBe('let in')
  })

  test('is fetched again for a key it does not have, and once however many ask', async () => {
    const { state, url } = await serveKeys()
    state.keys = [{ ...(await exportJWK(ec.publicKey)), kid: 'old' }]
    const authenticator = jwt({ ...any, jwks: url, algorithms: ['RS256'] })
    expect(await codeOf(authenticator, await sign('new'))).toBe('UNAUTHENTICATED')
    state.keys = [{ ...(await exportJWK(rsa.publicKey)), kid: 'new' }]
    onTestFinished(() => void vi.useRealTimers())
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 })
    const token = await sign('new')
    expect(await Promise.all(Array.from({ length: 20 }, () => codeOf(authenticator, token)))).toEqual(Array(20).fill('let in'))
    expect(state.fetches).toBe(2)
  })

  test('a refusal holds no claims', async () => {
    const error: unknown = await jwt({ secret: SECRET, issuer: 'https://id.example.com', audience: false })
      .authenticate({ token: forge({ ...good(), email: 'ada@example.com', iss: 'x' }), headers: {}, address: '' })
      .catch((thrown: unknown) => thrown)
    expect(inspect(error, { depth: 5 })).not.toContain('ada@example.com')
  })

  test('is never taken from where a token says', async () => {
    const { state, url } = await serveKeys()
    const evil = await serveKeys()
    state.keys = [{ ...(await exportJWK(ec.publicKey)), kid: 'other' }]
    const authenticator = jwt({ ...any, jwks: url, algorithms: ['RS256'] })
    const jwk = await exportJWK(rsa.publicKey)
    for (const header of [{ jku: evil.url }, { x5u: evil.url }, { jwk }]) expect(await codeOf(authenticator, await sign('one', header))).toBe('UNAUTHENTICATED')
    expect(evil.state.fetches).toBe(0)
  })
})

/** The same signature with another last character, whose unused bits differ. */
function withTwinSignature(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.at(-1)!)
  return token.slice(0, -1) + alphabet[last ^ 1]
}

test('the tokens made here would pass elsewhere', () => {
  // Guards the tests above: a private key that really signs, and a forged token that is canonical.
  expect(createPrivateKey(rsa.privateKey.export({ type: 'pkcs8', format: 'pem' })).type).toBe('private')
  expect(signBytes('sha256', Buffer.from('x'), rsa.privateKey).length).toBe(256)
  expect(forge(good()).split('.')).toHaveLength(3)
})
