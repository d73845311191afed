import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'

/** A place in a log, as receipts and notices name it. */
export interface Place {
  readonly epoch: string
  readonly sequence: number
}

/** What happened, in the order in which the driver saw it. Times are the driver's; a log is a user's own, or a room's. */
export type Entry =
  /** The device is to hear what is sent to the log from when it is told where it begins, until the end of the run. */
  | { readonly kind: 'member'; readonly log: string; readonly device: string; readonly atMs: number }
  /** The producer is about to send. Numbers are unique, and grow in each log. */
  | { readonly kind: 'sent'; readonly log: string; readonly n: number; readonly atMs: number }
  /** The producer was told that it is stored. */
  | { readonly kind: 'stored'; readonly log: string; readonly n: number; readonly place: Place | undefined; readonly atMs: number }
  /** Nobody knows whether it is stored. */
  | { readonly kind: 'unknown'; readonly log: string; readonly n: number; readonly atMs: number }
  | { readonly kind: 'heard'; readonly device: string; readonly n: number; readonly atMs: number }
  /** The device was told that it has everything up to a place; `resumed` where it went on from an earlier one. */
  | { readonly kind: 'caughtUp'; readonly log: string; readonly device: string; readonly place: Place; readonly resumed: boolean; readonly atMs: number }
  /** The device was told that it has missed something. */
  | {
      readonly kind: 'gap'
      readonly log: string
      readonly device: string
      readonly from: number
      readonly to: number | undefined
      readonly before: string
      readonly place: Place
      readonly reason: string
      readonly atMs: number
    }
  /** A device is about to ask for a command, whose numbers are unique. */
  | { readonly kind: 'asked'; readonly n: number; readonly atMs: number }
  /** It was told what came of it, and how often it had taken effect by then. */
  | { readonly kind: 'answered'; readonly n: number; readonly answer: { readonly n: number; readonly times: number }; readonly atMs: number }
  /** The store says how often a command has taken effect. */
  | { readonly kind: 'effect'; readonly n: number; readonly times: number; readonly atMs: number }
  /** The run is over: whether the device was connected, and in its rooms, at the end. */
  | { readonly kind: 'ended'; readonly device: string; readonly connected: boolean; readonly atMs: number }

const LINES_AT_ONCE = 1_000
const CHUNK_BYTES = 1024 * 1024

/** A history in a file, one entry a line: that of a million messages need not be in memory. */
export class HistoryFile implements Iterable<Entry> {
  #lines: string[] = []

  constructor(private readonly path: string) {
    closeSync(openSync(path, 'w'))
  }

  write(entry: Entry): void {
    if (this.#lines.push(JSON.stringify(entry)) >= LINES_AT_ONCE) this.#flush()
  }

  *[Symbol.iterator](): Generator<Entry> {
    this.#flush()
    let rest = ''
    for (const text of read(this.path)) {
      const lines = `${rest}${text}`.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) yield JSON.parse(line) as Entry // as it was written
    }
  }

  #flush(): void {
    if (this.#lines.length === 0) return
    const file = openSync(this.path, 'a')
    writeSync(file, `${this.#lines.join('\n')}\n`)
    closeSync(file)
    this.#lines = []
  }
}

function* read(path: string): Generator<string> {
  const file = openSync(path, 'r')
  const decoder = new StringDecoder('utf8')
  const chunk = Buffer.alloc(CHUNK_BYTES)
  try {
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) yield decoder.write(chunk.subarray(0, length))
  } finally {
    closeSync(file)
  }
}
