import type { CaughtUpNotice, DeliveryMeta, GapNotice, Position, RoomAddress } from '@org/realtime-contracts/wire'
import type { Socket } from 'socket.io'
import { type EncodedEvent, send, toEncoded } from './local.js'
import type { Appended, LogEntry, LogPage, LogRecord, LogStore, PageSize } from './log.js'
import { drained, isBehind } from './transport.js'

// A fraction of what ends a connection that does not read.
const PAGE: PageSize = { messages: 200, bytes: 128 * 1024 }
// A number that the entry before may have had: when that was stored is not known.
const UNKNOWN_MS = 0

/** An event of a log with what tells a device where it is, made once for all who get it now. */
export class Delivered {
  #encoded: EncodedEvent | undefined

  constructor(
    private readonly namespace: string,
    private readonly room: RoomAddress | undefined,
    readonly position: Position,
    readonly entry: LogEntry,
  ) {}

  get encoded(): EncodedEvent {
    this.#encoded ??= toEncoded(this.namespace, withMeta(this.entry.json, this.#meta))
    return this.#encoded
  }

  isFor(names: readonly string[]): boolean {
    return this.entry.except?.some((name) => names.includes(name)) !== true
  }

  get #meta(): DeliveryMeta {
    return { ...this.position, ...(this.room !== undefined && { room: this.room }), ...(this.entry.confirm && { confirm: true }) }
  }
}

/** @param json an event's name and arguments, as a list; names hold no quotes. */
function withMeta(json: string, meta: DeliveryMeta): string {
  const hasPayload = json.indexOf('"', 2) + 2 < json.length
  return `${json.slice(0, -1)}${hasPayload ? '' : ',null'},${JSON.stringify(meta)}]`
}

/** What a log is about: of whom it is, and the one event that it can hold, where there is but one. */
interface Subject {
  readonly room: RoomAddress | undefined
  readonly event: string | undefined
}

/** Where one connection is in one log. It gets what is next at once, and everything else from the log. */
export class Reader {
  #isStarted = false
  #isReading = false
  /** Whether there is, or may be, more than it has. */
  #isStale: boolean
  #hasCaughtUp = false
  #isOver = false

  /** @param names the rooms of its user and its device. */
  constructor(
    private readonly store: LogStore,
    private readonly log: string,
    private readonly subject: Subject,
    private readonly socket: Socket,
    private readonly names: readonly string[],
    public position: Position,
    private readonly resumed: boolean,
    private readonly report: (error: unknown) => void,
  ) {
    this.#isStale = resumed
  }

