import { createHash, randomUUID } from 'node:crypto'
import type { ValueCodec } from '@org/realtime-contracts'
import { canonicalJson, describeIssues, RealtimeError, type Reply } from '@org/realtime-contracts/wire'
import type { Failures } from './answer.js'
import type { Report } from './context.js'
import type { Claim, Claimant, IdempotencyStore } from './idempotency.js'
import { type AskStore, createOnce, type Once } from './steps.js'
import { delay, unhurried, withTimeout } from './time.js'

/** What the handler of an idempotent event is given beside what every handler is. */
export interface CommandContext {
  /** Names what is asked: equal for all repeats of it, by one user, of one event. Where the client sent none, one that never comes again. */
  readonly key: string
  /** 1 where the handler runs for this key the first time; more where it threw before, or its process died: what it did then may be done. */
  readonly attempt: number
  /** Does a step of the handler once, also where the handler runs again. */
  readonly once: Once
}

/** How commands are remembered. */
export interface IdempotencyOptions {
  /** @default that of the cluster; without one, `new MemoryIdempotencyStore()` */
  readonly store?: IdempotencyStore
  /** How long a process that gives no sign of life is believed to be at work on a command, in milliseconds, from 100. @default 10_000 */
  readonly leaseMs?: number
  /** How long a reply is kept for repeats, in milliseconds. @default 86_400_000, which is a day */
  readonly retentionMs?: number
  /** How large the reply of an idempotent event may be, in bytes of its JSON. What is larger is answered `INTERNAL`. @default 65_536 */
  readonly maxReplyBytes?: number
}

/** One call of an idempotent event. */
export interface CommandCall {
  readonly event: string
  readonly userId: string
  /** As it came over the wire. */
  readonly payload: unknown
  readonly key: string | undefined
  readonly codec: ValueCodec | undefined
  readonly failures: Failures
}

type Work = (context: CommandContext) => unknown

/** What is being done here, and for whom else. `undefined` where it came to nothing. */
interface Running {
  readonly digest: string
  readonly reply: Promise<Reply | undefined>
}

const DAY_MS = 24 * 60 * 60 * 1000
const RENEWALS = 3 // in a lease, so that one may fail
// A repeat waits for the first on another node; who still waits then is told to ask again.
const WAIT_MS = 10_000
const FIRST_POLL_MS = 20
const MAX_POLL_MS = 500
const RETRY_AFTER_MS = 1_000
// A reply that could not be kept is tried again for so long.
const KEEP_MS = 300_000
const KEEP_RETRY_MS = 1_000
// What nobody can ask for again need not be remembered.
const UNKEYED_MS = 1_000

// What the application says of now, and not of the command: asked again, it may be done.
const PASSING: ReadonlySet<string> = new Set(['RATE_LIMITED', 'UNAVAILABLE'])

/** Runs what idempotent events ask once for each key, and gives all repeats the same reply. */
export class Commands {
  readonly #running = new Map<string, Running>()
  /** Those of them that are done, and not kept yet. */
  readonly #unkept = new Set<string>()
  readonly #leaseMs: number
  readonly #retentionMs: number
  readonly #maxReplyBytes: number
  #isClosing = false

  constructor(
    private readonly store: IdempotencyStore,
    { leaseMs = 10_000, retentionMs = DAY_MS, maxReplyBytes = 64 * 1024 }: IdempotencyOptions,
    private readonly report: Report,
  ) {
    this.#leaseMs = leaseMs
    this.#retentionMs = retentionMs
    this.#maxReplyBytes = maxReplyBytes
  }

  /** Nobody waits for other nodes any more. */
  close(): void {
    this.#isClosing = true
  }

