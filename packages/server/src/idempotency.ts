import { RealtimeError } from '@org/realtime-contracts/wire'

/** What a store says to who asks to run a command. */
export type Claim =
  /** It may. `attempt`: how often it has been begun by now; more than 1 where an earlier run failed, or its process died. */
  | { readonly state: 'claimed'; readonly attempt: number }
  /** Somebody else runs it, and gives a sign of life. */
  | { readonly state: 'running' }
  /** It has been done; the reply that was kept. */
  | { readonly state: 'done'; readonly reply: string }
  /** The key was used with another payload. */
  | { readonly state: 'conflict' }

/** Who runs a command: names one run of it, and the payload it is run with. */
export interface Claimant {
  /** Random, of this run alone. */
  readonly token: string
  /** A hash of the payload, so that a key is not used for two. */
  readonly digest: string
}

/** A command of Redis whose first argument is its one key, such as `['HINCRBY', 'points', 'ada', 10]`. */
export type RedisCommand = readonly [name: string, key: string, ...args: Array<string | number>]

/**
 * Remembers which commands are being run, and what came of those that are done. An id is an opaque text of at most 300 characters.
 * Everything is safe to repeat, and may reject; then the command is not run.
 */
export interface IdempotencyStore {
  /** Claims a command until the lease is over, unless it is done, or another claim of it counts. What is not done is forgotten after the retention, in milliseconds. */
  claim(id: string, claimant: Claimant, leaseMs: number, retentionMs: number): Promise<Claim>
  /** Makes a claim count for as long again. */
  renew(id: string, claimant: Claimant, leaseMs: number): Promise<void>
  /** Gives a claim up: who asks next runs the command. */
  release(id: string, claimant: Claimant): Promise<void>
  /** Keeps the reply, unless there is one already. @returns the reply that is kept. */
  finish(id: string, claimant: Claimant, reply: string, retentionMs: number): Promise<string>
  /** What a step of a command has come to; `undefined` or `null` where it has not been done. */
  recall(id: string, step: string): Promise<string | null | undefined>
  /** Keeps what a step has come to, unless something is kept already. @returns what is kept. */
  remember(id: string, step: string, result: string, retentionMs: number): Promise<string>
  /** Runs a command of Redis and keeps what it came to, both or neither, unless something is kept already. @returns what is kept, as JSON. */
  apply?(id: string, step: string, command: RedisCommand, retentionMs: number): Promise<string>
}

interface Entry {
  readonly digest: string
  token: string | undefined
  leaseUntilMs: number
  untilMs: number
  attempt: number
  reply: string | undefined
  steps: Map<string, string> | undefined
}

/** How much a memory store keeps. */
export interface MemoryIdempotencyStoreOptions {
  /** How many commands are remembered; of more, those that were done longest ago are forgotten. @default 10_000 */
  readonly maxCommands?: number
}

/** Commands of one process, in memory: a restart forgets them. */
export class MemoryIdempotencyStore implements IdempotencyStore {
  readonly #entries = new Map<string, Entry>() // those that were begun or done longest ago come first
  readonly #maxCommands: number

  /** @throws TypeError for a number that is none. */
  constructor({ maxCommands = 10_000 }: MemoryIdempotencyStoreOptions = {}) {
    if (!(Number.isSafeInteger(maxCommands) && maxCommands > 0)) {
      throw new TypeError(`MemoryIdempotencyStore: maxCommands must be a whole number above 0; got ${String(maxCommands)}`)
    }
    this.#maxCommands = maxCommands
  }

  async claim(id: string, { token, digest }: Claimant, leaseMs: number, retentionMs: number): Promise<Claim> {
    const nowMs = Date.now()
    const found = this.#find(id)
    if (found !== undefined && found.digest !== digest) return { state: 'conflict' }
    if (found?.reply !== undefined) return { state: 'done', reply: found.reply }
    if (isHeld(found, nowMs) && found.token !== token) return { state: 'running' }
    const entry = found ?? this.#add(id, digest, nowMs)
    if (entry.token !== token) entry.attempt++
    Object.assign(entry, { token, leaseUntilMs: nowMs + leaseMs, untilMs: nowMs + retentionMs })
    return { state: 'claimed', attempt: entry.attempt }
  }

  async renew(id: string, { token }: Claimant, leaseMs: number): Promise<void> {
    const entry = this.#find(id)
    if (entry?.token !== token) return
    entry.leaseUntilMs = Date.now() + leaseMs
    entry.untilMs = Math.max(entry.untilMs, entry.leaseUntilMs)
  }

  async release(id: string, { token }: Claimant): Promise<void> {
    const entry = this.#find(id)
    if (entry?.token === token) entry.token = undefined
  }

  async finish(id: string, { digest }: Claimant, reply: string, retentionMs: number): Promise<string> {
    const nowMs = Date.now()
    const entry = this.#find(id) ?? this.#add(id, digest, nowMs)
    if (entry.digest !== digest) return reply
    entry.reply ??= reply
    entry.token = undefined
    entry.untilMs = nowMs + retentionMs
    this.#entries.delete(id)
    this.#entries.set(id, entry) // now the newest
    return entry.reply
  }

  async recall(id: string, step: string): Promise<string | undefined> {
    return this.#find(id)?.steps?.get(step)
  }

  async remember(id: string, step: string, result: string): Promise<string> {
    const entry = this.#find(id)
    if (entry === undefined) return result // it was forgotten meanwhile, and so is this
    entry.steps ??= new Map()
    if (!entry.steps.has(step)) entry.steps.set(step, result)
    return entry.steps.get(step) ?? result
  }

  #find(id: string): Entry | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.untilMs > Date.now()) return entry
    this.#entries.delete(id)
    return undefined
  }

  #add(id: string, digest: string, nowMs: number): Entry {
    this.#makeRoom(nowMs)
    const entry: Entry = { digest, token: undefined, leaseUntilMs: 0, untilMs: 0, attempt: 0, reply: undefined, steps: undefined }
    this.#entries.set(id, entry)
    return entry
  }

  /** @throws RealtimeError `UNAVAILABLE` where all that is remembered is still being done. */
  #makeRoom(nowMs: number): void {
    for (const [id, entry] of this.#entries) {
      if (entry.untilMs > nowMs && this.#entries.size < this.#maxCommands) return
      if (!isHeld(entry, nowMs)) this.#entries.delete(id)
    }
    if (this.#entries.size >= this.#maxCommands) {
      throw new RealtimeError('UNAVAILABLE', `${this.#maxCommands} commands are being done, and no more can be remembered`)
    }
  }
}

function isHeld(entry: Entry | undefined, nowMs: number): entry is Entry & { readonly token: string } {
  return entry?.token !== undefined && entry.leaseUntilMs > nowMs
}
