import { randomUUID } from 'node:crypto'
import type { RealtimeClient } from '@org/realtime-client'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import * as z from 'zod'
import { collect, createTestClient, rejection, until } from './harness.js'
import { findProgram, INSTALL_MS } from './programs.js'
import { type RedisServer, startRedis } from './redis.js'

const Since = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const contract = defineContract({
  name: 'watching',
  version: '1.0.0',
  serverToClient: { note: z.object({ text: z.string() }) },
  presence: z.object({ status: z.enum(['active', 'away']), since: Since.optional() }),
  rooms: { group: z.string(), team: z.string() },
})

let redis: RedisServer
beforeAll(async () => {
  await findProgram('redis-server')
  redis = await startRedis()
}, INSTALL_MS)
afterAll(() => redis?.stop())

const hidden = new Set(['ghost'])
const secret = new Set(['secret'])

async function start(prefix?: string) {
  const realtime = createRealtimeServer(contract, {
    authenticate: ({ token }) => ({ userId: token ?? 'nobody' }),
    presence: { graceMs: 50, visible: ({ user, userId }) => user.userId !== 'stranger' && !hidden.has(userId) },
    rooms: {
      group: { authorize: () => true, authorizeWatch: ({ user, id }) => user.userId !== 'stranger' && !secret.has(id) },
      team: { authorize: () => true, members: 'visible' },
    },
    limits: { watchedUsers: 3, roomsPerConnection: 2 },
    ...(prefix !== undefined && { cluster: redisCluster({ url: redis.url, prefix, leaseMs: 1_000 }) }),
  })
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  await until(() => realtime.ready)
  const url = `http://127.0.0.1:${port}`
  const unconnected = (userId: string): RealtimeClient<typeof contract> => createTestClient(contract, { url, getToken: () => userId })
  const client = async (userId: string): Promise<RealtimeClient<typeof contract>> => {
    const made = unconnected(userId)
    await made.connect()
    return made
  }
  return { realtime, unconnected, client }
}

