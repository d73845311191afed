import { randomUUID } from 'node:crypto'
import type { Socket as NetSocket } from 'node:net'
import { createRealtimeClient } from '@org/realtime-client'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { connectDevice, connectStock, createDevice, type DurableServer, range, startDurable } from './delivery.js'
import { rejection, signToken, until } from './harness.js'
import { INSTALL_MS } from './programs.js'
import { type RedisServer, startRedis } from './redis.js'

const unhandled: unknown[] = []
const hold = (error: unknown): void => void unhandled.push(error)
beforeAll(() => void process.on('unhandledRejection', hold))
afterEach(() => expect(unhandled.splice(0)).toEqual([]))
afterAll(() => void process.off('unhandledRejection', hold))

let redis: RedisServer
beforeAll(async () => {
  redis = await startRedis()
}, INSTALL_MS)
afterAll(() => redis?.stop())

type Options = Parameters<typeof startDurable>[0]

/** One process with its memory, twice; and two over Redis. */
async function startOne(options?: Options): Promise<[DurableServer, DurableServer]> {
  const server = await startDurable(options)
  return [server, server]
}
function startTwo(options?: Options, prefix: string = randomUUID()): Promise<[DurableServer, DurableServer]> {
  const start = () => startDurable({ cluster: redisCluster({ url: redis.url, prefix, leaseMs: 1_000 }), ...options })
  return Promise.all([start(), start()])
}

