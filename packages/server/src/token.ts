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
export interface WellFormedToken {
  readonly token: string
  readonly header: Readonly<Record<string, unknown>>
}

/**
 * Checks tokens with one key. That a signature holds is remembered, for a key does not change; what a token claims is looked at each time.
 * @returns a function that @throws as jose does.
 */
export function createTokenCheck(key: KeyObject, checks: TokenChecks): (token: WellFormedToken) => Promise<JWTPayload> {
  const known = new KnownTokens()
  const holds = key.type === 'secret' ? isSignedWith : isSignedFor
  return async (wellFormed) => {
    if (!known.has(wellFormed.token)) {
      await holds(wellFormed, key, checks.algorithms)
      known.add(wellFormed.token)
    }
    return readClaims(wellFormed, checks)
  }
}

// A node's worth of users who come back; a longer token would take more memory than it saves time.
const MAX_KNOWN = 4_096
const MAX_KNOWN_LENGTH = 2_048

/** Tokens whose signature holds: those that came last. */
class KnownTokens {
  readonly #tokens = new Set<string>()

  has(token: string): boolean {
    if (!this.#tokens.delete(token)) return false
    this.#tokens.add(token) // the newest are last
    return true
  }

  add(token: string): void {
    if (token.length > MAX_KNOWN_LENGTH) return
    this.#tokens.add(token)
    if (this.#tokens.size <= MAX_KNOWN) return
    const [oldest] = this.#tokens
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

/** As jose's `jwtVerify` has it. */
function readClaims({ token, header }: WellFormedToken, { typ, issuer, audience, clockTolerance }: TokenChecks): JWTPayload {
  const claims = parseClaims(token)
  if (typ !== undefined && (typeof header['typ'] !== 'string' || toMediaType(header['typ']) !== toMediaType(typ))) throw refusal('another typ')
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

function parseClaims(token: string): JWTPayload {
  const claims = parsePart(token.slice(token.indexOf('.') + 1, token.lastIndexOf('.')))
  if (claims === undefined) throw refusal('claims that are no JSON object')
  return claims
}

// Bytes that are no text are refused, not mended.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @returns `undefined` for what is no JSON object. */
export function parsePart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(utf8.decode(Buffer.from(part, 'base64url')))
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
