import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Random } from '../chaos/random.js'
import { ask, type RedisServer, startRedis } from '../redis.js'
import { EFFECT, type Target, toLog } from './contract.js'
import { Device } from './device.js'
import { makeFaults, toFaults } from './faults.js'
import type { Entry } from './history.js'
import { freePort, Node } from './node.js'
import type { Sent } from './process.js'

const NODES = 3
/** Of each user. */
export const DEVICES = 2
const MAX_MESSAGES = 150
const COMMAND_MS = 8_000
const QUIET_MS = 60_000
const PAUSE_MS = 20
// Between two commands of a device, for each device that there is: all together ask no more where there are more.
const COMMAND_PAUSE_MS = 2.5
const LAST_TRIES = 20

export interface LosslessOptions {
  readonly seed: number
  readonly messages: number
  readonly faults: number
  readonly users: number
  readonly halls: number
  /** How many messages a node is told to send at once. */
  readonly atOnce?: number
  /** Over how long the faults are spread; without it they follow each other. It ends with them, also before there were enough messages. */
  readonly spreadMs?: number
  readonly event: 'kept' | 'plain'
  /** Is given what happens, in its order. */
  write(entry: Entry): void
}

export interface LosslessResult {
  readonly faults: Readonly<Record<string, number>>
  readonly seconds: number
}

/** Numbered messages to users on several devices, and to halls with devices of several users, while nodes, connections and Redis are broken at random; then quiet. */
export async function runLossless(options: LosslessOptions): Promise<LosslessResult> {
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] })
  const run = new Run(redis, options)
  const startMs = Date.now()
  try {
    await run.start()
    const faults = await run.play()
    return { faults: Object.fromEntries(faults), seconds: Math.round((Date.now() - startMs) / 1_000) }
  } finally {
    await run.stop()
    await redis.stop()
  }
}

class Run {
  readonly #random: Random
  readonly #users: readonly string[]
  readonly #targets: readonly Target[]
  #nodes: Node[] = []
  #devices: Device[] = []
  #n = 0
  #commands = 0
  #isBroken = true
  /** What devices have heard since all is well, once that is. */
  #heardLast: Set<string> | undefined

