import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign as signBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { inspect } from 'node:util'
import { createRealtimeServer, jwt, type RealtimeServer } from '@org/realtime-server'
import { EncryptJWT } from 'jose'
import { io } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import * as z from 'zod'
import { contract, type TestContract } from './contract.js'
import { SECRET, startServer, type TestServer, type TestUser, TRANSPORTS, type Transport } from './harness.js'

/**
 * One token, and what becomes of it. Where a value may be anything, `{ "$now": 60 }` is seconds from now,
 * `{ "$repeat": ["x", 9] }` a long text, `{ "$nest": 9 }` lists in lists, `{ "$url": "/jwks" }` on the attacker's server,
 * and `{ "$jwk": key }` and `{ "$der": key }` public keys.
 */
interface Vector {
  readonly name: string
  readonly server: ServerKind
  /** The whole header. @default the right one for the server */
  readonly header?: unknown
  /** The header as it is written, instead. */
  readonly headerText?: string
  readonly headerEncoding?: BufferEncoding
  /** What differs from the payload that is right for the server. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** The claims to leave out of it. */
  readonly without?: readonly string[]
  /** The payload as it is written, instead; `$now+60` in it is a time, and `$token` a good token. */
  readonly payloadText?: string
  readonly payloadEncoding?: BufferEncoding
  /** Fills a claim until the token has that many characters. */
  readonly length?: number
  /** How the payload is put into the token, before it is signed. @default base64url */
  readonly encode?: string
  /** The algorithm and the key that sign. @default the right ones for the server */
  readonly sign?: readonly [algorithm: string, key?: string]
  /** What is done to the token once it is signed. */
  readonly mutate?: string
  /** Where the token is. @default `auth.token` */
  readonly carry?: string
  readonly expect: 'let in' | 'UNAUTHENTICATED' | 'TOKEN_EXPIRED'
  /** Who is let in. @default `{ userId: 'ada', role: 'member' }` */
  readonly user?: { readonly userId: string; readonly role: string }
}

const KINDS = ['secret', 'rs256', 'es256', 'ed25519', 'jwks', 'strict'] as const
type ServerKind = (typeof KINDS)[number]

// What the file holds is checked by the tests that run it.
const vectors = JSON.parse(readFileSync(new URL('./vectors/jwt.json', import.meta.url), 'utf8')) as readonly Vector[]

const MESSAGES: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: 'Authentication is required: no token came, or it was refused',
  TOKEN_EXPIRED: 'The token has expired',
}

// --- keys

const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength })
const pairs: Readonly<Record<string, { readonly publicKey: KeyObject; readonly privateKey: KeyObject }>> = {
  rsa: rsa(2048),
  secondRsa: rsa(2048),
  otherRsa: rsa(2048),
  sealingRsa: rsa(2048),
  weakRsa: rsa(1024),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  otherEc: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  secp256k1: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
  ed: generateKeyPairSync('ed25519'),
  otherEd: generateKeyPairSync('ed25519'),
}
const publicKey = (name: string): KeyObject => known(pairs, name).publicKey
const jwkOf = (name: string) => publicKey(name).export({ format: 'jwk' })
const pemOf = (name: string, type: 'spki' | 'pkcs1' = 'spki'): string => publicKey(name).export({ type, format: 'pem' }).toString()
const derOf = (name: string): Buffer => publicKey(name).export({ type: 'spki', format: 'der' })

/** What an attacker may try as the secret of an HMAC, and what is right. */
const secrets: Readonly<Record<string, string | Buffer>> = {
  secret: SECRET,
  secretBase64: Buffer.from(SECRET).toString('base64'),
  otherSecret: 'Another-Secret-Of-The-Right-Length-77',
  commonSecret: 'key',
  empty: '',
  rsaPem: pemOf('rsa'),
  rsaPemTrimmed: pemOf('rsa').trim(),
  rsaPemCrLf: pemOf('rsa').replaceAll('\n', '\r\n'),
  rsaPkcs1Pem: pemOf('rsa', 'pkcs1'),
  rsaDer: derOf('rsa'),
  rsaDerBase64: derOf('rsa').toString('base64'),
  rsaJwk: JSON.stringify(jwkOf('rsa')),
  rsaModulus: Buffer.from(jwkOf('rsa').n ?? '', 'base64url'),
  rsaModulusText: jwkOf('rsa').n ?? '',
  ecPem: pemOf('ec'),
  ecJwk: JSON.stringify(jwkOf('ec')),
  edPem: pemOf('ed'),
  edRaw: Buffer.from(jwkOf('ed').x ?? '', 'base64url'),
}

