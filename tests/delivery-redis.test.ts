import { randomUUID } from 'node:crypto'
import { contract } from '@org/realtime-contracts/events'
import { createRealtimeEmitter } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { connectDevice, createDevice, type DurableServer, durable, range, startDurable } from './delivery.js'
import { createTestClient, rejection, signToken, until } from './harness.js'
import { notify, startNode as startExampleNode } from './nodes.js'
import { INSTALL_MS } from './programs.js'
import { ask, type RedisServer, startRedis, startRedisCluster, watchCommands } from './redis.js'

const unhandled: unknown[] = []
const hold = (error: unknown): void => void unhandled.push(error)
let redis: RedisServer

beforeAll(async () => {
  process.on('unhandledRejection', hold)
  redis = await startRedis()
}, INSTALL_MS)
beforeEach(async () => {
  if (redis.pid === undefined) await redis.restart()
})
afterEach(() => {
  redis.resume()
  expect(unhandled.splice(0)).toEqual([])
})
afterAll(async () => {
  process.off('unhandledRejection', hold)
  await redis?.stop()
})

type Options = Parameters<typeof startDurable>[0]

function startNode(prefix: string, options: Options = {}): Promise<DurableServer> {
  return startDurable({ cluster: redisCluster({ url: redis.url, prefix, leaseMs: 1_000 }), ...options })
}

async function startPair(options: Options = {}): Promise<[DurableServer, DurableServer]> {
  const prefix = randomUUID()
  return [await startNode(prefix, options), await startNode(prefix, options)]
}

const gapsOf = (said: ReadonlyArray<{ event: string }>) => said.filter(({ event }) => event === '$gap')

test('an emptied Redis is told as a gap to who is connected, and to who comes back', async () => {
  const [home, away] = await startPair()
  const [present, absent] = [await connectDevice('ada', home.url), createDevice('ada', away.url, { positions: kept() })]
  await absent.client.connect()
  for (const n of range(1, 3)) await home.realtime.toUser('ada').emit('told', { n })
  await until(() => present.heard.length === 3 && absent.heard.length === 3)
  absent.client.close()
  await ask(redis.port, 'FLUSHALL')
  await until(() => gapsOf(present.said).length === 1)
  expect(gapsOf(present.said)).toMatchObject([{ from: 4, reason: 'emptied', sequence: 0 }])
  await home.realtime.toUser('ada').emit('told', { n: 4 })
  await until(() => present.heard.length === 4)
  await absent.client.connect()
  await until(() => absent.heard.length === 4)
  expect(gapsOf(absent.said)).toMatchObject([{ from: 4, reason: 'replaced', sequence: 0 }])
  expect([present.heard, absent.heard]).toEqual([range(1, 4), range(1, 4)])
})

test('events that Redis has lost are told as a gap, and the numbers that others get since are not taken for them', async () => {
  const [home, away] = await startPair()
  const [present, absent] = [await connectDevice('ada', home.url), await connectDevice('ada', away.url)]
  for (const n of range(1, 3)) await home.realtime.toUser('ada').emit('told', { n })
  await ask(redis.port, 'SAVE')
  for (const n of range(4, 5)) await home.realtime.toUser('ada').emit('told', { n })
  await until(() => present.heard.length === 5 && absent.heard.length === 5)
  absent.client.close()
  await redis.kill()
  await redis.restart()
  await until(() => home.realtime.ready && away.realtime.ready)
  for (const n of range(14, 17)) await home.realtime.toUser('ada').emit('told', { n })
  await absent.client.connect()
  await until(() => present.heard.length === 9 && absent.heard.length === 9)
  for (const { heard, said } of [present, absent]) {
    expect(heard).toEqual([1, 2, 3, 4, 5, 14, 15, 16, 17])
    expect(gapsOf(said)).toMatchObject([{ from: 6, reason: 'ahead', sequence: 3 }])
  }
  await ask(redis.port, 'FLUSHALL')
  await ask(redis.port, 'SAVE')
})

