import type { PayloadOf, ServerEvent } from '@org/realtime-contracts'
import type { contract } from '@org/realtime-contracts/events'
import { jwtVerify } from 'jose'

export type Payload<K extends ServerEvent<typeof contract>> = PayloadOf<(typeof contract)['serverToClient'][K]>
export type Notification = Payload<'notification:new'>['notification']
export type Environment = Readonly<Record<string, string>>

/** What the rest of the application has always called. */
export interface WebSocketService {
  emitNotificationToUser(userId: string, notification: Notification): void
  emitNotificationToUsers(userIds: readonly string[], notification: Notification): void
  broadcastLeaderboardUpdate(leaderboard: Payload<'leaderboard:updated'>['leaderboard']): void
  emitAchievementUnlocked(userId: string, achievement: Payload<'achievement:unlocked'>): void
  emitXpGained(userId: string, gain: Payload<'xp:gained'>): void
  emitRankUpdated(userId: string, change: Payload<'rank:updated'>): void
  isUserConnected(userId: string): boolean | Promise<boolean>
}

/** A server in its process: the service, and what a test needs to know of it. */
export interface Backend {
  readonly service: WebSocketService
  readonly url: string
  rooms(): string[]
  close(): Promise<void>
}

/** Marks as read what is there; the old ones and the new ones share it. */
export function markRead(notificationId: string): boolean {
  return notificationId !== 'missing'
}

/** How the old ones check a token. @returns nobody for one that is none. */
export async function verifyToken(token: unknown, secret: string | undefined): Promise<{ userId: string; email: unknown } | undefined> {
  try {
    const { payload } = await jwtVerify(String(token), new TextEncoder().encode(secret))
    return { userId: String(payload.sub), email: payload['email'] }
  } catch {
    return undefined
  }
}

/** Whose sockets are connected, as the old ones kept it: by process. */
export class UserSockets {
  readonly #sockets = new Map<string, Set<string>>()

  add(userId: string, socketId: string): void {
    this.#sockets.set(userId, (this.#sockets.get(userId) ?? new Set()).add(socketId))
  }

  remove(userId: string, socketId: string): void {
    const sockets = this.#sockets.get(userId)
    sockets?.delete(socketId)
    if (sockets?.size === 0) this.#sockets.delete(userId)
  }

  has(userId: string): boolean {
    return this.#sockets.has(userId)
  }
}
