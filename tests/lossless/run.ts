import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createRealtimeClient, type RealtimeClient } from '@org/realtime-client'
import type { Receipt } from '@org/realtime-server'
import { inTurns, Random } from '../chaos/random.js'
import { ask, type RedisServer, startRedis } from '../redis.js'
import { EFFECT, numbered } from './contract.js'
import type { Entry } from './history.js'
import type { Order, Setup } from './process.js'

const PROGRAM = fileURLToPath(new URL('process.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NODES = 3
const USERS = 8
const DEVICES = 2
const MAX_MESSAGES = 400
const EMIT_MS = 3_000
const COMMAND_MS = 8_000
const QUIET_MS = 30_000

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL') // also one that is stopped
})

export interface LosslessOptions {
  readonly seed: number
  readonly messages: number
  readonly faults: number
  readonly event: 'kept' | 'plain'
}

export interface LosslessResult {
  readonly history: readonly Entry[]
  readonly faults: Readonly<Record<string, number>>
  readonly seconds: number
}

/** Numbered messages to users on several devices, while nodes, connections and Redis are broken at random; then quiet. */
export async function runLossless(options: LosslessOptions): Promise<LosslessResult> {
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] })
  const run = new Run(redis, options)
  const startMs = Date.now()
  try {
    await run.start()
    await run.play()
    return { history: run.history, faults: Object.fromEntries(run.faults), seconds: Math.round((Date.now() - startMs) / 1_000) }
  } finally {
    await run.stop()
    await redis.stop()
  }
}

type Task = Order extends infer O ? (O extends Order ? Omit<O, 'id'> : never) : never

/** A process that serves, and is started again on its port where it was killed. */
class Node {
  #child: ChildProcess | undefined
  #isReady: Promise<unknown> = Promise.resolve()
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #lastId = 0

  constructor(private readonly setup: Setup) {}

  get url(): string {
    return `http://127.0.0.1:${this.setup.port}`
  }

  async start(): Promise<void> {
    const child = fork(PROGRAM, {
      cwd: ROOT,
      execArgv: ['--conditions=@org/source', '--import', 'tsx'],
      env: { ...process.env, LOSSLESS_SETUP: JSON.stringify(this.setup) },
    })
    running.add(child)
    this.#child = child
    this.#isReady = new Promise((resolve) => {
      child.on('message', ({ id, value, failed }: { id: number; value?: unknown; failed?: string }) => {
        if (id === -1) resolve(undefined)
        const waiting = this.#waiting.get(id)
        if (failed === undefined) waiting?.resolve(value)
        else waiting?.reject(new Error(failed))
      })
    })
    child.once('exit', () => {
      running.delete(child)
      for (const { reject } of this.#waiting.values()) reject(new Error('the node has gone'))
    })
    await this.#isReady
    while (!(await this.ask({ ask: 'ready' }).catch(() => false))) await delay(50)
  }

  /** @throws Error where the node fails, is gone, or does not answer in time. */
  async ask(task: Task): Promise<unknown> {
    const id = this.#lastId++
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      if (this.#child?.connected !== true) reject(new Error('the node is down'))
      else this.#child.send({ ...task, id }, (error) => error && reject(error))
    })
    const timer = new AbortController()
    const late = delay(EMIT_MS, undefined, { signal: timer.signal }).then(() => Promise.reject(new Error('no answer')))
    late.catch(() => {})
    return Promise.race([answer, late]).finally(() => {
      timer.abort()
      this.#waiting.delete(id)
    })
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async pause(ms: number): Promise<void> {
    this.#child?.kill('SIGSTOP')
    await delay(ms)
    this.#child?.kill('SIGCONT')
  }
}

class Device {
  client: RealtimeClient<typeof numbered>
  /** The epoch that it is in, as it was told. */
  #epoch = ''

  constructor(
    readonly user: string,
    readonly name: string,
    private readonly urls: readonly string[],
    private readonly event: 'kept' | 'plain',
    private readonly write: (entry: Entry) => void,
    private positions = '',
  ) {
    this.client = this.#make(0)
  }

