import { defineContract } from '@org/realtime-contracts'
import { expect, test, vi } from 'vitest'
import * as z from 'zod'
import { createTestRealtime } from './index.js'

const contract = defineContract({
  name: 'events',
  version: '1.0.0',
  serverToClient: {
    note: z.object({ text: z.string(), tags: z.array(z.string()).optional(), by: z.object({ name: z.string() }).optional() }),
    other: z.object({ n: z.number() }),
    bare: {},
  },
  clientToServer: { slow: z.object({ text: z.string() }), refused: { reply: z.void() } },
})

async function start() {
  const events = await createTestRealtime(contract, { timeoutMs: 10_000 })
  const alice = await events.connect('alice', { deviceId: 'laptop' })
  return { events, realtime: events.realtime, alice, [Symbol.asyncDispose]: () => events.close() }
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => Promise.reject(new Error('expected a rejection')),
    (error: unknown) => (error as Error).message,
  )
}

test('an event counts that came before it was asked for, and each counts once', async () => {
  await using t = await start()
  for (const text of ['one', 'two', 'three']) t.realtime.toUser('alice').emit('note', { text })
  await t.events.settled()
  expect(await t.alice.expectEvent('note')).toEqual({ text: 'one' })
  expect(await t.alice.expectEvent('note', { text: 'three' })).toEqual({ text: 'three' })
  expect(await t.alice.expectEvent('note')).toEqual({ text: 'two' })
  expect(await messageOf(t.alice.expectEvent('note', undefined, { timeoutMs: 20 }))).toContain('none came within 20 ms')
  expect(t.alice.received('note').map(({ text }) => text)).toEqual(['one', 'two', 'three'])
})

test('those who wait for the same event are served in their order', async () => {
  await using t = await start()
  const first = t.alice.expectEvent('note')
  const third = t.alice.expectEvent('note', { text: 'c' })
  const second = t.alice.expectEvent('note')
  for (const text of ['a', 'b', 'c']) t.realtime.toUser('alice').emit('note', { text })
  expect(await Promise.all([first, second, third])).toEqual([{ text: 'a' }, { text: 'b' }, { text: 'c' }])
})

test('what matches can be said by a function, a part of the payload, or matchers', async () => {
  await using t = await start()
  t.realtime.toUser('alice').emit('note', { text: 'x', tags: ['a', 'b'], by: { name: 'bob' } })
  t.realtime.toUser('alice').emit('note', { text: 'y', tags: ['c'], by: { name: 'carol' } })
  await t.alice.expectEvent('note', { by: { name: 'carol' } })
  await t.alice.expectNoEvent('note', { tags: ['a'] }) // a list matches as a whole
  await t.alice.expectNoEvent('note', ({ text }) => text === 'z')
  await t.alice.expectEvent('note', { text: expect.any(String), tags: expect.arrayContaining(['b']) })
  // @ts-expect-error no such field
  expect(await messageOf(t.alice.expectEvent('note', { nope: 1 }, { timeoutMs: 20 }))).toContain('like {"nope":1}')
})

test('a failure shows what came instead, and where the test asked', async () => {
  await using t = await start()
  t.realtime.toUser('alice').emit('note', { text: 'first' })
  t.realtime.toUser('alice').emit('note', { text: 'Hello' })
  t.realtime.toUser('alice').emit('other', { n: 1 })
  await t.alice.expectEvent('note')
  const error: Error = await t.alice.expectEvent('note', { text: 'Bye' }, { timeoutMs: 50 }).then(
    () => expect.unreachable(),
    (thrown: Error) => thrown,
  )
  expect(error.message).toBe(
    [
      'expectEvent("note"): none came within 50 ms like {"text":"Bye"}',
      'alice (device laptop, connected) has heard this:',
      `  authenticated ${JSON.stringify(t.alice.session)}`,
      '  note {"text":"first"}   ← expected before',
      '  note {"text":"Hello"}   ← text is "Hello", expected "Bye"',
      '  other {"n":1}',
    ].join('\n'),
  )
  expect(error.stack?.split('\n').find((line) => line.includes(' at '))).toContain('recorder.test.ts')
  expect(error.stack).toContain(error.message)
})

