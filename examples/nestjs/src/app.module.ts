import { Module } from '@nestjs/common'
import { GamificationController } from './gamification.controller.js'
import { NotificationController } from './notification.controller.js'
import { NotificationService } from './notification.service.js'
import { NotificationStore } from './notification.store.js'
import { RealtimeModule, toRealtimeOptions } from './realtime.js'
import { SETTINGS, SettingsModule } from './settings.module.js'
import { StatusController } from './status.controller.js'
import { WebSocketService } from './websocket.service.js'

@Module({
  imports: [SettingsModule, RealtimeModule.forRootAsync({ imports: [SettingsModule], inject: [SETTINGS], useFactory: toRealtimeOptions })],
  controllers: [NotificationController, GamificationController, StatusController],
  providers: [WebSocketService, NotificationService, NotificationStore],
})
export class AppModule {}
