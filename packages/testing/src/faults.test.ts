import { defineContract } from '@org/realtime-contracts'
import { describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { createTestRealtime } from './index.js'

const TRANSPORTS = [{ transports: ['polling'] }, { transports: ['websocket'] }, { transports: ['polling', 'websocket'] }] as const

const contract = defineContract({
  name: 'faults',
  version: '1.0.0',
  serverToClient: {
    note: z.object({ n: z.number() }),
    other: z.object({ n: z.number() }),
    confirm: { payload: z.object({ n: z.number() }), reply: z.object({ yes: z.boolean() }) },
  },
  clientToServer: {
    add: { payload: z.object({ n: z.number() }), reply: z.object({ sum: z.number() }) },
    say: z.object({ n: z.number() }),
  },
})

async function start(transports: ReadonlyArray<'polling' | 'websocket'>, pings = {}) {
  const said: number[] = []
  let sum = 0
  const t = await createTestRealtime(contract, {
    transports,
    timeoutMs: 10_000,
    ...pings,
    setup(realtime) {
      realtime.on('add', ({ payload }) => {
        sum += payload.n
        return { sum }
      })
      realtime.on('say', ({ payload }) => said.push(payload.n))
    },
  })
  return { t, said, alice: await t.connect('alice'), total: () => sum, [Symbol.asyncDispose]: () => t.close() }
}

describe.each(TRANSPORTS)('over $transports', ({ transports }) => {
  test('an event is lost on its way to the client, until the fault is lifted', async () => {
    await using f = await start(transports)
    const lost = f.alice.faults.drop('note')
    f.t.realtime.toAll().emit('note', { n: 1 })
    f.t.realtime.toAll().emit('other', { n: 2 })
    await f.alice.expectEvent('other')
    await f.alice.expectNoEvent('note')
    expect(lost.hits).toBe(1)
    lost.lift()
    f.t.realtime.toAll().emit('note', { n: 3 })
    expect(await f.alice.expectEvent('note')).toEqual({ n: 3 })
  })

  test('a request is lost, or its answer, of which only the one has run', async () => {
    await using f = await start(transports)
    {
      using _lost = f.alice.faults.drop('add')
      expect(await f.alice.tryRequest('add', { n: 1 }, { timeoutMs: 100 })).toMatchObject({ error: { code: 'REPLY_TIMEOUT' } })
      expect(f.total()).toBe(0)
    }
    {
      using _lost = f.alice.faults.drop('add', { answer: true })
      expect(await f.alice.tryRequest('add', { n: 1 }, { timeoutMs: 300 })).toMatchObject({ error: { code: 'REPLY_TIMEOUT' } })
      await f.t.settled()
      expect(f.total()).toBe(1)
    }
    expect(await f.alice.request('add', { n: 1 })).toEqual({ sum: 2 })
  })

  test('an event arrives twice, in either direction, as often as the test says', async () => {
    await using f = await start(transports)
    f.alice.faults.duplicate('add', { times: 1 })
    expect(await f.alice.request('add', { n: 1 })).toEqual({ sum: 1 })
    await f.t.settled()
    expect(f.total()).toBe(2)
    f.alice.faults.duplicate('note', { times: 1 })
    f.t.realtime.toAll().emit('note', { n: 1 })
    f.t.realtime.toAll().emit('note', { n: 2 })
    await f.t.settled()
    expect(f.alice.received('note')).toEqual([{ n: 1 }, { n: 1 }, { n: 2 }])
  })

  test('the server hears nothing of an answer that is lost', async () => {
    await using f = await start(transports)
    const handled = vi.fn(() => ({ yes: true }))
    f.alice.handle('confirm', handled)
    f.alice.faults.drop('confirm', { answer: true, direction: 'toServer' })
    const answers = f.t.realtime.toUser('alice').request('confirm', { n: 1 }, { timeoutMs: 1_000 })
    await vi.waitFor(() => expect(handled).toHaveBeenCalledOnce(), { timeout: 10_000 })
    expect(await answers).toMatchObject([{ status: 'silent' }])
    f.alice.faults.clear()
    expect(await f.t.realtime.toUser('alice').request('confirm', { n: 1 })).toMatchObject([{ status: 'answered' }])
  })

  test('what is late keeps its place, and is let go when the delay is lifted', async () => {
    await using f = await start(transports)
    const startMs = performance.now()
    f.alice.faults.delay(150, { event: 'note' })
    f.t.realtime.toAll().emit('note', { n: 1 })
    f.t.realtime.toAll().emit('other', { n: 2 })
    const order: string[] = []
    f.alice.on('note', () => order.push('note'))
    f.alice.on('other', () => order.push('other'))
    await f.alice.expectEvent('other')
    expect(order).toEqual(['note', 'other'])
    expect(performance.now() - startMs).toBeGreaterThan(145)
    const late = f.alice.faults.delay(60_000, { direction: 'toServer' })
    f.alice.emit('say', { n: 1 })
    f.alice.emit('say', { n: 2 })
    late.lift()
    await f.t.settled()
    expect(f.said).toEqual([1, 2])
  })

  test('a line that stalls delivers all of it afterwards, both ways', async () => {
    await using f = await start(transports)
    const stalled = f.alice.faults.stall()
    f.alice.emit('say', { n: 1 })
    f.t.realtime.toAll().emit('note', { n: 2 })
    await f.alice.expectNoEvent('note') // nor can it come
    expect(f.said).toEqual([])
    stalled.lift()
    expect(await f.alice.expectEvent('note')).toEqual({ n: 2 })
    await f.t.settled()
    expect(f.said).toEqual([1])
    expect(f.alice.received('authenticated')).toHaveLength(1)
  })

  test('a line that stalls for long is given up by both sides, and what was on it is lost', async () => {
    await using f = await start(transports, { pingIntervalMs: 50, pingTimeoutMs: 50 })
    const stalled = f.alice.faults.stall()
    f.alice.emit('say', { n: 1 })
    await vi.waitFor(() => expect(f.alice.status).toBe('reconnecting'), { timeout: 10_000 })
    await vi.waitFor(async () => expect(await f.t.realtime.presence.isOnline('alice')).toBe(false), { timeout: 10_000 })
    await vi.waitFor(() => expect(stalled.hits).toBeGreaterThan(2), { timeout: 10_000 })
    stalled.lift()
    await f.alice.connect()
    await f.t.settled()
    expect(f.said).toEqual([])
  })

  test('a connection that is killed is lost to both sides, and made again', async () => {
    await using f = await start(transports)
    const offline = vi.fn()
    f.t.realtime.presence.on('offline', offline)
    const statuses: string[] = []
    f.alice.subscribe(() => statuses.push(f.alice.status))
    await f.alice.faults.kill()
    await vi.waitFor(() => expect(offline).toHaveBeenCalledWith({ userId: 'alice' }))
    await f.alice.connect()
    expect(statuses).toEqual(['reconnecting', 'connected'])
    expect(f.alice.received('$disconnect')).toEqual([])
    expect(await f.alice.request('add', { n: 1 })).toEqual({ sum: 1 })
  })

  test('a client is offline until the test says otherwise', async () => {
    await using f = await start(transports)
    const bob = await f.t.connect('bob')
    const tunnel = f.alice.faults.offline()
    await vi.waitFor(async () => expect(await f.t.realtime.presence.isOnline('alice')).toBe(false), { timeout: 10_000 })
    await vi.waitFor(() => expect(tunnel.hits).toBeGreaterThan(1), { timeout: 10_000 })
    expect(f.alice.status).toBe('reconnecting')
    expect(await f.alice.tryRequest('add', { n: 1 }, { failFast: true })).toMatchObject({ error: { code: 'NOT_CONNECTED' } })
    expect(await bob.request('add', { n: 1 })).toEqual({ sum: 1 }) // the others are not
    tunnel.lift()
    await f.alice.connect()
  })

  test('a client can be offline from the start', async () => {
    await using f = await start(transports)
    const bob = f.t.client('bob')
    const tunnel = bob.faults.offline()
    await expect(bob.connect({ timeoutMs: 100 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('the test keeps this client offline'),
    })
    tunnel.lift()
    await bob.connect()
  })

  test('the SDK’s own events can be lost as well', async () => {
    await using f = await start(transports)
    f.alice.faults.drop('$authenticate')
    await expect(f.alice.reauthenticate({ timeoutMs: 100 })).rejects.toMatchObject({ code: 'REPLY_TIMEOUT' })
  })
})

test('a delay while the transport changes loses nothing', async () => {
  await using t = await createTestRealtime(contract, { timeoutMs: 10_000, transports: ['polling', 'websocket'] })
  const alice = t.client('alice')
  alice.faults.delay(15)
  await alice.connect()
  const sent = Array.from({ length: 40 }, (_, n) => ({ n }))
  for (const payload of sent) {
    t.realtime.toAll().emit('note', payload)
    await new Promise((resolve) => setTimeout(resolve, 3)) // so that they come before, during and after it
  }
  await t.settled()
  expect(alice.received('note')).toEqual(sent)
})

test('what makes no sense is a TypeError', async () => {
  await using t = await createTestRealtime(contract)
  const { faults } = t.client('alice')
  expect(() => faults.drop(undefined as never)).toThrow('stall(), offline() and kill()')
  expect(() => faults.delay(-1)).toThrow(TypeError)
  expect(() => faults.duplicate('note', { times: 0 })).toThrow('times')
})
