import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type MemberChange, MemoryPresenceStore, type PresenceStore, type PresentConnection, type UserChange } from '../packages/server/src/presence.js'
import { RedisBus } from '../packages/server/src/redis/bus.js'
import { connectIoredis } from '../packages/server/src/redis/ioredis.js'
import { RedisPresenceStore } from '../packages/server/src/redis/presence.js'
import { until } from './harness.js'
import { findProgram, INSTALL_MS } from './programs.js'
import { ask, type RedisServer, startRedis } from './redis.js'

const GRACE_MS = 200

let redis: RedisServer
beforeAll(async () => {
  await findProgram('redis-server')
  redis = await startRedis()
}, INSTALL_MS)
afterAll(() => redis?.stop())

interface Made {
  readonly store: PresenceStore
  /** Another process that shares the state; the same store, where there is none. */
  readonly other: PresenceStore
}

function memory(): Made {
  const store = new MemoryPresenceStore(GRACE_MS)
  onTestFinished(() => store.close())
  return { store, other: store }
}

function shared(): Made {
  const base = `{${randomUUID()}}:`
  const buses = [connectIoredis(redis.url), connectIoredis(redis.url)].map((connection) => new RedisBus(connection, () => {}))
  const stores = buses.map((bus) => new RedisPresenceStore(bus, { base, graceMs: GRACE_MS, leaseMs: 2_000 }, () => {}))
  for (const store of stores) store.start()
  onTestFinished(async () => {
    for (const store of stores) await store.close()
    for (const bus of buses) bus.close()
    expect(await ask(redis.port, `KEYS ${base}*`)).toBe('0') // as many as are left
  })
  return { store: stores[0] as PresenceStore, other: stores[1] as PresenceStore } // there are two
}

let number = 0
const connectionOf = (userId: string, deviceId = 'phone'): PresentConnection => ({ id: `socket-${++number}`, userId, device: { id: deviceId } })

async function changesOf(store: PresenceStore): Promise<string[]> {
  const changes: string[] = []
  void store.follow((told: UserChange) => {
    if (told.change === 'online' || told.change === 'offline') changes.push(`${told.userId} ${told.change}`)
  })
  await until(() => !(store instanceof RedisPresenceStore) || store.isUp)
  return changes
}

describe.each([
  ['memory', memory],
  ['Redis', shared],
] as const)('presence in %s', (_name, make) => {
  test('has a user from the first connection until the grace period after the last', async () => {
    const { store, other } = make()
    const changes = await changesOf(other)
    const [phone, laptop] = [connectionOf('ada', 'phone'), connectionOf('ada', 'laptop')]
    await store.add(phone)
    await store.add(laptop)
    expect(await other.online(['eve', 'ada'])).toEqual([false, true])
    expect((await other.devices('ada')).map(({ id }) => id).toSorted()).toEqual(['laptop', 'phone'])
    expect(await other.count()).toBe(1)
    store.remove(phone)
    await until(async () => (await other.devices('ada')).length === 1)
    store.remove(laptop)
    await until(async () => (await other.devices('ada')).length === 0)
    await until(async () => (await other.online(['ada']))[0] === false)
    await until(() => changes.length === 2)
    expect(changes).toEqual(['ada online', 'ada offline'])
    expect(await other.count()).toBe(0)
  })

  test('takes who comes back within the grace period for one who stayed', async () => {
    const { store, other } = make()
    const changes = await changesOf(other)
    const [before, after] = [connectionOf('ada'), connectionOf('ada')]
    await store.add(before)
    store.remove(before)
    await store.add(after)
    await store.add(connectionOf('last'))
    await new Promise((resolve) => setTimeout(resolve, 2 * GRACE_MS)) // nothing tells of what does not happen
    expect(await other.online(['ada'])).toEqual([true])
    expect(changes).toEqual(['ada online', 'last online'])
  })

  test('is told twice what it knows, and makes no difference of it', async () => {
    const { store, other } = make()
    const changes = await changesOf(other)
    const phone = connectionOf('ada')
    await store.add(phone)
    await store.add(phone)
    store.enter('group:g', phone)
    store.enter('group:g', phone)
    await store.settled(phone)
    store.exit('group:g', phone)
    store.exit('group:g', phone)
    await store.settled(phone)
    expect(await other.members('group:g')).toEqual([])
    store.remove(phone)
    store.remove(phone)
    await until(() => changes.length === 2)
    expect(changes).toEqual(['ada online', 'ada offline'])
  })

  test('knows the members of a room, a user once, and tells of the first and the last device', async () => {
    const { store, other } = make()
    const changes: MemberChange[] = []
    for (const each of new Set([store, other])) each.followMembers((change) => changes.push(change))
    const [phone, laptop, eve] = [connectionOf('ada', 'phone'), connectionOf('ada', 'laptop'), connectionOf('eve')]
    await Promise.all([store.add(phone), other.add(laptop), other.add(eve)])
    store.enter('group:g', phone)
    await store.settled(phone)
    other.enter('group:g', laptop)
    await other.settled(laptop)
    other.enter('group:g', eve)
    await other.settled(eve)
    expect((await store.members('group:g')).toSorted()).toEqual(['ada', 'eve'])
    store.exit('group:g', phone)
    await store.settled(phone)
    expect((await store.members('group:g')).toSorted()).toEqual(['ada', 'eve'])
    other.remove(laptop)
    other.exit('group:g', laptop)
    await until(async () => (await store.members('group:g')).length === 1 || changes.length === 3)
    other.exit('group:g', eve)
    await other.settled(eve)
    await until(() => changes.length === 4)
    expect(changes.map(({ change, userId }) => `${userId} ${change}`)).toEqual(['ada joined', 'eve joined', 'ada left', 'eve left'])
  })

  test('keeps the rooms that a user stands in, until told otherwise', async () => {
    const { store, other } = make()
    await store.stand('group:a', ['ada', 'eve'])
    await other.stand('group:b', ['ada'])
    expect([...(await other.add(connectionOf('ada'))).standing].toSorted()).toEqual(['group:a', 'group:b'])
    await store.unstand('group:a', ['ada', 'eve'])
    expect((await store.add(connectionOf('ada'))).standing).toEqual(['group:b'])
    expect((await other.add(connectionOf('eve'))).standing).toEqual([])
    await store.unstand('group:b', ['ada'])
  })

  test('does not tell those who follow of who was online before', async () => {
    const { store, other } = make()
    await store.add(connectionOf('ada'))
    await new Promise((resolve) => setImmediate(resolve))
    const changes = await changesOf(other)
    await store.add(connectionOf('eve'))
    await until(() => changes.length > 0)
    expect(changes).toEqual(['eve online'])
  })
})

