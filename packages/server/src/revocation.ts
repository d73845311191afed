import { RealtimeError } from '@org/realtime-contracts/wire'
import { type BaseUser, isUserId, type Proof } from './identity.js'
import { withTimeout } from './time.js'

/** What is no longer believed: all that a user has proved, or one token. */
export type Revocation = (
  | {
      readonly userId: string
      readonly tokenId?: never
    }
  | {
      /** The `jti` of a JSON Web Token, or the `tokenId` that `authenticate` returned. */
      readonly tokenId: string
      readonly userId?: never
    }
) & {
  /** Only what was issued earlier, as a date or in milliseconds since the epoch. @default now for a user; for a token, whenever */
  readonly before?: Date | number
}

/** Remembers what is revoked. A subject is a user or a token, as an opaque text. */
export interface RevocationStore {
  /**
   * Remembers, at least until `untilMs`, that what the subject was issued before `beforeMs` does not count.
   * Safe to repeat; of two times for one subject, the later counts. Both in milliseconds since the epoch.
   */
  revoke(subject: string, beforeMs: number, untilMs: number): Promise<void>
  /** @returns for each subject, in their order, before when it is revoked; `undefined` or `null` for one that is not. */
  revokedBefore(subjects: readonly string[]): Promise<ReadonlyArray<number | null | undefined>>
}

const PURGE_MS = 60_000

/** Revocations of one process, in memory: a restart forgets them. */
export class MemoryRevocationStore implements RevocationStore {
  readonly #entries = new Map<string, { readonly beforeMs: number; readonly untilMs: number }>()
  #purgedAtMs = Date.now()

  async revoke(subject: string, beforeMs: number, untilMs: number): Promise<void> {
    const known = this.#entries.get(subject)
    this.#entries.set(subject, { beforeMs: Math.max(beforeMs, known?.beforeMs ?? 0), untilMs: Math.max(untilMs, known?.untilMs ?? 0) })
    this.#purge()
  }

  async revokedBefore(subjects: readonly string[]): Promise<ReadonlyArray<number | undefined>> {
    return subjects.map((subject) => this.#entries.get(subject)?.beforeMs)
  }

  #purge(): void {
    const nowMs = Date.now()
    if (nowMs - this.#purgedAtMs < PURGE_MS) return
    this.#purgedAtMs = nowMs
    for (const [subject, { untilMs }] of this.#entries) if (untilMs < nowMs) this.#entries.delete(subject)
  }
}

const ALWAYS_MS = 8.64e15 // the last moment that a Date can hold
const DEFAULT_LIFETIME_MS = 90 * 24 * 60 * 60 * 1000

/** A revocation as it is remembered; times in milliseconds since the epoch. */
export interface Revoked {
  readonly subject: string
  readonly beforeMs: number
  readonly untilMs: number
}

/** Who is no longer believed. */
export class Revocations {
  /**
   * @param timeoutMs how long the store may take.
   * @param maxLifetimeMs how long after its issue a proof may count, so that what is older need not be remembered.
   */
  constructor(
    private readonly store: RevocationStore,
    private readonly timeoutMs: number,
    private readonly maxLifetimeMs: number = DEFAULT_LIFETIME_MS,
  ) {
    if (typeof store?.revoke !== 'function' || typeof store.revokedBefore !== 'function') {
      throw new TypeError('revocations must be a store with the functions revoke and revokedBefore')
    }
  }

  /** @throws TypeError for what names neither a user nor a token, for a time that is none, and for an unknown key. */
  read(revocation: Revocation): Revoked {
    const subject = toSubject(revocation)
    const nowMs = Date.now()
    const beforeMs = toBeforeMs(revocation, nowMs)
    return { subject, beforeMs, untilMs: (beforeMs === ALWAYS_MS ? nowMs : Math.max(beforeMs, nowMs)) + this.maxLifetimeMs }
  }

  /** @throws RealtimeError `UNAVAILABLE` where the store fails. */
  async remember({ subject, beforeMs, untilMs }: Revoked): Promise<void> {
    try {
      await this.#bounded(async () => this.store.revoke(subject, beforeMs, untilMs))
    } catch (cause) {
      throw new RealtimeError('UNAVAILABLE', 'The revocation could not be stored: who was connected is closed, but can come back. Call revoke again', { cause })
    }
  }

  /** @throws what the store throws, or an Error where it is too slow or answers what is no answer. */
  async isRevoked(proof: Proof<BaseUser>): Promise<boolean> {
    const subjects = subjectsOf(proof)
    const times: unknown = await this.#bounded(async () => this.store.revokedBefore(subjects))
    if (!Array.isArray(times) || times.length !== subjects.length || !Array.from(times).every(isTimeOrNothing)) {
      throw new TypeError('revokedBefore of the revocation store must return a list with one entry for each subject: a finite number, or undefined')
    }
    return times.some((beforeMs) => typeof beforeMs === 'number' && isOlder(proof, beforeMs))
  }

  #bounded<T>(work: () => Promise<T>): Promise<T> {
    return withTimeout(this.timeoutMs, work(), () => new Error(`The revocation store took longer than ${this.timeoutMs} ms`))
  }
}

/** Whether a proof is one of those that a revocation means. */
export function isMeant({ subject, beforeMs }: Revoked, proof: Proof<BaseUser>): boolean {
  return subjectsOf(proof).includes(subject) && isOlder(proof, beforeMs)
}

/** An issuer whose clock is ahead makes its tokens no newer than the moment at which they came. */
function isOlder({ issuedAtMs, askedAtMs }: Proof<BaseUser>, beforeMs: number): boolean {
  return askedAtMs <= beforeMs || (issuedAtMs !== undefined && issuedAtMs < beforeMs)
}

function isTimeOrNothing(value: unknown): boolean {
  return value === undefined || value === null || Number.isFinite(value)
}

function subjectsOf({ user, tokenId }: Proof<BaseUser>): string[] {
  return [`user:${user.userId}`, ...(tokenId === undefined ? [] : [`token:${tokenId}`])]
}

function toSubject(revocation: Revocation): string {
  const { userId, tokenId, before: _, ...unknown } = revocation ?? {}
  const [misspelt] = Object.keys(unknown)
  if (misspelt !== undefined) {
    throw new TypeError(`revoke: unknown option ${JSON.stringify(misspelt)}; known are userId, tokenId, before`)
  }
  if ((userId === undefined) === (tokenId === undefined)) {
    throw new TypeError('revoke: give either userId or tokenId')
  }
  if (userId !== undefined && !isUserId(userId)) {
    throw new TypeError('revoke: a userId is 1–128 of [A-Za-z0-9._@|-]')
  }
  if (tokenId !== undefined && (typeof tokenId !== 'string' || tokenId === '')) {
    throw new TypeError('revoke: a tokenId is a text that is not empty')
  }
  return userId === undefined ? `token:${tokenId}` : `user:${userId}`
}

function toBeforeMs({ userId, before }: Revocation, nowMs: number): number {
  if (before === undefined) {
    return userId === undefined ? ALWAYS_MS : nowMs
  }
  const beforeMs = before instanceof Date ? before.getTime() : before
  if (typeof beforeMs !== 'number' || !Number.isFinite(beforeMs)) {
    throw new TypeError('revoke: before must be a valid Date, or a number of milliseconds since the epoch')
  }
  return beforeMs
}
