import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Verdict } from './checker.js'
import type { Client } from './client.js'
import { Cluster, type Member, SOURCE } from './cluster.js'

// Bugs, put into a copy of the sources, and what has to happen so that they show. The product knows nothing of it.

const GRACE_MS = 600
const SLACK_MS = 1_000

export interface Mutant {
  readonly name: string
  readonly file: 'redis/scripts.ts' | 'redis/presence.ts' | 'redis/follower.ts'
  readonly find: string
  readonly replace: string
  readonly scene: Scene
}

interface Scene {
  readonly name: string
  readonly nodes: number
  readonly leaseMs?: number
  readonly act: (stage: Stage) => Promise<void>
}

/** A cluster of three, and short words for what happens in it. */
class Stage {
  constructor(readonly cluster: Cluster) {}

  node(index: number): Member {
    const node = this.cluster.nodes[index]
    if (node === undefined) throw new RangeError(`there is no node ${index}`)
    return node
  }

  /** A client that is in, also where that takes some attempts because Redis has just come back. */
  async come(userId: string, index: number, deviceId = `${userId}-${index}`): Promise<Client> {
    for (;;) {
      const client = this.cluster.dial(this.node(index), userId, deviceId)
      if (await client.connected) return client
      await delay(50)
    }
  }

  async leave(...clients: readonly Client[]): Promise<void> {
    for (const client of clients) client.leave()
    await delay(50)
  }

  /** Until every transition that is under way has been told. */
  quiet(): Promise<void> {
    return delay(2 * GRACE_MS)
  }
}

// ---- what happens

/** Comes back within the grace period, twice, the second time after the end of the first. */
const returning: Scene = {
  name: 'who comes back within the grace period',
  nodes: 2,
  act: async (stage) => {
    const first = await stage.come('ada', 0)
    first.leave()
    await delay(GRACE_MS / 2)
    const second = await stage.come('ada', 1)
    await delay(100)
    second.leave()
    await delay(GRACE_MS - 150)
    const third = await stage.come('ada', 0)
    await delay(300)
    third.leave()
    await stage.quiet()
  },
}

const twoDevices: Scene = {
  name: 'one of two devices leaves',
  nodes: 2,
  act: async (stage) => {
    const [phone] = [await stage.come('ada', 0), await stage.come('ada', 1)]
    await stage.leave(phone)
    await stage.quiet()
  },
}

const killedNode: Scene = {
  name: 'a node is killed',
  nodes: 2,
  act: async (stage) => {
    const clients = await Promise.all([stage.come('ada', 0), stage.come('ada', 1), stage.come('eve', 0), stage.come('bob', 1)])
    for (const client of clients) await stage.cluster.join(client, 'red')
    await stage.cluster.kill(stage.node(0))
    stage.cluster.nodes.shift()
    await delay(stage.cluster.noticeMs)
  },
}

const pausedNode: Scene = {
  name: 'a node is stopped past its lease',
  nodes: 2,
  act: async (stage) => {
    const [ada] = [await stage.come('ada', 0), await stage.come('eve', 0)]
    await stage.come('ada', 1)
    await stage.cluster.join(await stage.come('bob', 0), 'red') // so that another who joins it there waits for nothing
    let joined: Promise<void> | undefined
    await stage.cluster.pause(stage.node(0), stage.cluster.leaseMs, async () => {
      joined = stage.cluster.join(ada, 'red')
      await stage.cluster.untilGone('eve')
    })
    await joined
    await delay(stage.cluster.noticeMs)
  },
}

const hungRedis: Scene = {
  name: 'Redis hangs while a room is joined',
  nodes: 2,
  leaseMs: 3_000, // longer than that: a new incarnation would count anew
  act: async (stage) => {
    const ada = await stage.come('ada', 0)
    await stage.cluster.join(ada, 'red')
    await stage.cluster.hangRedis(1_300, async () => void (await ada.join('green')))
    await stage.come('eve', 1)
    await delay(stage.cluster.noticeMs)
    await stage.leave(ada)
    await stage.quiet()
  },
}

