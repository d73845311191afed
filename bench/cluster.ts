import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter'
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import * as z from 'zod'
import { type RedisServer, startRedis } from '../tests/redis.js'

// What one emit costs to a user who is on one node, with more and more nodes that have nothing to do with it: CPU of all nodes and
// of Redis. All variants live at the same time and take turns; each is compared with the first within the round.

const UNIT = 400 // emits in a turn
const WARM_UP_UNITS = 35
const ROUNDS = 40
const BATCH = 50 // emits in one turn of the event loop
const userOf = (n: number): string => `ada-of-the-bench-${n}`
const KINDS = ['sdk', 'sharded', 'classic', 'streams'] as const
type Kind = (typeof KINDS)[number]

const contract = defineContract({
  name: 'bench',
  version: '1.0.0',
  serverToClient: { xp: z.object({ amount: z.int(), source: z.string(), totalXp: z.int() }) },
})
const PAYLOAD = { amount: 100, source: 'daily_mission', totalXp: 1500 }

/** Emits so many times, to one user after the other. */
interface Order {
  readonly times: number
  readonly users: number
}

// ---- a node

interface Node {
  readonly port: number
  emit(user: string): void
}

async function startSdk(url: string, prefix: string): Promise<Node> {
  const realtime = createRealtimeServer(contract, {
    authenticate: ({ token }) => ({ userId: token ?? 'nobody' }),
    cluster: redisCluster({ url, prefix }),
  })
  const { port } = await realtime.listen(0, '127.0.0.1')
  while (!realtime.ready) await new Promise((resolve) => setTimeout(resolve, 10))
  return { port, emit: (user) => realtime.toUser(user).emit('xp', PAYLOAD) }
}

/** Bare Socket.IO with an adapter of its own, nothing validated. */
async function startBare(kind: Exclude<Kind, 'sdk'>, url: string, prefix: string): Promise<Node> {
  const [publisher, subscriber] = [new Redis(url), new Redis(url)]
  const adapters = {
    classic: () => createAdapter(publisher, subscriber, { key: prefix }),
    sharded: () => createShardedAdapter(publisher, subscriber, { channelPrefix: prefix, subscriptionMode: 'dynamic-private' }),
    streams: () => createStreamsAdapter(publisher, { streamName: prefix }),
  }
  const http = createServer()
  const server = new Server(http, { adapter: adapters[kind](), serveClient: false })
  server.use((socket, next) => {
    socket.join(`user:${String(socket.handshake.auth['token'])}`)
    next()
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  await new Promise((resolve) => setTimeout(resolve, 500)) // its subscriptions: it does not say when they are there
  return { port: (http.address() as AddressInfo).port, emit: (user) => server.to(`user:${user}`).emit('xp', PAYLOAD) } // a TCP server has one
}

async function serve(kind: Kind, url: string, prefix: string): Promise<void> {
  const node = await (kind === 'sdk' ? startSdk(url, prefix) : startBare(kind, url, prefix))
  let next = 0
  process.on('message', ({ times, users }: Order) => {
    let left = times
    const go = (): void => {
      for (let batch = Math.min(BATCH, left); batch > 0; batch--) node.emit(userOf(next++ % users))
      left -= BATCH
      if (left > 0) setImmediate(go)
    }
    go()
  })
  process.on('disconnect', () => process.exit())
  process.send?.(node.port)
}

// ---- the driver

interface Variant {
  readonly name: string
  readonly pids: readonly number[]
  /** Emits from the second node to the user on the first, and resolves when all have arrived. */
  unit(): Promise<void>
  end(): void
}

/** A name, an adapter, how many nodes; and whether each node has a user, or the first has the only one, who is emitted to from the second. */
type Plan = readonly [name: string, kind: Kind, count: number, spread?: 'spread']

async function startVariant([name, kind, count, spread]: Plan, redis: RedisServer): Promise<Variant> {
  const prefix = `bench-${name.replaceAll(/\W+/g, '-')}`
  const children: ChildProcess[] = []
  const ports: number[] = []
  for (let index = 0; index < count; index++) {
    const child = fork(fileURLToPath(import.meta.url), ['--node', kind, '--url', redis.url, '--prefix', prefix], { execArgv: process.execArgv })
    children.push(child)
    const [port] = (await once(child, 'message')) as [number]
    ports.push(port)
  }
  const users = spread === undefined ? 1 : count
  let arrived = 0
  let done = (): void => {}
  const sockets = ports
    .slice(0, users)
    .map((port, n) => io(`http://127.0.0.1:${port}`, { transports: ['websocket'], auth: { token: userOf(n) }, forceNew: true }))
  for (const socket of sockets) {
    socket.on('xp', () => {
      if (++arrived % UNIT === 0) done()
    })
  }
  await Promise.all(sockets.map((socket) => once(socket as never, kind === 'sdk' ? 'authenticated' : 'connect')))
  await new Promise((resolve) => setTimeout(resolve, 500)) // subscriptions of adapters that do not say when they are there
  return {
    name,
    pids: children.flatMap(({ pid }) => pid ?? []),
    unit: () =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`${name}: ${arrived} arrived, the rest did not`)), 30_000)
        done = () => {
          clearTimeout(late)
          resolve()
        }
        children[spread === undefined ? 1 : 0]?.send({ times: UNIT, users } satisfies Order)
      }),
    end() {
      for (const socket of sockets) socket.disconnect()
      for (const child of children) child.kill('SIGKILL')
    },
  }
}

/** CPU time of a process, in microseconds, over all its threads. */
function cpuOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000,
    0,
  )
}

const sumOf = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + cpuOf(pid), 0)
const median = (values: readonly number[]): number => values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
const quartile = (values: readonly number[], part: number): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length * part)] ?? Number.NaN

