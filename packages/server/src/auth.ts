import type { KeyObject } from 'node:crypto'
import type { Schema, ValueOf } from '@org/realtime-contracts'
import { RealtimeError } from '@org/realtime-contracts/wire'
import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose'
import { type Authentication, type AuthenticationRequest, type Authenticator, type BaseUser, isUserId, refusal } from './identity.js'
import { checkAlgorithms, toKeySetUrl, toPublicKey, toSecretKey } from './key.js'
import { assertWellFormed, createTokenCheck, type TokenChecks } from './token.js'

/** The claims that RFC 7519 registers, once a token is verified. `sub` is the user id, wherever the token carries it. */
export interface RegisteredClaims {
  /** Whose token it is. */
  readonly sub: string
  /** When it ends, in seconds since 1970. */
  readonly exp: number
  /** Who issued it. */
  readonly iss?: string
  /** Whom it is meant for. */
  readonly aud?: string | string[]
  /** When it was issued, in seconds since 1970. */
  readonly iat?: number
  /** From when on it holds, in seconds since 1970. */
  readonly nbf?: number
  /** The token's own id. */
  readonly jti?: string
}

/** Verified claims: the registered ones, and those of the application's schema. */
export type Claims<S> = RegisteredClaims & (S extends Schema ? ValueOf<S> : { readonly email?: unknown })

/** The one key a token is checked with: a shared secret, a public key, or a key set that is fetched. */
export type JwtKey =
  | {
      /** A secret of 256 bits or more, for HS256. `undefined` (an unset environment variable) is a TypeError. */
      readonly secret: string | Uint8Array | undefined
      readonly publicKey?: never
      readonly jwks?: never
      readonly algorithms?: never
    }
  | {
      /** A public key: PEM, JWK, or a `KeyObject`. */
      readonly publicKey: string | KeyObject | Readonly<Record<string, unknown>> | undefined
      /** The algorithms to accept, of one family, such as `['RS256']`. */
      readonly algorithms: readonly string[]
      readonly secret?: never
      readonly jwks?: never
    }
  | {
      /** Where the key set is, over https (or loopback). */
      readonly jwks: string | URL | undefined
      /** The algorithms to accept, of one family, such as `['RS256']`. */
      readonly algorithms: readonly string[]
      readonly secret?: never
      readonly publicKey?: never
    }

/** What a token must say to be believed. */
export interface JwtChecks {
  /** The accepted `iss`; `false` says in so many words: any. */
  readonly issuer: string | readonly string[] | false
  /** The accepted `aud`; `false` says in so many words: any. */
  readonly audience: string | readonly string[] | false
  /** The required `typ` of the header, such as `at+jwt`. @default any */
  readonly type?: string
  /** How far ahead of its `iat` (or of now, where it has none) a token may expire, in milliseconds. @default 90 days */
  readonly maxLifetimeMs?: number
}

/** What `jwt()` takes: a key, the checks, and how claims become a user. */
export type JwtOptions<S extends Schema | undefined, User extends BaseUser> = JwtKey &
  JwtChecks & {
    /** The claims that the application relies on; a token whose claims do not match is refused. */
    readonly claims?: S
    /** Where the user id is. @default the claim `sub` */
    readonly subject?: (claims: { readonly [claim: string]: unknown }) => unknown
    /** Makes the user out of the verified claims. @default `{ userId: claims.sub, email: claims.email }` */
    readonly user?: (claims: Claims<S>) => User
  }

const CLOCK_SKEW_S = 5
// How long a key set is used after it was last good, while it cannot be fetched; and how long until it is tried again.
const STALE_KEYS_MS = 60 * 60 * 1000
const FETCH_COOLDOWN_MS = 30_000
const DEFAULT_MAX_LIFETIME_MS = 90 * 24 * 60 * 60 * 1000

/**
 * Authenticates by JSON Web Token (RFC 7519), checked as RFC 8725 asks.
 * @throws TypeError where the configuration would be insecure, saying what to do instead.
 */
export function jwt<const S extends Schema | undefined = undefined, User extends BaseUser = BaseUser>(options: JwtOptions<S, User>): Authenticator<User> {
  const verify = createVerifier(options)
  checkMapping(options)
  const maxLifetimeS = toMaxLifetimeS(options.maxLifetimeMs)

  return {
    maxLifetimeMs: maxLifetimeS * 1000,
    async authenticate({ token }: AuthenticationRequest): Promise<Authentication<User>> {
      const payload = await verify(token)
      const exp = assertTimes(payload, maxLifetimeS)
      const claims = await toClaims(payload, exp, options)
      return {
        user: toUser(claims, options.user),
        expiresAtMs: exp * 1000,
        issuedAtMs: (claims.iat ?? exp - maxLifetimeS) * 1000, // without iat it may be as old as any that is allowed
        ...(typeof claims.jti === 'string' && { tokenId: claims.jti }),
      }
    },
  }
}