test('a node that has more to register again than its lease lasts stays alive meanwhile', async () => {
  const base = `{${randomUUID()}}:`
  const bus = new RedisBus(connectIoredis(redis.url), () => {})
  const store = new RedisPresenceStore(bus, { base, graceMs: GRACE_MS, leaseMs: 500 }, () => {})
  store.start()
  onTestFinished(async () => {
    await store.close()
    bus.close()
  })
  const connections = Array.from({ length: 15_000 }, (_, index) => connectionOf(`user-${index}`))
  for (let start = 0; start < connections.length; start += 500) await Promise.all(connections.slice(start, start + 500).map((each) => store.add(each)))
  await ask(redis.port, 'FLUSHALL')
  await until(async () => (await store.count()) === 0)
  await until(async () => (await store.count()) === connections.length)
  expect(await ask(redis.port, `ZCARD ${base}nodes`)).toBe('1') // the incarnation that it began with
})

test('one who begins to follow and fails half-way begins anew with what is so then', async () => {
  const { store } = shared()
  const base = Reflect.get(store, 'options').base as string
  const ada = connectionOf('ada')
  await store.add(ada)
  const bus = new RedisBus(connectIoredis(redis.url), () => {})
  const following = new RedisPresenceStore(bus, { base, graceMs: GRACE_MS, leaseMs: 2_000 }, () => {})
  onTestFinished(async () => {
    await following.close()
    bus.close()
  })
  const command = bus.command.bind(bus)
  let scans = 0
  bus.command = async (args) => {
    if (args[0] !== 'SSCAN' || ++scans > 2) return command(args)
    if (scans === 1) return ['1', ((await command(args)) as [string, string[]])[1]] // as if there were more
    store.remove(ada)
    await until(async () => (await store.count()) === 0)
    throw new Error('Redis is away')
  }
  const changes = await changesOf(following)
  await store.add(connectionOf('ada'))
  await until(() => changes.length > 0)
  expect(changes).toEqual(['ada online'])
})

test('what a node held that ends is told as changed, where its users have other devices', async () => {
  const { store, other } = shared()
  await Promise.all([store.add(connectionOf('ada', 'phone')), other.add(connectionOf('ada', 'laptop'))])
  const changes: UserChange[] = []
  await other.follow((change) => changes.push(change))
  await store.close()
  await until(() => changes.length > 0)
  expect(changes).toEqual([{ change: 'changed', userId: 'ada' }])
  expect(await other.devices('ada')).toEqual([{ id: 'laptop' }])
})
