import { type Authentication, type BaseUser, isUserId } from './identity.js'

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
  /** @returns for each subject before when it is revoked; `undefined` for one that is not. */
  revokedBefore(subjects: readonly string[]): Promise<ReadonlyArray<number | undefined>>
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

const ALWAYS_MS = Number.MAX_SAFE_INTEGER
const DEFAULT_LIFETIME_MS = 90 * 24 * 60 * 60 * 1000

/** Who is no longer believed. */
export class Revocations {
  /** @param maxLifetimeMs how long after its issue a proof may count, so that what is older need not be remembered. */
  constructor(
    private readonly store: RevocationStore,
    private readonly maxLifetimeMs: number = DEFAULT_LIFETIME_MS,
  ) {
    if (typeof store?.revoke !== 'function' || typeof store.revokedBefore !== 'function') {
      throw new TypeError('revocations must be a store with the functions revoke and revokedBefore')
    }
  }

  /**
   * @returns a function that tells whether a proof is one of those.
   * @throws TypeError for what names neither a user nor a token, and for a time that is none.
   */
  async revoke(revocation: Revocation): Promise<(proof: Authentication<BaseUser>, provedAtMs: number) => boolean> {
    const subject = toSubject(revocation)
    const nowMs = Date.now()
    const beforeMs = toBeforeMs(revocation, nowMs)
    await this.store.revoke(subject, beforeMs, (beforeMs === ALWAYS_MS ? nowMs : Math.max(beforeMs, nowMs)) + this.maxLifetimeMs)
    return (proof, provedAtMs) => subjectsOf(proof).includes(subject) && (proof.issuedAtMs === undefined ? provedAtMs <= beforeMs : proof.issuedAtMs < beforeMs)
  }

  /** Whether a proof that has just been given is revoked; what does not say when it was issued counts as issued now. */
  async isRevoked(proof: Authentication<BaseUser>): Promise<boolean> {
    const issuedAtMs = proof.issuedAtMs ?? Date.now()
    const revoked = await this.store.revokedBefore(subjectsOf(proof))
    return revoked.some((beforeMs) => beforeMs !== undefined && issuedAtMs < beforeMs)
  }
}

function subjectsOf({ user, tokenId }: Authentication<BaseUser>): string[] {
  return [`user:${user.userId}`, ...(tokenId === undefined ? [] : [`token:${tokenId}`])]
}

function toSubject(revocation: Revocation): string {
  const { userId, tokenId } = revocation ?? {}
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