test('of what Redis has lost before a device had any of it, nobody can tell', async () => {
  const own = await startRedis()
  onTestFinished(() => own.stop())
  const server = await startDurable({ cluster: redisCluster({ url: own.url, leaseMs: 1_000 }) })
  const { client, heard, said } = await connectDevice('ada', server.url)
  await server.realtime.toUser('ada').emit('told', { n: 1 })
  await until(() => heard.length === 1)
  await ask(own.port, 'SAVE')
  client.close()
  await server.realtime.toUser('ada').emit('told', { n: 2 })
  await own.kill()
  await own.restart()
  await until(() => server.realtime.ready)
  expect(await server.realtime.toUser('ada').emit('told', { n: 3 })).toMatchObject({ sequence: 2 }) // as the lost one
  await client.connect()
  await until(() => heard.length === 2)
  expect(heard).toEqual([1, 3])
  expect(gapsOf(said)).toEqual([])
})

test('with its append-only file a Redis that is killed loses nothing, and no gap is told', async () => {
  const own = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  onTestFinished(() => own.stop())
  const server = await startDurable({ cluster: redisCluster({ url: own.url, leaseMs: 1_000 }) })
  const device = await connectDevice('ada', server.url)
  for (const n of range(1, 5)) await server.realtime.toUser('ada').emit('told', { n })
  await own.kill()
  const failed = await rejection(server.realtime.toUser('ada').emit('told', { n: 6 }, { key: 'six' }))
  expect(failed).toMatchObject({ code: 'UNAVAILABLE', event: 'told', retryable: true })
  void server.realtime.toUser('ada').emit('told', { n: 7 }) // nobody waits for it
  await own.restart()
  await until(() => server.realtime.ready)
  await server.realtime.toUser('ada').emit('told', { n: 6 }, { key: 'six' })
  await until(() => device.heard.length === 6)
  expect(device.heard).toEqual(range(1, 6))
  expect(gapsOf(device.said)).toEqual([])
  expect(server.errors.some((error) => Object(error).code === 'UNAVAILABLE')).toBe(true)
})

/** A server whose Redis keeps everything, and is killed where a room is joined next, after `breaks()`. */
async function startBreaking(): Promise<DurableServer & { readonly own: RedisServer; breaks(): void; mend(): Promise<void> }> {
  const own = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  onTestFinished(() => own.stop())
  let breaksNext = false
  const authorize = async (): Promise<boolean> => {
    if (breaksNext) await own.kill()
    breaksNext = false
    return true
  }
  const server = await startDurable({ cluster: redisCluster({ url: own.url, leaseMs: 1_000 }), rooms: { group: { authorize } } })
  return {
    ...server,
    own,
    breaks: () => {
      breaksNext = true
    },
    mend: async () => {
      await own.restart()
      await until(() => server.realtime.ready)
    },
  }
}

test('a page that could not join its room for lack of Redis goes on where it was, once it can', async () => {
  const { realtime, url, breaks, mend } = await startBreaking()
  const positions = kept()
  const before = await connectDevice('ada', url, { positions })
  await before.client.join('group', 'g')
  await realtime.toRoom('group', 'g').emit('told', { n: 1 })
  await until(() => before.heard.length === 1)
  before.client.close()
  await realtime.toRoom('group', 'g').emit('told', { n: 2 })
  const after = await connectDevice('ada', url, { positions })
  breaks()
  expect(await rejection(after.client.join('group', 'g'))).toMatchObject({ code: 'UNAVAILABLE' })
  await mend()
  await after.client.join('group', 'g')
  await realtime.toRoom('group', 'g').emit('told', { n: 3 })
  await until(() => after.heard.length === 2)
  expect(after.heard).toEqual([2, 3])
  expect(after.said.filter(({ room, resumed }) => room !== undefined && resumed !== true)).toEqual([])
})

test('a room that could not be joined again after a reconnect is asked for until it can, and nothing of it is missed', async () => {
  const { realtime, url, own, breaks, mend } = await startBreaking()
  const { client, heard, said } = await connectDevice('ada', url)
  const room = await client.join('group', 'g')
  await realtime.toRoom('group', 'g').emit('told', { n: 1 })
  await until(() => heard.length === 1)
  breaks()
  for (const socket of realtime.io.of('/').sockets.values()) socket.conn.close()
  await until(() => own.pid === undefined && client.status === 'connected')
  await mend()
  await realtime.toRoom('group', 'g').emit('told', { n: 2 })
  await until(() => room.joined && heard.length === 2)
  expect(heard).toEqual([1, 2])
  expect(said.filter(({ room: of, resumed }) => of !== undefined && resumed !== true)).toHaveLength(1) // the first time
})