const emptiedRedis: Scene = {
  name: 'Redis is killed and comes back empty',
  nodes: 2,
  act: async (stage) => {
    const [, eve] = [await stage.come('ada', 0), await stage.come('eve', 1)]
    await stage.cluster.killRedis(500, () => stage.leave(eve))
    await stage.come('bob', 0)
    await delay(stage.cluster.noticeMs)
  },
}

/** Between that and the next sign of life of a node, it does not know that it has been forgotten. */
const flushedRedis: Scene = {
  name: 'Redis is emptied, and users come at once',
  nodes: 2,
  act: async (stage) => {
    for (let round = 0; round < 4; round++) {
      await stage.cluster.flush()
      const clients = await Promise.all([0, 1, 0, 1].map((node, index) => stage.come(`user-${round}-${index}`, node)))
      await delay(stage.cluster.leaseMs / 2)
      await stage.leave(...clients.slice(1))
    }
    await stage.quiet()
  },
}

const rooms: Scene = {
  name: 'rooms are left',
  nodes: 2,
  act: async (stage) => {
    const clients = [await stage.come('ada', 0), await stage.come('ada', 1), await stage.come('eve', 1)]
    for (const client of clients) await stage.cluster.join(client, 'red')
    await stage.leave(...clients.slice(1))
    await stage.quiet()
  },
}

// ---- the bugs

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'no grace period',
    file: 'redis/scripts.ts',
    find: "'NX', now + graceMs, user)",
    replace: "'NX', now, user)",
    scene: returning,
  },
  {
    name: 'who returns is still leaving',
    file: 'redis/scripts.ts',
    find: "    redis.call('ZREM', key('leaving'), user)\n    if changed",
    replace: '    if changed',
    scene: returning,
  },
  {
    name: 'who leaves with one of two devices is taken for gone',
    file: 'redis/scripts.ts',
    find: "redis.call('HDEL', key('user:' .. user), node .. ' ' .. connection) == 1",
    replace: "redis.call('DEL', key('user:' .. user)) == 1",
    scene: twoDevices,
  },
  {
    name: 'a connection that ends stays a device of its user',
    file: 'redis/scripts.ts',
    find: "redis.call('HDEL', key('user:' .. user), node .. ' ' .. connection) == 1",
    replace: 'false',
    scene: twoDevices,
  },
  {
    name: 'online is not told',
    file: 'redis/scripts.ts',
    find: "if redis.call('SADD', key('online'), user) == 1 then tell('online', user)",
    replace: "if redis.call('SADD', key('online'), user) == 1 then redis.call('SPUBLISH', key('bell'), '')",
    scene: twoDevices,
  },
  {
    name: 'offline is not told',
    file: 'redis/scripts.ts',
    find: "tell('offline', user)",
    replace: '',
    scene: returning,
  },
  {
    name: 'a dead node is never swept',
    file: 'redis/scripts.ts',
    find: "redis.call('ZRANGEBYSCORE', key('nodes'), '-inf', now, 'LIMIT', 0, 1)",
    replace: '{}',
    scene: killedNode,
  },
  {
    name: 'the sweep of a dead node takes the devices on live ones with it',
    file: 'redis/scripts.ts',
    find: "redis.call('HDEL', key('user:' .. held[index + 1]), node .. ' ' .. held[index])",
    replace: "redis.call('DEL', key('user:' .. held[index + 1]))",
    scene: killedNode,
  },
  {
    name: 'the sweep of a dead node leaves its users in their rooms',
    file: 'redis/scripts.ts',
    find: 'if user and uncount(user, room) then',
    replace: 'if false then',
    scene: killedNode,
  },
  {
    name: 'a node that was away too long is not fenced',
    file: 'redis/scripts.ts',
    find: "local state = 'FENCED'\nif alive(ARGV[1]) then\n  redis.call('ZADD', key('nodes'), 'XX', now + ARGV[2], ARGV[1])",
    replace: "local state = 'FENCED'\nif true then\n  redis.call('ZADD', key('nodes'), now + ARGV[2], ARGV[1])",
    scene: pausedNode,
  },
  {
    name: 'what a fenced node writes is taken',
    file: 'redis/scripts.ts',
    find: "if not alive(node) then return 'FENCED' end\nlocal isNew",
    replace: 'local isNew',
    scene: flushedRedis,
  },
  {
    name: 'a node with a new incarnation does not register again',
    file: 'redis/presence.ts',
    find: 'this.#registering ??= this.#registerAgain()',
    replace: 'this.#registering ??= Promise.resolve()',
    scene: emptiedRedis,
  },
  {
    name: 'a connection is counted in its room as often as it is written',
    file: 'redis/scripts.ts',
    find: "if redis.call('SADD', key('rooms:' .. node), connection .. ' ' .. room) == 0 then return false end",
    replace: "redis.call('SADD', key('rooms:' .. node), connection .. ' ' .. room)",
    scene: hungRedis,
  },
  {
    name: 'who leaves is not taken out of rooms',
    file: 'redis/scripts.ts',
    find: "  if redis.call('SREM', key('rooms:' .. node), connection .. ' ' .. room) == 0 then return false end\n  return uncount(user, room)",
    replace: '  return false',
    scene: rooms,
  },
  {
    name: 'what is so already is told again',
    file: 'redis/follower.ts',
    find: "    if (change !== 'changed' && this.#online.has(userId) === (change === 'online')) return\n",
    replace: '',
    scene: emptiedRedis,
  },
  {
    name: 'who left while Redis was away is never told of',
    file: 'redis/follower.ts',
    find: "        if (Number(found[index]) === 0) this.#tell('offline', userId)",
    replace: '',
    scene: emptiedRedis,
  },
  {
    name: 'the last node leaves its keys',
    file: 'redis/scripts.ts',
    find: "  redis.call('DEL', key('online'), key('leaving'), key('events'), key('epoch'))\n",
    replace: '',
    scene: twoDevices,
  },
]

