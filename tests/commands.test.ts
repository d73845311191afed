import { RealtimeError } from '@org/realtime-contracts'
import { MemoryIdempotencyStore, type RedisCommand } from '@org/realtime-server'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { RedisIdempotencyStore } from '../packages/server/src/redis/idempotency.js'
import { gate, type ShopNode, type StartNodes, startInMemory, startOnRedis } from './commands/nodes.js'
import { rejection, until } from './harness.js'
import { findProgram, INSTALL_MS } from './programs.js'
import { ask, type RedisServer, startRedis } from './redis.js'

let redis: RedisServer

beforeAll(async () => {
  await findProgram('redis-server')
  redis = await startRedis()
}, INSTALL_MS)
afterAll(() => redis?.stop())

const AT = new Date('2026-01-31T12:00:00.000Z')
type Setup = Parameters<StartNodes>[1]['setup']
type Only = readonly [ShopNode]
type Pair = readonly [ShopNode, ShopNode]

describe.each<[string, StartNodes]>([
  ['in memory', startInMemory],
  ['over Redis', startOnRedis(() => redis.url)],
])('an idempotent event, %s,', (where, start) => {
  /** A shop that numbers what is ordered. */
  const orders = (ordered: string[]) => (item: string) => ({ number: ordered.push(item), at: AT })

  test('whose reply is lost is asked again, and gets the reply of the one time it ran', async () => {
    const ordered: string[] = []
    const place = orders(ordered)
    const [node] = (await start(1, { setup: (realtime) => realtime.on('order', ({ payload }) => place(payload.item)) })) as unknown as Only
    const client = await node.connect('ada')
    const lost = client.faults.drop('order', { answer: true, times: 1 })
    expect(await client.request('order', { item: 'tea' }, { timeoutMs: 8_000 })).toEqual({ number: 1, at: AT })
    expect(lost.hits).toBe(1)
    expect(ordered).toEqual(['tea'])
  })

  test('that is under way when the connection breaks is answered on the next one', async () => {
    const ordered: string[] = []
    const place = orders(ordered)
    const { open, opened } = gate()
    const setup: Setup = (realtime) =>
      realtime.on('order', async ({ payload }) => {
        const placed = place(payload.item)
        await opened
        return placed
      })
    const [node] = (await start(1, { setup })) as unknown as Only
    const client = await node.connect('ada')
    const reply = client.request('order', { item: 'tea' }, { timeoutMs: 20_000 })
    await until(() => ordered.length === 1)
    await client.faults.kill()
    await client.connect()
    open()
    expect(await reply).toEqual({ number: 1, at: AT })
    expect(ordered).toEqual(['tea'])
  })

  test('that arrives at another node while the first is still at it waits, and gets the same reply', async () => {
    const ordered: string[] = []
    const place = orders(ordered)
    const { open, opened } = gate()
    const setup: Setup = (realtime) =>
      realtime.on('order', async ({ payload }) => {
        await opened
        return place(payload.item)
      })
    const [first, second] = (await start(2, { setup })) as unknown as Pair
    const [laptop, phone] = [await first.connect('ada'), await second.connect('ada')]
    const replies = Promise.all([laptop, phone, laptop].map((client) => client.request('order', { item: 'tea' }, { key: 'k', timeoutMs: 20_000 })))
    open()
    expect(await replies).toEqual([1, 1, 1].map((number) => ({ number, at: AT })))
    expect(ordered).toEqual(['tea'])
    expect(await phone.request('order', { item: 'tea' }, { key: 'k' })).toEqual({ number: 1, at: AT })
  })

  test('that arrives twice runs once, and without a key as often as it comes', async () => {
    const run = vi.fn()
    const keys: string[] = []
    const setup: Setup = (realtime) =>
      realtime.on('checkout', ({ key }) => {
        keys.push(key)
        run()
      })
    const [node] = (await start(1, { setup })) as unknown as Only
    const client = await node.connect('ada')
    client.faults.duplicate('checkout', { times: 1 })
    await client.request('checkout')
    await node.settled()
    expect(run).toHaveBeenCalledTimes(1)
    client.emit('checkout')
    client.emit('checkout')
    await node.settled()
    expect(run).toHaveBeenCalledTimes(3)
    expect(new Set(keys).size).toBe(3)
  })

  test('that fails as its contract declares fails so for every repeat', async () => {
    const run = vi.fn()
    const setup: Setup = (realtime) =>
      realtime.on('order', ({ payload, fail }) => {
        run()
        throw fail('SOLD_OUT', { item: payload.item }, 'None left')
      })
    const [first, second] = (await start(2, { setup })) as unknown as Pair
    for (const node of [first, second, first]) {
      const client = await node.connect('ada')
      expect(await client.tryRequest('order', { item: 'tea' }, { key: 'k' })).toMatchObject({
        ok: false,
        error: { code: 'SOLD_OUT', message: 'None left', data: { item: 'tea' }, origin: 'remote' },
      })
    }
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('is refused with CONFLICT for another payload, whatever the order of its fields, and once it has failed, too', async () => {
    const ordered: string[] = []
    const place = orders(ordered)
    let broken = true
    const setup: Setup = (realtime) =>
      realtime.on('order', ({ payload }) => {
        if (broken) throw new Error('broken')
        return place(payload.item)
      })
    const [first, second] = (await start(2, { setup })) as unknown as Pair
    const [laptop, phone] = [await first.connect('ada'), await second.connect('ada')]
    expect(await rejection(laptop.request('order', { item: 'tea', count: 2 }, { key: 'k' }))).toMatchObject({ code: 'INTERNAL' })
    broken = false
    expect(await rejection(phone.request('order', { item: 'tea' }, { key: 'k' }))).toMatchObject({ code: 'CONFLICT', origin: 'remote' })
    expect(await phone.request('order', { count: 2, item: 'tea' }, { key: 'k' })).toMatchObject({ number: 1 })
    expect(await rejection(laptop.request('order', { item: 'coffee', count: 2 }, { key: 'k' }))).toMatchObject({ code: 'CONFLICT' })
    expect(ordered).toEqual(['tea'])
  })

  test('is another for another user, and another event', async () => {
    const ordered: string[] = []
    const place = orders(ordered)
    const setup: Setup = (realtime) =>
      realtime
        .on('order', ({ payload, user }) => place(`${user.userId} ${payload.item}`))
        .on('checkout', ({ user }) => void ordered.push(`${user.userId} pays`))
    const [node] = (await start(1, { setup })) as unknown as Only
    for (const userId of ['ada', 'eve', 'ada']) {
      const client = await node.connect(userId)
      await client.request('order', { item: 'tea' }, { key: 'k' })
      await client.request('checkout', undefined, { key: 'k' })
    }
    expect(ordered).toEqual(['ada tea', 'ada pays', 'eve tea', 'eve pays'])
  })

  test('whose handler threw may run again, and is told so', async () => {
    const attempts: number[] = []
    const setup: Setup = (realtime) =>
      realtime.on('order', ({ attempt }) => {
        attempts.push(attempt)
        if (attempts.length < 3) throw new Error('broken')
        return { number: 7, at: AT }
      })
    const [first, second] = (await start(2, { setup })) as unknown as Pair
    const [laptop, phone] = [await first.connect('ada'), await second.connect('ada')]
    for (const client of [laptop, phone]) expect(await rejection(client.request('order', { item: 'tea' }, { key: 'k' }))).toMatchObject({ code: 'INTERNAL' })
    expect(await laptop.request('order', { item: 'tea' }, { key: 'k' })).toMatchObject({ number: 7 })
    expect(await phone.request('order', { item: 'tea' }, { key: 'k' })).toMatchObject({ number: 7 })
    expect(attempts).toEqual([1, 2, 3])
  })

  test('that the handler cannot do now is asked again until it can', async () => {
    const run = vi.fn()
    const setup: Setup = (realtime) =>
      realtime.on('order', ({ fail }) => {
        run()
        if (run.mock.calls.length === 1) throw fail('UNAVAILABLE', { retryAfterMs: 50 })
        if (run.mock.calls.length === 2) throw fail('RATE_LIMITED')
        return { number: 1, at: AT }
      })
    const [node] = (await start(1, { setup })) as unknown as Only
    const client = await node.connect('ada')
    expect(await client.request('order', { item: 'tea' })).toMatchObject({ number: 1 })
    expect(run).toHaveBeenCalledTimes(3)
  })

  test('begun by a process that died is run again when its lease is over', async () => {
    const attempts: number[] = []
    const hang = gate()
    const setup: Setup = (realtime, index) =>
      realtime.on('order', async ({ attempt }) => {
        attempts.push(attempt)
        if (index === 0) await hang.opened
        return { number: index, at: AT }
      })
    const [first, second] = (await start(2, { setup, idempotency: { leaseMs: 300 } })) as unknown as Pair
    const [laptop, phone] = [await first.connect('ada'), await second.connect('ada')]
    // As a process that hangs: it cannot renew.
    vi.spyOn(globalThis, 'setInterval').mockImplementationOnce(() => setTimeout(() => {}, 0))
    const early = laptop.request('order', { item: 'tea' }, { key: 'k', timeoutMs: 20_000 })
    await until(() => attempts.length === 1)
    expect(await phone.request('order', { item: 'tea' }, { key: 'k', timeoutMs: 20_000 })).toMatchObject({ number: 1 })
    expect(attempts).toEqual([1, 2])
    hang.open()
    // It was not dead after all; what was kept first is everybody's reply.
    expect(await early).toMatchObject({ number: 1 })
  })

  test('goes on beyond its lease while its process is alive', async () => {
    const run = vi.fn()
    const { open, opened } = gate()
    const setup: Setup = (realtime) =>
      realtime.on('checkout', async () => {
        run()
        await opened
      })
    const [first, second] = (await start(2, { setup, idempotency: { leaseMs: 300 } })) as unknown as Pair
    const [laptop, phone] = [await first.connect('ada'), await second.connect('ada')]
    const renewals = [MemoryIdempotencyStore, RedisIdempotencyStore].map(({ prototype }) => vi.spyOn(prototype, 'renew'))
    const both = Promise.all([laptop, phone].map((client) => client.request('checkout', undefined, { key: 'k', timeoutMs: 20_000 })))
    await until(() => renewals.some(({ mock }) => mock.calls.length >= 9)) // three in a lease
    for (const renewal of renewals) renewal.mockRestore()
    open()
    await both
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('whose reply is larger than may be kept is answered INTERNAL, and not run again', async () => {
    const run = vi.fn()
    const setup: Setup = (realtime) =>
      realtime.on('order', () => {
        run()
        return { number: 1, at: AT }
      })
    const [node] = (await start(1, { setup, idempotency: { maxReplyBytes: 20 } })) as unknown as Only
    const client = await node.connect('ada')
    for (let asked = 0; asked < 2; asked++) expect(await rejection(client.request('order', { item: 'tea' }, { key: 'k' }))).toMatchObject({ code: 'INTERNAL' })
    expect(run).toHaveBeenCalledTimes(1)
    expect(node.errors).toMatchObject([{ error: { message: expect.stringContaining('maxReplyBytes') }, event: 'order', userId: 'ada' }])
  })

  test('has middleware before each repeat, and its own handler once', async () => {
    const [passed, run] = [vi.fn(), vi.fn()]
    let allowed = true
    const setup: Setup = (realtime) =>
      realtime
        .use(async ({ fail }, next) => {
          if (!allowed) throw fail('FORBIDDEN')
          await next()
          passed()
        })
        .on('checkout', run)
    const [node] = (await start(1, { setup })) as unknown as Only
    const client = await node.connect('ada')
    for (let asked = 0; asked < 3; asked++) await client.request('checkout', undefined, { key: 'k' })
    expect([passed.mock.calls.length, run.mock.calls.length]).toEqual([3, 1])
    allowed = false
    expect(await rejection(client.request('checkout', undefined, { key: 'k' }))).toMatchObject({ code: 'FORBIDDEN' })
  })

  test('does a step once, also where its handler runs again', async () => {
    const charge = vi.fn(async () => ({ receipt: 5 }))
    const nothing = vi.fn(() => undefined)
    const setup: Setup = (realtime) =>
      realtime.on('order', async ({ once, attempt }) => {
        const { receipt } = await once('charge', charge)
        expect(await once('nothing', nothing)).toBeUndefined()
        if (attempt < 3) throw new Error('broken')
        return { number: receipt, at: AT }
      })
    const [first, second] = (await start(2, { setup })) as unknown as Pair
    const [laptop, phone] = [await first.connect('ada'), await second.connect('ada')]
    for (const client of [laptop, phone]) await rejection(client.request('order', { item: 'tea' }, { key: 'k' }))
    expect(await laptop.request('order', { item: 'tea' }, { key: 'k' })).toMatchObject({ number: 5 })
    expect([charge.mock.calls.length, nothing.mock.calls.length]).toEqual([1, 1])
    await phone.request('order', { item: 'tea' }, { key: 'another' }).catch(() => {})
    expect(charge).toHaveBeenCalledTimes(2)
  })

  test('refuses a key that is none, and a step without a name', async () => {
    const setup: Setup = (realtime) => realtime.on('checkout', async ({ once }) => void (await once('no name', () => 1)))
    const [node] = (await start(1, { setup })) as unknown as Only
    const client = await node.connect('ada')
    expect(await rejection(client.request('checkout', undefined, { key: 'a b' }))).toBeInstanceOf(TypeError)
    expect(await rejection(client.request('checkout'))).toMatchObject({ code: 'INTERNAL' })
    expect(node.errors).toMatchObject([{ error: { message: expect.stringContaining('once: the name of a step') } }])
  })

  test('tells middleware and handler its key, and leaves other events as they are', async () => {
    const seen: unknown[] = []
    const setup: Setup = (realtime) =>
      realtime
        .use(async ({ event, meta }, next) => {
          seen.push([event, meta.key])
          await next()
        })
        .on('checkout', ({ key }) => void seen.push(key))
        .on('look', (context) => {
          seen.push('key' in context)
          return context.payload
        })
    const [node] = (await start(1, { setup })) as unknown as Only
    const client = await node.connect('ada')
    await client.request('checkout', undefined, { key: 'k' })
    expect(await client.request('look', { item: 'tea' })).toEqual({ item: 'tea' })
    expect(seen).toEqual([['checkout', 'k'], 'k', ['look', undefined], false])
  })

  if (where === 'in memory') {
    test('has no command of Redis to do once', async () => {
      const setup: Setup = (realtime) => realtime.on('checkout', async ({ once }) => void (await once('count', ['INCR', 'orders'])))
      const [node] = (await start(1, { setup })) as unknown as Only
      const client = await node.connect('ada')
      expect(await rejection(client.request('checkout'))).toMatchObject({ code: 'INTERNAL' })
      expect(node.errors).toMatchObject([{ error: { message: expect.stringContaining('needs the Redis of a cluster') } }])
    })
  } else {
    test('does a command of Redis once, and gives what came of it each time', async () => {
      const commands: RedisCommand[] = [
        ['INCRBY', 'points', '9007199254740993'],
        ['SET', 'name', 'é "quoted"'],
        ['GET', 'name'],
        ['RPUSH', 'list', 'a', 'b'],
        ['LRANGE', 'list', 0, -1],
        ['GET', 'nothing'],
      ]
      const results: unknown[] = []
      const setup: Setup = (realtime) =>
        realtime.on('checkout', async ({ once, attempt }) => {
          for (const [index, command] of commands.entries()) results.push(await once(`step-${index}`, command))
          expect(await rejection(once('wrong', ['INCR', 'list']))).toMatchObject({ message: expect.stringContaining('WRONGTYPE') })
          if (attempt < 2) throw new Error('broken')
        })
      const [first, second] = (await start(2, { setup })) as unknown as Pair
      const [laptop, phone] = [await first.connect('ada'), await second.connect('ada')]
      await rejection(laptop.request('checkout', undefined, { key: 'k' }))
      await phone.request('checkout', undefined, { key: 'k' })
      const once = [9007199254740992, 'OK', 'é "quoted"', 2, ['a', 'b'], null]
      expect(results).toEqual([...once, ...once])
      expect(await ask(redis.port, 'LLEN list')).toBe('2')
    })
  }
})

describe('a client', () => {
  test('gives up at its deadline, and says that it may have happened', async () => {
    const run = vi.fn()
    const [node] = (await startInMemory(1, { setup: (realtime) => realtime.on('checkout', run) })) as unknown as Only
    const client = await node.connect('ada')
    const dropped = client.faults.drop('checkout', { answer: true })
    expect(await rejection(client.request('checkout', undefined, { timeoutMs: 3_000 }))).toMatchObject({ code: 'REPLY_TIMEOUT', event: 'checkout' })
    expect(dropped.hits).toBeGreaterThan(1)
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('says that nothing was sent where it was never connected, at once where it is told to', async () => {
    const [node] = (await startInMemory(1, { setup: () => {} })) as unknown as Only
    const client = node.client('ada')
    expect(await rejection(client.request('checkout', undefined, { timeoutMs: 300 }))).toMatchObject({ code: 'NOT_CONNECTED' })
    expect(await rejection(client.request('checkout', undefined, { failFast: true, timeoutMs: 20_000 }))).toMatchObject({ code: 'NOT_CONNECTED' })
  })

  test('stops asking when it is told to', async () => {
    const [node] = (await startInMemory(1, { setup: (realtime) => realtime.on('checkout', () => {}) })) as unknown as Only
    const client = await node.connect('ada')
    const dropped = client.faults.drop('checkout')
    const controller = new AbortController()
    const aborted = rejection(client.request('checkout', undefined, { timeoutMs: 20_000, signal: controller.signal }))
    await until(() => dropped.hits > 0)
    controller.abort()
    expect(await aborted).toMatchObject({ code: 'ABORTED' })
    const closed = rejection(client.request('checkout', undefined, { timeoutMs: 20_000 }))
    client.close()
    expect(await closed).toMatchObject({ code: 'CLOSED' })
  })

  test('that is closed does not wait until it may ask again', async () => {
    const refused = vi.fn()
    const setup: Setup = (realtime) =>
      realtime.on('checkout', ({ fail }) => {
        refused()
        throw fail('UNAVAILABLE', { retryAfterMs: 3_600_000 })
      })
    const [node] = (await startInMemory(1, { setup })) as unknown as Only
    const client = await node.connect('ada')
    const closed = rejection(client.request('checkout', undefined, { timeoutMs: 2 ** 30 }))
    await node.settled()
    expect(refused).toHaveBeenCalledTimes(1)
    client.close()
    expect(await closed).toMatchObject({ code: 'CLOSED' })
  })

  test('waits as long as it is asked to where it is too fast', async () => {
    const setup: Setup = (realtime) => realtime.on('slowly', ({ payload }) => payload)
    const [node] = (await startInMemory(1, { setup })) as unknown as Only
    const client = await node.connect('ada')
    const replies = await Promise.all(Array.from({ length: 8 }, (_, n) => client.request('slowly', { n }, { timeoutMs: 20_000 })))
    expect(replies.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('does not ask as another user what it has asked as one', async () => {
    const users: string[] = []
    const { open, opened } = gate()
    const setup: Setup = (realtime) =>
      realtime.on('checkout', async ({ user }) => {
        users.push(user.userId)
        await opened
      })
    const [node] = (await startInMemory(1, { setup })) as unknown as Only
    const client = await node.connect('ada')
    const asked = rejection(client.request('checkout', undefined, { timeoutMs: 20_000 }))
    await until(() => users.length === 1)
    client.setToken(await node.tokens.for('eve'))
    await client.faults.kill()
    expect(await asked).toMatchObject({ code: 'REPLY_LOST' })
    open()
    expect(client.session?.userId).toBe('eve')
    expect(users).toEqual(['ada'])
  })

  test('of the manifest asks again, too', async () => {
    const { toManifest } = await import('@org/realtime-contracts')
    const { shop } = await import('./commands/contract.js')
    const run = vi.fn()
    const [node] = (await startInMemory(1, { setup: (realtime) => realtime.on('checkout', run) })) as unknown as Only
    const client = await node.connect('ada', { source: toManifest(shop) })
    client.faults.drop('checkout', { answer: true, times: 1 })
    await client.request('checkout', undefined, { timeoutMs: 8_000 })
    expect(run).toHaveBeenCalledTimes(1)
  })
})

describe('a store', () => {
  test('is asked once before the handler runs, and once after', async () => {
    const store = new MemoryIdempotencyStore()
    const [claim, finish, renew, release] = (['claim', 'finish', 'renew', 'release'] as const).map((name) => vi.spyOn(store, name))
    const [node] = (await startInMemory(1, { setup: (realtime) => realtime.on('checkout', () => {}), idempotency: { store } })) as unknown as Only
    await (await node.connect('ada')).request('checkout')
    expect([claim, finish, renew, release].map((spy) => spy?.mock.calls.length)).toEqual([1, 1, 0, 0])
  })

  test('that fails keeps the handler from running', async () => {
    const store = new MemoryIdempotencyStore()
    const failing = vi.spyOn(store, 'claim').mockRejectedValue(new Error('down'))
    const run = vi.fn()
    const [node] = (await startInMemory(1, { setup: (realtime) => realtime.on('checkout', run), idempotency: { store } })) as unknown as Only
    const client = await node.connect('ada')
    expect(await rejection(client.request('checkout', undefined, { timeoutMs: 500 }))).toMatchObject({ code: 'UNAVAILABLE', data: { retryAfterMs: 1_000 } })
    expect(run).not.toHaveBeenCalled()
    expect(node.errors).toMatchObject([{ error: { message: 'down' }, event: 'checkout', userId: 'ada' }])
    failing.mockRestore()
    await client.request('checkout')
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('that fails once the handler has run does not keep its reply back, and gets it later', async () => {
    const store = new MemoryIdempotencyStore()
    const failing = vi.spyOn(store, 'finish').mockRejectedValueOnce(new Error('down'))
    const run = vi.fn()
    const [node] = (await startInMemory(1, { setup: (realtime) => realtime.on('checkout', run), idempotency: { store } })) as unknown as Only
    const client = await node.connect('ada')
    for (let asked = 0; asked < 2; asked++) await client.request('checkout', undefined, { key: 'k' })
    await until(() => failing.mock.calls.length === 2)
    await client.request('checkout', undefined, { key: 'k' })
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('that fails at a step has the client ask again, which goes on from there', async () => {
    const store = new MemoryIdempotencyStore()
    const remember = store.remember.bind(store)
    const failing = vi.spyOn(store, 'remember').mockImplementationOnce(remember).mockRejectedValueOnce(new RealtimeError('UNAVAILABLE', 'down'))
    const [charge, note] = [vi.fn(() => 5), vi.fn(() => 6)]
    const setup: Setup = (realtime) =>
      realtime.on('order', async ({ once }) => ({ number: (await once('charge', charge)) + (await once('note', note)), at: AT }))
    const [node] = (await startInMemory(1, { setup, idempotency: { store } })) as unknown as Only
    const client = await node.connect('ada')
    expect(await client.request('order', { item: 'tea' })).toMatchObject({ number: 11 })
    expect([charge.mock.calls.length, note.mock.calls.length, failing.mock.calls.length]).toEqual([1, 2, 3])
    expect(node.errors).toMatchObject([{ error: { message: 'down' }, event: 'order' }])
  })

  test('that is a Redis which does not answer keeps the handler from running until it does', async () => {
    const run = vi.fn()
    const [node] = (await startOnRedis(() => redis.url)(1, {
      setup: (realtime) => realtime.on('checkout', run),
      idempotency: { leaseMs: 500 },
    })) as unknown as Only
    const client = await node.connect('ada')
    redis.pause()
    try {
      expect(await rejection(client.request('checkout', undefined, { timeoutMs: 1_400 }))).toMatchObject({ code: 'UNAVAILABLE' })
      expect(run).not.toHaveBeenCalled()
    } finally {
      redis.resume()
    }
    await client.request('checkout', undefined, { timeoutMs: 20_000 })
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('in memory forgets what was done longest ago, and never what is being done', async () => {
    const store = new MemoryIdempotencyStore({ maxCommands: 2 })
    const claim = (id: string) => store.claim(id, { token: id, digest: 'd' }, 1_000, 60_000)
    const finish = (id: string) => store.finish(id, { token: id, digest: 'd' }, id, 60_000)
    for (const id of ['a', 'b']) expect(await claim(id)).toEqual({ state: 'claimed', attempt: 1 })
    expect(await rejection(claim('c'))).toMatchObject({ code: 'UNAVAILABLE' })
    await finish('b')
    expect(await claim('c')).toEqual({ state: 'claimed', attempt: 1 })
    expect(await store.claim('a', { token: 'other', digest: 'd' }, 1_000, 60_000)).toEqual({ state: 'running' })
    await finish('a')
    expect(await claim('b')).toEqual({ state: 'claimed', attempt: 1 })
    expect(await rejection(claim('a'))).toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('forgets a reply when it need not be kept any more', async () => {
    const run = vi.fn()
    const [node] = (await startOnRedis(() => redis.url)(1, {
      setup: (realtime) => realtime.on('checkout', run),
      idempotency: { retentionMs: 1_000, leaseMs: 500 },
    })) as unknown as Only
    const client = await node.connect('ada')
    await client.request('checkout', undefined, { key: 'k' })
    await until(async () => {
      await client.request('checkout', undefined, { key: 'k' })
      return run.mock.calls.length === 2
    })
  })

  test.each<[string, object, RegExp]>([
    ['an unknown option', { keepMs: 1 }, /unknown option "keepMs"/],
    ['a store that is none', { store: {} }, /must be a store with the functions claim/],
    ['a lease of nothing', { leaseMs: 0 }, /idempotency.leaseMs must be a number of milliseconds from 100/],
    ['a retention of less than a second', { retentionMs: 10 }, /idempotency.retentionMs must be a whole number/],
    ['a reply of no size', { maxReplyBytes: 0 }, /idempotency.maxReplyBytes must be a whole number/],
  ])('is not made of %s', async (_case, idempotency, message) => {
    expect(await rejection(startOnRedis(() => redis.url)(1, { setup: () => {}, idempotency }))).toMatchObject({ message: expect.stringMatching(message) })
    expect(() => new MemoryIdempotencyStore({ maxCommands: 0 })).toThrow(/maxCommands must be a whole number/)
  })
})
