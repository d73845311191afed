import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from '../redis.js'
import { type Away, type Connected, check, flawsOf, type Observer, type Run, type Snapshot, type Told, type Verdict } from './checker.js'
import { Client, type Record as ConnectionRecord } from './client.js'
import type { Order, Report, Setup, State } from './messages.js'
import { type Span, without } from './spans.js'

export const SOURCE = fileURLToPath(new URL('../../packages/server/src', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PROGRAM = fileURLToPath(new URL('process.ts', import.meta.url))

const START_MS = 60_000
const ANSWER_MS = 15_000
const POLL_MS = 50
const PING_MS = 100
const SLOW_PING_MS = 400
// How often a node sweeps: a quarter of its lease, and at least once a second.
const sweepOf = (leaseMs: number): number => Math.min(1_000, leaseMs / 4)

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL') // also one that is stopped
})

export interface ClusterOptions {
  readonly nodes: number
  readonly leaseMs?: number
  readonly graceMs?: number
  /** What the machine may be late by. */
  readonly slackMs?: number
  readonly source?: string
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** One process, from its start to its end. */
export class Member {
  readonly told: Told[] = []
  port: number | undefined
  endedMs: number | undefined
  stopped = false
  readonly #waiting = new Map<number, Waiting>()
  #number = 0
  #expected = false
  readonly exit: Promise<void>
  readonly listening: Promise<void>

  constructor(
    readonly name: string,
    private readonly child: ChildProcess,
    private readonly cluster: Cluster,
  ) {
    running.add(child)
    this.exit = once(child, 'exit').then(([code, signal]) => this.#end(`${name} ended by itself (${signal ?? code})`))
    this.listening = new Promise((resolve) => {
      child.on('message', (report: Report) => this.#hear(report, resolve))
      void this.exit.then(() => resolve())
    })
  }

  /** @throws Error where the process cannot answer, or does not in time. */
  async ask(order: Order extends infer O ? (O extends Order ? Omit<O, 'id'> : never) : never): Promise<unknown> {
    const id = this.#number++
    const timer = new AbortController()
    const late = delay(ANSWER_MS, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`${this.name} did not answer ${order.ask}`)
    })
    late.catch(() => {})
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.child.send({ ...order, id }, (error) => error && this.#waiting.get(id)?.reject(error))
    return Promise.race([answer, late]).finally(() => {
      this.#waiting.delete(id)
      timer.abort()
    })
  }

  async kill(): Promise<void> {
    this.#expected = true
    this.child.kill('SIGKILL')
    await this.exit
  }

  /** Ends it as a deployment does. */
  async close(): Promise<void> {
    this.#expected = true
    await this.ask({ ask: 'close' })
    this.child.kill('SIGKILL') // nothing is left that it could lose
    await this.exit
  }

  stop(): void {
    this.stopped = true
    this.child.kill('SIGSTOP')
  }

  goOn(): void {
    this.stopped = false
    this.child.kill('SIGCONT')
  }

  #hear(report: Report, listening: () => void): void {
    if (report.kind === 'told') this.told.push(...report.told)
    else if (report.kind === 'stalled') this.cluster.noteStall(this, report)
    else if (report.kind === 'answer') this.#waiting.get(report.id)?.resolve(report.value)
    else if (report.kind === 'failed') this.#waiting.get(report.id)?.reject(new Error(report.message))
    else {
      this.port = report.port
      listening()
    }
  }

  #end(how: string): void {
    this.endedMs = Date.now()
    running.delete(this.child)
    if (!this.#expected) this.cluster.noteCrash(how)
    for (const { reject } of this.#waiting.values()) reject(new Error(how))
  }
}

/** Real processes over a real Redis, what is done to them, and a record of it. */
export class Cluster {
  readonly connections: ConnectionRecord[] = []
  readonly nodes: Member[] = []
  readonly #members: Member[] = []
  readonly #aways: Away[] = []
  readonly #disturbances: Span[] = []
  readonly #crashes: string[] = []
  readonly #snapshots: Snapshot[] = []
  readonly #clients = new Set<Client>()
  readonly #rooms = new Set<string>()
  #withoutClients: readonly string[] = [] // until it is looked at
  #withoutNodes: readonly string[] = []
  #observer!: Member // made by start()
  #generation = 0
  #monitor: NodeJS.Timeout | undefined
  readonly #watch: Redis
  readonly leaseMs: number
  readonly graceMs: number
  readonly slackMs: number

