import type { EventEmitter } from 'node:events'
import { Cluster, Redis, type RedisOptions } from 'ioredis'

/** What the bus needs of Redis: a connection to publish with and one to listen with. */
export interface RedisConnection {
  publish(channel: string, message: string | Buffer): Promise<number>
  /** Any command; one with keys has them where Redis expects them, so that a Cluster knows its way. */
  command(args: ReadonlyArray<string | number>): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  /** How many connections listen to a channel. */
  countListeners(channel: string): Promise<number>
  /** Asks for a sign of life, so that a connection that hangs is found out. */
  ping(): void
  watch(watcher: ConnectionWatcher): void
  close(): void
}

export interface ConnectionWatcher {
  onMessage(channel: string, message: Buffer): void
  /** The listening connection is new: nothing is subscribed on it. */
  onUp(): void
  onDown(): void
  onError(error: Error): void
}

const SILENCE_MS = 1_000
const MAX_RETRY_MS = 500

/**
 * Nothing waits for a Redis that is away: a command is sent at once or fails at once, and a connection
 * on which an answer is overdue is given up, with all that was sent on it.
 */
const OPTIONS = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false, // the bus knows what is wanted now; the library only what was, and it owns none of its promises
  maxRetriesPerRequest: 0,
  connectTimeout: SILENCE_MS,
  socketTimeout: SILENCE_MS,
  retryStrategy: (attempt: number) => Math.min(attempt * 50, MAX_RETRY_MS) * (0.5 + Math.random() / 2),
} satisfies RedisOptions

/** Opens two connections of the bus's own, made as the given client is, or to the URL. */
export function connect(redis: string | Redis | Cluster): RedisConnection {
  if (redis instanceof Cluster) return new ClusterConnection(redis)
  const open = (connectionName: string): Redis =>
    typeof redis === 'string' ? new Redis(redis, { ...OPTIONS, connectionName }) : redis.duplicate({ ...OPTIONS, connectionName })
  return new StandaloneConnection(open('realtime-publish'), open('realtime-listen'))
}

class StandaloneConnection implements RedisConnection {
  readonly #publisherOpening: Opening
  readonly #listenerOpening: Opening
  readonly #subscribing = new Batches((channels) => this.#listenerOpening.before(() => this.listener.ssubscribe(...channels)))
  readonly #unsubscribing = new Batches((channels) => this.listener.sunsubscribe(...channels))

  constructor(
    private readonly publisher: Redis,
    private readonly listener: Redis,
  ) {
    this.#publisherOpening = new Opening(publisher)
    this.#listenerOpening = new Opening(listener)
  }

  publish(channel: string, message: string | Buffer): Promise<number> {
    return this.#publisherOpening.before(() => toNumber(this.publisher.spublish(channel, message)))
  }

  command([name = '', ...args]: ReadonlyArray<string | number>): Promise<unknown> {
    return this.#publisherOpening.before(() => answered(this.publisher.call(String(name), ...args)))
  }

  subscribe(channel: string): Promise<void> {
    return this.#subscribing.add(channel)
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#unsubscribing.add(channel)
  }

  async countListeners(channel: string): Promise<number> {
    return toCount(await answered(this.publisher.call('PUBSUB', 'SHARDNUMSUB', channel)))
  }

  ping(): void {
    for (const client of [this.publisher, this.listener]) {
      if (client.status === 'ready') client.ping().catch(noop) // that it fails is seen by the connection's end
    }
  }

  watch(watcher: ConnectionWatcher): void {
    this.listener.on('smessageBuffer', (channel: Buffer, message: Buffer) => watcher.onMessage(channel.toString(), message))
    this.listener.on('ready', () => watcher.onUp())
    this.listener.on('close', () => watcher.onDown())
    for (const client of [this.publisher, this.listener]) {
      client.on('error', (error: Error) => watcher.onError(error))
      client.connect().catch(noop) // told by `error`; it goes on dialling
    }
  }

  close(): void {
    this.publisher.disconnect()
    this.listener.disconnect()
  }
}

