// The same backend twice, as Nest applications: with the gateway that was, and with the module that is.
import 'reflect-metadata'
import type { AddressInfo } from 'node:net'
import { type INestApplication, Inject, Injectable, Module, type Type } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  WsException,
} from '@nestjs/websockets'
import { optionsFromEnv } from '@org/realtime-server'
import type { Socket, Server as SocketServer } from 'socket.io'
import { type Context, Realtime, RealtimeHandler, RealtimeModule, toRealtimeOptions } from '../examples/nestjs/src/realtime.js'
import { WebSocketService as NewService } from '../examples/nestjs/src/websocket.service.js'
import { type Backend, type Environment, markRead, OldService, verifyToken, type WebSocketService } from './backend.js'

/** The options of a gateway are in its decorator: so it is a class of its own for each environment. */
function createGateway(env: Environment): Type<OldService> {
  @WebSocketGateway({ path: env['WS_PATH'], cors: { origin: env['CORS_ORIGIN']?.split(',') }, transports: ['websocket', 'polling'] })
  class OldGateway extends OldService implements OnGatewayConnection, OnGatewayDisconnect {
    @WebSocketServer() readonly server!: SocketServer

    async handleConnection(client: Socket): Promise<void> {
      const user = await verifyToken(client.handshake.auth['token'], env['JWT_SECRET'])
      if (user === undefined) {
        client.emit('error', { message: 'Unauthorized' })
        client.disconnect(true)
        return
      }
      client.data.user = user
      this.userSockets.add(user.userId, client.id)
      await client.join(`user:${user.userId}`)
      client.emit('authenticated', { success: true, ...user })
    }

    handleDisconnect(client: Socket): void {
      if (client.data.user !== undefined) this.userSockets.remove(client.data.user.userId, client.id)
    }

    @SubscribeMessage('notification:mark_read')
    markRead(@MessageBody() { notificationId }: { readonly notificationId: string }, @ConnectedSocket() client: Socket) {
      if (notificationId === 'locked') throw new WsException('It is locked')
      if (!markRead(notificationId)) {
        client.emit('error', { message: 'Notification not found' })
        return undefined
      }
      this.server.to(`user:${client.data.user.userId}`).emit('notification:read', { notificationId, success: true })
      return { success: true }
    }
  }
  return OldGateway
}

/** The handler of the gateway, as a method of any provider. */
@Injectable()
class Handlers {
  constructor(@Inject(Realtime) private readonly realtime: Realtime) {}

  @RealtimeHandler('notification:mark_read')
  markRead({ payload: { notificationId }, user, fail }: Context<'notification:mark_read'>) {
    if (notificationId === 'locked') throw new WsException('It is locked') // what was thrown before may stay
    if (!markRead(notificationId)) throw fail('NOT_FOUND', { notificationId })
    this.realtime.toUser(user.userId).emit('notification:read', { notificationId, success: true })
    return { success: true }
  }
}

/** A Nest application that listens, and the service in it. */
async function listen(module: Type, service: Type<WebSocketService>, env: Environment, toServer: (app: INestApplication) => SocketServer): Promise<Backend> {
  const app = await NestFactory.create(module, { logger: false, abortOnError: false })
  await app.listen(Number(env['WS_PORT']), '127.0.0.1')
  const { port } = app.getHttpServer().address() as AddressInfo
  return {
    service: app.get(service),
    url: `http://127.0.0.1:${port}`,
    rooms: () => [...toServer(app).sockets.adapter.rooms.keys()],
    close: () => app.close(),
  }
}

export function startGateway(env: Environment): Promise<Backend> {
  const OldGateway = createGateway(env)

  @Module({ providers: [OldGateway] })
  class OldModule {}

  return listen(OldModule, OldGateway, env, (app) => app.get(OldGateway).server)
}

/** With the two files of the example that take the gateway's place. */
export async function startModule(env: Environment): Promise<Backend> {
  const options = toRealtimeOptions(optionsFromEnv(env))

  @Module({ imports: [RealtimeModule.forRoot({ ...options, presence: { graceMs: 0 }, drainMs: 0 })], providers: [NewService, Handlers] })
  class NewModule {}

  return listen(NewModule, NewService, env, (app) => app.get(Realtime).io)
}
