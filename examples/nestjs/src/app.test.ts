import { NestFactory } from '@nestjs/core'
import { createTestRealtime, testTokens } from '@org/realtime-testing'
import { expect, onTestFinished, test } from 'vitest'
import { AppModule } from './app.module.js'
import { NotificationService } from './notification.service.js'
import { Realtime } from './realtime.js'
import { WebSocketService } from './websocket.service.js'

const secret = 'a secret of the tests, of 32 bytes or more'

async function start() {
  process.env['JWT_SECRET'] = secret
  const app = await NestFactory.create(AppModule, { logger: false })
  await app.listen(0, '127.0.0.1')
  onTestFinished(() => app.close())
  const kit = await createTestRealtime.around(app.get<Realtime>(Realtime), { tokens: testTokens({ secret }), closeServer: false })
  onTestFinished(() => kit.close())
  return { app, kit }
}

test('a notification reaches both devices of its user, and is marked as read on both', async () => {
  const { app, kit } = await start()
  const [laptop, phone] = [await kit.connect('ada'), await kit.connect('ada')]
  const { id } = app.get(NotificationService).notify('ada', { message: 'Your report is ready' })
  for (const device of [laptop, phone]) expect((await device.expectEvent('notification:new')).notification.id).toBe(id)

  expect(await laptop.request('notification:mark_read', { notificationId: id })).toEqual({ success: true })

  await phone.expectEvent('notification:read', { notificationId: id })
  await laptop.expectNoEvent('notification:read')
})

test('somebody who is connected is known to be', async () => {
  const { app, kit } = await start()
  await kit.connect('ada')
  const webSocket = app.get(WebSocketService)
  expect(await webSocket.isUserConnected('ada')).toBe(true)
  expect(await webSocket.isUserConnected('grace')).toBe(false)
})
