import { Injectable } from '@nestjs/common'
import type { Notification } from './websocket.service.js'

/** Stands for the application's database. */
@Injectable()
export class NotificationStore {
  readonly #byUser = new Map<string, Map<string, Notification>>()

  add(userId: string, notification: Notification): void {
    const notifications = this.#byUser.get(userId) ?? new Map()
    this.#byUser.set(userId, notifications.set(notification.id, { ...notification, read: false }))
  }

  /** Whether the user has such a notification. */
  markRead(userId: string, id: string): boolean {
    const notification = this.#byUser.get(userId)?.get(id)
    if (notification !== undefined) notification.read = true
    return notification !== undefined
  }

  unreadCount(userId: string): number {
    return [...(this.#byUser.get(userId)?.values() ?? [])].filter(({ read }) => !read).length
  }
}