test('of a long story the end is shown', async () => {
  await using t = await start()
  for (let n = 0; n < 50; n++) t.realtime.toUser('alice').emit('other', { n })
  await t.events.settled()
  const message = await messageOf(t.alice.expectEvent('note', undefined, { timeoutMs: 20 }))
  expect(message).toContain('  … 31 before\n  other {"n":30}')
  expect(message).toContain('other {"n":49}')
})

test('nobody waits for a client to which nothing can come any more', async () => {
  await using t = await start()
  const closed = messageOf(t.alice.expectEvent('note'))
  t.alice.close()
  expect(await closed).toContain('none can come, since the client is closed')
  expect(await messageOf(t.alice.expectEvent('note'))).toContain('the client is closed')
  const bob = await t.events.connect('bob')
  const refused = messageOf(bob.expectEvent('note'))
  await t.realtime.disconnectUser('bob', { reason: 'enough' })
  expect(await bob.expectEvent('$disconnect')).toMatchObject({ reason: 'enough' })
  expect(await refused).toContain('none can come, since the client is refused')
})

test('what the SDK tells a client is recorded, too', async () => {
  await using t = await start()
  expect(await t.alice.expectEvent('authenticated')).toMatchObject({ userId: 'alice' })
  t.alice.emit('slow', { text: 'x' })
  expect(await t.alice.expectEvent('error', { code: 'UNKNOWN_EVENT' })).toMatchObject({ event: 'slow' })
})

test('expecting no event waits for what is under way, and not for the clock', async () => {
  await using t = await start()
  let release: () => void = () => {}
  t.realtime.on('slow', async ({ payload }) => {
    await new Promise<void>((resolve) => (release = resolve))
    t.realtime.toUser('bob').emit('note', payload)
  })
  const bob = await t.events.connect('bob')
  const startMs = performance.now()
  await bob.expectNoEvent('note')
  expect(performance.now() - startMs).toBeLessThan(1_000) // some milliseconds, on a machine of its own
  t.alice.emit('slow', { text: 'late' })
  const none = messageOf(bob.expectNoEvent('note'))
  await vi.waitFor(() => expect(release.length).toBe(1))
  release()
  expect(await none).toContain('expectNoEvent("note"): there is one that nobody has expected: {"text":"late"}')
  expect(await bob.expectEvent('note')).toEqual({ text: 'late' })
  await bob.expectNoEvent('note')
  await bob.expectNoEvent('bare')
})

test('what does not come to rest is named', async () => {
  await using t = await start()
  let release: () => void = () => {}
  t.realtime.on('slow', () => new Promise<void>((resolve) => (release = resolve)))
  t.alice.emit('slow', { text: 'x' })
  expect(await messageOf(t.events.settled({ timeoutMs: 100 }))).toBe('Not at rest after 100 ms: a handler of the server, or middleware, is still at work')
  release()
  t.alice.faults.delay(400)
  t.realtime.toUser('alice').emit('bare')
  expect(await messageOf(t.alice.expectNoEvent('bare', undefined, { timeoutMs: 50 }))).toContain('something is still on its way')
  expect(await messageOf(t.alice.expectNoEvent('bare'))).toContain('there is one')
})

test('a function that says neither yes nor no is a mistake, and one that throws is heard', async () => {
  await using t = await start()
  const vague = messageOf(t.alice.expectEvent('note', (() => undefined) as never))
  const broken = messageOf(
    t.alice.expectEvent('note', () => {
      throw new Error('broken')
    }),
  )
  t.realtime.toUser('alice').emit('note', { text: 'x' })
  expect(await vague).toContain('must return true or false')
  expect(await broken).toBe('broken')
})

test("a listener that throws is still warned of, although the recorder listens to 'error'", async () => {
  await using t = await start()
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
  t.alice.on('bare', () => {
    throw new Error('a broken listener')
  })
  t.realtime.toUser('alice').emit('bare')
  expect((await warned).message).toBe('a broken listener')
})
