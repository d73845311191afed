import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto'
import type { Authentication, AuthenticationRequest, BaseUser } from '@org/realtime-server'
import { SignJWT } from 'jose'

/** What any token says. */
export interface TokenOptions {
  /** How long it holds, in milliseconds. A JWT ends on a whole second: up to a second later. @default an hour */
  readonly expiresInMs?: number
}

/** What a JWT says beside that. */
export interface JwtOptions extends TokenOptions {
  /** Claims that this token has instead of, or beside, what the user's are; `undefined` leaves one out. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** Tokens for anybody. `Who` is how a user is named. */
export interface TestTokens<Who, Options extends TokenOptions = TokenOptions> {
  /** A good one. */
  for(who: Who, options?: Options): Promise<string>
  /** One that has been good, and is old: refused with `TOKEN_EXPIRED`. */
  expired(who: Who): Promise<string>
  /** One that somebody else has signed: refused with `UNAUTHENTICATED`. */
  forged(who: Who): Promise<string>
}

/** A user as their id, or with more that a token says of them. */
export type TokenUser = string | { readonly userId: string; readonly [claim: string]: unknown }

/** How tokens are signed, so that the server's `jwt()` believes them. */
export type TestTokensOptions = (
  | {
      /** The application's shared secret, for HS256. */ readonly secret: string | Uint8Array | undefined
      readonly privateKey?: never
      readonly algorithm?: never
    }
  | {
      /** The private half of what the application checks with: PEM, or a `KeyObject`. */
      readonly privateKey: string | KeyObject
      /** Such as `RS256`. */
      readonly algorithm: string
      readonly secret?: never
    }
) & {
  /** What tokens say for `iss`. @default none */
  readonly issuer?: string
  /** What tokens say for `aud`. @default none */
  readonly audience?: string
  /** Names the key in the header, as a key set wants it. */
  readonly keyId?: string
  /** The claims of a user. @default `sub` is the user's id, all else is as it is called */
  readonly claims?: (user: { readonly userId: string; readonly [claim: string]: unknown }) => Readonly<Record<string, unknown>>
}

const HOUR_MS = 60 * 60 * 1000
const MINUTE_MS = 60 * 1000 // beyond what a server forgives for clocks that differ

/**
 * Signs JSON Web Tokens for an application that checks them with `jwt()`.
 * @throws TypeError where there is no key.
 */
export function testTokens(options: TestTokensOptions): TestTokens<TokenUser, JwtOptions> {
  const { issuer, audience, keyId, claims: toClaims = subjectAndRest } = options
  const key = toKey(options)
  const algorithm = options.algorithm ?? 'HS256'

  function sign(who: TokenUser, { expiresInMs = HOUR_MS, claims }: JwtOptions = {}): Promise<string> {
    const user = typeof who === 'string' ? { userId: who } : who
    const expiresAtMs = Date.now() + expiresInMs
    const payload = {
      iat: Math.floor(Math.min(Date.now(), expiresAtMs - MINUTE_MS) / 1000),
      exp: Math.ceil(expiresAtMs / 1000),
      ...(issuer !== undefined && { iss: issuer }),
      ...(audience !== undefined && { aud: audience }),
      ...toClaims(user),
      ...claims,
    }
    return new SignJWT(payload).setProtectedHeader({ alg: algorithm, ...(keyId !== undefined && { kid: keyId }) }).sign(key)
  }

  return {
    for: sign,
    expired: (who) => sign(who, { expiresInMs: -MINUTE_MS }),
    async forged(who) {
      const [header, payload, signature = ''] = (await sign(who)).split('.')
      return [header, payload, (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)].join('.')
    },
  }
}

function subjectAndRest({ userId, ...rest }: { readonly userId: string; readonly [claim: string]: unknown }): Record<string, unknown> {
  return { sub: userId, ...rest }
}

function toKey({ secret, privateKey }: TestTokensOptions): Uint8Array | KeyObject {
  if (privateKey !== undefined) return typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey
  if (secret === undefined || secret.length === 0) {
    throw new TypeError("testTokens: secret is required, the one that the application's jwt() has; or privateKey and algorithm")
  }
  return typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
}

/** Tokens that only say whose they are to who has made them: users stay what they are, dates included. */
export class KnownTokens<User extends BaseUser> implements TestTokens<string | User> {
  readonly #users = new Map<string, Authentication<User>>()

  constructor(private readonly toUser: (userId: string) => User) {}

  readonly authenticate = ({ token = '' }: AuthenticationRequest): Authentication<User> | null => this.#users.get(token) ?? null

  async for(who: string | User, { expiresInMs = HOUR_MS }: TokenOptions = {}): Promise<string> {
    const token = randomUUID()
    const user = typeof who === 'string' ? this.toUser(who) : who
    this.#users.set(token, { user, expiresAtMs: Date.now() + expiresInMs, tokenId: token })
    return token
  }

  expired(who: string | User): Promise<string> {
    return this.for(who, { expiresInMs: -MINUTE_MS })
  }

  async forged(): Promise<string> {
    return randomUUID()
  }
}