interface Row {
  readonly name: string
  readonly nodesUs: number
  readonly redisUs: number
  readonly ratio: number
  readonly low: number
  readonly high: number
}

async function compare(variants: readonly Variant[], redis: RedisServer): Promise<Row[]> {
  const costs = variants.map((): Array<{ nodesUs: number; redisUs: number }> => [])
  for (const variant of variants) for (let unit = 0; unit < WARM_UP_UNITS; unit++) await variant.unit()
  for (let round = 0; round < ROUNDS; round++) {
    for (let turn = 0; turn < variants.length; turn++) {
      const index = (round + turn) % variants.length
      const variant = variants[index] as Variant // within its length
      const [before, redisBefore] = [sumOf(variant.pids), cpuOf(redis.pid ?? 0)]
      await variant.unit()
      costs[index]?.push({ nodesUs: (sumOf(variant.pids) - before) / UNIT, redisUs: (cpuOf(redis.pid ?? 0) - redisBefore) / UNIT })
    }
  }
  const total = ({ nodesUs, redisUs }: { nodesUs: number; redisUs: number }): number => nodesUs + redisUs
  return variants.map(({ name }, index) => {
    const own = costs[index] ?? []
    const ratios = own.map((cost, round) => total(cost) / total(costs[0]?.[round] ?? cost))
    return {
      name,
      nodesUs: median(own.map(({ nodesUs }) => nodesUs)),
      redisUs: median(own.map(({ redisUs }) => redisUs)),
      ratio: median(ratios),
      low: quartile(ratios, 0.25),
      high: quartile(ratios, 0.75),
    }
  })
}

async function measure(plan: readonly Plan[]): Promise<Row[]> {
  const redis = await startRedis()
  const variants: Variant[] = []
  try {
    for (const one of plan) variants.push(await startVariant(one, redis))
    return await compare(variants, redis)
  } finally {
    for (const variant of variants) variant.end()
    await redis.stop()
  }
}

function table(rows: readonly Row[]): string[] {
  return [
    '| variant | CPU of all nodes, µs an emit | CPU of Redis, µs an emit | both, ÷ the first row | quartiles |',
    '|---|---|---|---|---|',
    ...rows.map(
      ({ name, nodesUs, redisUs, ratio, low, high }) =>
        `| ${name} | ${nodesUs.toFixed(1)} | ${redisUs.toFixed(1)} | ${ratio.toFixed(2)} | ${low.toFixed(2)}–${high.toFixed(2)} |`,
    ),
  ]
}

const against = (kind: Kind): Plan[] => [
  ['SDK, 2 nodes', 'sdk', 2],
  [`${kind}, 2 nodes`, kind, 2],
  [`${kind}, 4 nodes`, kind, 4],
  [`${kind}, 6 nodes`, kind, 6],
]

const TABLES: Readonly<Record<string, { readonly title: string; readonly plan: readonly Plan[] }>> = {
  six: {
    title: 'Six nodes',
    plan: [
      ['classic, 6 nodes', 'classic', 6],
      ['classic, 6 nodes again (control)', 'classic', 6],
      ['sharded, 6 nodes', 'sharded', 6],
      ['SDK, 6 nodes', 'sdk', 6],
    ],
  },
  spread: {
    title: 'Users on every node, and one of the nodes emits to one after the other',
    plan: [
      ['SDK, users on 1 node', 'sdk', 1, 'spread'],
      ['SDK, users on 1 node again (control)', 'sdk', 1, 'spread'],
      ['SDK, users on 6 nodes', 'sdk', 6, 'spread'],
      ['classic, users on 1 node', 'classic', 1, 'spread'],
      ['classic, users on 6 nodes', 'classic', 6, 'spread'],
    ],
  },
  growing: {
    title: 'More and more nodes',
    plan: [
      ['SDK, 2 nodes', 'sdk', 2],
      ['SDK, 2 nodes again (control)', 'sdk', 2],
      ['SDK, 4 nodes', 'sdk', 4],
      ['SDK, 6 nodes', 'sdk', 6],
    ],
  },
  sharded: { title: 'Beside the sharded adapter', plan: against('sharded') },
  classic: { title: 'Beside the classic adapter', plan: against('classic') },
  streams: { title: 'Beside the streams adapter', plan: against('streams') },
}

/** @param names of the tables to make; all, where there is none. */
async function run(names: readonly string[], write: boolean): Promise<void> {
  const tables: string[] = []
  for (const [name, { title, plan }] of Object.entries(TABLES)) {
    if (names.length > 0 && !names.includes(name)) continue
    tables.push(`## ${title}`, '', ...table(await measure(plan)), '')
    console.log(tables.slice(-plan.length - 5).join('\n'))
  }
  const text = [
    '# An emit to a user who is on one node of several',
    '',
    `Where nothing else is said, one node emits, another has the user, the others have nothing to do with it. ${ROUNDS} rounds of ${UNIT} emits a variant, all variants alive at once and taking turns; medians of what each took in the round, divided by the first row of the same round. The SDK validates and encodes each emit; the adapters of Socket.IO carry bare emits, joined without waiting for a subscription.`,
    '',
    `Made by \`pnpm bench:cluster\` on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}.`,
    '',
    ...tables,
  ].join('\n')
  if (write) {
    mkdirSync('docs/measured', { recursive: true })
    writeFileSync('docs/measured/cluster.md', text)
  }
}

const { values, positionals } = parseArgs({
  options: { write: { type: 'boolean', default: false }, node: { type: 'string' }, url: { type: 'string' }, prefix: { type: 'string' } },
  allowPositionals: true,
})
if (values.node === undefined) await run(positionals, values.write)
else await serve(values.node as Kind, values.url ?? '', values.prefix ?? '') // what the driver has given
