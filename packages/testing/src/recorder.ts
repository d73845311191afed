import type { ClientEvents, RealtimeClient, RealtimeError } from '@org/realtime-client'
import type { Contract, PayloadOf, ServerEvent, Side } from '@org/realtime-contracts'
import { checkTimeout } from '@org/realtime-contracts/wire'
import type { Failure } from './failure.js'
import { findMismatch, type Match, show } from './match.js'

/** What a client can be told: the events of the contract, and what the SDK itself says. */
export type Heard<C extends Contract, V extends Side> = ServerEvent<C> | keyof ClientEvents<C, V>

/** What was heard of an event. */
export type HeardPayload<C extends Contract, V extends Side, K> = K extends keyof ClientEvents<C, V>
  ? ClientEvents<C, V>[K]
  : K extends ServerEvent<C>
    ? PayloadOf<C['serverToClient'][K], V>
    : never

/** How an event is waited for. */
export interface ExpectOptions {
  /** How long to wait, in milliseconds. @default the test's `timeoutMs`, 3_000 */
  readonly timeoutMs?: number
}

/** All that a client has heard. */
export interface Recorder<C extends Contract, V extends Side = 'domain'> {
  /**
   * The payload of the next such event that nobody has expected before: one that came since the client was made, or the first to come.
   * Events that do not match stay for whoever expects them.
   * @throws Error after the timeout, or as soon as none can come any more, saying what came instead.
   */
  expectEvent<K extends Heard<C, V>>(event: K, match?: Match<HeardPayload<C, V, K>>, options?: ExpectOptions): Promise<HeardPayload<C, V, K>>
  /** The payloads of all such events so far, expected or not, in their order. */
  received<K extends Heard<C, V>>(event: K): Array<HeardPayload<C, V, K>>
}

interface Entry {
  readonly event: string
  readonly payload: unknown
  isExpected: boolean
}

interface Waiting {
  readonly event: string
  readonly match: unknown
  readonly settle: (entry: Entry) => void
  readonly fail: (reason: unknown) => void
  readonly expected: () => Promise<unknown>
}

// What is still of use in a message.
const MAX_LISTED = 20
const SDK_EVENTS = ['authenticated', 'error', '$disconnect', '$gap', '$caughtUp'] as const

/** What a recorder listens to, whatever its contract. */
type AnyClient = Pick<RealtimeClient<Contract, Side>, 'status' | 'session' | 'deviceId' | 'subscribe'> & {
  on(event: string, listener: (payload: unknown) => void): () => void
}

/** Records what one client hears, from now on. */
export class Recording {
  readonly #entries: Entry[] = []
  readonly #waiting = new Set<Waiting>()
  readonly #offs: Array<() => void>

  constructor(
    private readonly client: AnyClient,
    events: readonly string[],
    private readonly timeoutMs: number,
  ) {
    this.#offs = [...SDK_EVENTS, ...events].map((event) => client.on(event, (payload) => this.#add(event, payload)))
    this.#offs.push(client.on('error', warnOfBroken), client.subscribe(this.#failWhereOver))
  }

  expectEvent(event: string, match: unknown, { timeoutMs = this.timeoutMs }: ExpectOptions = {}, failure: Failure): Promise<unknown> {
    checkTimeout(timeoutMs)
    const expected: Promise<unknown> = new Promise((resolve, reject) => {
      const entry = this.#find(event, match)
      if (entry !== undefined) {
        resolve(take(entry))
        return
      }
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(waiting)
      }
      const waiting: Waiting = {
        event,
        match,
        settle(found) {
          done()
          resolve(take(found))
        },
        fail: (reason) => {
          done()
          reject(typeof reason === 'string' ? failure.as(this.#describe(event, match, reason)) : reason)
        },
        expected: () => expected,
      }
      const timer = setTimeout(() => waiting.fail(`none came within ${timeoutMs} ms`), timeoutMs)
      this.#waiting.add(waiting)
      this.#failWhereOver()
    })
    return expected
  }

  /** @throws Error where such an event came that nobody has expected. */
  expectNone(event: string, match: unknown, failure: Failure): void {
    const entry = this.#find(event, match)
    if (entry === undefined) return
    throw failure.as(`expectNoEvent(${show(event)}): there is one that nobody has expected: ${show(entry.payload)}\n${this.#list(event, match)}`)
  }

  received(event: string): unknown[] {
    return this.#entries.filter((entry) => entry.event === event).map(({ payload }) => payload)
  }

  /** Nobody is told any more. */
  end(): void {
    for (const { expected, fail } of [...this.#waiting]) {
      expected().catch(() => {}) // after a test that has failed nobody may wait for it any more
      fail('the test is over')
    }
    for (const off of this.#offs) off()
  }

  #find(event: string, match: unknown): Entry | undefined {
    return this.#entries.find((entry) => entry.event === event && !entry.isExpected && matches(entry.payload, match))
  }

  #add(event: string, payload: unknown): void {
    const entry: Entry = { event, payload, isExpected: false }
    this.#entries.push(entry)
    for (const waiting of [...this.#waiting]) {
      if (entry.isExpected) return
      if (waiting.event !== event) continue
      try {
        if (matches(payload, waiting.match)) waiting.settle(entry)
      } catch (error) {
        waiting.fail(error) // the test's own function
      }
    }
  }

  readonly #failWhereOver = (): void => {
    const { status } = this.client
    if (status !== 'refused' && status !== 'closed') return
    // What tells of it may be expected, and comes in the same turn.
    setImmediate(() => {
      if (this.client.status === status) for (const { fail } of [...this.#waiting]) fail(`none can come, since the client is ${status}`)
    })
  }

  #describe(event: string, match: unknown, reason: string): string {
    const like = match === undefined ? '' : typeof match === 'function' ? ' that the function wants' : ` like ${show(match)}`
    return `expectEvent(${show(event)}): ${reason}${like}\n${this.#list(event, match)}`
  }

  #list(event: string, match: unknown): string {
    const { session, deviceId, status } = this.client
    const lines = this.#entries.slice(-MAX_LISTED).map((entry) => `  ${entry.event} ${show(entry.payload)}${remark(entry, event, match)}`)
    const left = this.#entries.length - lines.length
    const heading = `${session?.userId ?? 'The client'} (device ${deviceId}, ${status}) has heard ${lines.length === 0 ? 'nothing' : 'this'}`
    return [`${heading}${lines.length === 0 ? '.' : ':'}`, ...(left > 0 ? [`  … ${left} before`] : []), ...lines].join('\n')
  }
}

function take(entry: Entry): unknown {
  entry.isExpected = true
  return entry.payload
}

function matches(payload: unknown, match: unknown): boolean {
  return match === undefined || findMismatch(payload, match) === undefined
}

function remark(entry: Entry, event: string, match: unknown): string {
  if (entry.event !== event) return ''
  if (entry.isExpected) return '   ← expected before'
  const mismatch = match === undefined ? undefined : findMismatch(entry.payload, match)
  return mismatch === undefined ? '' : `   ← ${mismatch}`
}

/** A listener that throws is warned of where nobody listens to `error`; the recorder does not count as somebody. */
function warnOfBroken(error: unknown): void {
  const { code, origin } = error as RealtimeError
  if (code === 'INTERNAL' && origin === 'local') process.emitWarning(error as RealtimeError)
}