  #make(index: number): RealtimeClient<typeof numbered> {
    const { user, name, write } = this
    const client = createRealtimeClient(numbered, {
      url: this.urls[index % this.urls.length] as string, // it is within its length
      getToken: () => user,
      deviceId: name,
      transports: ['websocket'],
      reconnectDelayMs: 50,
      maxReconnectDelayMs: 500,
      positions: {
        get: () => this.positions,
        set: (text) => {
          if (this.client === client) this.positions = text
        },
      },
    })
    const at = { user, device: name }
    client.on(this.event, ({ n }) => {
      if (this.client === client) write({ kind: 'heard', ...at, n, atMs: Date.now() })
    })
    client.on('$caughtUp', ({ epoch, sequence, resumed }) => {
      if (this.client !== client) return
      this.#epoch = epoch
      write({ kind: 'caughtUp', ...at, place: { epoch, sequence }, resumed, atMs: Date.now() })
    })
    client.on('$gap', ({ from, to, reason, epoch, sequence }) => {
      if (this.client !== client) return
      write({ kind: 'gap', ...at, from, to, reason, before: this.#epoch, place: { epoch, sequence }, atMs: Date.now() })
      this.#epoch = epoch
    })
    client.on('error', () => {})
    return client
  }

  /** The page is loaded again, and comes to another node: all that is left is what it has stored. */
  async reload(index: number, awayMs: number): Promise<void> {
    this.client.close()
    await delay(awayMs)
    this.client = this.#make(index)
    this.client.connect().catch(() => {})
  }
}

type Fault = readonly [name: string, make: () => Promise<unknown>]

class Run {
  readonly history: Entry[] = []
  readonly faults = new Map<string, number>()
  readonly #random: Random
  #nodes: Node[] = []
  #devices: Device[] = []
  #n = 0
  #commands = 0
  #isBroken = true

  constructor(
    private readonly redis: RedisServer,
    private readonly options: LosslessOptions,
  ) {
    this.#random = new Random(options.seed)
  }

