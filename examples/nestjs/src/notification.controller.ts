import { Body, Controller, Inject, Param, Post } from '@nestjs/common'
import { Notification } from '@org/realtime-contracts/events'
import * as z from 'zod'
import { type NotificationContent, NotificationService } from './notification.service.js'
import { SchemaPipe } from './schema.pipe.js'
import { UserId, userId } from './user-id.js'

const Content = Notification.pick({ message: true, title: true })
const Message = Content.extend({ userIds: z.array(UserId) })

@Controller()
export class NotificationController {
  constructor(@Inject(NotificationService) private readonly notifications: NotificationService) {}

  @Post('users/:userId/notifications')
  notify(@Param('userId', userId) user: string, @Body(new SchemaPipe(Content)) content: NotificationContent) {
    return this.notifications.notify(user, content)
  }

  @Post('notifications')
  notifyMany(@Body(new SchemaPipe(Message)) { userIds, ...content }: z.output<typeof Message>) {
    return this.notifications.notifyMany(userIds, content)
  }
}