describe.each([
  ['one process', (): string | undefined => undefined],
  ['two nodes', (): string | undefined => randomUUID()],
] as const)('on %s', (_name, prefixOf) => {
  async function startPair() {
    const prefix = prefixOf()
    const a = await start(prefix)
    return { a, b: prefix === undefined ? a : await start(prefix) }
  }

  test('a client sees where the users it watches stand, and what their devices say, as it changes', async () => {
    const { a, b } = await startPair()
    const ada = await a.client('ada')
    const watch = await ada.presence.watch(['eve', 'bob'])
    expect([...watch.users.values()]).toEqual([
      { userId: 'eve', online: false, devices: [] },
      { userId: 'bob', online: false, devices: [] },
    ])
    const changes = vi.fn()
    watch.subscribe(changes)
    const eve = await b.client('eve')
    await until(() => watch.users.get('eve')?.devices.length === 1)
    expect(watch.users.get('eve')).toEqual({ userId: 'eve', online: true, devices: [{ id: eve.deviceId }] })
    const since = new Date('2026-01-02T03:04:05Z')
    await eve.presence.set({ status: 'away', since })
    await until(() => watch.users.get('eve')?.devices[0]?.meta !== undefined)
    expect(watch.users.get('eve')?.devices).toEqual([{ id: eve.deviceId, meta: { status: 'away', since } }])
    expect(await a.realtime.presence.devices('eve')).toEqual([{ id: eve.deviceId, meta: { status: 'away', since } }])
    eve.close()
    await until(() => watch.users.get('eve')?.online === false)
    expect(watch.users.get('bob')?.online).toBe(false)
    expect(changes.mock.calls.length).toBeGreaterThanOrEqual(3)
    await watch.stop()
    const before = changes.mock.calls.length
    await b.client('eve')
    const again = await ada.presence.watch(['eve'])
    expect(again.users.get('eve')?.online).toBe(true)
    expect(changes.mock.calls.length).toBe(before)
  })

  test('what a device says and what it watches holds over a reconnect', async () => {
    const { a, b } = await startPair()
    const [ada, eve] = [await a.client('ada'), await b.client('eve')]
    await eve.presence.set({ status: 'active' })
    const watch = await ada.presence.watch(['eve'])
    for (const { realtime } of new Set([a, b])) for (const socket of realtime.io.of('/').sockets.values()) socket.conn.close()
    await until(() => ada.status !== 'connected' || eve.status !== 'connected')
    await until(() => ada.status === 'connected' && eve.status === 'connected')
    await eve.presence.set({ status: 'away' })
    await until(() => watch.users.get('eve')?.devices[0]?.meta?.status === 'away')
    expect(watch.users.get('eve')?.devices).toHaveLength(1)
  })

  test('what a device says before it is connected is said once, and again on the next connection', async () => {
    const { a } = await startPair()
    const said: unknown[] = []
    a.realtime.io.of('/').on('connection', (socket) => socket.onAny((event) => event === '$set' && said.push(event)))
    const eve = a.unconnected('eve')
    const setting = eve.presence.set({ status: 'away' })
    await eve.connect()
    await setting
    expect(said).toHaveLength(1)
    for (const socket of a.realtime.io.of('/').sockets.values()) socket.conn.close()
    await until(() => said.length === 2)
  })

  test('a watch that fails leaves those that stood before', async () => {
    const { a, b } = await startPair()
    const ada = await a.client('ada')
    const watch = await ada.presence.watch(['eve'])
    expect(await rejection(ada.presence.watch(['eve', 'ghost']))).toMatchObject({ code: 'FORBIDDEN' })
    expect(await rejection(ada.presence.watch(['eve', '2', '3', '4']))).toMatchObject({ code: 'RATE_LIMITED' })
    await b.client('eve')
    await until(() => watch.users.get('eve')?.online === true)
  })

  test('a client sees who is in a room without being in it, as they come and go, and hears nothing else of it', async () => {
    const { a, b } = await startPair()
    const [ada, eve, bob] = [await a.client('ada'), await b.client('eve'), await a.client('bob')]
    const held = await eve.join('group', '42')
    const watch = await ada.presence.watchRoom('group', '42')
    expect(watch.members).toEqual(['eve'])
    expect(held.members).toBeUndefined() // those in it are not shown to each other
    await bob.join('group', '42')
    await until(() => watch.members?.length === 2)
    expect(watch.members).toEqual(['eve', 'bob'])
    await held.leave()
    await until(() => watch.members?.length === 1)
    expect(await a.realtime.presence.members('group', '42')).toEqual(['bob'])
    const notes = [ada, bob].map((client) => collect<{ text: string }>((add) => client.on('note', add)))
    b.realtime.toRoom('group', '42').emit('note', { text: 'inside' })
    await until(() => notes[1]?.length === 1)
    b.realtime.toAll().emit('note', { text: 'all' })
    await until(() => notes.every((heard) => heard.at(-1)?.text === 'all'))
    expect(notes[0]).toEqual([{ text: 'all' }])
    await watch.stop()
    expect(watch.members).toBeUndefined()
    bob.close()
    const again = await ada.presence.watchRoom('group', '42')
    await until(() => again.members?.length === 0)
  })

  test('a room is watched again after a reconnect, and no change falls beside its snapshot', async () => {
    const { a, b } = await startPair()
    const [ada, eve] = [await a.client('ada'), await b.client('eve')]
    for (let round = 0; round < 10; round++) {
      const coming = eve.join('group', 'g')
      const watch = await ada.presence.watchRoom('group', 'g')
      const room = await coming
      await until(() => watch.members?.length === 1)
      await Promise.all([room.leave(), watch.stop()])
    }
    const watch = await ada.presence.watchRoom('group', 'g')
    for (const socket of a.realtime.io.of('/').sockets.values()) socket.conn.close()
    await until(() => watch.members === undefined)
    await eve.join('group', 'g')
    await until(() => watch.members?.length === 1)
  })

  test('no change falls between the snapshot and what follows it', async () => {
    const { a, b } = await startPair()
    const ada = await a.client('ada')
    for (let round = 0; round < 10; round++) {
      const coming = b.client('eve')
      const watch = await ada.presence.watch(['eve'])
      const eve = await coming
      await until(() => watch.users.get('eve')?.devices.length === 1)
      eve.close()
      await until(() => watch.users.get('eve')?.online === false)
      await watch.stop()
    }
  })
})

