import { isObject, RealtimeError } from '@org/realtime-contracts/wire'
import { withTimeout } from './time.js'

/** What a client brings to its handshake. */
export interface AuthenticationRequest {
  /** From `auth.token`, or an `Authorization: Bearer` header; never from the query string. */
  readonly token?: string
  /** The headers of the HTTP request of the handshake, in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The address of the peer: a proxy's, where there is one. */
  readonly address: string
}

/** The least that is known of a user. */
export interface BaseUser {
  /** 1–128 of `[A-Za-z0-9._@|-]`. */
  readonly userId: string
  /** Told to the client in `authenticated`. */
  readonly email?: string | undefined
}

/** Who a client is, and until when that holds. */
export interface Authentication<User> {
  /** Who it is. */
  readonly user: User
  /** When the user must have proved who they are again, in milliseconds since the epoch; never, where absent. */
  readonly expiresAtMs?: number
  /** When the proof was issued, in milliseconds since the epoch: what a user proved before a revocation no longer counts. @default when it is asked for */
  readonly issuedAtMs?: number
  /** Names the token, so that it alone can be revoked. */
  readonly tokenId?: string
}

/** What an authenticator said, and when it was asked: what has been revoked since then may not be known to it. */
export interface Proof<User> extends Authentication<User> {
  readonly askedAtMs: number
}

/** Decides who a client is. Made by `jwt()`, or by an application for its own kind of proof. */
export interface Authenticator<out User> {
  /**
   * @throws RealtimeError `UNAUTHENTICATED`, `TOKEN_EXPIRED`, `FORBIDDEN` or `UNAVAILABLE` to refuse the client;
   * anything else that is thrown is a fault of the server, answered as `UNAVAILABLE` and told to `onError`.
   */
  authenticate(request: AuthenticationRequest): Promise<Authentication<User>>
  /** How long after its issue a proof may count, in milliseconds, which is how long a revocation is remembered. @default 90 days */
  readonly maxLifetimeMs?: number
}

/**
 * An authenticator as a bare function: it returns who the client is, with or without an expiry,
 * or `null` to refuse the client. It throws as {@link Authenticator.authenticate} does.
 */
export type AuthenticateFunction<User> = (
  request: AuthenticationRequest,
) => Promise<User | Authentication<User> | null | undefined> | User | Authentication<User> | null | undefined

const USER_ID = /^[A-Za-z0-9._@|-]{1,128}$/

export function isUserId(value: unknown): value is string {
  return typeof value === 'string' && USER_ID.test(value)
}

/** One public reason for all causes, so that a stranger learns nothing; the cause stays in the server. */
export function refusal(cause?: unknown): RealtimeError {
  return new RealtimeError('UNAUTHENTICATED', 'Authentication is required: no token came, or it was refused', { cause })
}

/** What both forms of the `authenticate` option come to. */
export function toAuthenticator<User extends BaseUser>(option: Authenticator<User> | AuthenticateFunction<User>): Authenticator<User> {
  if (typeof option === 'function') {
    return { authenticate: async (request) => toAuthentication(await option(request)) }
  }
  if (typeof option?.authenticate !== 'function') {
    throw new TypeError('authenticate is required: jwt({ ... }), or a function that returns the user of a request. A server without it would let everybody in')
  }
  return option
}

function toAuthentication<User extends BaseUser>(answer: User | Authentication<User> | null | undefined): Authentication<User> {
  if (answer === null || answer === undefined) {
    throw refusal('the authenticate function returned nothing')
  }
  if (!('userId' in answer)) {
    return answer
  }
  const misplaced = ['expiresAtMs', 'issuedAtMs', 'tokenId'].find((name) => name in answer)
  if (misplaced !== undefined) {
    throw new TypeError(`authenticate returned ${misplaced} as a field of the user, where it has no effect: return { user: { userId, ... }, ${misplaced} }`)
  }
  return { user: answer }
}

const REFUSALS: ReadonlySet<string> = new Set(['UNAUTHENTICATED', 'TOKEN_EXPIRED', 'FORBIDDEN', 'UNAVAILABLE'])

/**
 * Asks the authenticator and checks what it says.
 * @throws RealtimeError a refusal that may be told to the client; `UNAVAILABLE` with a `cause` for a fault.
 */
export async function identify<User extends BaseUser>(
  authenticator: Authenticator<User>,
  request: AuthenticationRequest,
  timeoutMs: number,
): Promise<Proof<User>> {
  const askedAtMs = Date.now()
  const authentication = await withTimeout(timeoutMs, authenticate(authenticator, request), () =>
    fault(new Error(`authenticate took longer than ${timeoutMs} ms`)),
  )
  const { user, expiresAtMs, issuedAtMs, tokenId } = authentication
  if (!isObject(user) || !isUserId(user.userId)) {
    // The application's own doing, which it has to hear of; a token with such an id does not come this far.
    throw refusal(
      new TypeError(`authenticate returned a user whose userId is not 1–128 of [A-Za-z0-9._@|-]: ${JSON.stringify(String(user?.userId).slice(0, 40))}`),
    )
  }
  if (expiresAtMs !== undefined && !Number.isFinite(expiresAtMs)) {
    throw fault(new TypeError('expiresAtMs must be a number of milliseconds since the epoch'))
  }
  if ((issuedAtMs !== undefined && !Number.isFinite(issuedAtMs)) || (tokenId !== undefined && typeof tokenId !== 'string')) {
    throw fault(new TypeError('issuedAtMs must be a number of milliseconds since the epoch, and tokenId a text'))
  }
  if (expiresAtMs !== undefined && expiresAtMs <= Date.now()) {
    throw new RealtimeError('TOKEN_EXPIRED', 'The token has expired')
  }
  return { ...authentication, askedAtMs }
}

async function authenticate<User>(authenticator: Authenticator<User>, request: AuthenticationRequest): Promise<Authentication<User>> {
  try {
    return await authenticator.authenticate(request)
  } catch (error) {
    // An error that came over another connection was decided about somebody else.
    if (error instanceof RealtimeError && error.origin === 'local' && REFUSALS.has(error.code)) {
      throw error
    }
    throw fault(error)
  }
}

/** A failure of the server, or of what it asks: the client may try again. */
export function fault(cause: unknown): RealtimeError {
  return new RealtimeError('UNAVAILABLE', 'The server cannot authenticate anybody now', { cause })
}
