import { createTestRealtime, testTokens } from '@org/realtime-testing'
import { expect, onTestFinished, test } from 'vitest'
import { close, createApp, listen } from './app.js'

const secret = 'a secret of the tests, of 32 bytes or more'
const jwt = { secret, issuer: false, audience: false } as const

/** The application without its page, and clients for whoever is asked for. */
async function start() {
  const mails: string[] = []
  const fallback = { name: 'e-mail', deliver: async (userId: string) => void mails.push(userId) }
  const app = createApp({ path: '/socket.io/', cors: { origin: [] }, jwt }, fallback, new Promise<never>(() => {}))
  await listen(app.server, 0, '127.0.0.1')
  onTestFinished(() => close(app))
  const kit = await createTestRealtime.around(app.realtime, { tokens: testTokens({ secret }), closeServer: false })
  onTestFinished(() => kit.close())
  return { ...app, kit, mails }
}

test('what is read on one device is read on the other', async () => {
  const { kit, service } = await start()
  const [laptop, phone] = [await kit.connect('ada'), await kit.connect('ada')]
  const { notification, delivered } = await service.notify('ada', { title: 'Build', message: 'It is green' })
  expect(delivered).toEqual({ by: 'socket', devices: 2 })
  await phone.expectEvent('notification:unread_count', { unreadCount: 1 })

  await laptop.request('notification:mark_read', { notificationId: notification.id })

  await phone.expectEvent('notification:read', { notificationId: notification.id })
  await phone.expectEvent('notification:unread_count', { unreadCount: 0 })
  await laptop.expectNoEvent('notification:read') // it knows
})

test('who is not connected gets an e-mail', async () => {
  const { service, mails } = await start()
  expect(await service.notify('grace', { title: 'Build', message: 'It is green' })).toMatchObject({ delivered: { by: 'e-mail' } })
  expect(mails).toEqual(['grace'])
})

test('a device whose token has ended comes back with another one', async () => {
  const { kit, service } = await start()
  const ada = await kit.connect('ada')
  await kit.expire(ada)
  await ada.connect() // it is on its way already
  await service.notify('ada', { title: 'Build', message: 'It is green' })
  await ada.expectEvent('notification:new')
})
