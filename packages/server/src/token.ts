import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { isObject } from '@org/realtime-contracts/wire'
import { compactVerify, errors, type JWTPayload, type JWTVerifyOptions } from 'jose'
import { refusal } from './identity.js'

export type TokenChecks = Pick<JWTVerifyOptions, 'typ'> & {
  readonly algorithms: string[]
  readonly clockTolerance: number
  readonly issuer?: string[]
  readonly audience?: string[]
}

/** A token that is written the one right way, its header read. */
interface WellFormedToken {
  readonly token: string
  readonly header: Readonly<Record<string, unknown>>
}

/** A token whose signature holds. */
interface VerifiedToken {
  /** Of its header. */
  readonly typ: unknown
  /** Left out where there are lists or objects in them, which the application is handed, and may change. */
  readonly claims: JWTPayload | undefined
}

/**
 * Checks tokens with one key. That a signature holds is remembered, for a key does not change; what a token claims is checked each time.
 * @returns a function that @throws as jose does.
 */
export function createTokenCheck(key: KeyObject, checks: TokenChecks): (token: string | undefined) => Promise<JWTPayload> {
  const known = new KnownTokens()
  const holds = key.type === 'secret' ? isSignedWith : isSignedFor
  return async (text) => {
    const remembered = known.get(text)
    if (remembered !== undefined) return checkClaims(remembered.claims ?? parseClaims(text), remembered.typ, checks)
    const { token, header } = assertWellFormed(text)
    await holds({ token, header }, key, checks.algorithms)
    const claims = parseClaims(token)
    known.add(token, { typ: header['typ'], claims: isFlat(claims) ? claims : undefined })
    return checkClaims(claims, header['typ'], checks)
  }
}

// A node's worth of users who come back; a longer token would take more memory than it saves time.
const MAX_KNOWN = 4_096
const MAX_KNOWN_LENGTH = 2_048

/** Tokens whose signature holds: those that came last. */
class KnownTokens {
  readonly #tokens = new Map<string, VerifiedToken>()

  get(token: string | undefined): VerifiedToken | undefined {
    const verified = token === undefined ? undefined : this.#tokens.get(token)
    if (token === undefined || verified === undefined) return undefined
    this.#tokens.delete(token)
    this.#tokens.set(token, verified) // the newest are last
    return verified
  }

  add(token: string, verified: VerifiedToken): void {
    if (token.length > MAX_KNOWN_LENGTH) return
    this.#tokens.set(token, verified)
    if (this.#tokens.size <= MAX_KNOWN) return
    const [oldest] = this.#tokens.keys()
    this.#tokens.delete(oldest as string) // there is one
  }
}

/** HS256; what jose does for it goes through the thread pool, which costs more than the hash. */
async function isSignedWith({ token, header }: WellFormedToken, key: KeyObject): Promise<void> {
  if (header['alg'] !== 'HS256') throw refusal('an algorithm other than HS256')
  const end = token.lastIndexOf('.')
  const expected = createHmac('sha256', key).update(token.slice(0, end)).digest()
  const signature = Buffer.from(token.slice(end + 1), 'base64url')
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) throw refusal('the signature does not hold')
}

async function isSignedFor({ token }: WellFormedToken, key: KeyObject, algorithms: string[]): Promise<void> {
  await compactVerify(token, key, { algorithms })
}

function isFlat(claims: JWTPayload): boolean {
  return Object.values(claims).every((claim) => typeof claim !== 'object')
}

function parseClaims(token = ''): JWTPayload {
  const claims: JWTPayload | undefined = parseObject(decodePart(token.slice(token.indexOf('.') + 1, token.lastIndexOf('.'))))
  if (claims === undefined) throw refusal('claims that are no JSON object')
  return claims
}

/** As jose's `jwtVerify` has it. */
function checkClaims(claims: JWTPayload, type: unknown, { typ, issuer, audience, clockTolerance }: TokenChecks): JWTPayload {
  if (typ !== undefined && (typeof type !== 'string' || toMediaType(type) !== toMediaType(typ))) throw refusal('another typ')
  if (issuer !== undefined && !issuer.some((one) => one === claims.iss)) throw refusal('another issuer')
  if (audience !== undefined && ![claims.aud].flat().some((one) => one !== undefined && audience.includes(one))) throw refusal('another audience')
  const nowS = Math.floor(Date.now() / 1000)
  for (const name of ['iat', 'nbf', 'exp'] as const) {
    if (claims[name] !== undefined && typeof claims[name] !== 'number') throw refusal(`${name} is no number`)
  }
  if (claims.nbf !== undefined && claims.nbf > nowS + clockTolerance) throw refusal('not valid yet')
  if (claims.exp !== undefined && claims.exp <= nowS - clockTolerance) throw new errors.JWTExpired('"exp" claim timestamp check failed', claims, 'exp')
  return claims
}

const MAX_TOKEN_LENGTH = 8192

/** What can be told before any cryptography: a token that is not written the one right way is not looked at further. */
export function assertWellFormed(token: string | undefined): WellFormedToken {
  if (token === undefined) {
    throw refusal('no token')
  }
  if (token.length > MAX_TOKEN_LENGTH) {
    throw refusal(`a token longer than ${MAX_TOKEN_LENGTH} characters`)
  }
  const parts = token.split('.')
  if (parts.length !== 3 || !parts.every(isCanonicalBase64Url)) {
    throw refusal('not three parts of canonical base64url')
  }
  if (parts.slice(0, 2).some(startsWithByteOrderMark)) {
    throw refusal('a byte order mark')
  }
  const header = parseObject(decodePart(parts[0]!))
  if (header === undefined || 'crit' in header || 'b64' in header) {
    throw refusal('a header that is not an object, or one with crit or b64')
  }
  return { token, header }
}

function isCanonicalBase64Url(part: string): boolean {
  return part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part
}

/** Three bytes that some readers of JSON skip and others do not. */
function startsWithByteOrderMark(part: string): boolean {
  return part.startsWith('77u_')
}

// Bytes that are no text are refused, not mended.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @returns `undefined` for what is no text. */
function decodePart(part: string): string | undefined {
  try {
    return utf8.decode(Buffer.from(part, 'base64url'))
  } catch {
    return undefined
  }
}

/** @returns `undefined` for what is no JSON object. */
function parseObject(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** RFC 7515, 4.1.9: without a slash, `application/` is left out. */
function toMediaType(typ: string): string {
  const lower = typ.toLowerCase()
  return lower.includes('/') ? lower : `application/${lower}`
}
