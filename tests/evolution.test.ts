import { defineContract, evolve, toManifest } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import { io } from 'socket.io-client'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as z from 'zod'
import { collect, createTestClient, rejection, until } from './harness.js'

const v1 = defineContract({
  name: 'shop',
  version: '1.4.0',
  serverToClient: {
    'order:new': z.object({ text: z.string() }),
    'order:gone': z.object({ id: z.string() }),
    ask: { payload: z.object({ question: z.string() }), reply: z.object({ yes: z.boolean() }) },
    same: z.object({ n: z.number() }),
  },
  clientToServer: {
    buy: { payload: z.object({ item: z.string() }), reply: z.object({ price: z.number() }), errors: { SOLD_OUT: null }, limits: { perSecond: 1000 } },
    'basket:clear': { reply: z.void() },
  },
  session: z.object({ level: z.string() }),
})
const Money = z.object({ amount: z.number(), currency: z.string() })
const v2 = defineContract({
  name: 'shop',
  version: '2.0.0',
  serverToClient: {
    'order:new': z.object({ title: z.string(), lines: z.array(z.string()) }),
    'order:removed': z.object({ orderId: z.string() }),
    ask: { payload: z.object({ question: z.string() }), reply: z.object({ answer: z.enum(['yes', 'no']) }) },
    same: z.object({ n: z.number() }),
  },
  clientToServer: {
    'order:place': { payload: z.object({ items: z.array(z.string()).min(1) }), reply: Money, errors: { SOLD_OUT: null }, limits: { perSecond: 1 } },
    'basket:clear': { reply: z.void() },
  },
  session: z.object({ rank: z.number() }),
})

const casts = {
  serverToClient: {
    'order:new': { down: ({ title, lines }: { title: string; lines: string[] }) => ({ text: [title, ...lines].join(', ') }) },
    'order:removed': { was: 'order:gone', down: ({ orderId }: { orderId: string }) => ({ id: orderId }) },
    ask: { up: ({ yes }: { yes: boolean }) => ({ answer: yes ? ('yes' as const) : ('no' as const) }) },
  },
  clientToServer: {
    'order:place': {
      was: 'buy',
      up: ({ item }: { item: string }) => ({ items: item === '' ? [] : [item] }),
      down: ({ amount }: z.infer<typeof Money>) => ({ price: amount }),
    },
  },
  session: ({ rank }: { rank: number }) => ({ level: rank > 3 ? 'high' : 'low' }),
} as const
const fromV1 = evolve(v1, v2, casts)

async function start(evolution = fromV1) {
  const errors: unknown[] = []
  const placed: unknown[] = []
  const realtime = createRealtimeServer(v2, {
    authenticate: ({ token }) => ({ userId: token ?? 'ada', rank: 5 }),
    evolutions: [evolution],
    onError: (error) => errors.push(error),
  })
  realtime.on('order:place', ({ event, payload, fail }) => {
    placed.push([event, payload])
    if (payload.items.includes('gold')) throw fail('SOLD_OUT')
    return { amount: 7, currency: 'EUR' }
  })
  realtime.on('basket:clear', () => {})
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  const client = <C extends Parameters<typeof createTestClient>[0]>(contract: C, token = 'ada') =>
    createTestClient(contract, { url: `http://127.0.0.1:${port}`, getToken: () => token })
  return { realtime, client, errors, placed }
}