function known<T>(values: Readonly<Record<string, T>>, name: string): T {
  const value = Object.hasOwn(values, name) ? values[name] : undefined
  if (value === undefined) throw new Error(`a vector names ${JSON.stringify(name)}, which there is not`)
  return value
}

const PSS_PADDING = 6 // RSA_PKCS1_PSS_PADDING

function signature(input: string, [algorithm, keyName = '']: readonly [string, string?]): Buffer {
  const bytes = Buffer.from(input, 'latin1')
  const hash = `sha${algorithm.slice(2, 5)}`
  if (algorithm === 'none') return Buffer.alloc(0)
  if (algorithm.startsWith('HS')) return createHmac(hash, known(secrets, keyName)).update(bytes).digest()
  const key = known(pairs, keyName).privateKey
  if (algorithm.startsWith('RS')) return signBytes(hash, bytes, key)
  if (algorithm.startsWith('PS')) return signBytes(hash, bytes, { key, padding: PSS_PADDING, saltLength: Number(hash.slice(3)) / 8 })
  if (algorithm.startsWith('ES')) return signBytes(hash, bytes, { key, dsaEncoding: algorithm.endsWith('-DER') ? 'der' : 'ieee-p1363' })
  return signBytes(null, bytes, key)
}

// --- tokens

const ISSUERS = ['https://id.example.com', 'https://id2.example.com']
const TYPE = 'at+jwt'

/** What is right for each kind of server. */
const good: Readonly<Record<ServerKind, { readonly header: object; readonly sign: readonly [string, string]; readonly claims?: object }>> = {
  secret: { header: { alg: 'HS256' }, sign: ['HS256', 'secret'] },
  rs256: { header: { alg: 'RS256' }, sign: ['RS256', 'rsa'] },
  es256: { header: { alg: 'ES256' }, sign: ['ES256', 'ec'] },
  ed25519: { header: { alg: 'EdDSA' }, sign: ['EdDSA', 'ed'] },
  jwks: { header: { alg: 'RS256', kid: 'one' }, sign: ['RS256', 'rsa'] },
  strict: { header: { alg: 'HS256', typ: TYPE }, sign: ['HS256', 'secret'], claims: { iss: ISSUERS[0], aud: 'realtime' } },
}

interface Circumstances {
  readonly nowS: number
  readonly attackerUrl: string
}

/** Puts in what a vector can only name. */
function fill(value: unknown, circumstances: Circumstances): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: unknown) => fill(item, circumstances))
  const entries: Array<[string, unknown]> = Object.entries(value)
  const [name, argument] = entries[0] ?? []
  switch (name) {
    case '$now':
      return circumstances.nowS + Number(argument)
    case '$nest':
      return JSON.parse('['.repeat(Number(argument)) + ']'.repeat(Number(argument)))
    case '$repeat':
      return Array.isArray(argument) && String(argument[0]).repeat(Number(argument[1]))
    case '$url':
      return circumstances.attackerUrl + String(argument)
    case '$jwk':
      return argument === 'otherSecret' ? { kty: 'oct', k: base64url(known(secrets, argument)) } : jwkOf(String(argument))
    case '$der':
      return derOf(String(argument)).toString('base64')
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, fill(item, circumstances)]))
}

const base64url = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64url')

function headerOf(vector: Vector, circumstances: Circumstances): Buffer {
  const text = vector.headerText ?? JSON.stringify(fill(vector.header ?? good[vector.server].header, circumstances))
  return Buffer.from(text, vector.headerEncoding)
}

function payloadOf(vector: Vector, circumstances: Circumstances): Buffer {
  const { nowS } = circumstances
  if (vector.payloadText !== undefined) {
    const text = vector.payloadText
      .replaceAll(/\$now([+-]\d+)/g, (_match, seconds: string) => String(nowS + Number(seconds)))
      .replace('$token', () => forge({ name: '', server: vector.server, expect: 'let in' }, circumstances))
    return Buffer.from(text, vector.payloadEncoding)
  }
  const claims = { sub: 'ada', exp: nowS + 60, ...good[vector.server].claims, ...Object(fill(vector.claims ?? {}, circumstances)) }
  const kept = Object.fromEntries(Object.entries(claims).filter(([claim]) => !vector.without?.includes(claim)))
  return Buffer.from(JSON.stringify(kept), vector.payloadEncoding)
}

