import { Body, Controller, HttpCode, Inject, Param, Post } from '@nestjs/common'
import { contract } from '@org/realtime-contracts/events'
import { SchemaPipe } from './schema.pipe.js'
import { userId } from './user-id.js'
import { type Payload, WebSocketService } from './websocket.service.js'

const { serverToClient: events } = contract

/** Stands for what the application finds out: that somebody has gained points, or is first now. */
@Controller()
export class GamificationController {
  constructor(@Inject(WebSocketService) private readonly webSocket: WebSocketService) {}

  @Post('users/:userId/achievements')
  @HttpCode(202)
  unlock(@Param('userId', userId) user: string, @Body(new SchemaPipe(events['achievement:unlocked'])) achievement: Payload<'achievement:unlocked'>): void {
    this.webSocket.emitAchievementUnlocked(user, achievement)
  }

  @Post('users/:userId/xp')
  @HttpCode(202)
  gain(@Param('userId', userId) user: string, @Body(new SchemaPipe(events['xp:gained'])) gain: Payload<'xp:gained'>): void {
    this.webSocket.emitXpGained(user, gain)
  }

  @Post('users/:userId/rank')
  @HttpCode(202)
  rank(@Param('userId', userId) user: string, @Body(new SchemaPipe(events['rank:updated'])) change: Payload<'rank:updated'>): void {
    this.webSocket.emitRankUpdated(user, change)
  }

  @Post('leaderboard')
  @HttpCode(202)
  leaderboard(@Body(new SchemaPipe(events['leaderboard:updated'])) { leaderboard }: Payload<'leaderboard:updated'>): void {
    this.webSocket.broadcastLeaderboardUpdate(leaderboard)
  }
}