  private constructor(
    readonly redis: RedisServer,
    private readonly options: ClusterOptions,
  ) {
    const { leaseMs = 1_000, graceMs = 200, slackMs = 1_500 } = options
    this.leaseMs = leaseMs
    this.graceMs = graceMs
    this.slackMs = slackMs
    this.#watch = new Redis(redis.url, { enableOfflineQueue: false, maxRetriesPerRequest: 0, retryStrategy: () => 100 })
    this.#watch.on('error', () => {}) // it is killed on purpose
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(await startRedis(), options)
    try {
      await cluster.#begin()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** Within which the end of a node is noticed and told. */
  get noticeMs(): number {
    return this.leaseMs + this.graceMs + 2 * sweepOf(this.leaseMs) + this.slackMs
  }

  /** Within which everything is right again once the store is there: those who follow look for themselves after another lease and grace. */
  get recoveryMs(): number {
    return this.noticeMs + this.leaseMs + this.graceMs
  }

  /** For how much of the time since then nothing was wrong with Redis. */
  calmSince(startMs: number): number {
    const nowMs = Date.now()
    const calm = without({ fromMs: startMs, toMs: nowMs }, this.#disturbances)
    return calm.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0) / (nowMs - startMs)
  }

  /** Events that the lasting observer has told. */
  get transitions(): number {
    return this.#observer.told.length
  }

  get live(): Client[] {
    return [...this.#clients].filter(({ isLive }) => isLive)
  }

  // ---- clients

  dial(node: Member, userId: string, deviceId: string): Client {
    const record: ConnectionRecord = {
      userId,
      deviceId,
      node: node.name,
      dialledMs: Date.now(),
      connectedMs: undefined,
      endedMs: undefined,
      rooms: [],
    }
    this.connections.push(record)
    const client = new Client(`http://127.0.0.1:${node.port ?? 1}`, record)
    this.#clients.add(client)
    return client
  }

  /** One that is not in the room for sure is nowhere any more. */
  async join(client: Client, room: string): Promise<void> {
    this.#rooms.add(room)
    if (!(await client.join(room))) client.leave()
  }

  leaveAll(): void {
    for (const client of this.#clients) client.leave('breaks off')
  }

  /** Waits until the store has no device of the user any more. */
  async untilGone(userId: string): Promise<void> {
    for (;;) {
      const state = (await this.#observer.ask({ ask: 'state', userIds: [userId], rooms: [] }).catch(() => undefined)) as State | undefined
      if (state?.devices.every(([, deviceIds]) => deviceIds.length === 0) === true) return
      await delay(POLL_MS)
    }
  }

  // ---- what is done to nodes

  async startNode(): Promise<Member> {
    const node = await this.#fork('node')
    this.nodes.push(node)
    return node
  }

  async kill(node: Member): Promise<void> {
    this.#lose(node)
    await node.kill()
  }

  /** Ends it as a deployment does. */
  async closeNode(node: Member): Promise<void> {
    this.#lose(node)
    await node.close()
  }

  async pause(node: Member, ms: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    const fromMs = Date.now()
    const away = { node: node.name, fromMs, toMs: Number.POSITIVE_INFINITY }
    this.#aways.push(away)
    node.stop()
    await Promise.all([delay(ms), meanwhile()])
    node.goOn()
    away.toMs = Date.now()
  }

  // ---- what is done to Redis

  async killRedis(ms: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    await this.#disturb(async () => {
      await this.redis.kill()
      await Promise.all([delay(ms), meanwhile()])
      await this.redis.restart()
    })
  }

  async hangRedis(ms: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    await this.#disturb(async () => {
      this.redis.pause()
      await Promise.all([delay(ms), meanwhile()])
      this.redis.resume()
    })
  }

  async flush(): Promise<void> {
    await this.#disturb(() => this.command('FLUSHALL'))
  }

  /** In whatever state Redis is; what it does not do is not done. */
  async command(...args: [string, ...string[]]): Promise<unknown> {
    const [name, ...rest] = args
    return this.#watch.call(name, ...rest).catch(() => undefined)
  }

  // ---- the end of it

  /** Waits until what is stored and told is what is so, and takes that down; if it does not come to that in time, what there is. */
  async settle(): Promise<void> {
    const untilMs = Date.now() + this.recoveryMs + this.slackMs
    for (;;) {
      const snapshot = await this.#look()
      const late = Date.now() > untilMs
      if (snapshot !== undefined && (late || flawsOf(snapshot, this.connections, this.#observers()).length === 0)) {
        this.#snapshots.push(snapshot)
        return
      }
      if (Date.now() > untilMs + ANSWER_MS) throw new Error('the state could not be read')
      await delay(POLL_MS)
    }
  }

  /** Has all clients leave, looks at what is left, then has all nodes end, and looks again. */
  async finish(): Promise<Verdict> {
    this.leaveAll()
    await this.settle()
    this.#withoutClients = await this.#keysUntil((keys) => keys.every((key) => ['nodes', 'epoch', 'events'].includes(key)))
    await Promise.all(this.nodes.filter(({ endedMs }) => endedMs === undefined).map((node) => this.closeNode(node)))
    this.#withoutNodes = await this.#keysUntil((keys) => keys.length === 0)
    return this.verdict()
  }

  /** On what there is so far. */
  verdict(): Verdict {
    return check(this.#run())
  }

  #run(): Run {
    const { graceMs, noticeMs, slackMs, connections } = this
    return {
      graceMs,
      noticeMs,
      slackMs,
      endMs: Date.now(),
      observers: this.#observers(),
      connections: connections as readonly Connected[],
      aways: this.#aways,
      disturbances: this.#disturbances,
      snapshots: this.#snapshots,
      keys: { withoutClients: this.#withoutClients, withoutNodes: this.#withoutNodes },
      crashes: this.#crashes,
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#monitor)
    this.leaveAll()
    await Promise.all(this.#members.filter(({ endedMs }) => endedMs === undefined).map((member) => member.kill()))
    this.#watch.disconnect()
    await this.redis.stop()
  }

  /** What a process did not do itself: it may have been late with everything. */
  noteStall(member: Member, { fromMs, toMs }: Span): void {
    if (member === this.#observer) this.#disturbances.push({ fromMs, toMs: toMs + this.slackMs })
    else this.#aways.push({ node: member.name, fromMs, toMs })
  }

  noteCrash(how: string): void {
    this.#crashes.push(how)
  }

  async #begin(): Promise<void> {
    await Promise.all(Array.from({ length: this.options.nodes }, () => this.startNode()))
    await this.#ready(this.nodes)
    this.#observer = await this.#fork('observer') // one that was there before the state would look for what it missed
    await this.#ready([this.#observer]) // when it hears of every change
    this.#monitor = setInterval(() => void this.#ping(), PING_MS)
  }

  async #fork(role: Setup['role']): Promise<Member> {
    const { leaseMs, graceMs, redis } = this
    const setup: Setup = { role, url: redis.url, prefix: 'chaos', leaseMs, graceMs, source: this.options.source ?? SOURCE }
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|VITEST)/.test(name)))
    const child = fork(PROGRAM, [], {
      cwd: ROOT,
      execArgv: ['--conditions=@org/source', '--import', 'tsx'],
      env: { ...inherited, CHAOS_SETUP: JSON.stringify(setup) },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const member = new Member(`${role} ${++this.#generation}`, child, this)
    this.#members.push(member)
    await Promise.race([
      member.listening,
      delay(START_MS, undefined, { ref: false }).then(() => {
        if (member.port === undefined) throw new Error(`${member.name} did not start`)
      }),
    ])
    return member
  }

  async #ready(members: readonly Member[]): Promise<void> {
    for (const member of members) while ((await member.ask({ ask: 'ready' })) !== true) await delay(POLL_MS)
  }

  #lose({ name }: Member): void {
    const nowMs = Date.now()
    for (const connection of this.connections) if (connection.node === name) connection.endedMs ??= nowMs
  }

  #observers(): Observer[] {
    return this.#members.map((member) => ({ name: member.name, lasting: member === this.#observer, endedMs: member.endedMs, told: member.told }))
  }

  async #disturb(work: () => Promise<unknown>): Promise<void> {
    const disturbance = { fromMs: Date.now(), toMs: Number.POSITIVE_INFINITY }
    this.#disturbances.push(disturbance)
    await work()
    disturbance.toMs = Date.now() + this.recoveryMs
  }