/** A Cluster moves and restores its subscriptions itself, shard by shard. */
class ClusterConnection implements RedisConnection {
  readonly #cluster: Cluster
  readonly #opening: Opening

  constructor(cluster: Cluster) {
    const { autoResubscribe: _restored, lazyConnect: _lazy, retryStrategy: clusterRetryStrategy, ...redisOptions } = OPTIONS
    this.#cluster = cluster.duplicate([], {
      shardedSubscribers: true,
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy,
      redisOptions,
    })
    this.#opening = new Opening(this.#cluster)
  }

  publish(channel: string, message: string | Buffer): Promise<number> {
    return this.#opening.before(() => toNumber(this.#cluster.spublish(channel, message)))
  }

  command([name = '', ...args]: ReadonlyArray<string | number>): Promise<unknown> {
    return this.#opening.before(() => answered(this.#cluster.call(String(name), ...args)))
  }

  subscribe(channel: string): Promise<unknown> {
    return this.#opening.before(() => answered(this.#cluster.ssubscribe(channel))) // one at a time: each channel has its shard
  }

  unsubscribe(channel: string): Promise<unknown> {
    return answered(this.#cluster.sunsubscribe(channel))
  }

  async countListeners(channel: string): Promise<number> {
    const calls = this.#cluster.nodes('master').map((node) => node.call('PUBSUB', 'SHARDNUMSUB', channel))
    const counts = await answered(Promise.all(calls))
    return counts.reduce<number>((sum, count) => sum + toCount(count), 0)
  }

  ping(): void {
    for (const node of this.#cluster.nodes('master')) if (node.status === 'ready') node.ping().catch(noop)
  }

  watch(watcher: ConnectionWatcher): void {
    this.#cluster.on('smessageBuffer', (channel: Buffer, message: Buffer) => watcher.onMessage(channel.toString(), message))
    this.#cluster.on('ready', () => watcher.onUp())
    this.#cluster.on('close', () => watcher.onDown())
    for (const event of ['error', 'nodeError', 'node error']) this.#cluster.on(event, (error: Error) => watcher.onError(error))
    this.#cluster.connect().catch(noop)
  }

  close(): void {
    this.#cluster.disconnect()
  }
}

/** The first attempt to connect: what is asked before its outcome waits for it, so that a process can send as soon as it starts. */
class Opening {
  #undecided: Promise<void> | undefined

  constructor(client: EventEmitter) {
    this.#undecided = new Promise((resolve) => {
      const decide = (): void => {
        this.#undecided = undefined
        resolve()
      }
      for (const event of ['ready', 'error', 'close']) client.once(event, decide)
    })
  }

  before<T>(command: () => Promise<T>): Promise<T> {
    return this.#undecided === undefined ? command() : this.#undecided.then(command)
  }
}

const BATCH = 500

interface Waiting {
  readonly channel: string
  resolve(): void
  reject(error: unknown): void
}

/** Many channels by one command, and one command at a time: a storm of joins costs a few round trips, and none is late for having waited in line. */
class Batches {
  #waiting: Waiting[] = []
  #running = false

  constructor(private readonly command: (channels: readonly string[]) => Promise<unknown>) {}

  add(channel: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ channel, resolve, reject })
      if (this.#running) return
      this.#running = true
      queueMicrotask(() => void this.#run())
    })
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH)
      try {
        await answered(this.command(batch.map(({ channel }) => channel)))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        // Who stands in line must not wait for one timeout after the other.
        for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error)
      }
    }
    this.#running = false
  }
}

async function answered<T>(command: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Redis did not answer within ${SILENCE_MS} ms`)), SILENCE_MS)
  })
  try {
    return await Promise.race([command, late])
  } finally {
    clearTimeout(timer)
  }
}

function toCount(answer: unknown): number {
  return Array.isArray(answer) ? Number(answer[1]) : 0
}

async function toNumber(answer: Promise<unknown>): Promise<number> {
  return Number(await answer)
}

function noop(): void {}
