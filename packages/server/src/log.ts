import { createHash, randomBytes } from 'node:crypto'
import { type GapNotice, type Position, RealtimeError } from '@org/realtime-contracts/wire'
import type { Retention } from './retention.js'

/** A durable event as it is stored. */
export interface LogEntry {
  /** The name and the arguments, as one list. */
  readonly json: string
  /** The rooms of those who do not get it. */
  readonly except?: readonly string[]
  /** Whether its sender waits to hear that a device has taken it in. */
  readonly confirm?: true
}

/** An entry at its place in a log. */
export interface LogRecord {
  /** Its number, from 1 on without holes. */
  readonly sequence: number
  /** When it was stored, in milliseconds since the epoch. */
  readonly atMs: number
  /** What was stored. */
  readonly entry: LogEntry
}

/** An entry that has just been stored. */
export interface Appended extends LogRecord {
  /** The name of the room whose log it is. */
  readonly log: string
  /** Names the log from its making until it is erased. */
  readonly epoch: string
  /** When the entry before it was stored; 0 for the first. */
  readonly previousAtMs: number
}

/** The last entry that was taken out, and why. */
interface Removed {
  readonly sequence: number
  readonly atMs: number
  readonly by: Extract<GapNotice['reason'], 'trimmed' | 'expired'>
}

/** A part of a log, and where its end is. */
export interface LogPage {
  /** Where the log ends. */
  readonly head: Position
  /** What was taken out last. */
  readonly removed: Removed
  /** In their order. */
  readonly records: readonly LogRecord[]
}

/** When a page is full. */
export interface PageSize {
  /** So many entries. */
  readonly messages: number
  /** So many bytes of JSON. */
  readonly bytes: number
}

/**
 * Keeps a log for each room that durable events are for, a user's own among them: numbered without holes from 1, in an epoch
 * that has a name of its own. A log that is not there is made when it is asked for. What fails is a RealtimeError `UNAVAILABLE`.
 */
export interface LogStore {
  /** @returns where it is; where it was before, for a key that is known. @throws RealtimeError `CONFLICT` for a key that stands for something else. */
  append(log: string, entry: LogEntry, key?: string): Promise<Position>
  /** Where the log ends. */
  head(log: string): Promise<Position>
  /** The entries from a number on, so many that a page is full, one at least. */
  read(log: string, from: number, size: PageSize): Promise<LogPage>
  /** Takes out the entries up to a number. */
  trim(log: string, through: number): Promise<void>
  /** Leaves nothing of it. */
  erase(log: string): Promise<void>
  /** Remembers that a device has taken entries in, as long as they are kept. */
  confirm(log: string, receipts: readonly Position[]): Promise<void>
  /** Whether a device has taken in the entry. */
  isConfirmed(log: string, receipt: Position): Promise<boolean>
  /** Tells of what is appended, on every node that has somebody of the room; some of it may never be told. */
  follow(listener: (appended: Appended) => void): void
  /** Stops telling. */
  close(): void
}

/** A name that no other epoch has. */
export function toEpoch(): string {
  return randomBytes(EPOCH_BYTES).toString('base64url')
}

const EPOCH_BYTES = 9

/** What an idempotency key stands for. */
export function toDigest({ json }: LogEntry): string {
  return createHash('sha256').update(json).digest('base64url')
}

export function conflict(): RealtimeError {
  return new RealtimeError('CONFLICT', 'The key was used with another payload')
}

interface MemoryLog {
  readonly epoch: string
  head: Position
  removed: Removed
  records: LogRecord[]
  readonly keys: Map<string, { readonly position: Position; readonly digest: string }>
  readonly confirmed: Set<number>
  usedMs: number
}

const SWEEP_MS = 60_000

/** The logs of one process, in its memory: a restart empties them, and says so. */
export class MemoryLogStore implements LogStore {
  readonly #logs = new Map<string, MemoryLog>()
  readonly #timer: NodeJS.Timeout
  #listener: (appended: Appended) => void = () => {}

  constructor(private readonly retention: Retention) {
    this.#timer = setInterval(() => this.#sweep(), Math.min(SWEEP_MS, retention.maxAgeMs)).unref()
  }