describe.each([
  ['on one node, in memory', startOne],
  ['on two nodes, over Redis', startTwo],
])('%s', (_where, start) => {
  test('a user who was away gets on another node what was emitted meanwhile, in order, each once, and before anything newer', async () => {
    const [home, away] = await start()
    const device = await connectDevice('ada', home.url)
    await home.realtime.toUser('ada').emit('told', { n: 0 })
    await until(() => device.heard.length === 1)
    const { deviceId } = device.client
    device.client.close()
    await until(async () => !(await home.realtime.presence.isOnline('ada')))
    for (const n of range(1, 500)) await home.realtime.toUser('ada').emit('told', { n })

    const positions = storeOf({ 'user:ada': await firstPosition(home) })
    const returned = createDevice('ada', away.url, { deviceId, positions })
    const connecting = returned.client.connect()
    const later = home.realtime.toUser('ada').emit('told', { n: 501 })
    await Promise.all([connecting, later])
    await until(() => returned.heard.length >= 501)
    expect(returned.heard).toEqual(range(1, 501))
    expect(returned.said.filter(({ event }) => event === '$gap')).toEqual([])
    await until(() => returned.said.length === 1)
    expect(returned.said).toMatchObject([{ event: '$caughtUp', resumed: true }])
    // What the listeners have finished is what it goes on from.
    await until(() => JSON.parse(positions.get())['user:ada'].sequence === 502)
  })

  test('a device that was cut off goes on where it was, while another one of the user misses nothing', async () => {
    const [home, away] = await start()
    const [one, other] = [await connectDevice('ada', home.url), await connectDevice('ada', away.url)]
    for (const n of range(1, 300)) {
      void home.realtime.toUser('ada').emit('told', { n })
      if (n % 60 === 0) cut(home, 'ada')
      if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => one.heard.length >= 300 && other.heard.length >= 300)
    expect([one.heard, other.heard]).toEqual([range(1, 300), range(1, 300)])
    expect([...one.said, ...other.said].filter(({ event }) => event === '$gap')).toEqual([])
  })

  test('a new device begins now', async () => {
    const [home, away] = await start()
    await home.realtime.toUser('ada').emit('told', { n: 1 })
    const device = await connectDevice('ada', away.url)
    await home.realtime.toUser('ada').emit('told', { n: 2 })
    await until(() => device.heard.length === 1)
    expect(device.heard).toEqual([2])
    expect(device.said).toMatchObject([{ event: '$caughtUp', sequence: 1, resumed: false }])
  })

  test('a position that was kept before a trim is answered with the gap', async () => {
    const [home, away] = await start({ durable: { maxMessages: 10, pollMs: 200 } })
    const first = await home.realtime.toUser('ada').emit('told', { n: 1 })
    for (const n of range(2, 25)) await home.realtime.toUser('ada').emit('told', { n })
    const device = createDevice('ada', away.url, { positions: storeOf({ 'user:ada': first }) })
    await device.client.connect()
    await until(() => device.heard.length === 10)
    expect(device.heard).toEqual(range(16, 25))
    expect(device.said[0]).toMatchObject({ event: '$gap', from: 2, to: 15, reason: 'trimmed', sequence: 15 })
    expect(device.said[0]?.['of']).toBeUndefined() // the contract has three durable events, of which any may be missing
    await until(() => device.said.length === 2)
    expect(device.said[1]).toMatchObject({ event: '$caughtUp', sequence: 25 })
  })

  test('a gap names the event where the contract has but one that is durable', async () => {
    const single = defineContract({ name: 'single', version: '1.0.0', serverToClient: { kept: { delivery: 'durable' }, plain: {} } })
    const realtime = createRealtimeServer(single, { authenticate: ({ token }) => ({ userId: token ?? '' }) })
    const { port } = await realtime.listen(0, '127.0.0.1')
    onTestFinished(() => realtime.close({ drainMs: 0 }))
    const client = createRealtimeClient(single, { url: `http://127.0.0.1:${port}`, getToken: () => 'ada', transports: ['websocket'] })
    onTestFinished(() => client.close())
    const gaps: unknown[] = []
    client.on('$gap', ({ event, from, to, reason }) => gaps.push({ event, from, to, reason }))
    const caughtUp = new Promise((resolve) => client.once('$caughtUp', resolve))
    await client.connect()
    await caughtUp
    client.close()
    for (let n = 1; n <= 2; n++) await realtime.toUser('ada').emit('kept')
    await realtime.inbox('ada').trim({ through: 2 })
    await client.connect()
    await until(() => gaps.length === 1)
    expect(gaps).toEqual([{ event: 'kept', from: 1, to: 2, reason: 'trimmed' }])
  })

  test('an erased inbox is told to the devices of the user', async () => {
    const [home, away] = await start()
    const device = await connectDevice('ada', away.url)
    await home.realtime.toUser('ada').emit('told', { n: 1 })
    await until(() => device.heard.length === 1)
    await home.realtime.inbox('ada').erase()
    await until(() => device.said.some(({ event }) => event === '$gap'))
    expect(device.said.at(-1)).toMatchObject({ event: '$gap', from: 2, reason: 'emptied', sequence: 0 })
    expect(await away.realtime.inbox('ada').read()).toMatchObject({ last: 0, entries: [] })
    await home.realtime.toUser('ada').emit('told', { n: 2 })
    await until(() => device.heard.length === 2)
  })

  test('events that come while a listener of $gap fetches wait for it', async () => {
    const [home] = await start()
    const device = await connectDevice('ada', home.url)
    let fetched: (() => void) | undefined
    const order: string[] = []
    device.client.on('$gap', async () => {
      await new Promise<void>((resolve) => {
        fetched = resolve
      })
      order.push('fetched')
    })
    device.client.on('told', ({ n }) => order.push(`told ${n}`))
    await home.realtime.inbox('ada').erase()
    await until(() => fetched !== undefined)
    await home.realtime.toUser('ada').emit('told', { n: 1 })
    await home.realtime.toUser('ada').emit('told', { n: 2 })
    await home.realtime.toUser('ada').emit('seen', { n: 3 })
    const live = new Promise((resolve) => device.client.once('seen', resolve))
    home.realtime.toUser('ada').emit('seen', { n: 4 })
    await live
    expect(order).toEqual([])
    fetched?.()
    await until(() => order.length === 3)
    expect(order).toEqual(['fetched', 'told 1', 'told 2'])
  })

  test('a position moves on when its listener has finished, and those after it wait for that', async () => {
    const [home] = await start()
    let stored = ''
    const set = (text: string): void => {
      stored = text
    }
    const device = await connectDevice('ada', home.url, { positions: { get: () => '', set } })
    const finish: Array<() => void> = []
    device.client.on('told', () => new Promise<void>((resolve) => finish.push(resolve)))
    for (const n of range(1, 3)) await home.realtime.toUser('ada').emit('told', { n })
    await until(() => finish.length === 3)
    const sequence = () => JSON.parse(stored)['user:ada'].sequence
    finish[2]?.()
    finish[1]?.()
    await home.realtime.inbox('ada').read()
    expect(sequence()).toBe(0)
    finish[0]?.()
    await until(() => sequence() === 3)
  })

  test('a stock client hears the plain event, without a second argument, and misses what came while it was away', async () => {
    const [home, away] = await start()
    const stock = await connectStock('ada', away.url)
    const heard: unknown[][] = []
    stock.onAny((...args: unknown[]) => heard.push(args))
    await home.realtime.toUser('ada').emit('told', { n: 1 })
    await home.realtime.toUser('ada').emit('rang')
    await until(() => heard.length === 2)
    expect(heard).toEqual([['told', { n: 1 }], ['rang']])
    stock.disconnect()
    await home.realtime.toUser('ada').emit('told', { n: 2 })
    const again = await connectStock('ada', home.url)
    again.onAny((...args: unknown[]) => heard.push(args))
    await home.realtime.toUser('ada').emit('told', { n: 3 })
    await until(() => heard.length === 3)
    expect(heard[2]).toEqual(['told', { n: 3 }])
  })

  test('the same key is stored once and has one receipt, also at once and on another node; with another payload it is a conflict', async () => {
    const [home, away] = await start()
    const device = await connectDevice('ada', home.url)
    const receipts = await Promise.all(range(1, 10).map((index) => (index % 2 ? home : away).realtime.toUser('ada').emit('told', { n: 7 }, { key: 'order-7' })))
    expect(new Set(receipts.map(({ sequence }) => sequence)).size).toBe(1)
    expect(await rejection(away.realtime.toUser('ada').emit('told', { n: 8 }, { key: 'order-7' }))).toMatchObject({ code: 'CONFLICT', event: 'told' })
    await home.realtime.toUser('ada').emit('told', { n: 9 })
    await until(() => device.heard.length === 2)
    expect(device.heard).toEqual([7, 9])
  })

  test('a key is forgotten with the event that it was for', async () => {
    const [home] = await start({ durable: { maxMessages: 2, pollMs: 200 } })
    const user = home.realtime.toUser('ada')
    const first = await user.emit('told', { n: 1 }, { key: 'k' })
    await user.emit('told', { n: 2 })
    await user.emit('told', { n: 3 })
    expect(await user.emit('told', { n: 4 }, { key: 'k' })).toMatchObject({ epoch: first.epoch, sequence: 4 })
  })

  test('what is larger than may be kept is refused at once, and nothing of it is stored', async () => {
    const [home] = await start()
    const bytes = (text: string): number => Buffer.byteLength(JSON.stringify({ n: 1, text }))
    const fits = 'x'.repeat(64 * 1024 - bytes(''))
    await home.realtime.toUser('ada').emit('large', { n: 1, text: fits })
    const emit = (text: string) => () => home.realtime.toUser('ada').emit('large', { n: 1, text })
    expect(emit(`${fits}x`)).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD', event: 'large' }))
    expect(emit(`${fits.slice(1)}é`)).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD' }))
    expect((await home.realtime.inbox('ada').read()).last).toBe(1)
  })

  test('several users have a receipt each, and who is left out has nothing stored', async () => {
    const [home, away] = await start()
    const [ada, bob, eve] = [await connectDevice('ada', home.url), await connectDevice('bob', away.url), await connectDevice('eve', away.url)]
    const tablet = await connectDevice('ada', away.url)
    const receipts = await home.realtime.toUsers(['ada', 'bob', 'eve']).exceptUser('eve').exceptDevice(tablet.client.deviceId).emit('told', { n: 1 })
    expect(receipts).toMatchObject([{ sequence: 1 }, { sequence: 1 }])
    await home.realtime.toUsers(['ada', 'bob', 'eve']).emit('told', { n: 2 })
    await until(() => [ada, bob].every(({ heard }) => heard.length === 2) && [eve, tablet].every(({ heard }) => heard.length === 1))
    expect([ada.heard, bob.heard, eve.heard, tablet.heard]).toEqual([[1, 2], [1, 2], [2], [2]])
  })

  test('a room has a log of its own: a member that was cut off gets what it has missed, a new one begins now', async () => {
    const [home, away] = await start()
    const [ada, bob] = [await connectDevice('ada', home.url), await connectDevice('bob', away.url)]
    await ada.client.join('group', 'a b')
    await home.realtime.toRoom('group', 'a b').emit('told', { n: 1 })
    await until(() => ada.heard.length === 1)
    await bob.client.join('group', 'a b')
    for (const n of range(2, 60)) {
      void away.realtime.toRoom('group', 'a b').emit('told', { n })
      if (n % 20 === 0) cut(home, 'ada')
      if (n % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => ada.heard.length >= 60 && bob.heard.length >= 59)
    expect([ada.heard, bob.heard]).toEqual([range(1, 60), range(2, 60)])
    expect(bob.said.at(-1)).toMatchObject({ event: '$caughtUp', room: { kind: 'group', id: 'a b' }, sequence: 1, resumed: false })
    expect([...ada.said, ...bob.said].filter(({ event }) => event === '$gap')).toEqual([])
  })

  test('a user whom the server has put into a room gets its events, also those from while it was away', async () => {
    const [home, away] = await start()
    const ada = await connectDevice('ada', away.url)
    await home.realtime.toUser('ada').join('group', 'standing')
    await home.realtime.toRoom('group', 'standing').emit('told', { n: 1 })
    await until(() => ada.heard.length === 1)
    cut(away, 'ada')
    await home.realtime.toRoom('group', 'standing').emit('told', { n: 2 })
    await until(() => ada.heard.length === 2)
    expect(ada.heard).toEqual([1, 2])
  })

  test('who leaves a room and joins it again begins now', async () => {
    const [home] = await start()
    const ada = await connectDevice('ada', home.url)
    const room = await ada.client.join('group', 'g')
    await home.realtime.toRoom('group', 'g').emit('told', { n: 1 })
    await until(() => ada.heard.length === 1)
    await room.leave()
    await home.realtime.toRoom('group', 'g').emit('told', { n: 2 })
    await ada.client.join('group', 'g')
    cut(home, 'ada')
    await until(() => ada.client.status === 'connected' && ada.said.filter(({ room }) => room !== undefined).length >= 3)
    await home.realtime.toRoom('group', 'g').emit('told', { n: 3 })
    await until(() => ada.heard.length === 2)
    expect(ada.heard).toEqual([1, 3])
  })

  test('a page that gave up joining its room before it was connected goes on where it was, once it joins', async () => {
    const [home, away] = await start()
    let positions = ''
    const set = (text: string): void => {
      positions = text
    }
    const store = { get: () => positions, set }
    const before = await connectDevice('ada', home.url, { positions: store })
    await before.client.join('group', 'g')
    await home.realtime.toRoom('group', 'g').emit('told', { n: 1 })
    await until(() => before.heard.length === 1 && JSON.parse(positions)['group:g'].sequence === 1)
    before.client.close()
    await home.realtime.toRoom('group', 'g').emit('told', { n: 2 })
    let gaveUp = (): void => {}
    const outage = new Promise<void>((resolve) => {
      gaveUp = resolve
    })
    let tries = 0
    const getToken = async (): Promise<string> => {
      await outage
      if (++tries === 1) throw new Error('no token yet')
      return signToken('ada')
    }
    const after = createDevice('ada', away.url, { positions: store, getToken })
    after.client.connect().catch(() => {})
    expect(await rejection(after.client.join('group', 'g', { timeoutMs: 20 }))).toMatchObject({ code: 'NOT_CONNECTED' })
    gaveUp()
    await after.client.join('group', 'g')
    await home.realtime.toRoom('group', 'g').emit('told', { n: 3 })
    await until(() => after.heard.length === 2)
    expect(after.heard).toEqual([2, 3])
  })

  test('the inbox of a user can be read and trimmed', async () => {
    const [home, away] = await start()
    for (const n of range(1, 5)) await home.realtime.toUser('ada').emit('told', { n })
    const inbox = away.realtime.inbox('ada')
    const { entries, last } = await inbox.read({ after: 1, limit: 2 })
    expect(last).toBe(5)
    expect(entries).toMatchObject([
      { event: 'told', payload: { n: 2 }, sequence: 2 },
      { event: 'told', payload: { n: 3 }, sequence: 3 },
    ])
    await inbox.trim({ through: 3 })
    expect((await inbox.read()).entries.map(({ sequence }) => sequence)).toEqual([4, 5])
    await expect(inbox.read({ limit: 0 })).rejects.toThrow('limit must be a whole number')
  })

  test('what asks to be confirmed is, once the listener of a device has finished; not by a device that does not listen', async () => {
    const [home, away] = await start()
    const ada = await connectDevice('ada', home.url)
    let finish: (() => void) | undefined
    const listener = (): Promise<void> =>
      new Promise((resolve) => {
        finish = resolve
      })
    const off = ada.client.on('told', listener)
    const receipt = await away.realtime.toUser('ada').emit('told', { n: 1 }, { confirm: true })
    await until(() => finish !== undefined)
    expect(await away.realtime.inbox('ada').confirmed(receipt)).toBe(false)
    const waiting = away.realtime.inbox('ada').confirmed(receipt, { timeoutMs: 20_000 })
    finish?.()
    expect(await waiting).toBe(true)
    off()
    const unheard = await away.realtime.toUser('ada').emit('rang', undefined, { confirm: true })
    expect(await away.realtime.inbox('ada').confirmed(unheard, { timeoutMs: 200 })).toBe(false)
    const absent = await away.realtime.toUser('nobody').emit('told', { n: 1 }, { confirm: true })
    expect(await away.realtime.inbox('nobody').confirmed(absent, { timeoutMs: 50 })).toBe(false)
  })

  test('volatile events are left out for a device that does not read, and reach the others', async () => {
    const [home, away] = await start()
    const [slow, stock] = [await openRaw(away.url, 'ada'), await connectStock('ada', away.url)]
    let moved = 0
    stock.on('moved', () => moved++)
    slow.tcp.pause()
    const text = 'x'.repeat(50_000)
    for (const n of range(1, 600)) {
      home.realtime.toUser('ada').emit('moved', { n, text })
      await until(() => moved === n)
    }
    home.realtime.toUser('ada').emit('seen', { n: 601 })
    slow.tcp.resume()
    await until(() => slow.frames.some((frame) => frame.includes('"seen"')))
    const passed = slow.frames.filter((frame) => frame.includes('"moved"')).length
    expect(passed).toBeGreaterThan(0)
    expect(passed).toBeLessThan(600)
    expect(slow.frames.filter((frame) => frame.includes('$disconnect'))).toEqual([])
  })

  test('a device that does not read gets all of it once it does, and is not closed for it', async () => {
    const [home] = await start({ limits: { bufferedBytes: 300_000 }, durable: { pollMs: 200 } })
    const slow = await openRaw(home.url, 'ada')
    slow.tcp.pause()
    const text = 'x'.repeat(50_000)
    for (const n of range(1, 400)) await home.realtime.toUser('ada').emit('large', { n, text })
    slow.tcp.resume()
    await until(() => slow.numbers.length >= 400)
    expect(slow.numbers).toEqual(range(1, 400))
    expect(slow.frames.filter((frame) => frame.includes('$gap') || frame.includes('$disconnect'))).toEqual([])
  })
})

function storeOf(positions: object) {
  let text = JSON.stringify(positions)
  return {
    get: () => text,
    set: (next: string) => {
      text = next
    },
  }
}

/** The place behind the first event of the user's log. */
async function firstPosition({ realtime }: DurableServer) {
  const { epoch, entries } = await realtime.inbox('ada').read({ limit: 1 })
  return { epoch, sequence: 1, atMs: entries[0]?.atMs ?? 0 }
}

/** Ends the transports of a user, as a network does. */
function cut({ realtime }: DurableServer, userId: string): void {
  for (const socket of realtime.io.of('/').sockets.values()) if (socket.rooms.has(`user:${userId}`)) socket.conn.close()
}

/** A client of the protocol alone, whose TCP connection can be paused. */
async function openRaw(url: string, userId: string) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`) as WebSocket & { _socket: NetSocket } // ws keeps it there
  onTestFinished(() => socket.terminate())
  const frames: string[] = []
  const numbers: number[] = []
  socket.on('message', (data) => {
    const frame = String(data)
    const [event, payload] = frame.startsWith('42[') ? JSON.parse(frame.slice(2)) : []
    if (event === 'large') numbers.push(payload.n)
    else if (frame === '2') socket.send('3')
    else frames.push(frame)
  })
  await until(() => frames.length === 1)
  socket.send(`40${JSON.stringify({ token: await signToken(userId), realtime: { protocol: 1, features: ['meta'] } })}`)
  await until(() => frames.some((frame) => frame.includes('$caughtUp')))
  return { tcp: socket._socket, frames, numbers }
}
