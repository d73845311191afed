import { randomUUID } from 'node:crypto'
import type { DeviceAnswer, RealtimeServer, Receipt } from '@org/realtime-server'
import type * as z from 'zod'
import type { Achievement, contract } from './contract.js'
import type { Fallback } from './fallback.js'
import type { Draft, Inbox, StoredNotification } from './inbox.js'
import { RANKS, type Rank } from './people.js'
import { type Progress, rankAt, xpAfter } from './progress.js'

export interface Parts {
  readonly realtime: RealtimeServer<typeof contract>
  readonly inbox: Inbox
  readonly progress: Progress
  readonly fallback: Fallback
}

export interface Delivery {
  readonly notification: StoredNotification
  /** How the user was told: on so many devices, or by other means. */
  readonly delivered: { readonly by: 'socket'; readonly devices: number } | { readonly by: string }
}

const CONFIRM_MS = 20_000
// How long a device that is connected may take to say that it has shown a notification.
const SHOWN_MS = 2_000

/** What the application does, whoever asks for it: an HTTP route, an event of a client, a job. */
export class Service {
  constructor(private readonly parts: Parts) {}

  /**
   * Tells a user, on every device, also on those that come back later; and by the fallback, where no device has shown it in time.
   * That a device is connected is no proof of that: it may be gone before the event comes.
   */
  async notify(userId: string, draft: Draft): Promise<Delivery> {
    const { realtime, inbox, fallback } = this.parts
    const notification = inbox.add(userId, draft)
    const receipt = await realtime.toUser(userId).emit('notification:new', { notification, timestamp: new Date().toISOString() }, { confirm: true })
    this.#countUnread(userId)
    const { length: devices } = await realtime.presence.devices(userId)
    if (devices > 0) {
      // An application that must survive its own end leaves this to its job queue: the receipt is plain data.
      this.#handOverUnlessShown(userId, notification, receipt).catch((error: unknown) => process.emitWarning(String(error)))
      return { notification, delivered: { by: 'socket', devices } }
    }
    await this.#handOver(userId, notification)
    return { notification, delivered: { by: fallback.name } }
  }

  /** @returns whether there is such a notification. The device that has marked it knows already. */
  markRead(userId: string, notificationId: string, exceptDevice?: string): boolean {
    const { realtime, inbox } = this.parts
    if (!inbox.markRead(userId, notificationId)) return false
    const user = realtime.toUser(userId)
    const others = exceptDevice === undefined ? user : user.exceptDevice(exceptDevice)
    void others.emit('notification:read', { notificationId, success: true })
    this.#countUnread(userId)
    return true
  }

  /** @returns whether there was such a notification. */
  remove(userId: string, notificationId: string): boolean {
    const { realtime, inbox } = this.parts
    if (!inbox.remove(userId, notificationId)) return false
    void realtime.toUser(userId).emit('notification:deleted', { notificationId })
    this.#countUnread(userId)
    return true
  }

  /** Points, and what comes of them: an achievement where one is given for the same, a higher rank, another leaderboard. */
  grantXp(userId: string, amount: number, source: string, achievement?: z.infer<typeof Achievement>): { totalXp: number; rank: Rank } {
    const { realtime, progress } = this.parts
    const totalXp = progress.addXp(userId, amount)
    realtime.toUser(userId).emit('xp:gained', { amount, source, totalXp })
    if (achievement !== undefined) this.unlock(userId, achievement)
    const reached = rankAt(totalXp)
    if (RANKS.indexOf(reached) > RANKS.indexOf(progress.of(userId).rank)) this.setRank(userId, reached)
    this.publishLeaderboard()
    return { totalXp, rank: progress.of(userId).rank }
  }

  unlock(userId: string, achievement: z.infer<typeof Achievement>): void {
    this.parts.progress.unlock(userId, achievement)
    this.parts.realtime.toUser(userId).emit('achievement:unlocked', achievement)
  }

  setRank(userId: string, newRank: Rank): { newRank: Rank; oldRank: Rank } {
    const { realtime, progress } = this.parts
    const { rank: oldRank } = progress.of(userId)
    progress.setRank(userId, newRank)
    realtime.toUser(userId).emit('rank:updated', { newRank, oldRank, ...xpAfter(newRank) })
    return { newRank, oldRank }
  }

  publishLeaderboard() {
    const leaderboard = this.parts.progress.leaderboard()
    this.parts.realtime.toAll().emit('leaderboard:updated', { leaderboard })
    return leaderboard
  }

  /** Asks every device of a user, and waits for all of them. */
  async confirm(userId: string, question: string): Promise<Array<DeviceAnswer<{ accepted: boolean }>>> {
    return this.parts.realtime.toUser(userId).request('confirm', { question, answerWithinMs: CONFIRM_MS }, { timeoutMs: CONFIRM_MS + 1_000 })
  }

  logOut(userId: string, deviceId: string): Promise<void> {
    return this.parts.realtime.disconnectUser(userId, { reason: 'Logged out', deviceId })
  }

  profile(userId: string) {
    const { inbox, progress } = this.parts
    const { name, totalXp, rank, achievements } = progress.of(userId)
    return {
      ...{ name, totalXp, rank, ...xpAfter(rank), achievements: [...achievements] },
      notifications: [...inbox.of(userId)],
      leaderboard: progress.leaderboard(),
    }
  }

  async #handOverUnlessShown(userId: string, notification: StoredNotification, receipt: Receipt): Promise<void> {
    const isShown = await this.parts.realtime.inbox(userId).confirmed(receipt, { timeoutMs: SHOWN_MS })
    if (!isShown) await this.#handOver(userId, notification)
  }

  async #handOver(userId: string, notification: StoredNotification): Promise<void> {
    const { realtime, fallback } = this.parts
    await fallback.deliver(userId, notification)
    realtime.toAll().emit('fallback:used', { id: randomUUID(), userId, title: notification.title, by: fallback.name })
  }

  #countUnread(userId: string): void {
    void this.parts.realtime.toUser(userId).emit('notification:unread_count', { unreadCount: this.parts.inbox.unreadCount(userId) })
  }
}
