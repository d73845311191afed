import { createHash } from 'node:crypto'
import { RealtimeError } from '@org/realtime-contracts/wire'
import type { RevocationStore } from '../revocation.js'
import type { RedisBus } from './bus.js'
import { REVOKE } from './scripts.js'

/** Revocations of all nodes. A subject may hold a secret of the application's, so that keys have only its digest. */
export class RedisRevocationStore implements RevocationStore {
  constructor(
    private readonly bus: RedisBus,
    private readonly base: string,
  ) {}

  async revoke(subject: string, beforeMs: number, untilMs: number): Promise<void> {
    await this.bus.run(REVOKE, this.#key(subject), [Math.ceil(beforeMs), Math.ceil(untilMs)])
  }

  async revokedBefore(subjects: readonly string[]): Promise<ReadonlyArray<number | undefined>> {
    const answer = await this.bus.command(['MGET', ...subjects.map((subject) => this.#key(subject))])
    if (!Array.isArray(answer)) throw new RealtimeError('UNAVAILABLE', 'Redis answered MGET with no list')
    return answer.map((beforeMs: unknown) => (beforeMs === null ? undefined : Number(beforeMs)))
  }

  #key(subject: string): string {
    return `${this.base}revoked:${createHash('sha256').update(subject).digest('base64url')}`
  }
}
