import { SignJWT } from 'jose'
import { type RedisServer, startRedis } from '../../tests/redis.js'
import { INVALID, PAYLOAD } from './contract.js'
import type { Latencies, Protocol } from './load.js'
import { measure, type Plan, quantile, type Row, startLoad, startServer, type Variant } from './measure.js'
import type { Reached } from './report.js'
import type { ServerOrder } from './server.js'
import { SECRET, type ServerName } from './servers.js'

// What is measured: which servers, with which load.

export interface Scenario {
  readonly title: string
  /** What a figure is of. */
  readonly unit: string
  readonly goals: readonly Goal[]
  run(): Promise<Row[]>
}

/** A row's figure, ÷ the baseline or another row. */
interface Goal {
  /** In the issue. */
  readonly number: string
  readonly what: string
  readonly row: string
  readonly of?: 'cpu' | 'rate'
  readonly by?: string
  readonly must: number
  readonly aim: number
}

/** @param goal less is better for CPU, more for a rate. */
export function reach({ number, what, row, of = 'cpu', by, must, aim }: Goal, rows: readonly Row[]): Reached | undefined {
  const [own, other] = [row, by].map((name) => rows.find((each) => each.name === name))
  if (own === undefined || (by !== undefined && other === undefined)) return undefined // not among those that were asked for
  const measured =
    other === undefined
      ? own[of]
      : quantile(
          own.raw.map(([cpuUs], round) => cpuUs / (other.raw[round]?.[0] ?? Number.NaN)),
          0.5,
        )
  const sign = of === 'cpu' ? '≤' : '≥'
  const isWithin = (bound: number): boolean => (of === 'cpu' ? measured <= bound : measured >= bound)
  return { number, what, must: `${sign} ${must}`, aim: `${sign} ${aim}`, measured, isMet: isWithin(must), isAimMet: isWithin(aim) }
}

const PROTOCOLS: Partial<Record<ServerName, Protocol>> = { ws: 'ws', 'ws, zod': 'ws' }
/** What a client waits for before it is in. */
const waitFor = (name: ServerName): string => (name.startsWith('sdk') ? '42["authenticated"' : '40')

interface Requests {
  readonly sockets: number
  readonly inFlight: number
  readonly payload?: unknown
  readonly answer?: 'ok' | 'refused'
  readonly tokens?: (user: number) => Promise<string> | string
}

async function requesting(
  name: ServerName,
  label: string,
  { sockets, inFlight, payload = PAYLOAD, answer = 'ok', tokens = userOf }: Requests,
): Promise<Variant> {
  const server = startServer(name)
  const load = startLoad(label)
  try {
    const { port } = (await server.answer()) as { port: number }
    await load.tell({
      do: 'connect',
      port,
      protocol: PROTOCOLS[name] ?? 'socket.io',
      waitFor: waitFor(name),
      tokens: await Promise.all(Array.from({ length: sockets }, (_, user) => tokens(user))),
    })
  } catch (error) {
    server.end()
    load.end()
    throw error
  }
  return {
    name: label,
    pids: [server.pid],
    unit: async (times) => ((await load.tell({ do: 'request', times, inFlight, payload, answer })) as { ms: number }).ms,
    drained: async () => void (await server.tell({ do: 'drain' })),
    latencies: async () => (await load.tell({ do: 'latencies' })) as Latencies,
    forgetLatencies: async () => void (await load.tell({ do: 'forget latencies' })),
    end() {
      server.end()
      load.end()
    },
  }
}

interface Emits {
  readonly users: number
  /** How many devices a user has. */
  readonly devices: (user: number) => number
  readonly do: (times: number) => ServerOrder
  /** How many sockets hear one emit. */
  readonly heard: number
  /** What the devices say that they know. */
  readonly features?: readonly string[]
}

/** A Redis beside a server, and whose CPU is looked at. */
interface Beside {
  readonly redis: RedisServer
  readonly of: 'the server' | 'Redis'
}