  /** A Redis that has no time is one that is not there: what was due to it is late. */
  async #ping(): Promise<void> {
    const fromMs = Date.now()
    try {
      await this.#watch.ping()
    } catch {
      return // what is done to it on purpose is written down as such
    }
    const toMs = Date.now()
    if (toMs - fromMs > SLOW_PING_MS) this.#disturbances.push({ fromMs, toMs: toMs + this.noticeMs })
  }

  async #look(): Promise<Snapshot | undefined> {
    const userIds = [...new Set(this.connections.map(({ userId }) => userId))]
    const state = (await this.#observer.ask({ ask: 'state', userIds, rooms: [...this.#rooms] }).catch(() => undefined)) as State | undefined
    if (state === undefined) return undefined
    return { atMs: Date.now(), online: state.online, count: state.count, devices: new Map(state.devices), members: new Map(state.members) }
  }

  async #keysUntil(isFine: (keys: readonly string[]) => boolean): Promise<readonly string[]> {
    const untilMs = Date.now() + this.noticeMs
    for (;;) {
      const keys = ((await this.command('KEYS', '*chaos*')) as string[]).map((key) => key.replace(/^\{[^}]*\}:/, ''))
      if (isFine(keys) || Date.now() > untilMs) return keys
      await delay(POLL_MS)
    }
  }
}