test('a device that goes with its node, or while Redis is away, is not shown for ever', async () => {
  const prefix = randomUUID()
  const [a, b] = [await start(prefix), await start(prefix)]
  const ada = await a.client('ada')
  const [eve, other] = [await a.client('eve'), await b.client('eve')]
  const watch = await ada.presence.watch(['eve'])
  expect(watch.users.get('eve')?.devices).toHaveLength(2)
  await redis.kill()
  other.close()
  await until(() => b.realtime.io.of('/').sockets.size === 0)
  await redis.restart()
  await until(() => watch.users.get('eve')?.devices.length === 1)
  expect(watch.users.get('eve')?.devices).toEqual([{ id: eve.deviceId }])
})

test('who may not be seen is not, and a wrong question is refused', async () => {
  const { client } = await start()
  const [ada, stranger] = [await client('ada'), await client('stranger')]
  expect(await rejection(stranger.presence.watch(['ada']))).toMatchObject({ code: 'FORBIDDEN' })
  expect(await rejection(ada.presence.watch(['eve', 'ghost']))).toMatchObject({ code: 'FORBIDDEN' })
  expect(await rejection(ada.presence.watch(['a b']))).toMatchObject({ code: 'INVALID_PAYLOAD' })
  expect(await rejection(ada.presence.watch(['1', '2', '3', '4']))).toMatchObject({ code: 'RATE_LIMITED', data: { limit: 'watchedUsers' } })
  expect(await rejection(ada.presence.set({ status: 'gone' as never }))).toMatchObject({ code: 'INVALID_PAYLOAD' })
})

test('a room is watched by who its rule lets, and is none of those that a client is in', async () => {
  const { realtime, client } = await start()
  const [ada, stranger] = [await client('ada'), await client('stranger')]
  expect(await rejection(stranger.presence.watchRoom('group', '42'))).toMatchObject({ code: 'FORBIDDEN' })
  expect(await rejection(ada.presence.watchRoom('group', 'secret'))).toMatchObject({ code: 'FORBIDDEN' })
  expect(await rejection(ada.presence.watchRoom('team', '42'))).toMatchObject({ code: 'FORBIDDEN' }) // no rule of its own
  await ada.presence.watchRoom('group', '42')
  expect(await realtime.presence.members('group', '42')).toEqual([])
  await ada.join('group', '42')
  expect(await rejection(ada.join('group', '43'))).toMatchObject({ code: 'RATE_LIMITED', data: { limit: 'roomsPerConnection' } })
  await ada.leave('group', '42')
  expect(await realtime.presence.members('group', '42')).toEqual([])
})

test('a room that may no longer be watched is not once the token is renewed', async () => {
  const { client } = await start()
  const [ada, eve] = [await client('ada'), await client('eve')]
  const watch = await ada.presence.watchRoom('group', '42')
  const errors = collect<{ code: string; data: unknown }>((add) => ada.on('error', add))
  secret.add('42')
  onTestFinished(() => void secret.delete('42'))
  await ada.reauthenticate()
  await until(() => errors.length === 1)
  expect(errors).toMatchObject([{ code: 'FORBIDDEN', data: { kind: 'group', id: '42' } }])
  expect(watch.members).toBeUndefined()
  await eve.join('group', '42')
  await eve.presence.set({ status: 'away' }) // by then it would have been told
  expect(watch.members).toBeUndefined()
})

test('a user who may no longer be seen is not once the token is renewed', async () => {
  const { client } = await start()
  const [ada, eve] = [await client('ada'), await client('eve')]
  const watch = await ada.presence.watch(['eve'])
  const errors = collect<{ code: string; data: unknown }>((add) => ada.on('error', add))
  hidden.add('eve')
  onTestFinished(() => void hidden.delete('eve'))
  await ada.reauthenticate()
  await until(() => errors.length === 1)
  expect(errors).toMatchObject([{ code: 'FORBIDDEN', data: { userIds: ['eve'] } }])
  await eve.presence.set({ status: 'away' })
  expect(watch.users.get('eve')?.devices[0]?.meta).toBeUndefined()
})

test('two contracts that both say what presence is are not merged', async () => {
  const { mergeContracts } = await import('@org/realtime-contracts')
  const other = defineContract({ name: 'other', version: '1.0.0', presence: z.object({}) })
  expect(() => mergeContracts({ name: 'both', version: '1.0.0' }, contract, other)).toThrow(TypeError)
  expect(mergeContracts({ name: 'one', version: '1.0.0' }, contract, defineContract({ name: 'plain', version: '1.0.0' })).presence).toBe(contract.presence)
})
