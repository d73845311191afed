export interface StoredNotification {
  readonly id: string
  readonly title: string
  readonly message: string
  readonly type?: string | undefined
  readonly createdAt: string
  readonly read: boolean
}

export type Draft = Pick<StoredNotification, 'title' | 'message' | 'type'>

const KEPT = 50

/** The notifications of every user, newest first. Stands for a table of the application's database. */
export class Inbox {
  readonly #byUser = new Map<string, readonly StoredNotification[]>()
  #lastId = 0

  add(userId: string, draft: Draft): StoredNotification {
    const notification = { id: `n-${++this.#lastId}`, ...draft, createdAt: new Date().toISOString(), read: false }
    this.#byUser.set(userId, [notification, ...this.of(userId)].slice(0, KEPT))
    return notification
  }

  /** @returns whether the user has such a notification. */
  markRead(userId: string, id: string): boolean {
    const found = this.#has(userId, id)
    this.#byUser.set(
      userId,
      this.of(userId).map((notification) => (notification.id === id ? { ...notification, read: true } : notification)),
    )
    return found
  }

  /** @returns whether the user had such a notification. */
  remove(userId: string, id: string): boolean {
    const found = this.#has(userId, id)
    this.#byUser.set(
      userId,
      this.of(userId).filter((notification) => notification.id !== id),
    )
    return found
  }

  of(userId: string): readonly StoredNotification[] {
    return this.#byUser.get(userId) ?? []
  }

  unreadCount(userId: string): number {
    return this.of(userId).filter(({ read }) => !read).length
  }

  #has(userId: string, id: string): boolean {
    return this.of(userId).some((notification) => notification.id === id)
  }
}
