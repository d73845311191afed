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
import { cpuOf, measure, quantile, type Row, type Variant } from './speed/measure.js'
import { machine, versions } from './speed/report.js'

// What one emit costs on many nodes: CPU of all nodes and of Redis. All variants live at the same time and take turns; each is
// compared with the first within the round. The second is the first again: where it is not within 0.95–1.05, the run is void.

const UNIT = 400 // emits that are under way together
const TURN = 2_000 // emits of a variant in a round
const WARM_UP = 14_000 // emits for each node: who hears a sixth of them needs six times as many
const BATCH = 50 // emits in one turn of the event loop
const userOf = (n: number): string => `ada-of-the-bench-${n}`
type Kind = 'sdk' | 'sharded' | 'classic' | 'streams'

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

/** An adapter on so many nodes. So many users are spread over all of them, and the first emits; without a number, the first has the only user, and the second emits. */
type Plan = readonly [name: string, kind: Kind, nodes: number, users?: number]

async function startNode(kind: Kind, url: string, prefix: string): Promise<readonly [ChildProcess, port: number]> {
  const child = fork(fileURLToPath(import.meta.url), ['--node', kind, '--url', url, '--prefix', prefix], { execArgv: process.execArgv })
  const [port] = (await once(child, 'message')) as [number]
  return [child, port]
}

/** @param redisUs is told what each turn cost Redis. */
async function startVariant([name, kind, count, spread]: Plan, redis: RedisServer, redisUs: (us: number) => void): Promise<Variant> {
  const prefix = `bench-${name.replaceAll(/\W+/g, '-')}-${performance.now()}` // of an earlier attempt nothing is in the way
  const nodes: Array<Awaited<ReturnType<typeof startNode>>> = []
  for (let index = 0; index < count; index++) nodes.push(await startNode(kind, redis.url, prefix))
  const users = spread ?? 1
  const sender = nodes[spread === undefined ? 1 : 0]?.[0]
  let left = 0
  let done = (): void => {}
  const sockets = Array.from({ length: users }, (_, n) =>
    io(`http://127.0.0.1:${nodes[n % count]?.[1]}`, { transports: ['websocket'], auth: { token: userOf(n) }, forceNew: true }).on('xp', () => {
      if (--left === 0) done()
    }),
  )
  await Promise.all(sockets.map((socket) => once(socket as never, kind === 'sdk' ? 'authenticated' : 'connect')))
  await new Promise((resolve) => setTimeout(resolve, 500)) // subscriptions of adapters that do not say when they are there

  const emit = (times: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${name}: ${left} did not arrive`)), 30_000)
      left = times
      done = () => {
        clearTimeout(late)
        resolve()
      }
      sender?.send({ times, users } satisfies Order)
    })

  return {
    name,
    pids: [...nodes.flatMap(([{ pid }]) => pid ?? []), redis.pid ?? 0],
    async unit(times) {
      const [startMs, before] = [performance.now(), cpuOf(redis.pid ?? 0)]
      for (let sent = 0; sent < times; sent += UNIT) await emit(Math.min(UNIT, times - sent))
      redisUs((cpuOf(redis.pid ?? 0) - before) / times)
      return performance.now() - startMs
    },
    drained: async () => {}, // all have arrived
    end() {
      for (const socket of sockets) socket.disconnect()
      for (const [child] of nodes) child.kill('SIGKILL')
    },
  }
}

interface ClusterRow extends Row {
  /** What of the cost is Redis's, in microseconds: the median. */
  readonly redisUs: number
}

/** @throws Error where the control is off every time. */
async function compare(plan: readonly Plan[]): Promise<ClusterRow[]> {
  const redis = await startRedis()
  const redisCosts = new Map<string, number[]>()
  const start = (one: Plan) => (): Promise<Variant> => {
    const costs: number[] = []
    redisCosts.set(one[0], costs)
    return startVariant(one, redis, (us) => costs.push(us))
  }
  try {
    const warmUp = WARM_UP * Math.max(...plan.map(([, , nodes]) => nodes))
    const rows = await measure({ variants: plan.map(start), warmUp, times: TURN })
    return rows.map((row) => ({ ...row, redisUs: quantile(redisCosts.get(row.name)?.slice(-row.raw.length) ?? [], 0.5) }))
  } finally {
    await redis.stop()
  }
}

const against = (kind: Kind): Plan[] => [
  ['SDK, 2 nodes', 'sdk', 2],
  ['SDK, 2 nodes again (control)', 'sdk', 2],
  [`${kind}, 2 nodes`, kind, 2],
  [`${kind}, 4 nodes`, kind, 4],
  [`${kind}, 6 nodes`, kind, 6],
]

const spread = (onOne: number, onSix: number): Plan[] => [
  ['SDK, users on 1 node', 'sdk', 1, onOne],
  ['SDK, users on 1 node again (control)', 'sdk', 1, onOne],
  ['SDK, users on 6 nodes', 'sdk', 6, onSix],
  ['classic, users on 1 node', 'classic', 1, onOne],
  ['classic, users on 6 nodes', 'classic', 6, onSix],
]

interface Table {
  readonly title: string
  readonly plan: readonly Plan[]
  /** What a row, divided by the first, has to reach. */
  readonly goal?: { readonly number: string; readonly row: string; readonly must: number; readonly aim?: number }
}

const TABLES: Readonly<Record<string, Table>> = {
  six: {
    title: 'Six nodes, the user on one of them',
    plan: [
      ['classic, 6 nodes', 'classic', 6],
      ['classic, 6 nodes again (control)', 'classic', 6],
      ['sharded, 6 nodes', 'sharded', 6],
      ['SDK, 6 nodes', 'sdk', 6],
    ],
    goal: { number: '9', row: 'SDK, 6 nodes', must: 0.42 },
  },
  spread: {
    title: 'Sixty users on one node, or ten on each of six, and one of the nodes emits to one after the other',
    plan: spread(60, 60),
    goal: { number: '10', row: 'SDK, users on 6 nodes', must: 3.1, aim: 2 },
  },
  'spread-one': {
    title:
      'One user on each node, and one of the nodes emits to one after the other: what is for one user in a turn is one publication, and so there are six times as many on six nodes',
    plan: spread(1, 6),
    goal: { number: '10', row: 'SDK, users on 6 nodes', must: 3.1, aim: 2 },
  },
  growing: {
    title: 'More and more nodes, the user on one of them',
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

// ---- what is kept of it: a file for each table, of all of which the page is made

const [RAW, PAGE] = ['docs/measured/cluster', 'docs/measured/cluster.md']

interface Result {
  readonly name: string
  readonly date: string
  readonly machine: string
  readonly versions: Readonly<Record<string, string>>
  readonly rows: readonly ClusterRow[]
}

function toTable({ name, date, machine: on, versions: used, rows }: Result): string[] {
  const { title, goal } = TABLES[name] as Table // of which it was made
  const measured = rows.find((row) => row.name === goal?.row)?.cpu
  return [
    `## ${title}`,
    '',
    '| variant | CPU of all nodes, µs an emit | CPU of Redis, µs an emit | both, ÷ the first row | quartiles |',
    '|---|---|---|---|---|',
    ...rows.map(
      ({ name: variant, cpuUs, redisUs, cpu, cpuQuartiles: [low, high] }) =>
        `| ${variant} | ${(cpuUs - redisUs).toFixed(1)} | ${redisUs.toFixed(1)} | ${cpu.toFixed(2)} | ${low.toFixed(2)}–${high.toFixed(2)} |`,
    ),
    '',
    ...(goal === undefined
      ? []
      : [`Goal ${goal.number}: ≤ ${goal.must}${goal.aim === undefined ? '' : `, better ≤ ${goal.aim}`}; measured ${measured?.toFixed(2)}.`, '']),
    `\`pnpm bench:cluster ${name}\`, ${date}, ${on}; ${['node', 'socket.io', 'ioredis', '@socket.io/redis-adapter', 'ws'].map((of) => `${of} ${used[of]}`).join(', ')}; ${rows[0]?.raw.length} rounds.`,
    '',
  ]
}

