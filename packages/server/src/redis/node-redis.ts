import type { EventEmitter } from 'node:events'
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

type Listener = (message: Buffer, channel: Buffer) => void

/** What is needed of a client of the package `redis`, of version 5 or later. */
export interface NodeRedisClient {
  readonly isReady: boolean
  duplicate(options: object): NodeRedisClient & Pick<EventEmitter, 'on' | 'once'>
  connect(): Promise<unknown>
  destroy(): void
  ping(): Promise<unknown>
  sendCommand(args: Array<string | Buffer>): Promise<unknown>
  sSubscribe(channels: string[], listener: Listener, bufferMode: true): Promise<unknown>
  sUnsubscribe(channels: string[]): Promise<unknown>
}

const SOCKET = { connectTimeout: SILENCE_MS, socketTimeout: 2 * SILENCE_MS, reconnectStrategy: (attempt: number) => toRetryMs(attempt + 1) }

/** Opens two connections of the bus's own, made as the given client is. */
export function connectNodeRedis(client: NodeRedisClient): RedisConnection {
  const given: unknown = Reflect.get(client, 'options')
  const socket: unknown = typeof given === 'object' && given !== null ? Reflect.get(given, 'socket') : undefined
  const open = () => client.duplicate({ disableOfflineQueue: true, socket: { ...(socket as object | undefined), ...SOCKET } }) // an object, as `redis` documents
  return new NodeRedisConnection(open(), open())
}

type Opened = ReturnType<NodeRedisClient['duplicate']>

class NodeRedisConnection implements RedisConnection {
  readonly #publisherOpening: Opening
  readonly #listenerOpening: Opening
  readonly #subscribing = new Batches((channels) => this.#listenerOpening.before(() => this.listener.sSubscribe([...channels], this.#hear, true)))
  readonly #unsubscribing = new Batches((channels) => this.listener.sUnsubscribe([...channels]))
  #watcher: ConnectionWatcher | undefined
  // One function for all channels: the client calls each of a channel's once.
  readonly #hear: Listener = (message, channel) => this.#watcher?.onMessage(channel.toString(), message)

  constructor(
    private readonly publisher: Opened,
    private readonly listener: Opened,
  ) {
    this.#publisherOpening = new Opening(publisher)
    this.#listenerOpening = new Opening(listener)
  }

  async publish(channel: string, message: string | Buffer): Promise<number> {
    return Number(await this.#publisherOpening.before(() => answered(this.publisher.sendCommand(['SPUBLISH', channel, message]))))
  }

  publishAll(publications: readonly Publication[]): Promise<unknown> {
    return this.command(toPublishing(publications))
  }

  command(args: ReadonlyArray<string | number>): Promise<unknown> {
    return this.#publisherOpening.before(() => answered(this.publisher.sendCommand(args.map(String))))
  }

  subscribe(channel: string): Promise<void> {
    return this.#subscribing.add(channel)
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#unsubscribing.add(channel)
  }

  async countListeners(channel: string): Promise<number> {
    return toCount(await this.command(['PUBSUB', 'SHARDNUMSUB', channel]))
  }

  ping(): void {
    for (const client of [this.publisher, this.listener]) if (client.isReady) client.ping().catch(noop) // that it fails is seen by the connection's end
  }

  watch(watcher: ConnectionWatcher): void {
    this.#watcher = watcher
    this.listener.on('ready', () => watcher.onUp())
    for (const event of ['reconnecting', 'end']) this.listener.on(event, () => watcher.onDown())
    for (const client of [this.publisher, this.listener]) {
      client.on('error', (error: Error) => watcher.onError(error))
      client.connect().catch(noop) // told by `error`; it goes on dialling
    }
  }

  close(): void {
    this.publisher.destroy()
    this.listener.destroy()
  }
}