  constructor(
    private readonly redis: RedisServer,
    private readonly options: LosslessOptions,
  ) {
    this.#random = new Random(options.seed)
    this.#users = Array.from({ length: options.users }, (_, index) => `user-${index}`)
    this.#targets = [
      ...this.#users.map((id): Target => ({ kind: 'user', id })),
      ...Array.from({ length: options.halls }, (_, index): Target => ({ kind: 'hall', id: String(index) })),
    ]
  }

  async start(): Promise<void> {
    const prefix = randomUUID()
    const ports = await Promise.all(Array.from({ length: NODES }, freePort))
    this.#nodes = ports.map((port) => new Node({ url: this.redis.url, prefix, port, maxMessages: MAX_MESSAGES }))
    await Promise.all(this.#nodes.map((node) => node.start()))
    const urls = this.#nodes.map(({ url }) => url)
    this.#devices = this.#users.flatMap((user, index) =>
      Array.from({ length: DEVICES }, (_, nth) => this.#toDevice(user, index * DEVICES + nth, rotate(urls, index * DEVICES + nth))),
    )
    await until(() => this.#devices.every(({ hasBegun }) => hasBegun), 'not every device has begun')
  }

  #toDevice(user: string, index: number, urls: readonly string[]): Device {
    const { event, halls } = this.options
    return new Device({ name: `device-${index}`, user, hall: String(index % halls), urls, event, write: (entry) => this.#write(entry) })
  }

  #write(entry: Entry): void {
    this.options.write(entry)
    if (entry.kind === 'heard') this.#heardLast?.add(`${entry.device} ${entry.n}`)
  }

  /** @returns how often each fault was made. */
  async play(): Promise<Map<string, number>> {
    const [faults] = await Promise.all([
      this.#break(this.#random.fork()),
      ...this.#targets.map((target) => this.#produce(target, this.#random.fork())),
      ...this.#devices.map((device) => this.#command(device)),
    ])
    await this.#settle()
    await this.#readEffects()
    for (const { name, isThere } of this.#devices) this.#write({ kind: 'ended', device: name, connected: isThere, atMs: Date.now() })
    return faults
  }

  async stop(): Promise<void> {
    for (const { client } of this.#devices) client.close()
    await Promise.all(this.#nodes.map((node) => node.kill()))
  }

  async #break(random: Random): Promise<Map<string, number>> {
    const faults = toFaults({ redis: this.redis, nodes: this.#nodes, devices: this.#devices, users: this.#users, beforeEmptied: () => this.#readEffects() })
    try {
      return await makeFaults(faults, { total: this.options.faults, spreadMs: this.options.spreadMs }, random)
    } finally {
      this.#isBroken = false
    }
  }

  /** Sends until there were enough messages and enough faults. */
  async #produce(target: Target, random: Random): Promise<void> {
    const isEnough = (): boolean => this.#n >= this.options.messages || this.options.spreadMs !== undefined
    while (this.#isBroken || !isEnough()) {
      const isTrickle = this.#n >= this.options.messages // what is left is for the faults
      await this.#send(target, random.one(this.#nodes), isTrickle ? 1 : this.options.atOnce)
      if (isTrickle) await delay(PAUSE_MS)
    }
  }

  /** Sends the next so many, one after the other. @returns the number of the last one, if it is known to be stored. */
  async #send(to: Target, node: Node, count = 1): Promise<number | undefined> {
    const log = toLog(to)
    const ns = Array.from({ length: count }, () => ++this.#n)
    for (const n of ns) this.#write({ kind: 'sent', log, n, atMs: Date.now() })
    const sent = (await node.ask({ ask: 'emit', event: this.options.event, to, ns }).catch(() => [])) as Sent[] // what a node answers
    for (const [index, n] of ns.entries()) {
      const { isStored = false, place } = sent[index] ?? {}
      this.#write(isStored ? { kind: 'stored', log, n, place, atMs: Date.now() } : { kind: 'unknown', log, n, atMs: Date.now() })
    }
    if (sent.at(-1)?.isStored === true) return ns.at(-1)
    await delay(PAUSE_MS)
    return undefined
  }

  /** Asks for one command after the other; what is not answered in time nobody asks for again, and it may take effect or not. */
  async #command(device: Device): Promise<void> {
    while (this.#isBroken) {
      const n = ++this.#commands
      this.#write({ kind: 'asked', n, atMs: Date.now() })
      const answer = await device.client.request('command', { n }, { timeoutMs: COMMAND_MS }).catch(() => undefined)
      if (answer !== undefined) this.#write({ kind: 'answered', n, answer, atMs: Date.now() })
      await delay(COMMAND_PAUSE_MS * this.#devices.length)
    }
  }

  /** What is left of them: a Redis that was emptied has none of before. */
  async #readEffects(): Promise<void> {
    const script = `local r = {} for _, k in ipairs(redis.call('KEYS', '${EFFECT}*')) do r[#r + 1] = string.sub(k, ${EFFECT.length + 1}) .. '=' .. redis.call('GET', k) end return table.concat(r, ' ')`
    const effects = await ask(this.redis.port, `EVAL "${script}" 0`)
    for (const effect of effects.split(' ').filter((text) => text !== '')) {
      const [n, times] = effect.split('=').map(Number) as [number, number] // as the script has written it
      this.#write({ kind: 'effect', n, times, atMs: Date.now() })
    }
  }

  /** Everybody is there, and what was sent last has come. */
  async #settle(): Promise<void> {
    await until(() => this.#devices.every(({ isThere }) => isThere), 'not every device is connected and in its hall')
    await delay(1_500) // the readers look where the logs end
    const heard = new Set<string>()
    this.#heardLast = heard
    for (const target of this.#targets) {
      const n = await this.#sendLast(target)
      const members = this.#devices.filter((device) => device.isIn(target))
      // Where it does not come, the checker finds out.
      await until(() => members.every(({ name }) => heard.has(`${name} ${n}`)), '').catch(() => {})
    }
  }

  async #sendLast(target: Target): Promise<number> {
    for (let tries = 0; tries < LAST_TRIES; tries++) {
      const n = await this.#send(target, this.#nodes[0] as Node) // there are some
      if (n !== undefined) return n
    }
    throw new Error(`Nothing could be sent to ${toLog(target)} in the end`)
  }
}

/** @throws Error after a time in which all should have been well again. */
async function until(isSo: () => boolean, otherwise: string): Promise<void> {
  const untilMs = Date.now() + QUIET_MS
  while (!isSo()) {
    if (Date.now() > untilMs) throw new Error(otherwise)
    await delay(50)
  }
}

function rotate<T>(items: readonly T[], by: number): T[] {
  return items.map((_, index) => items[(index + by) % items.length] as T)
}
