import type { Publication, RedisConnection } from './connection.js'
import type { Script } from './scripts.js'

export type ChannelListener = (message: Buffer) => void

/** Hears of what Redis could not do; at most about one call a second, however much fails. */
export type FaultListener = (error: Error) => void

const TICK_MS = 1_000
// A second's worth of a busy node; what is beyond would only wait for a Redis that does not keep up.
const MAX_PUBLISHING = 20_000
// Redis does nothing else meanwhile.
const MAX_TOGETHER = 500

interface Subscription {
  listener: ChannelListener
  wanted: boolean
  /** `unknown` after a command that failed: it may have run. */
  state: 'on' | 'off' | 'unknown'
  /** What is being done to bring the state to what is wanted; one command at a time. */
  work: Promise<void> | undefined
}

/**
 * Channels of Redis, of which each is listened to or not, whatever happens to the connection.
 * For one channel commands come one after the other, and the last wish counts.
 */
export class RedisBus {
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #timer: NodeJS.Timeout
  readonly #faults: Faults
  #publishing = 0
  #connectionNumber = 0
  #closed = false
  #up = false
  readonly #onUp: Array<() => void> = []

  constructor(
    private readonly connection: RedisConnection,
    onFault: FaultListener,
  ) {
    this.#faults = new Faults(onFault)
    connection.watch({
      onMessage: (channel, message) => this.#deliver(channel, message),
      onUp: () => this.#restore(),
      onDown: () => this.#lose(),
      onError: (error) => this.#report(error),
    })
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** Whether Redis answers, as far as is known. */
  get isUp(): boolean {
    return this.#up
  }

  /** Calls back each time Redis is there again. */
  onUp(listener: () => void): void {
    this.#onUp.push(listener)
  }

  /** One command, whose first argument after its name is its key. @throws Error what Redis answers, or that it does not. */
  command(args: ReadonlyArray<string | number>): Promise<unknown> {
    return this.connection.command(args)
  }

  /** @throws Error as {@link command}. */
  async run({ sha, text }: Script, key: string | readonly string[], args: ReadonlyArray<string | number>): Promise<unknown> {
    const keys = typeof key === 'string' ? [key] : key
    try {
      return await this.connection.command(['EVALSHA', sha, keys.length, ...keys, ...args])
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return this.connection.command(['EVAL', text, keys.length, ...keys, ...args])
    }
  }

  /** Never rejects: who sends has sent, and what fails is reported. @returns how many connections heard it; `undefined` where Redis did not take it. */
  publish(channel: string, message: string | Buffer): Promise<number | undefined> {
    return this.#send(1, () => this.connection.publish(channel, message))
  }

  /** Publishes in their order; what fails is reported. */
  publishAll(publications: readonly Publication[]): void {
    for (let from = 0; from < publications.length; from += MAX_TOGETHER) {
      const together = publications.slice(from, from + MAX_TOGETHER)
      void this.#send(together.length, () => this.connection.publishAll(together))
    }
  }

  /**
   * Listens to a channel. @returns a promise of that being effective; `undefined` where it is already.
   * It rejects where Redis cannot do it now; the channel stays wanted, and is listened to when Redis is back.
   */
  subscribe(channel: string, listener: ChannelListener): Promise<void> | undefined {
    const known = this.#subscriptions.get(channel)
    const subscription = known ?? { listener, wanted: true, state: 'off', work: undefined }
    subscription.wanted = true
    subscription.listener = listener
    if (known === undefined) this.#subscriptions.set(channel, subscription)
    return subscription.state === 'on' && subscription.work === undefined ? undefined : this.#settle(channel, subscription)
  }

  /** Stops listening. @returns a promise that does not reject: a channel that Redis could not give up is ignored, and given up later. */
  async unsubscribe(channel: string): Promise<void> {
    const subscription = this.#subscriptions.get(channel)
    if (subscription === undefined) return
    subscription.wanted = false
    await this.#settle(channel, subscription).catch(noop) // the next tick tries again
  }

  async countListeners(channel: string): Promise<number | undefined> {
    try {
      return await this.connection.countListeners(channel)
    } catch (error) {
      this.#report(error)
      return undefined
    }
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#faults.close()
    this.connection.close()
  }

  async #send<T>(messages: number, publish: () => Promise<T>): Promise<T | undefined> {
    if (this.#publishing >= MAX_PUBLISHING) {
      this.#report(new Error(`${MAX_PUBLISHING} messages wait for Redis; more are not sent to other nodes`))
      return undefined
    }
    this.#publishing += messages
    try {
      return await publish()
    } catch (error) {
      this.#report(error)
      return undefined
    } finally {
      this.#publishing -= messages
    }
  }