/** Emits by a server, counted where they arrive. */
async function emitting(name: ServerName, label: string, { users, devices, heard, features, do: toOrder }: Emits, beside?: Beside): Promise<Variant> {
  const server = startServer(name, beside === undefined ? [] : [beside.redis.url])
  const load = startLoad(label)
  let total = 0
  const tokens = Array.from({ length: users }, (_, user) => Array.from({ length: devices(user) }, () => userOf(user))).flat()
  try {
    const { port } = (await server.answer()) as { port: number }
    await load.tell({ do: 'connect', port, protocol: 'socket.io', waitFor: waitFor(name), tokens, ...(features && { features }) })
  } catch (error) {
    server.end()
    load.end()
    throw error
  }
  return {
    name: label,
    pids: [beside?.of === 'Redis' ? (beside.redis.pid ?? 0) : server.pid],
    async unit(times) {
      total += times * heard
      const [arrived] = await Promise.all([load.tell({ do: 'await events', total }), server.tell(toOrder(times))])
      return (arrived as { ms: number }).ms
    },
    drained: async () => void (await server.tell({ do: 'drain' })),
    end() {
      server.end()
      load.end()
    },
  }
}

function emits(emit: Emits, extra: Partial<Plan> = {}): Promise<Row[]> {
  return measure({
    warmUp: Math.ceil(WARM_UP / emit.heard),
    ...extra,
    variants: [() => emitting(BASELINE, BASELINE, emit), () => emitting(BASELINE, `${BASELINE} (control)`, emit), () => emitting('sdk', 'sdk', emit)],
  })
}

const USERS = 5_000
/** 1, 2 or 3; a unit is a multiple of three users, so that two hear an emit on average. */
const devicesOf = (user: number): number => (user % 3) + 1
const ROUND_OF_USERS = USERS - (USERS % 3)

// Whole turns, and as many users of each number of devices.
const EMITS = { warmUp: 10_020, times: 3_000 }

function addressed(perTurn: number, sameUser: boolean): Emits {
  return {
    users: ROUND_OF_USERS,
    devices: devicesOf,
    heard: 2,
    do: (times) => ({ do: 'emit', times, perTurn, users: ROUND_OF_USERS, sameUser }),
  }
}

// Each log that somebody here is of costs a command every 5 s, so there are not too many.
const KEEPING_USERS = 300

/** Events to users that are stored first, beside plain ones; each server has a Redis of its own. */
async function keeping(of: Beside['of']): Promise<Row[]> {
  const emit: Emits = {
    users: KEEPING_USERS,
    devices: devicesOf,
    heard: 2,
    features: ['meta'],
    do: (times) => ({ do: 'emit', times, perTurn: 6, users: KEEPING_USERS, sameUser: false }),
  }
  const labels: Array<[ServerName, string]> = [
    ['sdk, redis', 'plain'],
    ['sdk, redis', 'plain (control)'],
    ['sdk, redis, durable', 'durable'],
  ]
  const redises = await Promise.all(labels.map(() => startRedis()))
  try {
    const variants = labels.map(
      ([name, label], index) =>
        () =>
          emitting(name, label, emit, { redis: redises[index] as RedisServer, of }), // one for each
    )
    return await measure({ ...EMITS, variants })
  } finally {
    await Promise.all(redises.map((redis) => redis.stop()))
  }
}

const broadcast = (sockets: number): Emits => ({ users: sockets, devices: () => 1, heard: sockets, do: (times) => ({ do: 'broadcast', times }) })

interface Connects {
  /** The token of the n-th connection. */
  readonly token: (n: number) => Promise<string> | string
  /** How many tokens there are; without it each is used once. */
  readonly tokens?: number
}

/** Connections that come, are let in and go. */
async function connecting(name: ServerName, label: string, { token, tokens: count }: Connects): Promise<Variant> {
  const server = startServer(name)
  const load = startLoad(label)
  try {
    const { port } = (await server.answer()) as { port: number }
    let used = 0
    return {
      name: label,
      pids: [server.pid],
      async unit(times) {
        const tokens = await Promise.all(Array.from({ length: count ?? times }, (_, index) => token(count === undefined ? used++ : index)))
        const { ms } = (await load.tell({ do: 'cycle', port, times, waitFor: waitFor(name), tokens })) as { ms: number }
        return ms
      },
      drained: async () => void (await server.tell({ do: 'drain' })),
      end() {
        server.end()
        load.end()
      },
    }
  } catch (error) {
    server.end()
    load.end()
    throw error
  }
}

