import { createTestRealtime, testTokens } from '@org/realtime-testing'
import { afterAll, expect, test } from 'vitest'

const secret = 'a secret of the tests, of 32 bytes or more'
process.env['JWT_SECRET'] = secret
process.env['WS_PORT'] = '0' // a free one
const { realtime } = await import('./server.js')
afterAll(() => realtime.close())

// The server is shared; each test has clients of its own.
const start = () => createTestRealtime.around(realtime, { tokens: testTokens({ secret }), closeServer: false })

test('a message reaches every device of whom it is for, and nobody else', async () => {
  await using chat = await start()
  const ada = await chat.connect('ada')
  const laptop = await chat.connect('grace')
  const phone = await chat.connect('grace')

  expect(await ada.request('message:send', { to: 'grace', text: 'Hello' })).toEqual({ devices: 2 })

  for (const device of [laptop, phone]) expect(await device.expectEvent('message:new')).toEqual({ from: 'ada', text: 'Hello' })
  await ada.expectNoEvent('message:new')
})

test('who writes to nobody is told so', async () => {
  await using chat = await start()
  const ada = await chat.connect('ada')
  expect(await ada.tryRequest('message:send', { to: 'nobody', text: 'Hello?' })).toMatchObject({ ok: false, error: { code: 'OFFLINE' } })
})

test('a message may have arrived although its answer was lost', async () => {
  await using chat = await start()
  const ada = await chat.connect('ada')
  const grace = await chat.connect('grace')
  ada.faults.drop('message:send', { answer: true })

  const result = await ada.tryRequest('message:send', { to: 'grace', text: 'Hello' }, { timeoutMs: 200 })

  expect(result).toMatchObject({ ok: false, error: { code: 'REPLY_TIMEOUT' } })
  await grace.expectEvent('message:new', { text: 'Hello' })
})

test('nobody comes in with a token of another', async () => {
  await using chat = await start()
  await expect(chat.connect('ada', { token: chat.tokens.forged('ada') })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('a token that ends costs a client nothing but a new one', async () => {
  await using chat = await start()
  const ada = await chat.connect('ada')
  await chat.expire(ada)
  await ada.connect() // it is on its way already
  expect(await ada.request('message:send', { to: 'ada', text: 'Still here' })).toEqual({ devices: 1 })
})
