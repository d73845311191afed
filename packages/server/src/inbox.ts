import type { Contract, DurableEvent, EventBorder, PayloadOf, Position } from '@org/realtime-contracts'
import { checkTimeout } from '@org/realtime-contracts/wire'
import type { LogStore, PageSize } from './log.js'
import { assertCount } from './options.js'
import { delay } from './time.js'

/** An event that is kept for a user's devices. */
export type InboxEntry<C extends Contract> = {
  [K in DurableEvent<C>]: {
    readonly event: K
    readonly payload: PayloadOf<C['serverToClient'][K]>
    readonly sequence: number
    /** When it was stored, in milliseconds since 1970. */
    readonly atMs: number
  }
}[DurableEvent<C>]

/** A part of a user's durable events. */
export interface InboxPage<C extends Contract> {
  /** Names the log: another one where it was emptied since. */
  readonly epoch: string
  /** The number of the last event that was ever stored in it. */
  readonly last: number
  /** Without those that the contract no longer has, or has with another payload. */
  readonly entries: ReadonlyArray<InboxEntry<C>>
}

/** The durable events that are kept for one user. */
export interface Inbox<C extends Contract> {
  /**
   * The entries after a number, the oldest first, at most so many. @throws RealtimeError `UNAVAILABLE`, here and below, where the store cannot be reached.
   * @param options `after`: 0 by default; `limit`: 100 by default, at most 1,000.
   */
  read(options?: { readonly after?: number; readonly limit?: number }): Promise<InboxPage<C>>
  /** Takes out the entries up to a number; a device that has not had them is told of a gap. */
  trim(options: { readonly through: number }): Promise<void>
  /** Leaves nothing: for a user who asked to be forgotten. Devices are told of a gap. */
  erase(): Promise<void>
  /**
   * Whether a device has taken in what was emitted with `confirm: true`: it came, and its listeners have finished.
   * Without `timeoutMs` it says so at once; with it, as soon as one has, or that none has in that time.
   */
  confirmed(receipt: Position, options?: { readonly timeoutMs?: number }): Promise<boolean>
}

const MAX_LIMIT = 1_000
const MAX_BYTES = 16 * 1024 * 1024
// How often it is looked for a confirmation: soon at first, for who is there.
const MIN_WAIT_MS = 25
const MAX_WAIT_MS = 1_000

/** The implementation behind {@link Inbox}, which types it by the contract. */
export class LogInbox {
  constructor(
    private readonly store: LogStore,
    private readonly log: string,
    private readonly codecs: EventBorder & { get(event: string): unknown },
  ) {}

  async read({ after = 0, limit = 100 }: { readonly after?: number; readonly limit?: number } = {}) {
    assertCount('inbox: after', after, 0, Number.MAX_SAFE_INTEGER - 1)
    assertCount('inbox: limit', limit, 1, MAX_LIMIT)
    const size: PageSize = { messages: limit, bytes: MAX_BYTES }
    const { head, records } = await this.store.read(this.log, after + 1, size)
    const entries = records.flatMap(({ sequence, atMs, entry }) => {
      const decoded = this.#decode(entry.json)
      return decoded === undefined ? [] : [{ ...decoded, sequence, atMs }]
    })
    return { epoch: head.epoch, last: head.sequence, entries }
  }

  async trim({ through }: { readonly through: number }): Promise<void> {
    assertCount('inbox: through', through, 0, Number.MAX_SAFE_INTEGER)
    await this.store.trim(this.log, through)
  }

  erase(): Promise<void> {
    return this.store.erase(this.log)
  }

  async confirmed(receipt: Position, { timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<boolean> {
    if (timeoutMs === undefined) return this.store.isConfirmed(this.log, receipt)
    const untilMs = Date.now() + checkTimeout(timeoutMs)
    for (let waitMs = MIN_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
      if (await this.store.isConfirmed(this.log, receipt)) return true
      const leftMs = untilMs - Date.now()
      if (leftMs <= 0) return false
      await delay(Math.min(waitMs, leftMs))
    }
  }

  #decode(json: string): { readonly event: string; readonly payload: unknown } | undefined {
    const [event, wire] = JSON.parse(json) as [event: string, wire?: unknown] // as it was stored
    if (this.codecs.get(event) === undefined) return undefined
    try {
      return { event, payload: this.codecs.decodePayload(event, wire) }
    } catch {
      return undefined // of another version of the contract
    }
  }
}