const encodings: Readonly<Record<string, (payload: Buffer) => string>> = {
  base64: (payload) => payload.toString('base64'),
  base64WithoutPadding: (payload) => payload.toString('base64').replaceAll('=', ''),
  padded: (payload) => pad(payload.toString('base64url')),
  nonCanonical: (payload) => twin(payload.toString('base64url')),
  spaced: (payload) => inTheMiddle(payload.toString('base64url'), ' '),
  brokenLine: (payload) => inTheMiddle(payload.toString('base64url'), '\r\n'),
  nulAtEnd: (payload) => `${payload.toString('base64url')}\0`,
  plain: (payload) => payload.toString(),
  hex: (payload) => payload.toString('hex'),
  percent: (payload) => encodeURIComponent(payload.toString('base64')),
}

/** Signs whatever a vector says, however wrong. */
function forge(vector: Vector, circumstances: Circumstances): string {
  const header = base64url(headerOf(vector, circumstances))
  const sign = vector.sign ?? good[vector.server].sign
  const seal = (payload: Buffer): string => {
    const encoded = vector.encode === undefined ? base64url(payload) : known(encodings, vector.encode)(payload)
    if (vector.encode !== undefined && encoded === base64url(payload)) throw new Error(`${vector.encode} changes nothing in ${vector.name}`)
    return `${header}.${encoded}.${base64url(signature(`${header}.${encoded}`, sign))}`
  }
  if (vector.length === undefined) return seal(payloadOf(vector, circumstances))
  const lengthOf = (filler: number): string => seal(payloadOf({ ...vector, claims: { ...vector.claims, filler: 'x'.repeat(filler) } }, circumstances))
  const token = lengthOf(Math.floor(((vector.length - lengthOf(0).length) * 3) / 4))
  const exact = token.length === vector.length ? token : lengthOf(Math.floor(((vector.length - lengthOf(0).length) * 3) / 4) + 1)
  if (exact.length !== vector.length) throw new Error(`a token of ${vector.length} characters cannot be made, only of ${token.length} or ${exact.length}`)
  return exact
}

const pad = (part: string): string => part.padEnd(Math.ceil(part.length / 4) * 4, '=')
const inTheMiddle = (text: string, inserted: string): string => `${text.slice(0, 20)}${inserted}${text.slice(20)}`

/** The same bytes with another last character, whose unused bits differ. */
function twin(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const changed = part.slice(0, -1) + alphabet[alphabet.indexOf(part.slice(-1)) ^ 1]
  if (!Buffer.from(changed, 'base64url').equals(Buffer.from(part, 'base64url'))) throw new Error('a part whose last character has no unused bits')
  return changed
}

function flip(part: string, position: 'first' | 'last'): string {
  const bytes = Buffer.from(part, 'base64url')
  const index = position === 'first' ? 0 : bytes.length - 1
  bytes[index] = (bytes[index] ?? 0) ^ (position === 'first' ? 0x80 : 1)
  return base64url(bytes)
}

