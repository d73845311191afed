import 'reflect-metadata'
import type { AddressInfo } from 'node:net'
import { type ArgumentMetadata, Module, type PipeTransform, UsePipes } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets'
import { Notification } from './contract.js'
import type { Serving } from './servers.js'

/** As Nest's documentation has it. */
class ZodPipe implements PipeTransform {
  transform(value: unknown, _metadata: ArgumentMetadata): unknown {
    const parsed = Notification.safeParse(value)
    if (!parsed.success) throw new WsException('invalid payload')
    return parsed.data
  }
}

/** A gateway with one event. The decorators are called, as they may be, so that the bench needs no compiler of its own for them. */
export async function serve(validates: boolean): Promise<Serving> {
  class Gateway {
    notify(payload: unknown): unknown {
      if (!validates) return { ok: true, data: payload }
      const outbound = Notification.safeParse(payload)
      return outbound.success ? { ok: true, data: outbound.data } : { ok: false, error: { code: 'INTERNAL' } }
    }
  }
  class Application {}
  const descriptor = Object.getOwnPropertyDescriptor(Gateway.prototype, 'notify') as TypedPropertyDescriptor<unknown> // it is there
  MessageBody()(Gateway.prototype, 'notify', 0)
  SubscribeMessage('notify')(Gateway.prototype, 'notify', descriptor as never)
  if (validates) UsePipes(new ZodPipe())(Gateway.prototype, 'notify', descriptor as never)
  WebSocketGateway({ serveClient: false })(Gateway)
  Module({ providers: [Gateway] })(Application)
  const application = await NestFactory.create(Application, { logger: false })
  await application.listen(0, '127.0.0.1')
  return { port: (application.getHttpServer().address() as AddressInfo).port }
}