export const SCENES: readonly Scene[] = [returning, twoDevices, killedNode, pausedNode, hungRedis, emptiedRedis, flushedRedis, rooms]

/** What the checker says of a scene; on the sources as they are, unless others are given. */
export async function play({ nodes, leaseMs = 1_000, act }: Scene, source: string = SOURCE): Promise<Verdict> {
  const cluster = await Cluster.start({ nodes, leaseMs, graceMs: GRACE_MS, slackMs: SLACK_MS, source })
  try {
    await act(new Stage(cluster))
    await cluster.settle()
    const verdict = cluster.verdict()
    return verdict.violations.length > 0 ? verdict : await cluster.finish()
  } finally {
    await cluster.stop()
  }
}

const ATTEMPTS = 3

/** The checks that find the bug. A scene goes by the clock: where the machine was too busy for it to show, it is played again. */
export async function findMutant(mutant: Mutant): Promise<string[]> {
  for (let attempt = 1; ; attempt++) {
    const checks = caughtBy(await playMutant(mutant))
    if (checks.length > 0 || attempt === ATTEMPTS) return checks
  }
}

async function playMutant({ name, file, find, replace, scene }: Mutant): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), 'realtime-mutant-'))
  try {
    const source = join(folder, 'src')
    await cp(SOURCE, source, { recursive: true })
    for (const shared of ['node_modules', 'package.json']) await symlink(join(dirname(SOURCE), shared), join(folder, shared))
    const parts = (await readFile(join(source, file), 'utf8')).split(find)
    if (parts.length !== 2) throw new Error(`${name}: its text is ${parts.length - 1} times in ${file}; once is expected`)
    await writeFile(join(source, file), parts.join(replace))
    return await play(scene, source)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Does the same with all of them, a few at a time: they mostly wait. */
export async function inParallel<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const next = items.entries()
  const one = async (): Promise<void> => {
    for (const [index, item] of next) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: width }, one))
  return results
}

/** The checks that found something, in words. */
function caughtBy({ violations }: Verdict): string[] {
  return [...new Set(violations.map(({ check }) => check))]
}
