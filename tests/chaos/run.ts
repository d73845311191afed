import { setTimeout as delay } from 'node:timers/promises'
import type { Verdict } from './checker.js'
import { type Client, PARTINGS } from './client.js'
import { Cluster, type Member } from './cluster.js'
import { inTurns, Random } from './random.js'

const NODES = 4
const ROOMS = ['red', 'green', 'blue', 'grey', 'pink']
const START_OVER_MS = 250

export interface ChaosOptions {
  readonly seed: number
  /** It goes on until as many have been told, and every fault has been there. */
  readonly transitions: number
  readonly users: number
  /** How often every fault is there at the least. */
  readonly rounds: number
  readonly maxMs: number
  readonly source?: string
}

export interface ChaosResult extends Verdict {
  readonly connections: number
  readonly faults: Readonly<Record<string, number>>
  /** For how much of the time nothing was wrong with Redis. */
  readonly calm: number
  readonly seconds: number
}

/** Random clients over random faults; then quiet, and a verdict. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, maxMs, source } = options
  const cluster = await Cluster.start({ nodes: NODES, ...(source !== undefined && { source }) })
  try {
    const startMs = Date.now()
    const chaos = new Chaos(cluster, options, new Random(seed))
    await Promise.race([chaos.run(), delay(maxMs, undefined, { ref: false }).then(() => chaos.end())])
    await chaos.ended()
    const calm = cluster.calmSince(startMs)
    await cluster.settle()
    const verdict = await cluster.finish()
    return {
      ...verdict,
      calm,
      connections: cluster.connections.length,
      faults: Object.fromEntries(chaos.faults),
      seconds: Math.round((Date.now() - startMs) / 1000),
    }
  } finally {
    await cluster.stop()
  }
}

type Fault = readonly [name: string, make: () => Promise<unknown>]

class Chaos {
  readonly faults = new Map<string, number>()
  #running = true
  #breaking = true
  #work: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly cluster: Cluster,
    private readonly options: ChaosOptions,
    private readonly random: Random,
  ) {}

  async run(): Promise<void> {
    const { users } = this.options
    const lives = Array.from({ length: users }, (_, index) => this.#live(`user-${index}`, this.random.fork()))
    this.#work = Promise.all([...lives, this.#breakAll()])
    await this.#work
  }

  /** It begins and ends with a while in which nothing is broken, so that times can be judged whatever happens between. */
  async #breakAll(): Promise<void> {
    const calmMs = 2 * this.cluster.noticeMs
    await delay(calmMs)
    await Promise.all([this.#breakNodes(this.random.fork()), this.#breakRedis(this.random.fork())])
    await delay(this.cluster.recoveryMs + calmMs)
    this.#running = false
  }

  end(): void {
    this.#breaking = false
  }

  async ended(): Promise<void> {
    await this.#work
  }

  // ---- clients

  /** A user comes and goes; whoever is there when the run ends stays. */
  async #live(userId: string, random: Random): Promise<void> {
    await delay(random.between(0, 1_000))
    while (this.#running) {
      const devices = random.one([1, 1, 1, 2, 2, 3])
      await Promise.all(Array.from({ length: devices }, (_, index) => this.#attend(userId, `${userId}-${index}`, random.fork())))
      if (this.#running) await delay(this.#absenceMs(random))
    }
  }

  /** One device: it dials, stays, perhaps dials again when its node has gone, and leaves. */
  async #attend(userId: string, deviceId: string, random: Random): Promise<void> {
    await delay(random.between(0, 100))
    const untilMs = Date.now() + this.#stayMs(random)
    do {
      const client = this.cluster.dial(random.one(this.cluster.nodes), userId, deviceId)
      if (random.chance(0.05)) void delay(random.between(0, 50)).then(() => this.#leave(client, random)) // mostly while it is let in
      if (!(await client.connected)) {
        await delay(START_OVER_MS)
        continue
      }
      if (random.chance(0.2)) await this.cluster.join(client, random.one(ROOMS))
      while (this.#running && client.isLive && Date.now() < untilMs) await delay(Math.min(100, Math.max(1, untilMs - Date.now())))
      if (this.#running) this.#leave(client, random)
    } while (this.#running && Date.now() < untilMs && random.chance(0.7))
  }

  #leave(client: Client, random: Random): void {
    client.leave(random.one(PARTINGS))
  }

  #stayMs(random: Random): number {
    if (random.chance(0.06)) return 1.5 * this.cluster.noticeMs
    return random.chance(0.2) ? random.between(0, 30) : random.between(50, 900)
  }

  /** Mostly long enough to be told, sometimes shorter than the grace period, sometimes so long that the bound is passed. */
  #absenceMs(random: Random): number {
    const { graceMs, noticeMs } = this.cluster
    if (random.chance(0.2)) return random.between(0, graceMs)
    return random.chance(0.08) ? 1.5 * noticeMs : random.between(2 * graceMs, 6 * graceMs)
  }

  // ---- faults

  async #breakNodes(random: Random): Promise<void> {
    const { cluster } = this
    const faults: Fault[] = [
      ['a node killed', () => this.#replace((node) => cluster.kill(node), random)],
      ['a node killed and another stopped', () => Promise.all([this.#pause(random), this.#replace((node) => cluster.kill(node), random)])],
      ['a node closed', () => this.#replace((node) => cluster.closeNode(node), random)],
      ['a node stopped past its lease', () => this.#pause(random)],
    ]
    await this.#break(faults, random, () => random.between(500, 2_000))
  }

  async #breakRedis(random: Random): Promise<void> {
    const { cluster } = this
    const faults: Fault[] = [
      ['Redis killed', () => cluster.killRedis(random.between(0, 1_500))],
      ['Redis emptied', () => cluster.flush()],
      ['Redis hung', () => cluster.hangRedis(random.between(300, 1_500))],
      ['connections of Redis killed', () => cluster.command('CLIENT', 'KILL', 'TYPE', random.one(['normal', 'pubsub']))],
      ['scripts of Redis flushed', () => cluster.command('SCRIPT', 'FLUSH')],
    ]
    await this.#break(faults, random, () => random.between(2_000, 6_000))
  }

  /** Until there were enough of them and enough has been told. */
  async #break(faults: readonly Fault[], random: Random, pauseMs: () => number): Promise<void> {
    for (const [name, make] of inTurns(faults, random)) {
      await delay(pauseMs())
      if (!this.#breaking) return
      await make()
      this.faults.set(name, (this.faults.get(name) ?? 0) + 1)
      if (this.#isEnough()) this.end()
    }
  }

  #isEnough(): boolean {
    const { transitions, rounds } = this.options
    return this.cluster.transitions >= transitions && this.faults.size === 9 && [...this.faults.values()].every((times) => times >= rounds)
  }

  async #replace(end: (node: Member) => Promise<void>, random: Random): Promise<void> {
    const { nodes } = this.cluster
    const index = Math.floor(random.next() * nodes.length)
    const [node] = nodes.splice(index, 1)
    if (node === undefined) return
    await end(node)
    await this.cluster.startNode()
  }

  async #pause(random: Random): Promise<void> {
    const node = random.one(this.cluster.nodes)
    await this.cluster.pause(node, random.between(this.cluster.leaseMs, 2 * this.cluster.leaseMs))
  }
}
