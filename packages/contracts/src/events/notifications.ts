import * as z from 'zod'
import { defineContract } from '../contract.js'

/** The schema of a notification's id. */
export const NotificationId = z.string().min(1).max(128).describe('Id of a notification; a plain string, not a UUID')

/** The schema of a notification. */
export const Notification = z
  .object({
    id: NotificationId,
    message: z.string().describe('Text to show'),
    title: z.string().optional().describe('Short heading above the message'),
    type: z.string().optional().describe('What the notification is about, in words of the application, such as "mission" or "system"'),
    read: z.boolean().optional().describe('Whether the user has read it already'),
    createdAt: z.iso.datetime({ offset: true }).optional().describe('When it came to be, ISO 8601'),
    data: z.record(z.string(), z.json()).optional().describe('Whatever else the application adds: any JSON, by name'),
  })
  .describe('One notification of one user')

/** Notifications: told to every device of their user, also to those that come back later. */
export const notifications = defineContract({
  name: 'notifications',
  version: '1.0.0',
  serverToClient: {
    'notification:new': {
      delivery: 'durable',
      payload: z
        .object({
          notification: Notification,
          timestamp: z.iso.datetime({ offset: true }).describe('When the server sent it, ISO 8601'),
        })
        .describe('A notification has come'),
    },
    'notification:read': {
      delivery: 'durable',
      payload: z
        .object({
          notificationId: NotificationId,
          success: z.boolean().describe('Whether it is marked as read now'),
        })
        .describe('A notification was marked as read, on this or another device'),
    },
    'notification:deleted': {
      delivery: 'durable',
      payload: z.object({ notificationId: NotificationId }).describe('A notification is gone'),
    },
    'notification:unread_count': {
      delivery: 'durable',
      payload: z
        .object({ unreadCount: z.int().min(0).describe('How many notifications are unread, a count') })
        .describe('The number of unread notifications has changed'),
    },
  },
  clientToServer: {
    'notification:mark_read': {
      payload: z.object({ notificationId: NotificationId }).describe('Mark a notification of this user as read'),
      reply: z.object({ success: z.boolean().describe('Whether it is marked as read now') }).describe('The outcome'),
      errors: {
        NOT_FOUND: z.object({ notificationId: NotificationId }).describe('This user has no such notification'),
      },
    },
  },
})
