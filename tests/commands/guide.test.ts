// The code of docs/guides/commands.md.
import { randomUUID } from 'node:crypto'
import { createOutbox } from '@org/realtime-client/outbox'
import { defineContract } from '@org/realtime-contracts'
import type { Handler, RealtimeServer } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { createTestRealtime } from '@org/realtime-testing'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import * as z from 'zod'
import { INSTALL_MS } from '../programs.js'
import { type RedisCluster, startRedisCluster } from '../redis.js'

const shop = defineContract({
  name: 'shop',
  version: '1.0.0',
  clientToServer: {
    'order:place': {
      payload: z.object({ item: z.string() }),
      reply: z.object({ number: z.int() }),
      errors: { SOLD_OUT: null },
      idempotent: true,
    },
  },
})

let redis: RedisCluster

beforeAll(async () => {
  redis = await startRedisCluster()
}, INSTALL_MS)
afterAll(() => redis?.stop())

/** A shop on a Redis Cluster. */
async function startShop(setup: (realtime: RealtimeServer<typeof shop>) => unknown) {
  const client = new Cluster([...redis.urls])
  const app = await createTestRealtime(shop, { setup, onError() {}, cluster: redisCluster({ client, prefix: randomUUID() }) })
  onTestFinished(async () => {
    await app.close()
    client.disconnect()
  })
  return app
}

type PlaceHandler = Handler<(typeof shop)['clientToServer']['order:place'], 'order:place'>

/** Fails the first time, after all that a handler does. */
function breaking(handler: PlaceHandler): PlaceHandler {
  let isBroken = true
  return async (context) => {
    const reply = await handler(context)
    if (!isBroken) return reply
    isBroken = false
    throw new Error('broken')
  }
}

test('a command of Redis, and its mark, are one step, on whichever shard the key is', async () => {
  const app = await startShop((realtime) =>
    realtime.on(
      'order:place',
      breaking(async ({ user, once }) => {
        const number = await once('number', ['INCR', 'orders:number'])
        await once('points', ['HINCRBY', 'points', user.userId, 10])
        expect(await once('total', ['HGET', 'points', user.userId])).toBe('10')
        for (const [index, key] of ['{a}b', 'x{a}{b}', '{', 'é', 'plain'].entries()) expect(await once(`set-${index}`, ['SET', key, 1])).toBe('OK')
        return { number: Number(number) }
      }),
    ),
  )
  const client = await app.connect('ada')
  expect(await client.tryRequest('order:place', { item: 'tea' }, { key: 'k' })).toMatchObject({ error: { code: 'INTERNAL' } })
  expect(await client.request('order:place', { item: 'tea' }, { key: 'k' })).toEqual({ number: 1 })
  expect(await client.request('order:place', { item: 'tea' }, { key: 'k' })).toEqual({ number: 1 })
})

test('a function is called once, and may have a key for others', async () => {
  const payments = {
    charge: vi.fn(async (_userId: string, _item: string, { idempotencyKey }: { idempotencyKey: string }) => ({ number: idempotencyKey.length })),
  }
  const app = await startShop((realtime) =>
    realtime.on(
      'order:place',
      breaking(async ({ payload, user, key, once }) => {
        const charge = await once('charge', () => payments.charge(user.userId, payload.item, { idempotencyKey: `${user.userId}-${key}` }))
        return { number: charge.number }
      }),
    ),
  )
  const client = await app.connect('ada')
  await client.tryRequest('order:place', { item: 'tea' }, { key: 'k' })
  expect(await client.request('order:place', { item: 'tea' }, { key: 'k' })).toEqual({ number: 'ada-k'.length })
  expect(payments.charge).toHaveBeenCalledTimes(1)
})

test('a unique key in a database makes the second run find the row of the first', async () => {
  const rows: string[] = []
  /** As PostgreSQL does it. */
  const sql = async (_text: TemplateStringsArray, userId: string, key: string, _item: string): Promise<[{ number: number }]> => {
    const unique = `${userId} ${key}`
    if (!rows.includes(unique)) rows.push(unique)
    return [{ number: rows.indexOf(unique) + 1 }]
  }
  const app = await startShop((realtime) =>
    realtime.on(
      'order:place',
      breaking(async ({ payload, user, key }) => {
        const [order] = await sql`
        insert into orders (user_id, command_key, item) values (${user.userId}, ${key}, ${payload.item})
        on conflict (user_id, command_key) do update set command_key = excluded.command_key
        returning number`
        return { number: order.number }
      }),
    ),
  )
  const client = await app.connect('ada')
  await client.tryRequest('order:place', { item: 'tea' }, { key: 'k' })
  expect(await client.request('order:place', { item: 'tea' }, { key: 'k' })).toEqual({ number: 1 })
})

test('an outbox sends what was made offline', async () => {
  const report = vi.fn()
  const app = await startShop((realtime) =>
    realtime.on('order:place', ({ payload, fail }) => {
      if (payload.item === 'tea') throw fail('SOLD_OUT')
      return { number: 1 }
    }),
  )
  const client = app.client('ada')
  const outbox = createOutbox(client, { userId: 'ada', onFailure: (command, error) => report(command, error) })
  onTestFinished(() => outbox.close())
  await outbox.send('order:place', { item: 'tea' })
  const { result } = await outbox.send('order:place', { item: 'jam' })
  await client.connect()
  expect(await result).toEqual({ number: 1 })
  expect(report).toHaveBeenCalledWith(expect.objectContaining({ payload: { item: 'tea' } }), expect.objectContaining({ code: 'SOLD_OUT' }))
})