/** A client that can be made deaf: what is published is lost on its way to the process. */
class DeafRedis extends Redis {
  static isDeaf = false

  override duplicate(override?: Partial<RedisOptions>): Redis {
    const made = super.duplicate(override)
    const { emit } = made
    made.emit = (event: string | symbol, ...args: unknown[]) => (event === 'smessageBuffer' && DeafRedis.isDeaf ? true : emit.call(made, event, ...args))
    return made
  }
}

test('what a node was not told of it finds by looking from time to time, and what comes then is in order', async () => {
  const client = new DeafRedis(redis.url)
  onTestFinished(() => {
    DeafRedis.isDeaf = false
    client.disconnect()
  })
  const server = await startDurable({ cluster: redisCluster({ client, prefix: randomUUID(), leaseMs: 1_000 }) })
  const device = await connectDevice('ada', server.url)
  await server.realtime.toUser('ada').emit('told', { n: 1 })
  await until(() => device.heard.length === 1)
  DeafRedis.isDeaf = true
  for (const n of range(2, 4)) await server.realtime.toUser('ada').emit('told', { n })
  await until(() => device.heard.length === 4)
  for (const n of range(5, 6)) await server.realtime.toUser('ada').emit('told', { n })
  DeafRedis.isDeaf = false
  await server.realtime.toUser('ada').emit('told', { n: 7 })
  await until(() => device.heard.length === 7)
  expect(device.heard).toEqual(range(1, 7))
  expect(gapsOf(device.said)).toEqual([])
})

test('what is too old is told as expired, also where nothing of the log is left but its number', async () => {
  const [home, away] = await startPair({ durable: { maxAgeMs: 1_000, pollMs: 200 } })
  const first = await home.realtime.toUser('ada').emit('told', { n: 1 })
  const last = await home.realtime.toUser('ada').emit('told', { n: 2 })
  await until(async () => (await home.realtime.inbox('ada').read()).entries.length === 0)
  const [missed, had] = [{ 'user:ada': first }, { 'user:ada': last }].map((at) => createDevice('ada', away.url, { positions: kept(at) }))
  await missed?.client.connect()
  await had?.client.connect()
  await until(() => missed?.said.length === 2 && had?.said.length === 1)
  expect(missed?.said[0]).toMatchObject({ event: '$gap', from: 2, to: 2, reason: 'expired', sequence: 2 })
  expect(had?.said[0]).toMatchObject({ event: '$caughtUp', sequence: 2, resumed: true })
})

test('the devices of a node that is killed get on another one what was stored meanwhile, in order and each once', async () => {
  const [a, b] = await Promise.all([startExampleNode('a', redis.url), startExampleNode('b', redis.url)])
  const positions = kept()
  const messages: string[] = []
  const connect = async (address: string) => {
    const client = createTestClient(contract, { url: `http://${address}`, path: '/socket.io/', getToken: () => signToken('ada'), positions })
    client.on('notification:new', ({ notification }) => messages.push(notification.message))
    const begun = new Promise((resolve) => client.once('$caughtUp', resolve))
    await client.connect()
    await begun
    return client
  }
  const client = await connect(a.address)
  await notify(b.address, 'ada', 'one')
  await until(() => messages.length === 1)
  await a.end('SIGKILL')
  await notify(b.address, 'ada', 'two')
  await notify(b.address, 'ada', 'three')
  client.close()
  await connect(b.address)
  await notify(b.address, 'ada', 'four')
  await until(() => messages.length >= 4)
  expect(messages).toEqual(['one', 'two', 'three', 'four'])
})

test('a process without sockets emits durably, and reads inboxes', async () => {
  const prefix = randomUUID()
  const server = await startNode(prefix)
  const emitter = createRealtimeEmitter(durable, { cluster: redisCluster({ url: redis.url, prefix }), onError: () => {} })
  onTestFinished(() => emitter.close())
  const device = await connectDevice('ada', server.url)
  const receipt = await emitter.toUser('ada').emit('told', { n: 1 }, { confirm: true })
  expect(await emitter.inbox('ada').confirmed(receipt, { timeoutMs: 20_000 })).toBe(true)
  expect((await emitter.inbox('ada').read()).entries).toMatchObject([{ payload: { n: 1 } }])
  expect(device.heard).toEqual([1])
})