  /** The client can be sent to: first what it has missed. */
  start(): void {
    if (this.#isStarted || this.#isOver) return
    this.#isStarted = true
    if (!this.resumed) this.#tellCaughtUp() // it begins here
    if (this.#isStale) void this.#read()
  }

  end(): void {
    this.#isOver = true
  }

  hear({ epoch, sequence, atMs, previousAtMs }: Appended, delivered: Delivered): void {
    const { position } = this
    const isKnown = epoch === position.epoch && sequence <= position.sequence && atMs <= position.atMs
    if (isKnown) return
    const isNext = epoch === position.epoch && sequence === position.sequence + 1 && (previousAtMs === position.atMs || position.atMs === UNKNOWN_MS)
    // One that does not keep up reads on from the log once it does: there it costs no memory.
    if (isNext && this.#isStarted && !this.#isReading && !isBehind(this.socket.conn)) this.#send(delivered)
    else this.#readOn()
  }

  /** The log ends there: what is missing was told to nobody here. */
  check({ epoch, sequence, atMs }: Position): void {
    const { position } = this
    const hasAll = (this.#hasCaughtUp || !this.#isStarted) && epoch === position.epoch && sequence === position.sequence && atMs === position.atMs
    if (!hasAll) this.#readOn()
  }

  #readOn(): void {
    this.#isStale = true
    if (this.#isStarted && !this.#isReading) void this.#read()
  }

  async #read(): Promise<void> {
    this.#isReading = true
    try {
      while (this.#isStale) {
        this.#isStale = false
        await drained(this.socket.conn)
        if (this.#isOver) return
        // From the last one that it has: whether that is still the same shows whether the log is.
        await this.#take(await this.store.read(this.log, this.position.sequence, PAGE))
      }
      this.#tellCaughtUp()
    } catch (error) {
      this.#isStale = true // it is tried again when somebody looks where the log ends
      this.report(error)
    } finally {
      this.#isReading = false
    }
  }

  async #take(page: LogPage): Promise<void> {
    if (this.#isOver) return
    if (page.head.epoch !== this.position.epoch) {
      const reason = page.head.sequence === 0 ? 'emptied' : 'replaced'
      this.#tellGap({ from: this.position.sequence + 1, reason }, { ...page.head, sequence: 0, atMs: 0 })
    } else if (isAhead(this.position, page)) {
      await this.#goBack()
    } else {
      this.#sendAll(page)
      if (this.position.sequence === page.head.sequence) return
    }
    this.#isStale = true // there is more, or the log is another one, and is read anew
  }

  #sendAll({ head, removed, records }: LogPage): void {
    const rest = records.filter(({ sequence }) => sequence > this.position.sequence)
    const first = rest[0]?.sequence ?? head.sequence + 1
    const last = first - 1
    if (last > this.position.sequence) {
      const atMs = last === removed.sequence ? removed.atMs : last === head.sequence ? head.atMs : UNKNOWN_MS
      const reason = last <= removed.sequence ? removed.by : 'expired'
      this.#tellGap({ from: this.position.sequence + 1, to: last, reason }, { ...head, sequence: last, atMs })
    }
    for (const record of rest) this.#send(this.#deliver(head.epoch, record))
  }

  /**
   * The store has lost the last of what this device has, and perhaps given its numbers to others since: it goes on from the last entry
   * that was stored when the device's last one was.
   */
  async #goBack(): Promise<void> {
    const { epoch, atMs, sequence } = this.position
    let [before, from]: [Position, number] = [{ epoch, sequence: 0, atMs: 0 }, 1]
    for (;;) {
      const { head, removed, records } = await this.store.read(this.log, from, PAGE)
      if (head.epoch !== epoch) return // another log by now
      if (before.sequence < removed.sequence) before = { epoch, sequence: removed.sequence, atMs: removed.atMs }
      const newer = records.findIndex((record) => record.atMs > atMs)
      const last = newer < 0 ? records.at(-1) : records[newer - 1]
      if (last !== undefined) before = { epoch, sequence: last.sequence, atMs: last.atMs }
      if (newer >= 0 || records.length === 0 || before.sequence >= head.sequence) break
      from = before.sequence + 1
    }
    if (!this.#isOver) this.#tellGap({ from: sequence + 1, reason: 'ahead' }, before)
  }

  #deliver(epoch: string, { sequence, atMs, entry }: LogRecord): Delivered {
    return new Delivered(this.socket.nsp.name, this.subject.room, { epoch, sequence, atMs }, entry)
  }

  #send(delivered: Delivered): void {
    this.position = delivered.position
    if (delivered.isFor(this.names)) send(this.socket, delivered.encoded)
  }

  #tellGap(gap: Pick<GapNotice, 'from' | 'to' | 'reason'>, position: Position): void {
    this.position = position
    const { event } = this.subject
    const notice: GapNotice = { ...this.#address, ...(event !== undefined && { event }), ...gap, ...position }
    this.socket.emit('$gap', notice)
  }

  #tellCaughtUp(): void {
    if (this.#hasCaughtUp || this.#isOver) return
    this.#hasCaughtUp = true
    const notice: CaughtUpNotice = { ...this.#address, ...this.position, resumed: this.resumed }
    this.socket.emit('$caughtUp', notice)
  }

  get #address(): { readonly room?: RoomAddress } {
    const { room } = this.subject
    return room === undefined ? {} : { room }
  }
}

/** Whether the log no longer has what the device has got of it last, as far as that can be seen. */
function isAhead({ sequence, atMs }: Position, { head, removed, records }: LogPage): boolean {
  if (sequence > head.sequence) return true
  const place = [head, removed, ...records.slice(0, 1)].find((each) => each.sequence === sequence)
  return sequence > 0 && place !== undefined && atMs !== UNKNOWN_MS && place.atMs !== atMs
}