/** Ed25519 checks S only below the order of its group: S and S plus the order would else be two signatures of one text. */
function addOrder(part: string): string {
  const bytes = Buffer.from(part, 'base64url')
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const scalar = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString('hex')}`) + order
  const added = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').reverse()
  return base64url(Buffer.concat([bytes.subarray(0, 32), added]))
}

interface Signed {
  readonly token: string
  readonly header: string
  readonly payload: string
  readonly signature: string
  /** Another good token for the same server, of somebody else. */
  readonly other: string
}

type Mutation = (signed: Signed) => string | Promise<string>

const withSignature =
  (change: (signature: string) => string): Mutation =>
  ({ header, payload, signature }) =>
    `${header}.${payload}.${change(signature)}`

const mutations: Readonly<Record<string, Mutation>> = {
  padding: ({ token }) => `${token}=`,
  twoPaddings: ({ token }) => `${token}==`,
  standardAlphabet: ({ token }) => token.replaceAll('-', '+').replaceAll('_', '/'),
  nonCanonical: withSignature(twin),
  nonCanonicalPayload: ({ header, payload, signature }) => `${header}.${twin(payload)}.${signature}`,
  leadingSpace: ({ token }) => ` ${token}`,
  trailingSpace: ({ token }) => `${token} `,
  trailingNewline: ({ token }) => `${token}\n`,
  trailingCarriageReturn: ({ token }) => `${token}\r`,
  innerSpace: ({ token }) => inTheMiddle(token, ' '),
  innerNewline: ({ token }) => inTheMiddle(token, '\n'),
  tabBeforeDot: ({ token }) => token.replace('.', '\t.'),
  nul: ({ token }) => `${token}\0`,
  byteOrderMark: ({ token }) => `\ufeff${token}`,
  zeroWidthSpace: ({ token }) => inTheMiddle(token, '\u200b'),
  fullwidthDot: ({ token }) => token.replaceAll('.', '\uff0e'),
  bearerPrefix: ({ token }) => `Bearer ${token}`,
  quoted: ({ token }) => JSON.stringify(token),
  percentEncoded: ({ token }) => token.replaceAll('.', '%2E'),
  upperCase: ({ token }) => token.toUpperCase(),
  lowerCase: ({ token }) => token.toLowerCase(),
  reversed: ({ token }) => [...token].reverse().join(''),
  flattenedJson: ({ header, payload, signature }) => JSON.stringify({ protected: header, payload, signature }),
  generalJson: ({ header, payload, signature }) => JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
  oneElementList: ({ token }) => JSON.stringify([token]),
  commaSeparated: ({ token }) => `${token},${token}`,
  twice: ({ token }) => token + token,

  onePart: ({ payload }) => payload,
  twoParts: ({ header, payload }) => `${header}.${payload}`,
  fourParts: ({ token, signature }) => `${token}.${signature}`,
  fourPartsInFront: ({ token, header }) => `${header}.${token}`,
  fiveParts: ({ token, signature }) => `${token}.${signature}.${signature}`,
  hundredParts: ({ token }) => token + '.AAAA'.repeat(97),
  thousandsOfDots: () => '.'.repeat(8000),
  onlyDots: () => '..',
  trailingDot: ({ token }) => `${token}.`,
  leadingDot: ({ token }) => `.${token}`,
  emptyHeader: ({ payload, signature }) => `.${payload}.${signature}`,
  emptyPayload: ({ header, signature }) => `${header}..${signature}`,
  emptyHeaderAndPayload: ({ signature }) => `..${signature}`,
  doubleDot: ({ token }) => token.replace('.', '..'),
  manyZeros: () => Buffer.alloc(20_000).toString('base64url'),
  encrypted: encrypt,
  encryptedThreeParts: async (signed) => (await encrypt(signed)).split('.').slice(0, 3).join('.'),

  truncateSignature: withSignature((part) => part.slice(0, -1)),
  halveSignature: withSignature((part) => part.slice(0, part.length / 2)),
  oneByteSignature: withSignature((part) => part.slice(0, 2)),
  emptySignature: withSignature(() => ''),
  extendSignature: withSignature((part) => base64url(Buffer.concat([Buffer.from(part, 'base64url'), Buffer.alloc(1)]))),
  doubleSignature: withSignature((part) => part + part),
  flipFirstBit: withSignature((part) => flip(part, 'first')),
  flipLastBit: withSignature((part) => flip(part, 'last')),
  zeroSignature: withSignature((part) => base64url(Buffer.alloc(Buffer.from(part, 'base64url').length))),
  signatureInHex: withSignature((part) => Buffer.from(part, 'base64url').toString('hex')),
  addOrder: withSignature(addOrder),
  signatureOfOtherPayload: ({ header, payload, other }) => `${header}.${payload}.${other.split('.')[2]}`,
  payloadOfOther: ({ header, other, signature }) => `${header}.${other.split('.')[1]}.${signature}`,
  headerOfOther: ({ payload, signature }) => `${base64url('{"alg":"HS256","typ":"JWT"}')}.${payload}.${signature}`,
}

/** A JWE of the right secret, which holds the right claims. */
function encrypt({ payload }: Signed): Promise<string> {
  const claims: Record<string, unknown> = JSON.parse(Buffer.from(payload, 'base64url').toString())
  return new EncryptJWT(claims).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(Buffer.from(SECRET))
}

async function tokenOf(vector: Vector, circumstances: Circumstances): Promise<string> {
  const token = forge(vector, circumstances)
  if (vector.mutate === undefined) return token
  const [header = '', payload = '', signature = ''] = token.split('.')
  const other = forge({ name: '', server: vector.server, expect: 'let in', claims: { sub: 'eve', role: 'admin' } }, circumstances)
  const mutated = await known(mutations, vector.mutate)({ token, header, payload, signature, other })
  if (mutated === token) throw new Error(`${vector.mutate} changes nothing in ${vector.name}`)
  return mutated
}

interface Handshake {
  readonly auth?: Record<string, unknown>
  readonly query?: Record<string, string>
  readonly extraHeaders?: Record<string, string>
}

const carriers: Readonly<Record<string, (token: string) => Handshake>> = {
  auth: (token) => ({ auth: { token } }),
  bearer: (token) => ({ extraHeaders: { authorization: `Bearer ${token}` } }),
  bearerTwice: (token) => ({ extraHeaders: { authorization: `Bearer Bearer ${token}` } }),
  bearerWithParameters: (token) => ({ extraHeaders: { authorization: `Bearer ${token}, realm="x"` } }),
  basic: (token) => ({ extraHeaders: { authorization: `Basic ${Buffer.from(`${token}:`).toString('base64')}` } }),
  cookie: (token) => ({ extraHeaders: { cookie: `token=${token}; access_token=${token}; authorization=Bearer ${token}` } }),
  query: (token) => ({ query: { token } }),
  queryAuthorization: (token) => ({ query: { authorization: `Bearer ${token}`, access_token: token, 'auth[token]': token, auth: JSON.stringify({ token }) } }),
  list: (token) => ({ auth: { token: [token] } }),
  object: (token) => ({ auth: { token: { token, toString: token } } }),
  number: () => ({ auth: { token: 7 } }),
  nothing: () => ({ auth: {} }),
  otherName: (token) => ({ auth: { jwt: token, Token: token, accessToken: token, authorization: `Bearer ${token}` } }),
  nestedAuth: (token) => ({ auth: { auth: { token } } }),
  authBesideOtherQuery: (token) => ({ auth: { token }, query: { token: `${token}x` } }),
  wrongBesideGoodBearer: (token) => ({ auth: { token: `${token}x` }, extraHeaders: { authorization: `Bearer ${token}` } }),
}

// --- servers

type Outcome = { readonly session: unknown } | { readonly refusal: unknown }

/** What a stock client hears first. */
function attempt(url: string, transport: Transport, handshake: Handshake): Promise<Outcome> {
  const socket = io(url, { forceNew: true, reconnection: false, transports: [transport], ...handshake })
  onTestFinished(() => void socket.disconnect())
  return new Promise((resolve) => {
    socket.once('authenticated', (session: unknown) => resolve({ session }))
    socket.once('connect_error', (error: Error & { data?: unknown }) => resolve({ refusal: error.data }))
    socket.once('disconnect', (reason) => resolve({ refusal: `disconnected: ${reason}` }))
  })
}

/** Counts who comes, and gives each the same answer. */
async function startHttpServer(body: () => unknown) {
  const counted = { connections: 0, requests: 0 }
  const server = createServer((_request, response) => {
    counted.requests++
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body()))
  })
  server.on('connection', () => counted.connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  return { counted, url, close: () => server.close() }
}

const KEY_SET = [
  { ...jwkOf('rsa'), kid: 'one', alg: 'RS256', use: 'sig' },
  { ...jwkOf('weakRsa'), kid: 'weak', alg: 'RS256', use: 'sig' },
  { kty: 'RSA', e: 'AQAB', kid: 'broken', alg: 'RS256' },
  { ...jwkOf('sealingRsa'), kid: 'sealing', use: 'enc' },
  { ...jwkOf('ec'), kid: 'curve', alg: 'ES256' },
  { kty: 'oct', k: base64url(known(secrets, 'otherSecret')), kid: 'shared', alg: 'HS256' },
  { ...jwkOf('secondRsa'), kid: 'two', alg: 'RS256' },
]

const rest = {
  claims: z.object({ role: z.enum(['member', 'admin']).default('member'), email: z.string().optional() }),
  user: ({ sub, role, email }: { sub: string; role: string; email?: string | undefined }): TestUser => ({ userId: sub, role, email }),
}
const anybody = { issuer: false, audience: false, ...rest } as const

function authenticatorOf(kind: ServerKind, keySetUrl: string) {
  switch (kind) {
    case 'secret':
      return jwt({ secret: SECRET, ...anybody })
    case 'rs256':
      return jwt({ publicKey: pemOf('rsa'), algorithms: ['RS256'], ...anybody })
    case 'es256':
      return jwt({ publicKey: jwkOf('ec'), algorithms: ['ES256'], ...anybody })
    case 'ed25519':
      return jwt({ publicKey: publicKey('ed'), algorithms: ['EdDSA'], ...anybody })
    case 'jwks':
      return jwt({ jwks: keySetUrl, algorithms: ['RS256'], ...anybody })
    case 'strict':
      return jwt({ secret: SECRET, issuer: ISSUERS, audience: 'realtime', type: TYPE, ...rest })
  }
}

describe('a token', () => {
  const servers = new Map<ServerKind, { readonly realtime: RealtimeServer<TestContract, TestUser>; readonly url: string }>()
  const attacker = { url: '', connections: () => 0, close: () => {} }
  const toClose: Array<() => unknown> = []
  const faults: unknown[] = []
  const refusals: unknown[] = []
  const unhandled: unknown[] = []
  const sent: string[] = []
  const wronglyAccepted: string[] = []
  const onUnhandled = (error: unknown): void => void unhandled.push(error)

  beforeAll(async () => {
    process.on('unhandledRejection', onUnhandled)
    process.on('uncaughtExceptionMonitor', onUnhandled)
    const evil = await startHttpServer(() => ({ keys: [{ ...jwkOf('otherRsa'), kid: 'evil', alg: 'RS256' }] }))
    Object.assign(attacker, { url: evil.url, connections: () => evil.counted.connections })
    const keySet = await startHttpServer(() => ({ keys: KEY_SET }))
    toClose.push(evil.close, keySet.close)
    for (const kind of KINDS) {
      const realtime = createRealtimeServer(contract, {
        authenticate: authenticatorOf(kind, `${keySet.url}/jwks`),
        onError: (error) => faults.push(error),
        onRefused: (error) => refusals.push(error),
        presence: { graceMs: 0 },
      })
      const { port } = await realtime.listen(0, '127.0.0.1')
      servers.set(kind, { realtime, url: `http://127.0.0.1:${port}` })
      toClose.push(() => realtime.close({ drainMs: 0 }))
    }
  })

  afterAll(async () => {
    process.off('unhandledRejection', onUnhandled)
    process.off('uncaughtExceptionMonitor', onUnhandled)
    await Promise.all(toClose.map((close) => close()))
  })

  test('has 85 ways or more to be wrong, each with a name of its own', () => {
    expect(vectors.filter((vector) => vector.expect !== 'let in').length).toBeGreaterThanOrEqual(85)
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(vectors.length)
  })

  describe.each(TRANSPORTS)('over %s', (transport) => {
    test.each(vectors.map((vector) => [vector.expect, vector.name, vector] as const))('is %s: %s', async (_expect, name, vector) => {
      const token = await tokenOf(vector, { nowS: Math.floor(Date.now() / 1000), attackerUrl: attacker.url })
      sent.push(token)
      const outcome = await attempt(servers.get(vector.server)?.url ?? '', transport, known(carriers, vector.carry ?? 'auth')(token))
      if (vector.expect === 'let in') {
        expect(outcome).toMatchObject({ session: vector.user ?? { userId: 'ada', role: 'member' } })
        return
      }
      if ('session' in outcome) wronglyAccepted.push(`${name}, over ${transport}`)
      expect(outcome).toStrictEqual({ refusal: { code: vector.expect, message: MESSAGES[vector.expect] } })
      expect(partsOf(token).filter((part) => JSON.stringify(outcome).includes(part))).toEqual([])
    })
  })

  test('that is wrong was never let in, made no request, broke nothing and is in no text that a log would get', () => {
    expect.soft(sent).toHaveLength(vectors.length * TRANSPORTS.length)
    expect.soft({ wronglyAccepted }).toEqual({ wronglyAccepted: [] })
    expect.soft(attacker.connections()).toBe(0)
    expect.soft(unhandled).toEqual([])
    expect.soft(Object.getOwnPropertyNames(Object.prototype).filter((key) => ['sub', 'role', 'exp', 'iss', 'alg'].includes(key))).toEqual([])
    const log = inspect([faults, refusals.map(textsOf)], { depth: 20, maxArrayLength: null, maxStringLength: null })
    expect.soft(sent.flatMap(partsOf).filter((part) => log.includes(part))).toEqual([])
  })

  test('that is wrong is no fault of the server, so that strangers cannot fill its log', () => {
    expect([...new Set(faults.map(String))]).toEqual([])
  })
})