  async append(name: string, entry: LogEntry, key?: string): Promise<Position> {
    const log = this.#open(name)
    const known = key === undefined ? undefined : log.keys.get(key)
    if (known !== undefined) {
      if (known.digest !== toDigest(entry)) throw conflict()
      return known.position
    }
    const { sequence, atMs: previousAtMs } = log.head
    const record: LogRecord = { sequence: sequence + 1, atMs: Math.max(Date.now(), previousAtMs), entry }
    log.head = { epoch: log.epoch, sequence: record.sequence, atMs: record.atMs }
    log.records.push(record)
    if (key !== undefined) log.keys.set(key, { position: log.head, digest: toDigest(entry) })
    const newest = record.sequence - this.retention.maxMessages
    removeWhile(log, 'trimmed', ({ sequence }) => sequence <= newest)
    this.#listener({ ...record, log: name, epoch: log.epoch, previousAtMs })
    return log.head
  }

  async head(name: string): Promise<Position> {
    return this.#open(name).head
  }

  async read(name: string, from: number, size: PageSize): Promise<LogPage> {
    const { head, removed, records } = this.#open(name)
    return { head, removed, records: toPage(records, from, size) }
  }

  async trim(name: string, through: number): Promise<void> {
    const log = this.#open(name)
    removeWhile(log, 'trimmed', ({ sequence }) => sequence <= through)
  }

  async erase(name: string): Promise<void> {
    this.#logs.delete(name)
  }

  async confirm(name: string, receipts: readonly Position[]): Promise<void> {
    const { epoch, confirmed, removed, head } = this.#open(name)
    for (const receipt of receipts) {
      if (receipt.epoch === epoch && receipt.sequence > removed.sequence && receipt.sequence <= head.sequence) confirmed.add(receipt.sequence)
    }
  }

  async isConfirmed(name: string, { epoch, sequence }: Position): Promise<boolean> {
    const log = this.#logs.get(name)
    return log?.epoch === epoch && log.confirmed.has(sequence)
  }

  follow(listener: (appended: Appended) => void): void {
    this.#listener = listener
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #open(name: string): MemoryLog {
    const log = this.#logs.get(name) ?? createLog()
    this.#logs.set(name, log)
    log.usedMs = Date.now()
    this.#expire(log)
    return log
  }

  #expire(log: MemoryLog): void {
    const oldestMs = Date.now() - this.retention.maxAgeMs
    removeWhile(log, 'expired', ({ atMs }) => atMs < oldestMs)
  }

  #sweep(): void {
    const nowMs = Date.now()
    for (const [name, log] of this.#logs) {
      this.#expire(log)
      if (nowMs - log.usedMs > this.retention.emptyLogMs) this.#logs.delete(name)
    }
  }
}

function toPage(records: readonly LogRecord[], from: number, { messages, bytes }: PageSize): LogRecord[] {
  const start = records.findIndex(({ sequence }) => sequence >= from)
  const page: LogRecord[] = []
  let left = bytes
  for (const record of start < 0 ? [] : records.slice(start, start + messages)) {
    page.push(record)
    left -= record.entry.json.length
    if (left <= 0) break
  }
  return page
}

function createLog(): MemoryLog {
  const epoch = toEpoch()
  return {
    epoch,
    head: { epoch, sequence: 0, atMs: 0 },
    removed: { sequence: 0, atMs: 0, by: 'trimmed' },
    records: [],
    keys: new Map(),
    confirmed: new Set(),
    usedMs: 0,
  }
}

/** Takes out entries from the oldest on, with what is kept beside them. */
function removeWhile(log: MemoryLog, by: Removed['by'], test: (record: LogRecord) => boolean): void {
  const kept = log.records.findIndex((record) => !test(record))
  const removed = kept < 0 ? [...log.records] : log.records.slice(0, kept)
  const last = removed.at(-1)
  if (last === undefined) return
  log.records.splice(0, removed.length)
  log.removed = { sequence: last.sequence, atMs: last.atMs, by }
  for (const { sequence } of removed) log.confirmed.delete(sequence)
  for (const [key, { position }] of log.keys) {
    if (position.sequence > last.sequence) break // they are in the order of what they stand for
    log.keys.delete(key)
  }
}
