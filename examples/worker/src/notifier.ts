import { randomUUID } from 'node:crypto'
import type { contract } from '@org/realtime-contracts/events'
import type { RealtimeEmitter } from '@org/realtime-server'

interface Message {
  readonly id: string
  readonly title: string
  readonly message: string
}

/** What reaches users who are not connected: e-mail, push, a text message. */
export interface Fallback {
  send(userId: string, message: Message): Promise<void>
}

export type Way = 'live' | 'fallback'

/** Tells users of something, on all their devices, and who is not connected by other means, too. */
export class Notifier {
  constructor(
    private readonly emitter: RealtimeEmitter<typeof contract>,
    private readonly fallback: Fallback,
  ) {}

  /**
   * @returns how each user was told.
   * @throws RealtimeError `UNAVAILABLE` where Redis is away; nobody was told by other means, so the job can be tried again.
   */
  async notify(userIds: readonly string[], title: string, text: string): Promise<Map<string, Way>> {
    const message = { id: randomUUID(), title, message: text }
    const online = new Set(await this.emitter.presence.online(userIds)) // one question for all of them
    await this.emitter.toUsers(userIds).emit('notification:new', { notification: message, timestamp: new Date().toISOString() })
    await Promise.all(userIds.filter((userId) => !online.has(userId)).map((userId) => this.fallback.send(userId, message)))
    return new Map(userIds.map((userId) => [userId, online.has(userId) ? 'live' : 'fallback']))
  }
}
