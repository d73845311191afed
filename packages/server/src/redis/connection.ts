import type { EventEmitter } from 'node:events'

export type Publication = readonly [channel: string, message: string]

/** What the bus needs of Redis: a connection to publish with and one to listen with. */
export interface RedisConnection {
  publish(channel: string, message: string | Buffer): Promise<number>
  /** Publishes in their order. */
  publishAll(publications: readonly Publication[]): Promise<unknown>
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

export const SILENCE_MS = 1_000
const MAX_RETRY_MS = 500

/** @param attempt how often it has been tried, from 1. */
export function toRetryMs(attempt: number): number {
  return Math.min(attempt * 50, MAX_RETRY_MS) * (0.5 + Math.random() / 2)
}

/** The first attempt to connect: what is asked before its outcome waits for it, so that a process can send as soon as it starts. */
export class Opening {
  #undecided: Promise<void> | undefined

  constructor(client: Pick<EventEmitter, 'once'>) {
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

/**
 * One command for all: what a client library and Redis do for each command costs more than a short message itself. Channels are
 * no keys of it, so that one shard that has all slots takes it.
 */
export function toPublishing(publications: readonly Publication[]): [name: string, ...args: string[]] {
  const [first] = publications
  if (first !== undefined && publications.length === 1) return ['SPUBLISH', ...first]
  return ['EVAL', PUBLISH_ALL, '0', ...publications.flat()] // by its text: what Redis did not know by its digest would come late, after what follows
}

const PUBLISH_ALL = "for i = 1, #ARGV, 2 do redis.call('SPUBLISH', ARGV[i], ARGV[i + 1]) end"

const BATCH = 500

interface Waiting {
  readonly channel: string
  resolve(): void
  reject(error: unknown): void
}

/** Many channels by one command, and one command at a time: a storm of joins costs a few round trips, and none is late for having waited in line. */
export class Batches {
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

export async function answered<T>(command: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    // After a turn that took long, what has come meanwhile is read before it is judged.
    timer = setTimeout(() => setImmediate(() => reject(new Error(`Redis did not answer within ${SILENCE_MS} ms`))), SILENCE_MS)
  })
  try {
    return await Promise.race([command, late])
  } finally {
    clearTimeout(timer)
  }
}

export function toCount(answer: unknown): number {
  return Array.isArray(answer) ? Number(answer[1]) : 0
}

export function noop(): void {}