test('a durable emit is one round trip to Redis', async () => {
  const own = await startRedis()
  onTestFinished(() => own.stop())
  const emitter = createRealtimeEmitter(durable, { cluster: redisCluster({ url: own.url }), onError: () => {} })
  onTestFinished(() => emitter.close())
  await until(() =>
    emitter
      .toUser('ada')
      .emit('told', { n: 0 })
      .then(
        () => true,
        () => false,
      ),
  ) // Redis has the script from here on
  const { seen, stop } = await watchCommands(own.port)
  onTestFinished(stop)
  await emitter.toUser('ada').emit('told', { n: 1 })
  await emitter.toUser('ada').emit('told', { n: 2 }, { key: 'two', confirm: true })
  await emitter.toUser('ada').emit('told', { n: 2 }, { key: 'two', confirm: true })
  await emitter.toRoom('group', 'g').exceptUser('bob').emit('told', { n: 3 })
  await emitter.toUsers(['ada', 'bob']).emit('told', { n: 4 })
  await ask(own.port, 'ECHO end')
  await until(() => seen.some(({ name }) => name === 'ECHO'))
  const commands = seen.find(({ name }) => name === 'EVALSHA')?.from // the connection for commands; another one hears
  const asked = seen.filter(({ from, name }) => from === commands && name !== 'PING') // it looks now and then whether Redis is there
  expect(asked.map(({ name }) => name)).toEqual(Array.from({ length: 6 }, () => 'EVALSHA')) // two users have two logs
  expect(asked.filter(({ args }) => args[2]?.includes('user:ada'))).toHaveLength(4)
})

test('a Redis that is full says so to who emits, and devices still get what is stored', async () => {
  const own = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] })
  onTestFinished(() => own.stop())
  const server = await startDurable({ cluster: redisCluster({ url: own.url, leaseMs: 1_000 }) })
  const device = await connectDevice('ada', server.url, { positions: kept() })
  device.client.close()
  await server.realtime.toUser('ada').emit('told', { n: 1 })
  await ask(own.port, 'CONFIG SET maxmemory 1')
  expect(await rejection(server.realtime.toUser('ada').emit('told', { n: 2 }))).toMatchObject({ code: 'UNAVAILABLE' })
  await ask(own.port, 'CONFIG SET maxmemory 0')
  await device.client.connect()
  await until(() => device.heard.length === 1)
  expect(device.heard).toEqual([1])
})

test('in a Redis Cluster the log of each user is where its channel is', async () => {
  const cluster = await startRedisCluster()
  onTestFinished(() => cluster.stop())
  const client = new Cluster([...cluster.urls])
  onTestFinished(() => client.disconnect())
  const prefix = randomUUID()
  const start = () => startDurable({ cluster: redisCluster({ client, prefix, leaseMs: 1_000 }) })
  const [home, away] = [await start(), await start()]
  const users = range(1, 12).map((n) => `user-${n}`)
  const devices = await Promise.all(users.map((user) => connectDevice(user, away.url)))
  const receipts = await home.realtime.toUsers(users).emit('told', { n: 1 })
  expect(receipts.map(({ sequence }) => sequence)).toEqual(users.map(() => 1))
  await until(() => devices.every(({ heard }) => heard.length === 1))
  await home.realtime.inbox('user-1').erase()
  await until(() => gapsOf(devices[0]?.said ?? []).length === 1)
})

test('it works the same over a client of the package redis', async () => {
  const client = createClient({ url: redis.url })
  const server = await startDurable({ cluster: redisCluster({ client: client as never, prefix: randomUUID(), leaseMs: 1_000 }) })
  const device = await connectDevice('ada', server.url)
  await server.realtime.toUser('ada').emit('told', { n: 1 }, { key: 'k' })
  await server.realtime.toUser('ada').emit('told', { n: 1 }, { key: 'k' })
  await server.realtime.toUser('ada').emit('told', { n: 2 })
  await until(() => device.heard.length === 2)
  expect(device.heard).toEqual([1, 2])
})

/** Keeps places as an application's own store does. */
function kept(positions: object = {}) {
  let text = JSON.stringify(positions)
  return {
    get: async () => text,
    set: (next: string) => {
      text = next
    },
  }
}