/** Long enough to tell a secret, and not to be in a text by chance. */
const partsOf = (token: string): string[] => [token, ...token.split('.')].filter((part) => part.length > 12)

/** What is logged of an error, and of its causes. */
function textsOf(error: unknown): string {
  return error instanceof Error ? `${error.stack ?? ''} ${error.cause === undefined ? '' : textsOf(error.cause)}` : String(error)
}

describe.each(TRANSPORTS)('a key set, over %s', (transport) => {
  async function startWithKeySet(keys: readonly object[]): Promise<{ server: TestServer; fetches: () => number }> {
    const keySet = await startHttpServer(() => ({ keys }))
    onTestFinished(() => void keySet.close())
    const authenticate = jwt({ jwks: `${keySet.url}/jwks`, algorithms: ['RS256'], ...anybody })
    return { server: await startServer({ authenticate }, transport), fetches: () => keySet.counted.requests }
  }
  const signed = (header: object, key: string, claims: Record<string, unknown> = {}): string =>
    forge(
      { name: '', server: 'jwks', header: { alg: 'RS256', ...header }, sign: ['RS256', key], claims, expect: 'let in' },
      { nowS: Math.floor(Date.now() / 1000), attackerUrl: '' },
    )
  const codeOf = async (server: TestServer, token: string): Promise<unknown> => {
    const outcome = await attempt(server.url, transport, { auth: { token } })
    return 'session' in outcome ? 'let in' : outcome.refusal
  }
  const refused = (code: string) => ({ code, message: MESSAGES[code] })
  const two = [
    { ...jwkOf('rsa'), kid: 'one' },
    { ...jwkOf('secondRsa'), kid: 'two' },
  ]

  test('of two keys of one type lets in what either signed, with and without its name', async () => {
    const { server } = await startWithKeySet(two)
    expect(await codeOf(server, signed({ kid: 'one' }, 'rsa'))).toBe('let in')
    expect(await codeOf(server, signed({ kid: 'two' }, 'secondRsa'))).toBe('let in')
    expect(await codeOf(server, signed({}, 'rsa'))).toBe('let in')
    expect(await codeOf(server, signed({}, 'secondRsa'))).toBe('let in')
    expect(server.errors).toEqual([])
  })

  test('of two keys without names lets in what either signed', async () => {
    const { server } = await startWithKeySet([jwkOf('rsa'), jwkOf('secondRsa')])
    expect(await codeOf(server, signed({}, 'rsa'))).toBe('let in')
    expect(await codeOf(server, signed({}, 'secondRsa'))).toBe('let in')
  })

  test('of two keys lets in nothing else, and says expired only of what either signed', async () => {
    const { server } = await startWithKeySet(two)
    const past = { exp: 1 }
    expect(await codeOf(server, signed({}, 'otherRsa'))).toEqual(refused('UNAUTHENTICATED'))
    expect(await codeOf(server, signed({}, 'otherRsa', past))).toEqual(refused('UNAUTHENTICATED'))
    expect(await codeOf(server, signed({ kid: 'one' }, 'secondRsa'))).toEqual(refused('UNAUTHENTICATED'))
    expect(await codeOf(server, signed({}, 'secondRsa', past))).toEqual(refused('TOKEN_EXPIRED'))
    expect(await codeOf(server, signed({}, 'secondRsa', { sub: 'user:ada' }))).toEqual(refused('UNAUTHENTICATED'))
    expect(server.errors).toEqual([])
  })

  test.each([
    ['before anything is known', 0],
    ['once the keys are there', 1],
  ])('is not fetched for each of 50 unknown names, %s', async (_when, known) => {
    const { server, fetches } = await startWithKeySet(two)
    for (let n = 0; n < known; n++) expect(await codeOf(server, signed({ kid: 'one' }, 'rsa'))).toBe('let in')
    const tokens = Array.from({ length: 50 }, () => signed({ kid: randomBytes(8).toString('hex') }, 'otherRsa'))
    const codes = await Promise.all(tokens.map((token) => codeOf(server, token)))
    expect(codes).toEqual(tokens.map(() => refused('UNAUTHENTICATED')))
    expect(fetches()).toBeGreaterThan(0)
    expect(fetches()).toBeLessThanOrEqual(2)
    expect(await codeOf(server, signed({ kid: 'two' }, 'secondRsa'))).toBe('let in')
    expect(server.errors).toEqual([])
  })
})
