import { contract } from '@org/realtime-contracts/events'
import { createTestRealtime } from '@org/realtime-testing'
import { expect, test } from 'vitest'
import { Notifier } from './notifier.js'

test('who is connected hears of it at once, and the others by the fallback', async () => {
  await using kit = await createTestRealtime(contract)
  const ada = await kit.connect('ada')
  const mails: string[] = []
  // A server has all that an emitter has, so that no Redis is needed here.
  const notifier = new Notifier(kit.realtime, { send: async (userId) => void mails.push(userId) })

  const told = await notifier.notify(['ada', 'grace'], 'Report', 'Your report is ready')

  expect([...told]).toEqual([
    ['ada', 'live'],
    ['grace', 'fallback'],
  ])
  expect((await ada.expectEvent('notification:new')).notification.title).toBe('Report')
  expect(mails).toEqual(['grace'])
})