  async start(): Promise<void> {
    const prefix = randomUUID()
    const ports = await Promise.all(Array.from({ length: NODES }, freePort))
    this.#nodes = ports.map((port) => new Node({ url: this.redis.url, prefix, port, maxMessages: MAX_MESSAGES }))
    await Promise.all(this.#nodes.map((node) => node.start()))
    const urls = this.#nodes.map(({ url }) => url)
    for (let index = 0; index < USERS * DEVICES; index++) {
      const user = `user-${Math.floor(index / DEVICES)}`
      this.#devices.push(new Device(user, `device-${index}`, rotate(urls, index), this.options.event, (entry) => this.history.push(entry)))
    }
    await Promise.all(this.#devices.map(({ client }) => client.connect()))
  }

  async play(): Promise<void> {
    const users = Array.from({ length: USERS }, (_, index) => `user-${index}`)
    await Promise.all([
      ...users.map((user) => this.#produce(user, this.#random.fork())),
      ...this.#devices.map((device) => this.#command(device)),
      this.#break(this.#random.fork()),
    ])
    await this.#settle(users)
    await this.#readEffects()
    for (const { user, name, client } of this.#devices) {
      this.history.push({ kind: 'ended', user, device: name, connected: client.status === 'connected', atMs: Date.now() })
    }
  }

  async stop(): Promise<void> {
    for (const { client } of this.#devices) client.close()
    await Promise.all(this.#nodes.map((node) => node.kill()))
  }

  /** Sends until there were enough messages and enough faults. */
  async #produce(user: string, random: Random): Promise<void> {
    while (this.#n < this.options.messages || this.#isBroken) {
      await this.#send(user, random.one(this.#nodes))
      if (this.#n > this.options.messages) await delay(20) // what is left is for the faults
    }
  }

  /** Asks for one command after the other; what is not answered in time nobody asks for again, and it may take effect or not. */
  async #command({ user, ...device }: Device): Promise<void> {
    while (this.#isBroken) {
      const n = ++this.#commands
      this.history.push({ kind: 'asked', user, n, atMs: Date.now() })
      const answer = await device.client.request('command', { n }, { timeoutMs: COMMAND_MS }).catch(() => undefined)
      if (answer !== undefined) this.history.push({ kind: 'answered', user, n, answer, atMs: Date.now() })
      await delay(20)
    }
  }

  /** What is left of them: a Redis that was emptied has none of before. */
  async #readEffects(): Promise<void> {
    const script = `local r = {} for _, k in ipairs(redis.call('KEYS', '${EFFECT}*')) do r[#r + 1] = string.sub(k, ${EFFECT.length + 1}) .. '=' .. redis.call('GET', k) end return table.concat(r, ' ')`
    const effects = await ask(this.redis.port, `EVAL "${script}" 0`)
    for (const effect of effects.split(' ').filter((text) => text !== '')) {
      const [n, times] = effect.split('=').map(Number) as [number, number] // as the script has written it
      this.history.push({ kind: 'effect', n, times, atMs: Date.now() })
    }
  }

  async #send(user: string, node: Node): Promise<boolean> {
    const n = ++this.#n
    this.history.push({ kind: 'sent', user, n, atMs: Date.now() })
    try {
      const receipt = (await node.ask({ ask: 'emit', event: this.options.event, user, n })) as Receipt | undefined // what a node answers
      this.history.push({ kind: 'stored', user, n, place: receipt, atMs: Date.now() })
      return true
    } catch {
      this.history.push({ kind: 'unknown', user, n, atMs: Date.now() })
      await delay(20)
      return false
    }
  }

  async #break(random: Random): Promise<void> {
    const node = (): Node => random.one(this.#nodes)
    const user = (): string => `user-${Math.floor(random.next() * USERS)}`
    const faults: Fault[] = [
      ['a node killed', () => this.#replace(node(), random.between(0, 500))],
      ['a node stopped', () => node().pause(random.between(200, 2_500))],
      ['transports dropped', () => node().ask({ ask: 'drop' })],
      ['a page loaded again on another node', () => random.one(this.#devices).reload(Math.floor(random.next() * NODES), random.between(0, 800))],
      ['a device away', () => random.one(this.#devices).reload(Math.floor(random.next() * NODES), random.between(1_000, 3_000))],
      ['connections of Redis killed', () => ask(this.redis.port, `CLIENT KILL TYPE ${random.one(['normal', 'pubsub'])}`)],
      ['Redis killed', () => this.#restartRedis(random.between(0, 800))],
      ['a log trimmed', () => node().ask({ ask: 'trim', user: user(), through: Number.MAX_SAFE_INTEGER })],
      ['Redis emptied', () => this.#emptyRedis()],
      ['scripts of Redis flushed', () => ask(this.redis.port, 'SCRIPT FLUSH')],
    ]
    let made = 0
    for (const [name, make] of inTurns(faults, random)) {
      if (made >= this.options.faults) break
      await delay(random.between(100, 700))
      await make().catch(() => {}) // of what is down already
      made++
      this.faults.set(name, (this.faults.get(name) ?? 0) + 1)
    }
    this.#isBroken = false
  }

  async #emptyRedis(): Promise<void> {
    await this.#readEffects()
    await ask(this.redis.port, 'FLUSHALL')
  }

  async #replace(node: Node, ms: number): Promise<void> {
    await node.kill()
    await delay(ms)
    await node.start()
  }

  async #restartRedis(ms: number): Promise<void> {
    await this.redis.kill()
    await delay(ms)
    await this.redis.restart()
  }

  /** Everybody is there, and what was sent last has come. */
  async #settle(users: readonly string[]): Promise<void> {
    await Promise.all(this.#devices.map(({ client }) => client.connect({ timeoutMs: QUIET_MS })))
    await delay(1_500) // the readers look where the logs end
    const last = new Map<string, number>()
    for (const user of users) {
      let isStored = false
      for (let tries = 0; !isStored && tries < 20; tries++) isStored = await this.#send(user, this.#nodes[0] as Node)
      last.set(user, this.#lastOf(user))
    }
    const untilMs = Date.now() + QUIET_MS
    const hasCome = ({ user, name }: Device): boolean =>
      this.history.findLast((entry) => entry.kind === 'heard' && entry.device === name && entry.n === last.get(user)) !== undefined
    while (!this.#devices.every(hasCome) && Date.now() < untilMs) await delay(50)
  }

  #lastOf(user: string): number {
    const entry = this.history.findLast((each) => each.kind === 'stored' && each.user === user)
    return entry?.kind === 'stored' ? entry.n : 0
  }
}

function rotate<T>(items: readonly T[], by: number): T[] {
  return items.map((_, index) => items[(index + by) % items.length] as T)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
