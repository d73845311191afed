import { randomUUID } from 'node:crypto'
import { createRealtimeEmitter, createRealtimeServer, type RealtimeServerOptions } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { contract, type TestContract } from './contract.js'
import { collect, createTestClient, heard, refusalOf, rejection, signToken, startServer, type TestServer, type TestUser, testJwt, until } from './harness.js'
import { findProgram, INSTALL_MS } from './programs.js'
import { ask, type RedisServer, startRedis, startRedisCluster, watchCommands } from './redis.js'

let redis: RedisServer
const unhandled: unknown[] = []
const hold = (error: unknown): void => void unhandled.push(error)

beforeAll(async () => {
  await findProgram('redis-server')
  redis = await startRedis()
  process.on('unhandledRejection', hold)
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

type Options = Partial<RealtimeServerOptions<TestContract, TestUser>>

const open: NonNullable<Options['rooms']> = { group: { authorize: () => true, members: 'visible' } }

/** Servers that are one. */
async function startNodes(count: number, options: Options = {}, prefix: string = randomUUID()): Promise<TestServer[]> {
  const nodes: TestServer[] = []
  for (let index = 0; index < count; index++) {
    nodes.push(await startServer({ cluster: redisCluster({ url: redis.url, prefix, leaseMs: 1_000 }), rooms: open, ...options }))
  }
  await until(() => nodes.every(({ realtime }) => realtime.ready))
  return nodes
}

async function startPair(options?: Options, prefix?: string): Promise<[TestServer, TestServer]> {
  return (await startNodes(2, options, prefix)) as [TestServer, TestServer] // as many as asked for
}

/** A client whose connections count what Redis sends them. */
class CountingRedis extends Redis {
  readonly received: string[] = []

  override duplicate(override?: Partial<RedisOptions>): Redis {
    const made = super.duplicate(override)
    made.on('smessageBuffer', (channel: Buffer) => this.received.push(channel.toString()))
    return made
  }
}

async function startCounted(prefix: string): Promise<TestServer & { readonly received: string[] }> {
  const client = new CountingRedis(redis.url)
  onTestFinished(() => client.disconnect())
  const server = await startServer({ cluster: redisCluster({ client, prefix, leaseMs: 1_000 }), rooms: open, limits: { connectionsPerUser: 1_000 } })
  await until(() => server.realtime.ready)
  return { ...server, received: client.received }
}

test('a node hears nothing of what is for users of other nodes, whatever the length of their ids', async () => {
  const prefix = randomUUID()
  const [sender, home, bystander] = [await startCounted(prefix), await startCounted(prefix), await startCounted(prefix)]
  const ids = Array.from({ length: 128 }, (_, index) => 'x'.repeat(index + 1))
  const heardBy = new Map<string, number>()
  for (const id of ids) {
    const stock = home.stock({ token: await signToken(id) })
    stock.on('note', () => heardBy.set(id, (heardBy.get(id) ?? 0) + 1))
    await heard(stock, 'authenticated')
  }
  for (const id of ids) sender.realtime.toUser(id).emit('note', { text: id })
  sender.realtime.toUsers(ids).emit('note', { text: 'all of them' })
  await until(() => [...heardBy.values()].filter((count) => count === 2).length === ids.length)
  expect(bystander.received).toEqual([])
  expect(sender.received).toEqual([])
  expect(home.received).toHaveLength(ids.length) // both events of a turn in one
})

test('what is for several rooms comes once to who is in more than one of them, and stops with the last who leaves', async () => {
  const prefix = randomUUID()
  const [sender, home] = [await startCounted(prefix), await startCounted(prefix)]
  const ada = await home.client('ada')
  await ada.join('group', 'a')
  await ada.join('group', 'b')
  const notes = collect((add) => ada.on('note', add))
  sender.realtime.io.to(['group:a', 'group:b', 'user:ada']).emit('note', { text: 'once' })
  sender.realtime.toUser('ada').emit('note', { text: 'last' })
  await until(() => notes.length === 2)
  expect(notes).toEqual([{ text: 'once' }, { text: 'last' }])
  ada.close()
  await until(async () => !(await channels(prefix)).some((channel) => channel.includes('#room#')))
})

test('what is for many users in one turn is one command to Redis, and reaches each of them in its order', async () => {
  const prefix = randomUUID()
  const emitter = createRealtimeEmitter(contract, { cluster: redisCluster({ url: redis.url, prefix }), onError: () => {} })
  onTestFinished(() => emitter.close())
  const home = await startCounted(prefix)
  const ids = ['ada', 'eve', 'bob']
  const notes = await Promise.all(ids.map(async (id) => collectTexts(await home.client(id))))
  await until(() => emitter.ready)
  const { seen, stop } = await watchCommands(redis.port)
  onTestFinished(stop)
  for (const n of ['1', '2']) for (const id of ids) emitter.toUser(id).emit('note', { text: `${id} ${n}` })
  emitter.toAll().emit('note', { text: 'all' })
  await until(() => notes.every((texts) => texts.length === 3))
  expect(notes).toEqual(ids.map((id) => [`${id} 1`, `${id} 2`, 'all']))
  await ask(redis.port, 'ECHO end')
  await until(() => seen.some(({ name }) => name === 'ECHO'))
  expect(seen.filter(({ args }) => args.some((arg) => arg.includes(' 1'))).map(({ name }) => name)).toEqual(['EVAL'])
})

test('what is for more users than Redis is told of at once reaches them all', async () => {
  const [sender, home] = await startPair()
  const userIds = Array.from({ length: 1_234 }, (_, index) => `user-${index}`)
  const notes = await Promise.all(['user-0', 'user-499', 'user-500', 'user-1233'].map(async (id) => collectTexts(await home.client(id))))
  sender.realtime.toUsers(userIds).emit('note', { text: 'x' })
  await until(() => notes.every((texts) => texts.length === 1))
  expect(sender.errors).toEqual([])
})

test('of what a Redis that hangs is told, so much waits; what is beyond is reported, and not sent later', async () => {
  const [sender, home] = await startPair()
  const [first, last] = await Promise.all(['user-0', 'user-29999'].map(async (id) => collectTexts(await home.client(id))))
  redis.pause()
  sender.realtime.toUsers(Array.from({ length: 30_000 }, (_, index) => `user-${index}`)).emit('note', { text: 'x' })
  await until(() => String(sender.errors[0]).includes('20000 messages wait for Redis'))
  redis.resume()
  await until(() => {
    sender.realtime.toUser('user-29999').emit('note', { text: 'y' })
    return (last?.length ?? 0) > 0
  })
  expect(first).toEqual(['x'])
  expect(last).not.toContain('x')
})

test('an event arrives on another node as it was sent, whatever is in it and whatever is said of it', async () => {
  const [sender, home] = await startPair()
  const [phone, laptop] = [await home.client('ada'), await home.client('ada')]
  const heardBy = [phone, laptop].map(collectTexts)
  const texts = ['', 'line\nfeed\r\n', '"quoted" \\', '{"except":["user:ada"]}', '\u2028\u2029\u0000', 'ü 😀 \ud800', 'x'.repeat(100_000)]
  for (const text of texts) sender.realtime.toUser('ada').emit('note', { text })
  sender.realtime.toUser('ada').exceptDevice(laptop.deviceId).emit('note', { text: 'phone' })
  sender.realtime.toUser('ada').emit('note', { text: 'last' })
  await until(() => heardBy.every((heard) => heard.at(-1) === 'last'))
  expect(heardBy).toEqual([
    [...texts, 'phone', 'last'],
    [...texts, 'last'],
  ])
})

test('events cross between nodes in the form that nodes of this major version know', async () => {
  // Nodes of two versions run beside each other while one is rolled out.
  const prefix = randomUUID()
  const [node] = await startNodes(1, {}, prefix)
  const ada = await node!.client('ada')
  const notes = collectTexts(ada)
  const other = new Redis(redis.url)
  const listener = new Redis(redis.url)
  onTestFinished(() => {
    for (const client of [other, listener]) client.disconnect()
  })
  const note = `{"except":["device:other"],"volatile":true,"trace":"00-${'a'.repeat(32)}-${'b'.repeat(16)}-01"}`
  await other.spublish(`${prefix}#/#room#user:ada`, `["other node","user:ada"]\n["note",{"text":"1"}]\n${note}\n["note",{"text":"2"}]`)
  await other.spublish(`${prefix}#/#all`, '["other node"]\n["note",{"text":"3"}]')
  await until(() => notes.length === 3)
  expect(notes).toEqual(['1', '2', '3'])

  const said: string[] = []
  listener.on('smessage', (_channel, message: string) => said.push(message))
  await listener.ssubscribe(`${prefix}#/#room#user:eve`)
  node!.realtime.toUser('eve').emit('note', { text: '1' })
  node!.realtime.toUser('eve').exceptDevice('one').emit('note', { text: '2' })
  await until(() => said.length > 0)
  expect(said.map((message) => message.replace(/^\["[^"]+"/, '["uid"'))).toEqual([
    '["uid","user:eve"]\n["note",{"text":"1"}]\n{"except":["device:one"]}\n["note",{"text":"2"}]',
  ])
})

test('what no node has sent is reported, each time, and harms nobody', async () => {
  const prefix = randomUUID()
  const [node] = await startNodes(1, {}, prefix)
  const ada = await node!.client('ada')
  const notes = collectTexts(ada)
  const client = new Redis(redis.url)
  onTestFinished(() => client.disconnect())
  const strange = [
    '',
    'text',
    '{',
    '{"type":3,"nsp":"/"}',
    '[',
    '["node',
    '{}\n["note",{"text":"strange"}]',
    '["node","user:ada"]\ntext',
    '["node","user:ada"]\n["note",{"text":"str',
    '["node","user:ada"]\n["note",{"text":"strange"}]\nnull',
    '["node","user:ada"]\n{"except":5}\n["note",{"text":"strange"}]',
    '["node","user:ada"]\n{"except":\n["note",{"text":"strange"}]',
  ]
  for (const message of strange) await client.spublish(`${prefix}#/#room#user:ada`, message)
  node!.realtime.toUser('ada').emit('note', { text: 'last' })
  await until(() => notes.length > 0)
  expect(notes).toEqual(['last'])
  await until(() => node!.errors.length === 2)
  expect(String(node!.errors[1])).toContain(`Redis failed ${strange.length - 1} more times`)
})

function collectTexts(client: Awaited<ReturnType<TestServer['client']>>): string[] {
  return collect((add) => client.on('note', ({ text }) => add(text)))
}

async function channels(prefix: string): Promise<string[]> {
  const client = new Redis(redis.url)
  try {
    return (await client.call('PUBSUB', 'SHARDCHANNELS', `*${prefix}*`)) as string[] // a list of names
  } finally {
    client.disconnect()
  }
}

describe('between nodes', () => {
  test('an emit reaches every device of a user once, wherever it is, as soon as it has seen `authenticated`', async () => {
    const [a, b] = await startPair()
    for (let round = 0; round < 20; round++) {
      const client = await b.client(`user-${round}`)
      const notes = collect((add) => client.on('note', add))
      a.realtime.toUser(`user-${round}`).emit('note', { text: 'hello' })
      await until(() => notes.length === 1)
    }
    const [phone, laptop] = [await a.client('ada'), await b.client('ada')]
    const notes = [phone, laptop].map((client) => collect<{ text: string }>((add) => client.on('note', add)))
    a.realtime.toUser('ada').exceptDevice(laptop.deviceId).emit('note', { text: 'phone' })
    a.realtime.toUsers(['ada', 'nobody', 'user-1']).emit('note', { text: 'both' })
    a.realtime.toAll().emit('note', { text: 'all' })
    await until(() => notes.every((heardBy) => heardBy.at(-1)?.text === 'all'))
    expect(notes.map((heardBy) => heardBy.map(({ text }) => text))).toEqual([
      ['phone', 'both', 'all'],
      ['both', 'all'],
    ])
  })

  test('a request asks the devices of all nodes, and says of each what it made of it', async () => {
    const [a, b] = await startPair()
    const [phone, laptop, mute] = [await a.client('ada'), await b.client('ada'), await b.client('ada')]
    phone.handle('confirm', () => ({ yes: true }))
    laptop.handle('confirm', (_payload, { fail }) => {
      throw fail('BUSY', { untilMs: 1 })
    })
    mute.handle('confirm', () => new Promise<never>(() => {}))
    const answers = await a.realtime.toUser('ada').request('confirm', { question: '?' }, { timeoutMs: 1_000 })
    expect(answers).toHaveLength(3)
    expect(answers).toEqual(
      expect.arrayContaining([
        { deviceId: phone.deviceId, status: 'answered', data: { yes: true } },
        { deviceId: laptop.deviceId, status: 'failed', error: expect.objectContaining({ code: 'BUSY', data: { untilMs: 1 } }) },
        { deviceId: mute.deviceId, status: 'silent' },
      ]),
    )
    expect(await a.realtime.toUser('nobody').request('confirm', { question: '?' })).toEqual([])
  })

  test('presence is the same on every node, and each change is told once on each that listens', async () => {
    const [a, b] = await startPair({ presence: { graceMs: 100 } })
    const told = [a, b].map(({ realtime }) =>
      collect<string>((add) => {
        realtime.presence.on('online', ({ userId }) => add(`${userId} online`))
        realtime.presence.on('offline', ({ userId }) => add(`${userId} offline`))
      }),
    )
    await until(() => a.realtime.ready && b.realtime.ready) // both follow
    const phone = await a.client('ada')
    expect(await b.realtime.presence.isOnline('ada')).toBe(true)
    const laptop = await b.client('ada')
    expect(await a.realtime.presence.online(['eve', 'ada'])).toEqual(['ada'])
    expect((await a.realtime.presence.devices('ada')).map(({ id }) => id).toSorted()).toEqual([phone.deviceId, laptop.deviceId].toSorted())
    expect(await b.realtime.presence.count()).toBe(1)
    phone.close()
    laptop.close()
    await until(() => told.every((changes) => changes.length === 2))
    expect(told).toEqual([
      ['ada online', 'ada offline'],
      ['ada online', 'ada offline'],
    ])
  })

  test('the members of a room are those of all nodes, told to who is in it', async () => {
    const [a, b] = await startPair()
    const [ada, eve] = [await a.client('ada'), await b.client('eve')]
    const room = await ada.join('group', 'g')
    const other = await eve.join('group', 'g')
    expect(other.members?.toSorted()).toEqual(['ada', 'eve'])
    await until(() => room.members?.length === 2)
    expect((await a.realtime.presence.members('group', 'g')).toSorted()).toEqual(['ada', 'eve'])
    const notes = collect((add) => eve.on('note', add))
    a.realtime.toRoom('group', 'g').exceptUser('ada').emit('note', { text: 'x' })
    await until(() => notes.length === 1)
    eve.close()
    await until(() => room.members?.length === 1)
  })

  test('a user is put into a room on every device, also on those that come later, until taken out', async () => {
    const [a, b] = await startPair()
    const [phone, laptop] = [await a.client('ada'), await b.client('ada')]
    await a.realtime.toUser('ada').join('group', 'g')
    const later = await b.client('ada')
    const notes = [phone, laptop, later].map((client) => collect((add) => client.on('note', add)))
    b.realtime.toRoom('group', 'g').emit('note', { text: 'in' })
    await until(() => notes.every((heardBy) => heardBy.length === 1))
    expect(await b.realtime.presence.members('group', 'g')).toEqual(['ada'])
    await b.realtime.toUser('ada').leave('group', 'g')
    expect(await a.realtime.presence.members('group', 'g')).toEqual([])
    const after = await a.client('ada')
    expect([...(a.realtime.io.of('/').adapter.rooms.get('group:g') ?? []), ...(b.realtime.io.of('/').adapter.rooms.get('group:g') ?? [])]).toEqual([])
    expect(after.status).toBe('connected')
  })

  test('a user is disconnected, and what was revoked is, on every node within half a second', async () => {
    const [a, b] = await startPair()
    const tokens = await Promise.all(['ada', 'eve'].map((userId) => signToken(userId)))
    const [ada, eve] = [b.stock({ token: tokens[0] }), b.stock({ token: tokens[1] })]
    await Promise.all([heard(ada, 'authenticated'), heard(eve, 'authenticated')])
    const startMs = performance.now()
    const notices = Promise.all([heard(ada, '$disconnect'), heard(eve, '$disconnect')])
    const old = await signToken('eve')
    await Promise.all([a.realtime.disconnectUser('ada', { reason: 'bye' }), a.realtime.revoke({ userId: 'eve' })])
    expect(await notices).toMatchObject([{ code: 'DISCONNECTED', reason: 'bye' }, { code: 'REVOKED' }])
    expect(performance.now() - startMs).toBeLessThan(500)
    expect(await refusalOf(b.stock({ token: old }))).toMatchObject({ code: 'UNAUTHENTICATED' })
    await heard(b.stock({ token: await signToken('ada') }), 'authenticated')
  })

  test('applications with other prefixes, and other namespaces, hear nothing of each other', async () => {
    const [[mine], [theirs], [elsewhere]] = await Promise.all([startNodes(1), startNodes(1, {}, 'theirs'), startNodes(1, { namespace: '/x' }, 'theirs')])
    const client = await theirs!.client('ada')
    const notes = collect((add) => client.on('note', add))
    mine!.realtime.toAll().emit('note', { text: 'mine' })
    elsewhere!.realtime.toAll().emit('note', { text: 'elsewhere' })
    theirs!.realtime.toUser('ada').emit('note', { text: 'own' })
    await until(() => notes.length === 1)
    expect(notes).toEqual([{ text: 'own' }])
    expect(await mine!.realtime.presence.isOnline('ada')).toBe(false)
    expect(await elsewhere!.realtime.presence.isOnline('ada')).toBe(false)
  })
})

test('what is revoked while a node does not hear the others is closed once it does', async () => {
  const [a, b] = await startPair()
  const ada = b.stock({ token: await signToken('ada') })
  await heard(ada, 'authenticated')
  const notice = heard(ada, '$disconnect')
  await ask(redis.port, 'CLIENT KILL TYPE pubsub')
  await a.realtime.revoke({ userId: 'ada' }).catch(() => {}) // the way back may be closed, too; it is stored
  expect(await notice).toMatchObject({ code: 'REVOKED' })
})

test('clients that go while they come in are not online for ever', async () => {
  const [a] = (await startNodes(1, { presence: { graceMs: 50 } })) as [TestServer]
  const url = `${a.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`
  const tokens = await Promise.all(Array.from({ length: 100 }, (_, index) => signToken(`user-${index}`)))
  await Promise.all(
    tokens.map(async (token, index) => {
      const socket = new WebSocket(url)
      await new Promise((resolve) => socket.once('message', resolve))
      socket.send(`40${JSON.stringify({ token })}`)
      setTimeout(() => socket.terminate(), index % 5)
      await new Promise((resolve) => socket.once('close', resolve))
    }),
  )
  await until(() => a.realtime.io.engine.clientsCount === 0)
  await until(async () => (await a.realtime.presence.count()) === 0)
})

test('many users are put into a room without harm to what else goes over Redis', async () => {
  const [a, b] = await startPair()
  const ada = await b.client('user-1999')
  const userIds = Array.from({ length: 2_000 }, (_, index) => `user-${index}`)
  await a.realtime.toUsers(userIds).join('group', 'g')
  expect(await a.realtime.presence.members('group', 'g')).toEqual(['user-1999'])
  await a.realtime.toUsers(userIds).leave('group', 'g')
  expect(await b.realtime.presence.members('group', 'g')).toEqual([])
  expect([...a.errors, ...b.errors]).toEqual([])
  expect(ada.status).toBe('connected')
})

test('a device that connects to another node replaces its connection to the first', async () => {
  const [a, b] = await startPair()
  const token = await signToken('ada')
  const older = a.stock({ token, realtime: { protocol: 1, device: 'phone' } })
  await heard(older, 'authenticated')
  const notice = heard(older, '$disconnect')
  await heard(b.stock({ token, realtime: { protocol: 1, device: 'phone' } }), 'authenticated')
  expect(await notice).toMatchObject({ code: 'REPLACED' })
  expect(await a.realtime.presence.devices('ada')).toEqual([{ id: 'phone' }])
})

test('a user who is taken out of a room while a device comes in is not in it', async () => {
  const [a, b] = await startPair()
  for (let round = 0; round < 20; round++) {
    await a.realtime.toUser('ada').join('group', 'g')
    const coming = b.client('ada')
    await a.realtime.toUser('ada').leave('group', 'g')
    const ada = await coming
    expect(b.realtime.io.of('/').adapter.rooms.get('group:g')).toBeUndefined()
    expect(await a.realtime.presence.members('group', 'g')).toEqual([])
    ada.close()
  }
})

test('a server whose Redis takes no writes is not ready, keeps nothing of whom it refuses, and goes on once it does', async () => {
  const [a] = (await startNodes(1)) as [TestServer]
  await ask(redis.port, 'REPLICAOF 127.0.0.1 1')
  onTestFinished(async () => void (await ask(redis.port, 'REPLICAOF NO ONE')))
  await until(() => !a.realtime.ready)
  expect(await refusalOf(a.stock({ token: await signToken('ada') }))).toMatchObject({ code: 'UNAVAILABLE' })
  await ask(redis.port, 'REPLICAOF NO ONE')
  await until(() => a.realtime.ready)
  await a.client('ada')
})

test('a node that is busy for longer than a second keeps its connections to a Redis that answers', async () => {
  const [a, b] = await startPair()
  const ada = await b.client('ada')
  const notes = collect((add) => ada.on('note', add))
  a.realtime.toUser('ada').emit('note', { text: 'before' })
  const untilMs = Date.now() + 1_300
  while (Date.now() < untilMs) {
    // busy
  }
  a.realtime.toUser('ada').emit('note', { text: 'after' })
  await until(() => notes.length === 2)
  expect(a.errors).toEqual([])
})

test('a client with a prefix of its own reaches the other nodes', async () => {
  const client = new Redis(redis.url, { keyPrefix: 'app:' })
  onTestFinished(() => client.disconnect())
  const prefix = randomUUID()
  const [a, b] = [await startServer({ cluster: redisCluster({ client, prefix }) }), await startServer({ cluster: redisCluster({ client, prefix }) })]
  await until(() => a.realtime.ready && b.realtime.ready)
  const ada = await b.client('ada')
  const notes = collect((add) => ada.on('note', add))
  a.realtime.toUser('ada').emit('note', { text: 'x' })
  await until(() => notes.length === 1)
})

describe('a process without sockets', () => {
  test('sends what a server sends, checked alike, and knows who is online', async () => {
    const prefix = randomUUID()
    const [node] = await startNodes(1, { presence: { graceMs: 100 } }, prefix)
    const errors: unknown[] = []
    const emitter = createRealtimeEmitter(contract, { cluster: redisCluster({ url: redis.url, prefix }), onError: (error) => errors.push(error) })
    onTestFinished(() => emitter.close())
    const changes = collect<string>((add) => emitter.presence.on('online', ({ userId }) => add(userId)))
    await until(() => emitter.ready)
    const [ada, eve] = [await node!.client('ada'), await node!.client('eve')]
    const notes = [ada, eve].map((client) => collect<{ text: string }>((add) => client.on('note', add)))
    await emitter.toUser('ada').join('group', 'g')
    emitter.toUser('ada').emit('note', { text: 'user' })
    emitter.toRoom('group', 'g').emit('note', { text: 'room' })
    emitter.toUsers(['ada', 'eve']).exceptUser('ada').emit('note', { text: 'eve' })
    emitter.toAll().emit('note', { text: 'all' })
    await until(() => notes.every((heardBy) => heardBy.at(-1)?.text === 'all'))
    expect(notes.map((heardBy) => heardBy.map(({ text }) => text))).toEqual([
      ['user', 'room', 'all'],
      ['eve', 'all'],
    ])
    expect(() => emitter.toUser('ada').emit('note', { text: 7 as never })).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD' }))
    expect(
      'request' in emitter.toUser('ada') &&
        (await rejection((emitter.toUser('ada') as never as { request(e: string, p: object): Promise<unknown> }).request('confirm', { question: '?' }))),
    ).toBeInstanceOf(TypeError)
    expect(await emitter.presence.online(['eve', 'bob', 'ada'])).toEqual(['eve', 'ada'])
    expect(await emitter.presence.members('group', 'g')).toEqual(['ada'])
    expect(await emitter.presence.count()).toBe(2)
    await until(() => changes.length === 2)
    expect(errors).toEqual([])
  })
})

describe('a Redis', () => {
  test('that is killed leaves local sockets alone, refuses what it is needed for within a second, and is used again within two', async () => {
    const [a, b] = await startPair()
    const [ada, eve] = [await a.client('ada'), await b.client('eve')]
    a.realtime.on('echo', ({ payload }) => payload)
    const notes = [ada, eve].map((client) => collect((add) => client.on('note', add)))
    await redis.kill()
    await until(() => !a.realtime.ready && !b.realtime.ready)
    const startMs = performance.now()
    expect(await refusalOf(a.stock({ token: await signToken('bob') }))).toMatchObject({ code: 'UNAVAILABLE' })
    expect(await rejection(ada.join('group', 'g'))).toMatchObject({ code: 'UNAVAILABLE' })
    expect(await rejection(a.realtime.presence.isOnline('eve'))).toMatchObject({ code: 'UNAVAILABLE' })
    expect(await rejection(a.realtime.disconnectUser('nobody'))).toMatchObject({ code: 'UNAVAILABLE' })
    expect(await rejection(a.realtime.toUser('ada').join('group', 'g'))).toMatchObject({ code: 'UNAVAILABLE' })
    expect(performance.now() - startMs).toBeLessThan(1_000)
    expect(await ada.request('echo', { text: 'x' })).toEqual({ text: 'x' })
    a.realtime.toUser('ada').emit('note', { text: 'local' })
    await until(() => notes[0]?.length === 1)
    await redis.restart()
    const backMs = performance.now()
    await until(async () => (await a.realtime.presence.isOnline('eve').catch(() => false)) && (await b.realtime.presence.isOnline('ada').catch(() => false)))
    a.realtime.toUser('eve').emit('note', { text: 'far' })
    await until(() => notes[1]?.length === 1)
    expect(performance.now() - backMs).toBeLessThan(2_000)
    await ada.join('group', 'g')
    expect([ada.status, eve.status]).toEqual(['connected', 'connected'])
  })

  test('that hangs answers nobody for longer than a second, and is used again when it goes on', async () => {
    const [a, b] = await startPair()
    const [ada, eve] = [await a.client('ada'), await b.client('eve')]
    redis.pause()
    const startMs = performance.now()
    expect(await rejection(a.realtime.presence.isOnline('eve'))).toMatchObject({ code: 'UNAVAILABLE' })
    expect(await refusalOf(a.stock({ token: await signToken('bob') }))).toMatchObject({ code: 'UNAVAILABLE' })
    expect(performance.now() - startMs).toBeLessThan(2 * 1_500)
    redis.resume()
    await until(async () => (await a.realtime.presence.isOnline('eve').catch(() => false)) && a.realtime.ready)
    const notes = collect((add) => eve.on('note', add))
    await until(() => {
      a.realtime.toUser('eve').emit('note', { text: 'far' })
      return new Promise((resolve) => setTimeout(() => resolve(notes.length > 0), 20))
    })
    expect([ada.status, eve.status]).toEqual(['connected', 'connected'])
  })

  test.each([
    ['is emptied', async () => void (await ask(redis.port, 'FLUSHALL'))],
    ['forgets its scripts', async () => void (await ask(redis.port, 'SCRIPT FLUSH'))],
    [
      'ends all connections',
      async () => {
        await ask(redis.port, 'CLIENT KILL TYPE normal SKIPME yes')
        await ask(redis.port, 'CLIENT KILL TYPE pubsub')
      },
    ],
    ['is restarted', () => redis.restart()],
  ])('that %s is told again who is there, and nobody hears of a change that there was not', async (_case, harm) => {
    const [a, b] = await startPair({ presence: { graceMs: 100 } })
    const changes = collect<string>((add) => {
      b.realtime.presence.on('online', ({ userId }) => add(`${userId} online`))
      b.realtime.presence.on('offline', ({ userId }) => add(`${userId} offline`))
    })
    await until(() => b.realtime.ready) // it follows
    const [ada, eve] = [await a.client('ada'), await b.client('eve')]
    await ada.join('group', 'g')
    await until(() => changes.length === 2)
    await harm()
    const members = () => b.realtime.presence.members('group', 'g').catch(() => [])
    await until(async () => (await b.realtime.presence.online(['ada', 'eve']).catch(() => [])).length === 2 && (await members()).length === 1)
    ada.close()
    await until(() => changes.length === 3)
    await new Promise((resolve) => setTimeout(resolve, 1_500)) // a lease and the grace: what is missing would be told by now
    expect(changes).toEqual(['ada online', 'eve online', 'ada offline'])
    expect(eve.status).toBe('connected')
    expect(await members()).toEqual([])
  })

  test('that is out of memory refuses newcomers, and lets go of those who leave', async () => {
    const [a, b] = await startPair({ presence: { graceMs: 50 } })
    const ada = await a.client('ada')
    await ask(redis.port, 'CONFIG SET maxmemory 1')
    onTestFinished(async () => void (await ask(redis.port, 'CONFIG SET maxmemory 0')))
    expect(await refusalOf(b.stock({ token: await signToken('bob') }))).toMatchObject({ code: 'UNAVAILABLE' })
    expect(await b.realtime.presence.isOnline('ada')).toBe(true)
    ada.close()
    await until(async () => !(await b.realtime.presence.isOnline('ada')))
    await ask(redis.port, 'CONFIG SET maxmemory 0')
    await b.client('bob')
    expect(await a.realtime.presence.isOnline('bob')).toBe(true)
  })

  test('that comes after the servers is waited for', async () => {
    const late = await startRedis()
    onTestFinished(() => late.stop())
    await late.kill()
    const server = await startServer({ cluster: redisCluster({ url: late.url, leaseMs: 1_000 }) })
    expect(server.realtime.ready).toBe(false)
    expect(await refusalOf(server.stock({ token: await signToken('ada') }))).toMatchObject({ code: 'UNAVAILABLE' })
    await late.restart()
    await until(() => server.realtime.ready)
    await server.client('ada')
  })

  test('is told of at most about once a second while it is away', async () => {
    const [a] = await startPair()
    await redis.kill()
    await until(() => !a.realtime.ready)
    for (let count = 0; count < 1_000; count++) a.realtime.toUser('nobody').emit('note', { text: 'x' })
    await vi.waitFor(() => expect(a.errors.length).toBeGreaterThan(0))
    expect(a.errors.length).toBeLessThan(10)
  })
})

test('a node that closes leaves no keys, and its users go offline once their grace is over', async () => {
  const prefix = randomUUID()
  const [a, b] = await startPair({ presence: { graceMs: 100 } }, prefix)
  const ada = await a.client('ada', { reconnectDelayMs: 100_000 })
  await b.client('eve', { reconnectDelayMs: 100_000 })
  await ada.join('group', 'g')
  await a.realtime.close({ drainMs: 0 })
  await until(async () => (await b.realtime.presence.online(['ada', 'eve'])).join() === 'eve')
  expect(await b.realtime.presence.members('group', 'g')).toEqual([])
  await b.realtime.close({ drainMs: 0 })
  expect(await ask(redis.port, `KEYS *${prefix}*`)).toBe('0')
})

test('three nodes under load are restarted one after the other, and every request gets its reply', async () => {
  const prefix = randomUUID()
  const start = async (port = 0) => {
    const realtime = createRealtimeServer(contract, { authenticate: testJwt(), cluster: redisCluster({ url: redis.url, prefix, leaseMs: 1_000 }) })
    realtime.on('echo', async ({ payload, user }) => {
      await realtime.presence.isOnline(user.userId)
      return payload
    })
    return { realtime, port: (await realtime.listen(port, '127.0.0.1')).port }
  }
  const nodes = await Promise.all([start(), start(), start()])
  onTestFinished(async () => void (await Promise.all(nodes.map(({ realtime }) => realtime.close({ drainMs: 0 })))))
  await until(() => nodes.every(({ realtime }) => realtime.ready))
  const clients = Array.from({ length: 12 }, (_, index) =>
    createTestClient(contract, { url: `http://127.0.0.1:${nodes[index % 3]?.port}`, getToken: () => signToken(`user-${index}`) }),
  )
  await Promise.all(clients.map((client) => client.connect()))
  let going = true
  let replies = 0
  const asking = clients.map(async (client) => {
    for (let count = 0; going; count++) {
      const text = `${client.deviceId} ${count}`
      expect(await client.request('echo', { text }, { timeoutMs: 20_000 })).toEqual({ text })
      replies++
    }
  })
  const finished = Promise.all(asking)
  finished.catch(() => {}) // it is awaited below
  for (const [index, { realtime, port }] of nodes.entries()) {
    const before = replies
    await until(() => replies > before + 200)
    await realtime.close({ drainMs: 2_000 })
    const next = await start(port)
    nodes[index] = next
    await until(() => next.realtime.ready && next.realtime.io.of('/').sockets.size === 4)
  }
  going = false
  await finished
  expect(replies).toBeGreaterThan(600)
})

test('a client of ioredis is used as it is, and stays open', async () => {
  const client = new Redis(redis.url)
  onTestFinished(() => client.disconnect())
  const server = await startServer({ cluster: redisCluster({ client, prefix: randomUUID() }) })
  await server.client('ada')
  await server.realtime.close({ drainMs: 0 })
  expect(await client.ping()).toBe('PONG')
})

test('a client of redis is used as it is, and stays open; what it opens comes back after a Redis that was killed', async () => {
  const client = createClient({ url: redis.url, socket: { reconnectStrategy: 100 } })
  client.on('error', () => {})
  onTestFinished(() => client.destroy())
  await client.connect()
  const prefix = randomUUID()
  const create = () => startServer({ cluster: redisCluster({ client, prefix, leaseMs: 1_000 }), rooms: open })
  const [a, b] = [await create(), await create()]
  await until(() => a.realtime.ready && b.realtime.ready)
  const ada = await a.client('ada')
  const notes = collect((add) => ada.on('note', add))
  await b.realtime.toUser('ada').join('group', 'g')
  b.realtime.toRoom('group', 'g').emit('note', { text: 'x' })
  await until(() => notes.length === 1)
  b.realtime.toUsers(['ada', 'eve']).emit('note', { text: 'both' })
  await until(() => notes.length === 2)
  await redis.kill()
  expect(await rejection(a.realtime.presence.isOnline('ada'))).toMatchObject({ code: 'UNAVAILABLE' })
  expect(await refusalOf(a.stock({ token: await signToken('bob') }))).toMatchObject({ code: 'UNAVAILABLE' })
  await redis.restart()
  await until(() => b.realtime.presence.isOnline('ada').catch(() => false))
  await until(() => {
    b.realtime.toUser('ada').emit('note', { text: 'y' })
    return new Promise((resolve) => setTimeout(() => resolve(notes.length > 2), 20))
  })
  await Promise.all([a, b].map(({ realtime }) => realtime.close({ drainMs: 0 })))
  await until(() => client.isReady)
  expect(await client.ping()).toBe('PONG')
})

test('a Redis Cluster serves as one Redis does', async () => {
  const cluster = await startRedisCluster()
  onTestFinished(() => cluster.stop())
  const client = new Cluster([...cluster.urls], { keyPrefix: 'app:' })
  onTestFinished(() => client.disconnect())
  const prefix = randomUUID()
  const create = () => startServer({ cluster: redisCluster({ client, prefix, leaseMs: 2_000 }), rooms: open, presence: { graceMs: 100 } })
  const [a, b] = [await create(), await create()]
  await until(() => a.realtime.ready && b.realtime.ready)
  const clients = await Promise.all(['ada', 'eve', 'bob', 'joe'].map((userId) => a.client(userId)))
  const notes = clients.map((each) => collect((add) => each.on('note', add)))
  b.realtime.toUsers(['ada', 'eve', 'bob', 'joe']).emit('note', { text: 'x' })
  await until(() => notes.every((heardBy) => heardBy.length === 1))
  expect(await b.realtime.presence.online(['ada', 'eve', 'no', 'bob', 'joe'])).toEqual(['ada', 'eve', 'bob', 'joe'])
  await b.realtime.toUser('ada').join('group', 'g')
  expect(await a.realtime.presence.members('group', 'g')).toEqual(['ada'])
  const before = await signToken('eve') // one of the second after it would count
  await b.realtime.revoke({ userId: 'eve' })
  expect(await refusalOf(a.stock({ token: before }))).toMatchObject({ code: 'UNAUTHENTICATED' })
  for (const each of clients) each.close()
  await until(async () => (await b.realtime.presence.count()) === 0)
}, 60_000)

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['no Redis', {}],
  ['an undefined URL', { url: undefined }],
  ['both a URL and a client', { url: 'redis://127.0.0.1', client: {} }],
  ['a URL of something else', { url: 'http://127.0.0.1' }],
  ['a client that is none', { client: {} }],
  ['an empty prefix', { url: 'redis://127.0.0.1', prefix: '' }],
  ['a prefix with a brace', { url: 'redis://127.0.0.1', prefix: '{a}' }],
  ['a lease that is too short', { url: 'redis://127.0.0.1', leaseMs: 10 }],
  ['an unknown option', { url: 'redis://127.0.0.1', lease: 10_000 }],
])('a cluster is not made of %s', (_case, options) => {
  expect(() => redisCluster(options as never)).toThrow(TypeError)
})
