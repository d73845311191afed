// The code of docs/guides/testing.md, which shows parts of this file and of testing/chat.ts.
import { readFile } from 'node:fs/promises'
import { createRealtimeClient } from '@org/realtime-client'
import { createTestRealtime, testTokens } from '@org/realtime-testing'
import { expect, test } from 'vitest'
import { root } from './example.js'
import { type ChatUser, contract, createApp, registerHandlers } from './testing/chat.js'

const secret = 'a secret of the tests, of 32 bytes or more'
const user = (userId: string): ChatUser => ({ userId, role: 'member' })

test('a message reaches whom it is for', async () => {
  await using chat = await createTestRealtime(contract, { setup: registerHandlers, user })
  const alice = await chat.connect('alice')
  const bob = await chat.connect('bob')

  await alice.request('message:send', { to: 'bob', text: 'Hello' })

  expect(await bob.expectEvent('message:new')).toEqual({ from: 'alice', text: 'Hello' })
  await alice.expectNoEvent('message:new')
})

test('a guest may not write', async () => {
  await using chat = await createTestRealtime(contract, { setup: registerHandlers, user })
  const guest = await chat.connect({ userId: 'eve', role: 'guest' })
  await expect(guest.request('message:send', { to: 'bob', text: 'Hello' })).rejects.toMatchObject({ code: 'FORBIDDEN' })
})

test('the application as it is', async () => {
  const { realtime, server } = createApp(secret)
  const tokens = testTokens({ secret, issuer: 'https://id.example.com' })
  await using chat = await createTestRealtime.around(realtime, { tokens })
  const alice = await chat.connect({ userId: 'alice', role: 'member' }) // `role` is a claim
  expect(await (await fetch(`${chat.url}/health`)).text()).toBe('ok')
  expect(alice.status).toBe('connected')
  expect(server.listening).toBe(true)
})

test('who comes in', async () => {
  const { realtime } = createApp(secret)
  const tokens = testTokens({ secret, issuer: 'https://id.example.com' })
  await using chat = await createTestRealtime.around(realtime, { tokens })
  const alice = { userId: 'alice', role: 'member' }
  await expect(chat.connect(alice, { token: null })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  await expect(chat.connect(alice, { token: tokens.forged(alice) })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  await expect(chat.connect(alice, { token: tokens.expired(alice) })).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' })
  await expect(chat.connect(alice, { token: tokens.for(alice, { claims: { role: 7 } }) })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('events', async () => {
  await using chat = await createTestRealtime(contract, { setup: registerHandlers, user })
  const alice = await chat.connect('alice')
  for (const text of ['Hello', 'Bye', 'Hello again']) await alice.request('message:send', { to: 'alice', text })
  await alice.expectEvent('message:new', { text: 'Bye' })
  await alice.expectEvent('message:new', ({ text }) => text.startsWith('Hello'))
  await alice.expectEvent('message:new', { from: expect.any(String) }, { timeoutMs: 500 })
  await alice.expectEvent('authenticated')
  expect(alice.received('message:new')).toHaveLength(3)
})

test('a client of your own', async () => {
  await using chat = await createTestRealtime(contract, { setup: registerHandlers, user })
  const own = createRealtimeClient(contract, { url: chat.url, getToken: () => chat.tokens.for('alice') })
  const heard = chat.record(own)
  await own.connect()
  chat.realtime.toUser('alice').emit('message:new', { from: 'bob', text: 'Hello' })
  await heard.expectEvent('message:new', { text: 'Hello' })
  own.close()
})

test('time', async () => {
  await using chat = await createTestRealtime(contract, { setup: registerHandlers, user })
  const alice = await chat.connect('alice')

  await chat.expire(alice)
  await alice.expectEvent('$disconnect', { code: 'TOKEN_EXPIRED' })
  await alice.connect() // with a fresh token, by itself

  alice.setToken(chat.tokens.for({ userId: 'alice', role: 'guest' }))
  await alice.reauthenticate() // what the client does 30 s before its token ends
  expect(alice.session?.role).toBe('guest')

  alice.setToken(chat.tokens.expired('alice')) // whoever gives out tokens has no better one
  await chat.expire(alice)
  await expect(alice.connect()).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' })
  expect(alice.status).toBe('refused')
})

test('faults', async () => {
  await using chat = await createTestRealtime(contract, { setup: registerHandlers, user })
  const alice = await chat.connect('alice')
  const bob = await chat.connect('bob')
  const hello = { to: 'bob', text: 'Hello' }

  {
    using _lost = alice.faults.drop('message:send', { answer: true })
    await expect(alice.request('message:send', hello, { timeoutMs: 200 })).rejects.toMatchObject({ code: 'REPLY_TIMEOUT' })
    await bob.expectEvent('message:new') // it has been sent all the same
  }

  bob.faults.duplicate('message:new', { times: 1 })
  const late = bob.faults.delay(50)
  await alice.request('message:send', hello)
  await chat.settled()
  late.lift()
  expect(bob.received('message:new')).toHaveLength(3)

  const tunnel = bob.faults.offline()
  await alice.request('message:send', hello) // to nobody
  tunnel.lift()
  await bob.connect()
  await bob.expectEvent('message:new')
  await bob.expectEvent('message:new')
  await bob.expectNoEvent('message:new')

  await alice.faults.kill()
  await alice.connect()

  await chat.restart({ crash: true })
  await Promise.all([alice.connect(), bob.connect()])
})

test('the guide shows what is here', async () => {
  const guide = await readFile(`${root}docs/guides/testing.md`, 'utf8')
  const files = ['tests/testing-guide.test.ts', 'tests/testing/node.ts', 'examples/quickstart/src/chat.test.ts']
  const running = await Promise.all(files.map(async (file) => withoutIndent(await readFile(`${root}${file}`, 'utf8'))))
  const shown = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => withoutIndent(code).trim())
  expect(shown.length).toBeGreaterThan(5)
  for (const code of shown)
    expect(
      running.some((text) => text.includes(code)),
      code,
    ).toBe(true)
})

function withoutIndent(text: string): string {
  return text.replaceAll(/^ +/gm, '')
}