  #deliver(channel: string, message: Buffer): void {
    const subscription = this.#subscriptions.get(channel)
    if (subscription?.wanted !== true) return
    try {
      subscription.listener(message)
    } catch (error) {
      this.#report(error)
    }
  }

  #settle(channel: string, subscription: Subscription): Promise<void> {
    if (subscription.work !== undefined) return subscription.work
    const work = this.#reconcile(channel, subscription).finally(() => {
      subscription.work = undefined
      if (!subscription.wanted && subscription.state === 'off') this.#subscriptions.delete(channel)
    })
    subscription.work = work
    return work
  }

  async #reconcile(channel: string, subscription: Subscription): Promise<void> {
    while (!isSettled(subscription)) {
      const { wanted } = subscription
      const number = this.#connectionNumber
      try {
        await (wanted ? this.connection.subscribe(channel) : this.connection.unsubscribe(channel))
        subscription.state = number === this.#connectionNumber ? toState(wanted) : 'unknown'
      } catch (error) {
        subscription.state = 'unknown'
        if (subscription.wanted === wanted || this.#closed) throw error
      }
    }
  }

  #lose(): void {
    this.#up = false
    this.#connectionNumber++
    for (const [channel, subscription] of this.#subscriptions) {
      subscription.state = 'off'
      if (!subscription.wanted && subscription.work === undefined) this.#subscriptions.delete(channel)
    }
  }

  #restore(): void {
    this.#lose()
    this.#up = true
    this.#retry()
    for (const listener of this.#onUp) listener()
  }

  #tick(): void {
    this.connection.ping()
    this.#retry()
  }

  #retry(): void {
    if (!this.#up) return // the connection has told why
    for (const [channel, subscription] of this.#subscriptions) {
      if (!isSettled(subscription) && subscription.work === undefined) this.#settle(channel, subscription).catch((error: unknown) => this.#report(error))
    }
  }

  #report(error: unknown): void {
    if (!this.#closed) this.#faults.add(error instanceof Error ? error : new Error(String(error)))
  }
}

function isSettled({ wanted, state }: Subscription): boolean {
  return state === toState(wanted)
}

function toState(wanted: boolean): 'on' | 'off' {
  return wanted ? 'on' : 'off'
}

const REPORT_MS = 1_000

/** The first fault is told at once, those that follow it together. */
class Faults {
  #held = 0
  #last: Error | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(private readonly onFault: FaultListener) {}

  add(error: Error): void {
    if (this.#timer === undefined) {
      this.#tell(error)
      this.#timer = setTimeout(() => this.#flush(), REPORT_MS).unref()
      return
    }
    this.#held++
    this.#last = error
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #flush(): void {
    this.#timer = undefined
    const [held, last] = [this.#held, this.#last]
    this.#held = 0
    this.#last = undefined
    if (last !== undefined) this.add(new Error(`Redis failed ${held} more times, at last: ${last.message}`, { cause: last }))
  }

  #tell(error: Error): void {
    try {
      this.onFault(error)
    } catch (thrown) {
      process.emitWarning(String(thrown), { type: 'RealtimeServerError' })
    }
  }
}

function noop(): void {}
