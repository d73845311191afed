import { Controller, Get, Inject, Param, ServiceUnavailableException } from '@nestjs/common'
import { Realtime } from './realtime.js'
import { userId } from './user-id.js'
import { WebSocketService } from './websocket.service.js'

@Controller()
export class StatusController {
  constructor(
    @Inject(Realtime) private readonly realtime: Realtime,
    @Inject(WebSocketService) private readonly webSocket: WebSocketService,
  ) {}

  @Get('users/:userId/online')
  async online(@Param('userId', userId) user: string) {
    return { online: await this.webSocket.isUserConnected(user) }
  }

  /** For a load balancer: whether clients can be let in. */
  @Get('ready')
  ready() {
    if (!this.realtime.ready) throw new ServiceUnavailableException()
    return { ready: true }
  }
}
