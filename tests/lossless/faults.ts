import { setTimeout as delay } from 'node:timers/promises'
import { inTurns, type Random } from '../chaos/random.js'
import { ask, type RedisServer } from '../redis.js'
import type { Device } from './device.js'
import type { Node } from './node.js'

export interface Breakable {
  readonly redis: RedisServer
  readonly nodes: readonly Node[]
  readonly devices: readonly Device[]
  readonly users: readonly string[]
  /** Called before Redis is emptied. */
  beforeEmptied(): Promise<void>
}

type Fault = readonly [name: string, make: (random: Random) => Promise<unknown>]

/** What is done to nodes, to Redis, and to devices and logs: of each kind one at a time, so that nothing is broken that is being mended. */
export function toFaults({ redis, nodes, devices, users, beforeEmptied }: Breakable): ReadonlyArray<readonly Fault[]> {
  const reload = (random: Random, awayMs: number): Promise<void> => random.one(devices).reload(Math.floor(random.next() * nodes.length), awayMs)
  return [
    [
      ['a node killed', (random) => replace(random.one(nodes), random.between(0, 500))],
      ['a node stopped', (random) => random.one(nodes).pause(random.between(200, 2_500))],
      ['transports dropped', (random) => random.one(nodes).ask({ ask: 'drop' })],
    ],
    [
      ['connections of Redis killed', (random) => ask(redis.port, `CLIENT KILL TYPE ${random.one(['normal', 'pubsub'])}`)],
      ['Redis killed', (random) => restart(redis, random.between(0, 800))],
      ['Redis emptied', () => beforeEmptied().then(() => ask(redis.port, 'FLUSHALL'))],
      ['scripts of Redis flushed', () => ask(redis.port, 'SCRIPT FLUSH')],
    ],
    [
      ['a page loaded again on another node', (random) => reload(random, random.between(0, 800))],
      ['a device away', (random) => reload(random, random.between(1_000, 3_000))],
      ["a user's log trimmed", (random) => random.one(nodes).ask({ ask: 'trim', user: random.one(users), through: Number.MAX_SAFE_INTEGER })],
    ],
  ]
}

export interface FaultPlan {
  readonly total: number
  /** Over how long they are spread, as far as they are made in time; without it each follows the one before. */
  readonly spreadMs?: number | undefined
}

const LEAST_MS = 100
const MOST_MS = 700

/** Makes faults of all kinds side by side, each as often as another; what cannot be made in the time is left out. @returns how often each was made. */
export async function makeFaults(kinds: ReadonlyArray<readonly Fault[]>, { total, spreadMs }: FaultPlan, random: Random): Promise<Map<string, number>> {
  const made = new Map<string, number>()
  const count = kinds.flat().length
  let left = total
  await Promise.all(
    kinds.map((faults, index) => {
      const times = index === kinds.length - 1 ? left : Math.round((total * faults.length) / count)
      left -= times
      return makeInTurns(faults, { total: times, spreadMs }, random.fork(), made)
    }),
  )
  return made
}

async function makeInTurns(faults: readonly Fault[], { total, spreadMs }: FaultPlan, random: Random, made: Map<string, number>): Promise<void> {
  const turns = inTurns(faults, random)
  const startMs = Date.now()
  for (let time = 0; time < total; time++) {
    if (spreadMs !== undefined && Date.now() - startMs > spreadMs) return
    const [name, make] = turns.next().value
    const dueMs = spreadMs === undefined ? 0 : startMs + (spreadMs * (time + random.next())) / total - Date.now()
    await delay(Math.max(random.between(LEAST_MS, MOST_MS), dueMs))
    await make(random).catch(() => {}) // of what is down already
    made.set(name, (made.get(name) ?? 0) + 1)
  }
}

async function replace(node: Node, ms: number): Promise<void> {
  await node.kill()
  await delay(ms)
  await node.start()
}

async function restart(redis: RedisServer, ms: number): Promise<void> {
  await redis.kill()
  await delay(ms)
  await redis.restart()
}