describe('a client of the previous major version', () => {
  test('hears what the server sends as its own version has it, beside those of the newer one', async () => {
    const { realtime, client } = await start()
    const [old, page, now] = [client(v1), client(toManifest(v1)), client(v2)]
    const heard = {
      old: collect((add) => old.on('order:new', add)),
      gone: collect((add) => old.on('order:gone', add)),
      page: collect((add) => page.on('order:new', add)),
      now: collect((add) => now.on('order:new', add)),
      same: collect((add) => old.on('same', add)),
    }
    await Promise.all([old.connect(), page.connect(), now.connect()])
    realtime.toUser('ada').emit('order:new', { title: 'Tea', lines: ['green', 'loose'] })
    realtime.toAll().emit('order:removed', { orderId: '7' })
    realtime.toAll().emit('same', { n: 1 })
    await until(() => heard.same.length === 1 && heard.now.length === 1)
    expect(heard).toMatchObject({
      old: [{ text: 'Tea, green, loose' }],
      gone: [{ id: '7' }],
      page: [{ text: 'Tea, green, loose' }],
      now: [{ title: 'Tea', lines: ['green', 'loose'] }],
    })
  })

  test('asks by its own names, and is answered in its own words', async () => {
    const { client, placed } = await start()
    const old = client(v1)
    await old.connect()
    expect(await old.request('buy', { item: 'tea' })).toEqual({ price: 7 })
    await old.request('basket:clear')
    expect(placed).toEqual([['order:place', { items: ['tea'] }]])
  })

  test('keeps the limits of an event that has another name now, and its failures', async () => {
    const { client } = await start()
    const old = client(v1)
    await old.connect()
    expect(await rejection(old.request('buy', { item: 'gold' }))).toMatchObject({ code: 'SOLD_OUT' })
    expect(await rejection(old.request('buy', { item: 'tea' }))).toMatchObject({ code: 'RATE_LIMITED' })
  })

  test('is refused what neither version lets through', async () => {
    const { client, placed } = await start()
    const page = client(toManifest(v1), 'grace')
    await page.connect()
    expect(await rejection(page.request('buy', { item: 3 } as never))).toMatchObject({ code: 'INVALID_PAYLOAD', data: { issues: [{ path: ['item'] }] } })
    const other = client(toManifest(v1), 'alan')
    await other.connect()
    expect(await rejection(other.request('buy', { item: '' }))).toMatchObject({ code: 'INVALID_PAYLOAD', data: { issues: [{ path: ['items'] }] } })
    expect(placed).toEqual([])
  })

  test('is told about itself as its version has it, and that there is a newer one', async () => {
    const { client } = await start()
    const old = client(v1)
    const notices = collect((add) => old.on('$outdated', add))
    expect(await old.connect()).toMatchObject({ userId: 'ada', level: 'high' })
    expect(await old.reauthenticate()).toMatchObject({ level: 'high' })
    expect(notices[0]).toEqual({ urgent: false, clientVersion: '1.4.0', serverVersion: '2.0.0' })
  })

  test('answers the server, and what it answers is raised', async () => {
    const { realtime, client } = await start()
    const [old, page, now] = [client(v1), client(toManifest(v1), 'grace'), client(v2)]
    old.handle('ask', ({ question }) => ({ yes: question === 'tea?' }))
    page.handle('ask', () => ({ yes: 'perhaps' }) as never)
    now.handle('ask', () => ({ answer: 'no' }))
    await Promise.all([old.connect(), page.connect(), now.connect()])
    const answers = await realtime.toUsers(['ada', 'grace']).request('ask', { question: 'tea?' })
    expect(answers.map((answer) => (answer.status === 'answered' ? answer.data.answer : answer.status)).sort()).toEqual(['failed', 'no', 'yes'])
  })

  test('an earlier minor version of it is served as well, one before that major is not', async () => {
    const { client } = await start()
    const minor = defineContract({ name: 'shop', version: '1.2.0', serverToClient: { same: z.object({ n: z.number() }) } })
    await client(toManifest(minor)).connect()
    const ancient = defineContract({ name: 'shop', version: '0.9.0', serverToClient: {} })
    expect(await rejection(client(ancient).connect())).toMatchObject({ code: 'CONTRACT_MISMATCH', data: { reason: 'too_old' } })
    const ahead = defineContract({ name: 'shop', version: '3.0.0', serverToClient: {} })
    expect(await rejection(client(ahead).connect({ timeoutMs: 200 }))).toMatchObject({ cause: { data: { reason: 'too_new' } } })
  })
})

const circle: { self?: unknown } = {}
circle.self = circle