type Verifier = (token: string | undefined) => Promise<JWTPayload>

function createVerifier(options: JwtKey & JwtChecks): Verifier {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError('jwt: expected options with a key, issuer and audience')
  }
  const kinds = (['secret', 'publicKey', 'jwks'] as const).filter((kind) => kind in options && (kind === 'secret' || options[kind] !== undefined))
  if (kinds.length !== 1) {
    throw new TypeError(`jwt: give exactly one of secret, publicKey and jwks; got ${kinds.join(' and ') || 'none'}`)
  }
  const checks = toVerifyOptions(options)
  if (options.jwks !== undefined) {
    const getKey = fetchingKeys(createRemoteJWKSet(toKeySetUrl(options.jwks)))
    return async (token) => refusing(verifyWithKeySet(assertWellFormed(token).token, getKey, checks))
  }
  const key = options.publicKey === undefined ? toSecretKey(options.secret) : toPublicKey(options.publicKey, checks.algorithms)
  const check = createTokenCheck(key, checks)
  return (token) => refusing(check(token))
}

/** Where a token does not say which key of several it was signed with, each is tried. */
async function verifyWithKeySet(token: string, getKey: JWTVerifyGetKey, checks: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, getKey, checks)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, checks)).payload
      } catch (failure) {
        // Any other failure is that of this key: the next one may have signed it.
        if (failure instanceof errors.JWTExpired || failure instanceof errors.JWTClaimValidationFailed) throw failure
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

function checkMapping({ claims, subject, user }: { readonly claims?: unknown; readonly subject?: unknown; readonly user?: unknown }): void {
  if (claims !== undefined && !(typeof claims === 'object' && claims !== null && '~standard' in claims)) {
    throw new TypeError('jwt: claims must be a schema, such as z.object({ role: z.string() })')
  }
  for (const [name, value] of Object.entries({ subject, user })) {
    if (value !== undefined && typeof value !== 'function') {
      throw new TypeError(`jwt: ${name} must be a function of the claims`)
    }
  }
}

function toVerifyOptions(options: JwtKey & JwtChecks): TokenChecks {
  if ('secret' in options && options.algorithms !== undefined && String(options.algorithms) !== 'HS256') {
    throw new TypeError('jwt: a secret implies HS256; leave algorithms out')
  }
  if (options.type !== undefined && (typeof options.type !== 'string' || options.type === '')) {
    throw new TypeError("jwt: type must be the header's typ, such as 'at+jwt'; leave it out to accept any")
  }
  return {
    algorithms: 'secret' in options ? ['HS256'] : checkAlgorithms(options.algorithms),
    clockTolerance: CLOCK_SKEW_S,
    ...(options.type !== undefined && { typ: options.type }),
    ...acceptedValues('issuer', options.issuer),
    ...acceptedValues('audience', options.audience),
  }
}

function acceptedValues(name: 'issuer' | 'audience', accepted: string | readonly string[] | false): { issuer?: string[]; audience?: string[] } {
  if (accepted === false) {
    return {}
  }
  const values: unknown[] = Array.isArray(accepted) ? accepted : [accepted]
  if (values.length === 0 || !values.every((value) => typeof value === 'string' && value !== '')) {
    throw new TypeError(`jwt: ${name} must be given, as a text or a list of texts; to accept any, say ${name}: false`)
  }
  return { [name]: values }
}

function toMaxLifetimeS(maxLifetimeMs: number = DEFAULT_MAX_LIFETIME_MS): number {
  if (typeof maxLifetimeMs !== 'number' || !(maxLifetimeMs > 0)) {
    throw new TypeError('jwt: maxLifetimeMs must be a positive number of milliseconds')
  }
  return maxLifetimeMs / 1000
}

/** A key set that cannot be had is a fault of the server, not of the token; for a while, the last one will do. */
function fetchingKeys(remote: ReturnType<typeof createRemoteJWKSet>): JWTVerifyGetKey {
  let keys: JWTVerifyGetKey | undefined
  let fetchedAtMs = 0
  let failedAtMs = 0

  async function fetchKeys(): Promise<JWTVerifyGetKey> {
    try {
      await remote.reload() // one fetch, however many wait for it
      fetchedAtMs = Date.now()
      failedAtMs = 0
    } catch (error) {
      failedAtMs = Date.now()
      if (failedAtMs - fetchedAtMs >= STALE_KEYS_MS) {
        throw new RealtimeError('UNAVAILABLE', 'The key set cannot be fetched now', { cause: error })
      }
    }
    keys = createLocalJWKSet(remote.jwks() ?? { keys: [] })
    return keys
  }

  /** Not again for a while after a fetch, whatever came of it, as long as there are keys that may be used. */
  function mayFetch(): boolean {
    const nowMs = Date.now()
    return !remote.coolingDown && (nowMs - failedAtMs >= FETCH_COOLDOWN_MS || nowMs - fetchedAtMs >= STALE_KEYS_MS)
  }

  return async (header, token) => {
    const current = keys === undefined || (!remote.fresh && mayFetch()) ? await fetchKeys() : keys
    try {
      return await current(header, token)
    } catch (error) {
      // An issuer may have a key that was not there before. What else goes wrong is the token's fault, or its key's.
      if (!(error instanceof errors.JWKSNoMatchingKey) || !mayFetch()) throw error
      return (await fetchKeys())(header, token)
    }
  }
}

async function refusing<T>(verification: Promise<T>): Promise<T> {
  try {
    return await verification
  } catch (error) {
    if (error instanceof RealtimeError) {
      throw error
    }
    // Reached only once the signature holds, so it tells a stranger nothing.
    throw error instanceof errors.JWTExpired ? expired() : refusal(String(error)) // jose's own error may hold the claims
  }
}

function expired(): RealtimeError {
  return new RealtimeError('TOKEN_EXPIRED', 'The token has expired')
}

/** jose lets through a token without `exp`, one that never expires, and one from the future. */
function assertTimes({ exp, iat, nbf }: JWTPayload, maxLifetimeS: number): number {
  const nowS = Date.now() / 1000
  if (!Number.isSafeInteger(exp) || [iat, nbf].some((time) => time !== undefined && !Number.isFinite(time))) {
    throw refusal('exp must be there, and be an integer; iat and nbf must be finite')
  }
  const expiresS = exp as number // isSafeInteger has said so, but does not narrow
  if (iat !== undefined && iat > nowS + CLOCK_SKEW_S) {
    throw refusal('issued in the future')
  }
  if (expiresS - (iat ?? nowS) > maxLifetimeS) {
    throw refusal('expires later than the maximum lifetime allows')
  }
  if (expiresS <= nowS) {
    throw expired()
  }
  return expiresS
}

async function toClaims<S extends Schema | undefined, User extends BaseUser>(
  payload: JWTPayload,
  exp: number,
  options: JwtOptions<S, User>,
): Promise<Claims<S>> {
  // Without a prototype, a claim named __proto__ or toString is only a claim.
  const all: { [claim: string]: unknown } = Object.assign(Object.create(null), payload)
  const sub: unknown = options.subject ? options.subject(all) : all['sub']
  if (!isUserId(sub)) {
    throw refusal('the user id is not 1–128 of [A-Za-z0-9._@|-]')
  }
  const own = options.claims === undefined ? { email: all['email'] } : await parseClaims(options.claims, all)
  const claims = Object.assign(Object.create(null), own)
  for (const claim of REGISTERED) if (payload[claim] !== undefined) claims[claim] = payload[claim]
  claims.sub = sub
  claims.exp = exp
  return claims as Claims<S> // the registered claims were checked above; the schema's output is what ValueOf says
}

const REGISTERED = ['iss', 'aud', 'iat', 'nbf', 'jti'] as const

async function parseClaims(schema: Schema, claims: object): Promise<object> {
  const result = await schema['~standard'].validate(claims)
  if (result.issues !== undefined || typeof result.value !== 'object' || result.value === null) {
    throw refusal(`claims that do not match: ${(result.issues ?? []).map((issue) => `${issue.path?.join('.') ?? ''}: ${issue.message}`).join('; ')}`)
  }
  return result.value
}

function toUser<S extends Schema | undefined, User extends BaseUser>(claims: Claims<S>, user: ((claims: Claims<S>) => User) | undefined): User {
  if (user !== undefined) {
    return user(claims)
  }
  const email: unknown = Reflect.get(claims, 'email')
  // Without `user`, User is its default, BaseUser.
  return { userId: claims.sub, ...(typeof email === 'string' && { email }) } as User
}
