import { Socket } from 'node:net'
import { type Cluster, Redis, type RedisOptions } from 'ioredis'
import { cork } from '../shortcut.js'
import {
  answered,
  Batches,
  type ConnectionWatcher,
  noop,
  Opening,
  type Publication,
  type RedisConnection,
  SILENCE_MS,
  toCount,
  toPublishing,
  toRetryMs,
} from './connection.js'

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
  keyPrefix: '', // the SDK has its own, and the library would put it before channels, too
  connectTimeout: SILENCE_MS,
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'), // what was the primary is none any more
  retryStrategy: toRetryMs,
} satisfies RedisOptions

/** Opens two connections of the bus's own, made as the given client is, or to the URL. */
export function connectIoredis(redis: string | Redis | Cluster): RedisConnection {
  if (typeof redis === 'object' && isCluster(redis)) return new ClusterConnection(redis)
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
    return this.#publisherOpening.before(() => {
      corkStream(this.publisher)
      return toNumber(this.publisher.spublish(channel, message))
    })
  }

  publishAll(publications: readonly Publication[]): Promise<unknown> {
    const [name, ...args] = toPublishing(publications)
    return this.#publisherOpening.before(() => this.publisher.call(name, ...args))
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
      // The library's own timeout would judge a connection by a timer that is late, before it has read what has come.
      if (client.status === 'ready') answered(client.ping()).catch(() => client.status === 'ready' && client.disconnect(true))
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
      keyPrefix: '',
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

  publishAll(publications: readonly Publication[]): Promise<unknown> {
    return Promise.all(publications.map(([channel, message]) => this.publish(channel, message))) // each channel has its shard
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
    for (const node of this.#cluster.nodes('master')) {
      if (node.status === 'ready') answered(node.ping()).catch(() => node.status === 'ready' && node.disconnect(true))
    }
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

/** What is published in one turn of the event loop leaves with one system call; the library writes each command by itself. */
function corkStream({ status, stream }: Redis): void {
  if (status === 'ready' && stream instanceof Socket) cork(stream)
}

/** Told by what it has: the application's copy of ioredis may be another. */
function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster
}

async function toNumber(answer: Promise<unknown>): Promise<number> {
  return Number(await answer)
}
