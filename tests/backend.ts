import type { PayloadOf, ServerEvent } from '@org/realtime-contracts'
import type { contract } from '@org/realtime-contracts/events'
import { jwtVerify } from 'jose'
import type { Server as SocketServer } from 'socket.io'

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
class UserSockets {
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

/** What the old ones sent, with Nest around them and without: one map of sockets, one room a user, payloads as they come. */
export abstract class OldService implements WebSocketService {
  abstract readonly server: SocketServer
  protected readonly userSockets = new UserSockets()

  emitNotificationToUser(userId: string, notification: Notification): void {
    this.server.to(`user:${userId}`).emit('notification:new', { notification, timestamp: new Date().toISOString() })
  }

  emitNotificationToUsers(userIds: readonly string[], notification: Notification): void {
    for (const userId of userIds) this.emitNotificationToUser(userId, notification)
  }

  broadcastLeaderboardUpdate(leaderboard: Payload<'leaderboard:updated'>['leaderboard']): void {
    this.server.emit('leaderboard:updated', { leaderboard })
  }

  emitAchievementUnlocked(userId: string, achievement: Payload<'achievement:unlocked'>): void {
    this.server.to(`user:${userId}`).emit('achievement:unlocked', achievement)
  }

  emitXpGained(userId: string, gain: Payload<'xp:gained'>): void {
    this.server.to(`user:${userId}`).emit('xp:gained', gain)
  }

  emitRankUpdated(userId: string, change: Payload<'rank:updated'>): void {
    this.server.to(`user:${userId}`).emit('rank:updated', change)
  }

  isUserConnected(userId: string): boolean {
    return this.userSockets.has(userId)
  }
}