test.each<[string, () => never]>([
  [
    'throws',
    () => {
      throw new Error('a broken cast')
    },
  ],
  ['makes what JSON has no form for', () => ({ text: 1n, price: 1n, answer: 1n }) as never],
  ['makes what contains itself', () => circle as never],
])('a cast that %s is reported, and spoils nothing else', async (_what, fail) => {
  const { realtime, client, errors } = await start(
    evolve(v1, v2, {
      serverToClient: { 'order:new': { down: fail }, ask: { up: fail } },
      clientToServer: { 'order:place': { was: 'buy', up: ({ item }) => ({ items: [item] }), down: fail } },
      session: casts.session,
    }),
  )
  const [old, now] = [client(v1), client(v2)]
  old.handle('ask', () => ({ yes: true }))
  now.handle('ask', () => ({ answer: 'yes' }))
  const heard = {
    old: collect((add) => old.on('order:new', add)),
    now: collect((add) => now.on('order:new', add)),
    same: collect((add) => old.on('same', add)),
  }
  await Promise.all([old.connect(), now.connect()])
  realtime.toAll().emit('order:new', { title: 'Tea', lines: [] })
  realtime.toAll().emit('same', { n: 1 })
  expect(await rejection(old.request('buy', { item: 'tea' }))).toMatchObject({ code: 'INTERNAL' })
  const answers = await realtime.toUser('ada').request('ask', { question: '?' })
  expect(answers.map(({ status }) => status).sort()).toEqual(['answered', 'failed'])
  await until(() => heard.same.length === 1 && heard.now.length === 1)
  expect(heard.old).toEqual([])
  expect(errors).toHaveLength(3)
})

test('a cast is given nothing for a payload that is not there, whatever is in its place', async () => {
  const header = { name: 'shop' } as const
  const older = defineContract({
    ...header,
    version: '1.0.0',
    clientToServer: { refresh: { reply: z.void() }, list: { payload: z.object({ page: z.int() }).optional(), reply: z.void() } },
  })
  const newer = defineContract({
    ...header,
    version: '2.0.0',
    clientToServer: { refresh: { payload: z.object({ page: z.int() }), reply: z.void() }, list: { payload: z.object({ page: z.int() }), reply: z.void() } },
  })
  const given: unknown[] = []
  const up = (value: unknown) => {
    given.push(value)
    return { page: 1 }
  }
  const evolution = evolve(older, newer, { clientToServer: { refresh: { up }, list: { up } } })
  const realtime = createRealtimeServer(newer, { authenticate: () => ({ userId: 'ada' }), evolutions: [evolution] })
  realtime.on('refresh', () => {})
  realtime.on('list', () => {})
  const { port } = await realtime.listen(0, '127.0.0.1')
  const contract = { name: 'shop', version: '1.0.0', fingerprint: older.fingerprint }
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], auth: { token: 'x', realtime: { protocol: 1, contract } } })
  onTestFinished(async () => {
    socket.disconnect()
    await realtime.close({ drainMs: 0 })
  })
  expect(await socket.emitWithAck('refresh', { any: 'thing' })).toMatchObject({ ok: true })
  expect(await socket.emitWithAck('list', null, { key: 'k' })).toMatchObject({ ok: true })
  expect(await socket.emitWithAck('list', { page: 2 })).toMatchObject({ ok: true })
  expect(given).toEqual([undefined, undefined, { page: 2 }])
})

test('what is no evolution, or leads elsewhere, is refused when it is made', () => {
  const make = (given: unknown) => () => evolve(v1, v2, given as never)
  expect(make(null)).toThrow(/expected an object of serverToClient/)
  expect(make({ serverToClients: {} })).toThrow(/unknown key "serverToClients"/)
  expect(make({ serverToClient: { nope: {} } })).toThrow(/version 2.0.0 has no event "nope" in serverToClient/)
  expect(make({ serverToClient: { 'order:removed': {} } })).toThrow(/version 1.4.0 has no event "order:removed".*was/)
  expect(make({ clientToServer: { 'order:place': { was: 'sell' } } })).toThrow(/no event "sell"/)
  expect(make({ serverToClient: { same: { down: 'x' } } })).toThrow(/down must be a function/)
  expect(make({ session: {} })).toThrow(/session must be a function/)
  expect(() => evolve(v1, v1, {})).toThrow(/let the same through/)
  expect(() => evolve(toManifest(v1) as never, v2, {})).toThrow(/expected the contracts of two versions/)
  const serve = (evolutions: unknown) => () => createRealtimeServer(v2, { authenticate: () => ({ userId: 'ada', rank: 1 }), evolutions: evolutions as never })
  expect(serve({})).toThrow(/evolutions must be a list/)
  expect(serve([{}])).toThrow(/evolutions\[0\] must be what evolve/)
  expect(serve([{ ...fromV1, to: v1, from: v2 }])).toThrow(/must lead to the contract of this server/)
})