function keep(result: Result): void {
  mkdirSync(RAW, { recursive: true })
  writeFileSync(`${RAW}/${result.name}.json`, `${JSON.stringify(result)}\n`)
  const kept = readdirSync(RAW).map((file) => JSON.parse(readFileSync(`${RAW}/${file}`, 'utf8')) as Result)
  const inOrder = Object.keys(TABLES).flatMap((name) => kept.find((one) => one.name === name) ?? [])
  const intro = [
    '# What an emit to a user costs on many nodes',
    '',
    `Where nothing else is said, one node emits, another has the user, the others have nothing to do with it. In each round each variant emits ${TURN.toLocaleString('en')} times, ${UNIT} at once and ${BATCH} in a turn of the event loop, all variants alive at once and taking turns; medians of what each took in the round, divided by the first row of the same round. Every node is warmed up by ${WARM_UP.toLocaleString('en')} events. The second row is the first again: where it is not within 0.95–1.05, the run is void. The SDK validates and encodes each emit; the adapters of Socket.IO carry bare emits, joined without waiting for a subscription. Raw results: [cluster](cluster).`,
    '',
  ]
  writeFileSync(PAGE, [...intro, ...inOrder.flatMap(toTable)].join('\n'))
}

/** @param names of the tables to make; all, where there is none. */
async function run(names: readonly string[], write: boolean): Promise<void> {
  for (const [name, { plan }] of Object.entries(TABLES)) {
    if (names.length > 0 && !names.includes(name)) continue
    try {
      const rows = await compare(plan)
      const result = { name, date: new Date().toISOString().slice(0, 10), machine: machine(), versions: versions(), rows }
      console.log(toTable(result).join('\n'))
      if (write) keep(result)
    } catch (error) {
      console.error(`${name}:`, error) // the others are measured all the same
      process.exitCode = 1
    }
  }
}

const { values, positionals } = parseArgs({
  options: { write: { type: 'boolean', default: false }, node: { type: 'string' }, url: { type: 'string' }, prefix: { type: 'string' } },
  allowPositionals: true,
})
if (values.node === undefined) await run(positionals, values.write)
else await serve(values.node as Kind, values.url ?? '', values.prefix ?? '') // what the driver has given
