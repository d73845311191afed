import type { PresenceEvents, UserChange } from '../presence.js'
import type { RedisBus } from './bus.js'
import { toList, toTexts } from './reply.js'
import { EVENTS, POSITION } from './scripts.js'

export interface RedisPresenceOptions {
  /** What all its keys start with. */
  readonly base: string
  readonly graceMs: number
  readonly leaseMs: number
}

type TellableChange = keyof PresenceEvents | 'changed'

/** Follows the events of all nodes: each is told once, and what was missed is made good from who is online. */
export class Follower {
  readonly #listeners: Array<(change: UserChange) => void> = []
  #begun: (() => void) | undefined
  #beginning: Promise<void> | undefined
  #closed = false
  readonly #online = new Set<string>()
  #epoch: string | undefined
  #position = '0-0'
  #reading: Promise<void> | undefined
  #again = false
  #verifyAtMs: number | undefined

  constructor(
    private readonly bus: RedisBus,
    private readonly options: RedisPresenceOptions,
    private readonly report: (error: unknown) => void,
  ) {}

  get isUp(): boolean {
    return this.#listeners.length === 0 || this.#epoch !== undefined
  }

  /** Resolves once changes are told; where Redis is away, that is when it is back. */
  start(listener: (change: UserChange) => void): Promise<void> {
    this.#listeners.push(listener)
    this.#beginning ??= this.#start()
    return this.#beginning
  }

  async #start(): Promise<void> {
    const begun = new Promise<void>((resolve) => {
      this.#begun = resolve
    })
    this.bus.subscribe(`${this.options.base}bell`, () => this.read())?.catch(() => {}) // it is listened to once Redis is back
    this.read()
    await begun
  }

  close(): void {
    this.#closed = true
    this.#begun?.() // nobody is kept waiting
  }

  /** One reading at a time; a bell meanwhile means one more. */
  read(): void {
    if (this.#listeners.length === 0 || this.#closed) return
    if (this.#reading !== undefined) {
      this.#again = true
      return
    }
    this.#reading = this.#read()
      .catch((error: unknown) => this.report(error))
      .finally(() => {
        this.#reading = undefined
        if (this.#again) {
          this.#again = false
          this.read()
        }
      })
  }

  async #read(): Promise<void> {
    if (this.#epoch === undefined) await this.#begin()
    this.#begun?.()
    for (let more = true; more && !this.#closed; ) {
      const [epoch, gap, events] = toList(await this.bus.run(EVENTS, this.options.base, [this.#position]))
      // A node that has just found the state empty names it; until then there is nothing to read.
      if (epoch === '') return
      if (epoch !== this.#epoch || Number(gap) === 1) {
        this.#startOver(String(epoch))
        continue
      }
      const texts = toTexts(events)
      for (let index = 0; index + 2 < texts.length; index += 3)
        this.#take(texts[index] as string, texts[index + 1] as TellableChange, texts[index + 2] as string) // as the script answers
      more = texts.length > 0
    }
    if (this.#verifyAtMs !== undefined && Date.now() >= this.#verifyAtMs) {
      await this.#verify()
      this.#verifyAtMs = undefined
      this.#tellAll({ change: 'missed' })
    }
  }

  /** From here on; who is online already is not told. */
  async #begin(): Promise<void> {
    this.#online.clear() // an attempt that failed half-way has seen some
    const [epoch, position] = toTexts(await this.bus.run(POSITION, this.options.base, []))
    await this.#scan((userId) => this.#online.add(userId))
    await this.#unsee(position ?? '0-0')
    this.#epoch = epoch
    this.#position = position ?? '0-0'
  }

  /** What has changed while it was read is told by the events that follow. */
  async #unsee(position: string): Promise<void> {
    const texts: string[] = []
    for (let next: string | undefined = position; next !== undefined; ) {
      const [, , events] = toList(await this.bus.run(EVENTS, this.options.base, [next]))
      const page = toTexts(events)
      texts.push(...page)
      next = page.at(-3)
    }
    for (let index = texts.length - 3; index >= 0; index -= 3) {
      const userId = texts[index + 2] as string // as the script answers
      if (texts[index + 1] === 'online') this.#online.delete(userId)
      if (texts[index + 1] === 'offline') this.#online.add(userId)
    }
  }

  /** The state has been emptied, or too much of it was missed: live nodes register again, and then who is not there has left. */
  #startOver(epoch: string): void {
    this.#epoch = epoch
    this.#position = '0-0'
    this.#verifyAtMs = Date.now() + this.options.leaseMs + this.options.graceMs
    this.#tellAll({ change: 'missed' })
  }

  async #verify(): Promise<void> {
    const known = [...this.#online]
    await this.#scan((userId) => this.#tell('online', userId))
    for (let start = 0; start < known.length; start += 1000) {
      const userIds = known.slice(start, start + 1000)
      const found = toList(await this.bus.command(['SMISMEMBER', `${this.options.base}online`, ...userIds]))
      userIds.forEach((userId, index) => {
        if (Number(found[index]) === 0) this.#tell('offline', userId)
      })
    }
  }

  async #scan(each: (userId: string) => void): Promise<void> {
    let cursor = '0'
    do {
      const [next, userIds] = toList(await this.bus.command(['SSCAN', `${this.options.base}online`, cursor, 'COUNT', 1000]))
      cursor = String(next)
      toTexts(userIds).forEach(each)
    } while (cursor !== '0')
  }

  #take(id: string, change: TellableChange, userId: string): void {
    this.#position = id
    this.#tell(change, userId)
  }

  #tellAll(change: UserChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** What is so already is no change. */
  #tell(change: TellableChange, userId: string): void {
    if (change !== 'changed' && this.#online.has(userId) === (change === 'online')) return
    if (change === 'online') this.#online.add(userId)
    if (change === 'offline') this.#online.delete(userId)
    this.#tellAll({ change, userId })
  }
}