const KEY = new TextEncoder().encode(SECRET)
const signed = (n: number): Promise<string> =>
  new SignJWT({ email: 'ada@example.com' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userOf(n % USERS))
    .setJti(String(n))
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(KEY)
const plain: Connects = { token: userOf, tokens: USERS }

const IDLE = 10_000

/** What many idle connections take, less what the server takes without them. */
export async function measureIdle(): Promise<Array<{ readonly name: string; readonly heapBytes: number; readonly rssBytes: number }>> {
  const rows = []
  for (const name of [BASELINE, 'sdk, idle'] as const) {
    const server = startServer(name, [], ['--expose-gc'])
    const load = startLoad(name)
    try {
      const { port } = (await server.answer()) as { port: number }
      const before = (await server.tell({ do: 'collect' })) as NodeJS.MemoryUsage
      const tokens = await Promise.all(Array.from({ length: IDLE }, (_, n) => (name === BASELINE ? userOf(n) : signed(n))))
      await load.tell({ do: 'connect', port, protocol: 'socket.io', waitFor: waitFor(name), tokens })
      const after = (await server.tell({ do: 'collect' })) as NodeJS.MemoryUsage
      rows.push({ name, heapBytes: (after.heapUsed - before.heapUsed) / IDLE, rssBytes: (after.rss - before.rss) / IDLE })
    } finally {
      server.end()
      load.end()
    }
  }
  return rows
}

function userOf(user: number): string {
  return `user-${user}`
}

const BASELINE = 'socket.io'
const WARM_UP = 20_000

/** Given after a scenario's name, only these are measured beside the baseline: to try something. */
const only = process.argv.slice(3).filter((argument) => !argument.startsWith('--'))

function requests(all: readonly ServerName[], load: Requests, extra: Partial<Plan> = {}): Promise<Row[]> {
  const servers = only.length === 0 ? all : all.filter((name) => only.includes(name))
  const labels: Array<[ServerName, string]> = [
    [BASELINE, BASELINE],
    [BASELINE, `${BASELINE} (control)`],
    ...servers.map((name): [ServerName, string] => [name, name]),
  ]
  return measure({
    warmUp: WARM_UP,
    ...extra,
    variants: labels.map(
      ([name, label]) =>
        () =>
          requesting(name, label, load),
    ),
  })
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  request: {
    title: 'A validated event with a reply: 32 sockets, one in flight on each',
    unit: 'an event',
    goals: [
      { number: '1', what: 'validated event with a reply, CPU ÷ bare Socket.IO', row: 'sdk', must: 0.82, aim: 0.75 },
      { number: '1', what: 'the same, requests a second ÷ bare Socket.IO', row: 'sdk', of: 'rate', must: 1.2, aim: 1.3 },
      { number: '3', what: 'the same, CPU ÷ hand-written ws + zod', row: 'sdk', by: 'ws, zod', must: 1.0, aim: 0.92 },
      { number: '3', what: 'the same, CPU ÷ zod-sockets', row: 'sdk', by: 'zod-sockets', must: 0.52, aim: 0.47 },
      { number: '3', what: 'the same, CPU ÷ a Nest gateway', row: 'sdk', by: 'nest', must: 0.57, aim: 0.52 },
    ],
    run: () => requests(['sdk', 'socket.io, zod', 'ws', 'ws, zod', 'zod-sockets', 'nest', 'nest, zod'], { sockets: 32, inFlight: 1 }),
  },
  'request-8': {
    title: 'A validated event with a reply: 32 sockets, eight in flight on each',
    unit: 'an event',
    goals: [
      { number: '2', what: 'eight in flight, CPU ÷ bare Socket.IO', row: 'sdk', must: 0.48, aim: 0.43 },
      { number: '2', what: 'the same, requests a second ÷ bare Socket.IO', row: 'sdk', of: 'rate', must: 2.0, aim: 2.3 },
    ],
    run: () => requests(['sdk', 'socket.io, zod', 'ws', 'ws, zod', 'zod-sockets', 'nest', 'nest, zod'], { sockets: 32, inFlight: 8 }),
  },
  latency: {
    title: 'Latency: one socket, one request in flight',
    unit: 'an event',
    goals: [{ number: '4', what: 'one socket, one in flight, requests a second ÷ bare Socket.IO', row: 'sdk', of: 'rate', must: 0.97, aim: 1.0 }],
    run: () => requests(['sdk', 'ws, zod'], { sockets: 1, inFlight: 1 }),
  },
  invalid: {
    title: 'An invalid event beside a valid one',
    unit: 'an event',
    goals: [{ number: '11', what: 'an invalid event, CPU ÷ a valid one', row: 'sdk, invalid', must: 1.5, aim: 1.2 }],
    run: () =>
      measure({
        warmUp: WARM_UP,
        variants: [
          () => requesting('sdk', 'sdk, valid', { sockets: 32, inFlight: 1 }),
          () => requesting('sdk', 'sdk, valid (control)', { sockets: 32, inFlight: 1 }),
          () => requesting('sdk', 'sdk, invalid', { sockets: 32, inFlight: 1, payload: INVALID, answer: 'refused' }),
        ],
      }),
  },
  user: {
    title: `A validated emit to a user, ${ROUND_OF_USERS} users with one to three devices`,
    unit: 'an emit',
    goals: [{ number: '5', what: 'validated emit to a user, CPU ÷ bare Socket.IO', row: 'sdk', must: 0.78, aim: 0.7 }],
    run: () => emits(addressed(6, false), EMITS),
  },
  'user-5': {
    title: `Five validated emits to a user in one turn, ${ROUND_OF_USERS} users with one to three devices`,
    unit: 'an emit',
    goals: [{ number: '5', what: 'five emits to a user in a turn, CPU ÷ bare Socket.IO', row: 'sdk', must: 0.42, aim: 0.36 }],
    run: () => emits(addressed(5, true), EMITS),
  },
  'broadcast-1000': {
    title: 'A validated emit to everybody, 1,000 connections',
    unit: 'an emit',
    goals: [{ number: '6', what: 'validated emit to 1,000, CPU ÷ bare Socket.IO', row: 'sdk', must: 0.8, aim: 0.7 }],
    run: () => emits(broadcast(1_000), { times: 6 }),
  },
  'broadcast-5000': {
    title: 'A validated emit to everybody, 5,000 connections',
    unit: 'an emit',
    goals: [{ number: '6', what: 'validated emit to 5,000, CPU ÷ bare Socket.IO', row: 'sdk', must: 0.8, aim: 0.7 }],
    run: () => emits(broadcast(5_000), { times: 2 }),
  },
  durable: {
    title: `A durable emit to a user beside a plain one, over Redis: CPU of the server, ${KEEPING_USERS} users with one to three devices`,
    unit: 'an emit',
    goals: [],
    run: () => keeping('the server'),
  },
  'durable-redis': {
    title: 'The same: CPU of Redis',
    unit: 'an emit',
    goals: [],
    run: () => keeping('Redis'),
  },
  connect: {
    title: 'Connecting: the handshake, until the client is in',
    unit: 'a connection',
    goals: [
      // Beside the same server without authentication: what proving who one is costs.
      { number: '7', what: 'connect with HS256, CPU ÷ connect without authentication', row: 'sdk, HS256', by: 'sdk, without a token', must: 1.5, aim: 1.15 },
      {
        number: '7',
        what: 'the same token again, CPU ÷ connect without authentication',
        row: 'sdk, HS256, the same tokens again',
        by: 'sdk, without a token',
        must: 1.05,
        aim: 1.0,
      },
    ],
    run: () =>
      measure({
        warmUp: 3_500,
        variants: [
          () => connecting(BASELINE, BASELINE, plain),
          () => connecting(BASELINE, `${BASELINE} (control)`, plain),
          () => connecting('sdk', 'sdk, without a token', plain),
          () => connecting('sdk, jwt', 'sdk, HS256', { token: signed }),
          () => connecting('sdk, jwt', 'sdk, HS256, the same tokens again', { token: signed, tokens: 1_000 }),
        ],
      }),
  },
  observed: {
    title: 'An observer that makes metrics, beside none',
    unit: 'an event',
    goals: [{ number: 'observe', what: 'metrics of OpenTelemetry, CPU an event ÷ without', row: 'sdk, metrics', must: 1.05, aim: 1.03 }],
    run: () =>
      measure({
        warmUp: WARM_UP,
        variants: [
          () => requesting('sdk', 'sdk', { sockets: 32, inFlight: 1 }),
          () => requesting('sdk', 'sdk (control)', { sockets: 32, inFlight: 1 }),
          () => requesting('sdk, metrics', 'sdk, metrics', { sockets: 32, inFlight: 1 }),
        ],
      }),
  },
  unused: {
    title: 'Middleware, presence, rooms and limits, configured and not used, beside none',
    unit: 'an event',
    goals: [{ number: '12', what: 'all configured and unused, CPU ÷ row 1', row: 'sdk, all configured', must: 1.05, aim: 1.02 }],
    run: () =>
      measure({
        warmUp: WARM_UP,
        variants: [
          () => requesting('sdk', 'sdk', { sockets: 32, inFlight: 1 }),
          () => requesting('sdk', 'sdk (control)', { sockets: 32, inFlight: 1 }),
          () => requesting('sdk, everything', 'sdk, all configured', { sockets: 32, inFlight: 1, tokens: signed }),
        ],
      }),
  },
}
