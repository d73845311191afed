export interface StoredNotification {
  readonly id: string
  readonly title: string
  readonly message: string
  read: boolean
}

/** Stands for the application's database. */
export class NotificationStore {
  readonly #byUser = new Map<string, StoredNotification[]>()
  #lastId = 0

  add(userId: string, message: string, title: string): StoredNotification {
    const notification = { id: `n-${++this.#lastId}`, title, message, read: false }
    this.#byUser.set(userId, [...this.#of(userId), notification])
    return notification
  }

  /** Whether the user has such a notification. */
  markRead(userId: string, id: string): boolean {
    const notification = this.#of(userId).find((candidate) => candidate.id === id)
    if (notification !== undefined) notification.read = true
    return notification !== undefined
  }

  unreadCount(userId: string): number {
    return this.#of(userId).filter(({ read }) => !read).length
  }

  #of(userId: string): StoredNotification[] {
    return this.#byUser.get(userId) ?? []
  }
}
