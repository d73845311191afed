import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { NotificationStore } from './notification.store.js'
import { type Context, Realtime, RealtimeHandler } from './realtime.js'
import { type Notification, WebSocketService } from './websocket.service.js'

export type NotificationContent = Pick<Notification, 'message' | 'title'>

/** Keeps notifications and tells their users of them, and hears which of them were read. */
@Injectable()
export class NotificationService {
  constructor(
    @Inject(NotificationStore) private readonly store: NotificationStore,
    @Inject(WebSocketService) private readonly webSocket: WebSocketService,
    @Inject(Realtime) private readonly realtime: Realtime,
  ) {}

  notify(userId: string, content: NotificationContent): Notification {
    const notification = this.#create([userId], content)
    this.webSocket.emitNotificationToUser(userId, notification)
    return notification
  }

  notifyMany(userIds: readonly string[], content: NotificationContent): Notification {
    const notification = this.#create(userIds, content)
    this.webSocket.emitNotificationToUsers(userIds, notification)
    return notification
  }

  @RealtimeHandler('notification:mark_read')
  markRead({ payload: { notificationId }, user: { userId }, device, fail }: Context<'notification:mark_read'>) {
    if (!this.store.markRead(userId, notificationId)) throw fail('NOT_FOUND', { notificationId })
    void this.realtime.toUser(userId).exceptDevice(device.id).emit('notification:read', { notificationId, success: true })
    void this.realtime.toUser(userId).emit('notification:unread_count', { unreadCount: this.store.unreadCount(userId) })
    return { success: true }
  }

  #create(userIds: readonly string[], content: NotificationContent): Notification {
    const notification = { ...content, id: randomUUID(), createdAt: new Date().toISOString() }
    for (const userId of userIds) this.store.add(userId, notification)
    return notification
  }
}