  /** The encoded data of the reply. @throws what the handler threw, or what `fail` made for an earlier call. */
  async run(call: CommandCall, work: Work): Promise<unknown> {
    const reply = await (call.key === undefined
      ? this.#reply(call, this.#context(call, randomUUID(), randomUUID(), 1, UNKEYED_MS), work)
      : this.#once(call, call.key, work))
    if (reply.ok) return reply.data
    throw call.failures.restore(reply.error)
  }

  async #once(call: CommandCall, key: string, work: Work): Promise<Reply> {
    const id = `${call.userId} ${call.event} ${key}` // none of them can hold a space
    const claimant: Claimant = { token: randomUUID(), digest: digestOf(call.payload) }
    const untilMs = Date.now() + WAIT_MS
    for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, MAX_POLL_MS)) {
      const reply = await (this.#join(id, claimant.digest, call) ?? this.#begin(id, key, claimant, call, work))
      if (reply !== undefined) return reply
      if (this.#isClosing || Date.now() + pollMs > untilMs) throw unavailable(call, 'It is still being done')
      if (!this.#running.has(id)) await delay(pollMs * (0.5 + Math.random()))
    }
  }

  /** Waits for what this process does already. */
  #join(id: string, digest: string, call: CommandCall): Promise<Reply | undefined> | undefined {
    const running = this.#running.get(id)
    if (running !== undefined && running.digest !== digest) throw conflict(call)
    return running?.reply
  }

  /** @returns `undefined` where another node is at it. */
  async #begin(id: string, key: string, claimant: Claimant, call: CommandCall, work: Work): Promise<Reply | undefined> {
    const claim = await this.#claim(id, claimant, call)
    switch (claim.state) {
      case 'conflict':
        throw conflict(call)
      case 'running':
        return undefined
      case 'done':
        return JSON.parse(claim.reply) as Reply // as it was kept
      case 'claimed': {
        const reply = this.#execute(id, claimant, call, () => this.#reply(call, this.#context(call, id, key, claim.attempt, this.#retentionMs), work))
        this.#running.set(id, { digest: claimant.digest, reply: reply.catch(() => undefined) })
        return reply
      }
    }
  }

  async #claim(id: string, claimant: Claimant, call: CommandCall): Promise<Claim> {
    try {
      return await this.#bounded(this.store.claim(id, claimant, this.#leaseMs, Math.max(this.#leaseMs, this.#retentionMs)))
    } catch (cause) {
      this.report(cause, { event: call.event, userId: call.userId })
      this.store.release(id, claimant).catch(noop) // it may have been taken
      throw unavailable(call, 'It cannot be made sure that this happens once')
    }
  }

  /** Holds the claim while the work goes on. What is thrown was not done: the next to ask runs it. */
  async #execute(id: string, claimant: Claimant, call: CommandCall, work: () => Promise<Reply>): Promise<Reply> {
    const renewal = setInterval(() => void this.store.renew(id, claimant, this.#leaseMs).catch(noop), this.#leaseMs / RENEWALS).unref()
    let reply: Reply | undefined
    try {
      reply = await work()
      return await this.#keep(id, claimant, reply)
    } catch (error) {
      if (reply === undefined) {
        await this.#bounded(this.store.release(id, claimant)).catch(noop) // else the lease ends
        throw error
      }
      this.report(error, { event: call.event, userId: call.userId })
      void this.#keepLater(id, claimant, reply)
      return reply
    } finally {
      clearInterval(renewal)
      if (reply === undefined || !this.#unkept.has(id)) this.#running.delete(id)
    }
  }

  /** Of two runs of one command, the first reply is everybody's. */
  async #keep(id: string, claimant: Claimant, reply: Reply): Promise<Reply> {
    const text = JSON.stringify(reply)
    const kept = await this.#bounded(this.store.finish(id, claimant, text, this.#retentionMs))
    return kept === text ? reply : (JSON.parse(kept) as Reply) // as it was kept
  }

  /** It is done, and only this process knows: it answers who asks here, until the store is back. */
  async #keepLater(id: string, claimant: Claimant, reply: Reply): Promise<void> {
    this.#unkept.add(id)
    const untilMs = Date.now() + KEEP_MS
    while (Date.now() < untilMs && !this.#isClosing) {
      await unhurried(KEEP_RETRY_MS)
      const isKept = await this.#keep(id, claimant, reply).then(
        () => true,
        () => false,
      )
      if (isKept) break
    }
    this.#unkept.delete(id)
    this.#running.delete(id)
  }

  /** What the handler returned is done, whatever can be said of it. @throws what it threw, unless that is a reply. */
  async #reply(call: CommandCall, context: CommandContext, work: Work): Promise<Reply> {
    let value: unknown
    try {
      value = await work(context)
    } catch (error) {
      const failure = call.failures.made(error)
      if (failure === undefined || PASSING.has(failure.code)) throw error
      return this.#checked(call, { ok: false, error: failure })
    }
    const coded = call.codec?.encode(value) ?? { ok: true, value: undefined }
    if (coded.ok) return this.#checked(call, { ok: true, data: coded.value })
    return this.#internal(call, `does not match the contract: ${describeIssues(coded.issues)}`)
  }

  #checked(call: CommandCall, reply: Reply): Reply {
    const isTooLarge = Buffer.byteLength(JSON.stringify(reply)) > this.#maxReplyBytes
    return isTooLarge ? this.#internal(call, `is larger than idempotency.maxReplyBytes, ${this.#maxReplyBytes}`) : reply
  }

  #internal({ event, userId }: CommandCall, problem: string): Reply {
    this.report(new TypeError(`The reply of ${JSON.stringify(event)} ${problem}`), { event, userId })
    return { ok: false, error: { code: 'INTERNAL', message: 'The server failed to answer this' } }
  }

  #context(call: CommandCall, id: string, key: string, attempt: number, retentionMs: number): CommandContext {
    const ask: AskStore = async (work) => {
      try {
        return await this.#bounded(work(this.store))
      } catch (cause) {
        if (!(cause instanceof RealtimeError && cause.code === 'UNAVAILABLE')) throw cause
        this.report(cause, { event: call.event, userId: call.userId })
        throw unavailable(call, 'A step could not be made sure of') // so that the client asks again, and the handler goes on from there
      }
    }
    return { key, attempt, once: createOnce(id, retentionMs, ask) }
  }

  #bounded<T>(work: Promise<T>): Promise<T> {
    return withTimeout(this.#leaseMs, work, () => new RealtimeError('UNAVAILABLE', `The idempotency store took longer than ${this.#leaseMs} ms`))
  }
}

function digestOf(payload: unknown): string {
  return createHash('sha256')
    .update(canonicalJson(payload ?? null))
    .digest('base64url')
}

function conflict({ failures }: CommandCall): RealtimeError {
  return failures.restore({ code: 'CONFLICT', message: 'The key was used with another payload' })
}

function unavailable({ failures }: CommandCall, message: string): RealtimeError {
  return failures.restore({ code: 'UNAVAILABLE', message, data: { retryAfterMs: RETRY_AFTER_MS } })
}

function noop(): void {}
