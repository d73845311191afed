import type { Position } from '@org/realtime-contracts/wire'
import { isObject, RealtimeError } from '@org/realtime-contracts/wire'
import { type Appended, conflict, type LogEntry, type LogPage, type LogStore, type PageSize, toDigest, toEpoch } from '../log.js'
import type { Retention } from '../retention.js'
import type { RedisBus } from './bus.js'
import { APPEND, CONFIRM, HEAD, READ, TRIM } from './logscripts.js'
import type { Channels } from './message.js'
import { toList, unavailable } from './reply.js'
import type { Script } from './scripts.js'

/** Beyond the message types of Socket.IO's cluster adapter, and those of questions and events. */
const APPENDED = 103

/** The logs of all nodes. What is appended is told on the channel of the room whose log it is, so that the nodes hear it that have somebody there. */
export class RedisLogStore implements LogStore {
  #listener: (appended: Appended) => void = () => {}

  constructor(
    private readonly bus: RedisBus,
    private readonly channels: Channels,
    private readonly retention: Retention,
  ) {}

  async append(log: string, entry: LogEntry, key?: string): Promise<Position> {
    const { emptyLogMs, maxAgeMs, maxMessages } = this.retention
    const beginning = JSON.stringify({ type: APPENDED, log }).slice(0, -1)
    const args = [toEpoch(), emptyLogMs, maxAgeMs, maxMessages, this.channels.ofRoom(log), beginning, JSON.stringify(entry)]
    const answer = await this.#run(APPEND, log, key === undefined ? args : [...args, key, toDigest(entry)])
    if (answer === 'CONFLICT') throw conflict()
    return toHead(answer)
  }

  async head(log: string): Promise<Position> {
    return toHead(await this.#run(HEAD, log, [toEpoch(), this.retention.emptyLogMs]))
  }

  async read(log: string, from: number, { messages, bytes }: PageSize): Promise<LogPage> {
    const { emptyLogMs, maxAgeMs } = this.retention
    const answer = toList(await this.#run(READ, log, [toEpoch(), emptyLogMs, maxAgeMs, from, messages, bytes]))
    const [, , , sequence, atMs, by, entries] = answer
    return {
      head: toHead(answer),
      removed: { sequence: Number(sequence), atMs: Number(atMs), by: by === 'expired' ? 'expired' : 'trimmed' },
      records: toRecords(toList(entries)),
    }
  }

  async trim(log: string, through: number): Promise<void> {
    await this.#run(TRIM, log, [toEpoch(), this.retention.emptyLogMs, through])
  }

  async erase(log: string): Promise<void> {
    const base = this.#baseOf(log)
    await this.bus.command(['DEL', ...['head', 'entries', 'keys', 'confirmed'].map((name) => base + name)]).catch(unavailable)
  }

  async confirm(log: string, receipts: readonly Position[]): Promise<void> {
    await this.#run(CONFIRM, log, [this.retention.maxAgeMs, ...receipts.map(toMember)])
  }

  async isConfirmed(log: string, receipt: Position): Promise<boolean> {
    return (await this.bus.command(['ZSCORE', `${this.#baseOf(log)}confirmed`, toMember(receipt)]).catch(unavailable)) !== null
  }

  follow(listener: (appended: Appended) => void): void {
    this.#listener = listener
  }

  /** @returns whether the message tells of something appended. */
  hear(message: unknown): boolean {
    if (!isAppended(message)) return false
    this.#listener(message)
    return true
  }

  close(): void {}

  #run(script: Script, log: string, args: ReadonlyArray<string | number>): Promise<unknown> {
    return this.bus.run(script, this.#baseOf(log), args).catch(unavailable)
  }

  /** What all keys of a log start with. In a Cluster they are where its channel is, since the script that appends also publishes. */
  #baseOf(log: string): string {
    const channel = this.channels.ofRoom(log)
    return HASH_TAG.test(channel) ? `${channel}:log:` : `{${channel}}:log:`
  }
}

const HASH_TAG = /^[^{]*\{[^}]+\}/ // of a namespace that has braces

function isAppended(message: unknown): message is Appended {
  return isObject(message) && message['type'] === APPENDED // only the script publishes it
}

function toHead(answer: unknown): Position {
  const [epoch, sequence, atMs] = toList(answer)
  if (typeof epoch !== 'string') throw new RealtimeError('UNAVAILABLE', 'Redis answered with no position')
  return { epoch, sequence: Number(sequence), atMs: Number(atMs) }
}

function toRecords(entries: readonly unknown[]): LogPage['records'] {
  const records: Array<LogPage['records'][number]> = []
  for (let index = 0; index < entries.length; index += 3) {
    const entry = JSON.parse(String(entries[index + 2])) as LogEntry // only the script stores it
    records.push({ sequence: Number(entries[index]), atMs: Number(entries[index + 1]), entry })
  }
  return records
}

function toMember({ epoch, sequence, atMs }: Position): string {
  return `${epoch} ${sequence} ${atMs}`
}
