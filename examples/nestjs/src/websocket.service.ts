import { Inject, Injectable } from '@nestjs/common'
import type { PayloadOf, ServerEvent } from '@org/realtime-contracts'
import type { contract } from '@org/realtime-contracts/events'
import { Realtime } from './realtime.js'

/** The payload of an event that the server sends. */
export type Payload<K extends ServerEvent<typeof contract>> = PayloadOf<(typeof contract)['serverToClient'][K]>

export type Notification = Payload<'notification:new'>['notification']

/** The service that the rest of the application has always called, over the typed server. */
@Injectable()
export class WebSocketService {
  constructor(@Inject(Realtime) private readonly realtime: Realtime) {}

  emitNotificationToUser(userId: string, notification: Notification): void {
    this.emitNotificationToUsers([userId], notification)
  }

  emitNotificationToUsers(userIds: readonly string[], notification: Notification): void {
    void this.realtime.toUsers(userIds).emit('notification:new', { notification, timestamp: new Date().toISOString() })
  }

  broadcastLeaderboardUpdate(leaderboard: Payload<'leaderboard:updated'>['leaderboard']): void {
    this.realtime.toAll().emit('leaderboard:updated', { leaderboard })
  }

  emitAchievementUnlocked(userId: string, achievement: Payload<'achievement:unlocked'>): void {
    this.realtime.toUser(userId).emit('achievement:unlocked', achievement)
  }

  emitXpGained(userId: string, gain: Payload<'xp:gained'>): void {
    this.realtime.toUser(userId).emit('xp:gained', gain)
  }

  emitRankUpdated(userId: string, change: Payload<'rank:updated'>): void {
    this.realtime.toUser(userId).emit('rank:updated', change)
  }

  /** A promise now: the user may be connected to another node. */
  isUserConnected(userId: string): Promise<boolean> {
    return this.realtime.presence.isOnline(userId)
  }
}
