import { randomUUID } from 'node:crypto'
import { isObject, type PresentDevice, RealtimeError } from '@org/realtime-contracts/wire'
import { type Added, type MemberChange, type PresenceEvents, type PresenceStore, type PresentConnection, type UserChange, unique } from '../presence.js'
import type { RedisBus } from './bus.js'
import { BEAT, DROP, ENROL, EVENTS, LEAVE, POSITION, PUT, type Script } from './scripts.js'

const MAX_BEAT_MS = 1_000
const MAX_AT_WORK = 200 // connections that are written at once
const CLOSE_MS = 2_000

/** A connection of this process: what should be stored of it, and what is. */
interface Held {
  connection: PresentConnection
  readonly rooms: Set<string>
  gone: boolean
  /** The rooms that may be stored: what failed may have run. */
  touched: Set<string>
  /** Whether nothing has failed since. */
  certain: boolean
  /** The incarnation that it is stored under, if it is. */
  node: string | undefined
  standing: readonly string[]
  replaces: boolean
  work: Promise<void> | undefined
}

export interface RedisPresenceOptions {
  /** What all its keys start with. */
  readonly base: string
  readonly graceMs: number
  readonly leaseMs: number
}

/**
 * Presence of all nodes. A node holds what it registered under an incarnation of its own, as long as it gives a sign of life
 * within its lease; one that was away longer is fenced, takes a new incarnation and registers its live connections again.
 */
export class RedisPresenceStore implements PresenceStore {
  readonly #held = new Map<string, Held>()
  readonly #follower: Follower
  #node: string | undefined
  #enrolling: Promise<string> | undefined
  #toldMembers: (change: MemberChange) => void = () => {}
  #beating: Promise<void> | undefined
  #registering: Promise<void> | undefined
  readonly #timer: NodeJS.Timeout
  #takesPart = false
  /** Whether the last sign of life was taken. */
  #isAlive = false
  #closed = false

  constructor(
    private readonly bus: RedisBus,
    private readonly options: RedisPresenceOptions,
    private readonly report: (error: unknown) => void,
  ) {
    this.#follower = new Follower(bus, options, report)
    this.#timer = setInterval(() => this.#tick(), Math.min(MAX_BEAT_MS, options.leaseMs / 4)).unref()
    bus.onUp(() => this.#tick())
  }

  /** Whether those who follow hear of every change from now on. */
  get isUp(): boolean {
    return this.#follower.isUp && (!this.#takesPart || this.#isAlive)
  }

  /** Takes part in it; a process without sockets only reads. */
  start(): void {
    this.#takesPart = true
    this.#tick()
  }

  async add(connection: PresentConnection): Promise<Added> {
    const held: Held = {
      connection,
      rooms: new Set(),
      gone: false,
      touched: new Set(),
      certain: false,
      node: undefined,
      standing: [],
      replaces: false,
      work: undefined,
    }
    this.#held.set(connection.id, held)
    try {
      await this.#settle(held)
    } catch (error) {
      if (wasNotRun(error)) this.#held.delete(connection.id)
      else this.remove(connection)
      throw error
    }
    return { standing: held.standing, replaces: held.replaces }
  }

  remove({ id }: PresentConnection): void {
    const held = this.#held.get(id)
    if (held === undefined) return
    held.gone = true
    this.#settleLater(held)
  }

  update(connection: PresentConnection): void {
    const held = this.#held.get(connection.id)
    if (held === undefined) return
    held.connection = connection
    held.certain = false
    this.#settleLater(held)
  }

  enter(room: string, { id }: PresentConnection): void {
    const held = this.#held.get(id)
    if (held === undefined) return
    held.rooms.add(room)
    this.#settleLater(held)
  }

  exit(room: string, { id }: PresentConnection): void {
    const held = this.#held.get(id)
    if (held === undefined || !held.rooms.delete(room)) return
    this.#settleLater(held)
  }

  async settled({ id }: PresentConnection): Promise<void> {
    const held = this.#held.get(id)
    if (held !== undefined) await this.#settle(held)
  }

  async stand(room: string, userIds: readonly string[]): Promise<void> {
    await Promise.all(userIds.map((userId) => this.#command('SADD', this.#key(`standing:${userId}`), room)))
  }

  async unstand(room: string, userIds: readonly string[]): Promise<void> {
    await Promise.all(userIds.map((userId) => this.#command('SREM', this.#key(`standing:${userId}`), room)))
  }

  async online(userIds: readonly string[]): Promise<readonly boolean[]> {
    const answer = await this.#command('SMISMEMBER', this.#key('online'), ...userIds)
    return toList(answer).map((found) => Number(found) === 1)
  }

  async devices(userId: string): Promise<PresentDevice[]> {
    return unique(toTexts(await this.#command('HVALS', this.#key(`user:${userId}`))).flatMap(toDevice))
  }

  async members(room: string): Promise<string[]> {
    return toTexts(await this.#command('HKEYS', this.#key(`room:${room}`)))
  }

  async count(): Promise<number> {
    return Number(await this.#command('SCARD', this.#key('online')))
  }

  follow(listener: (change: UserChange) => void): Promise<void> {
    return this.#follower.start(listener)
  }

  followMembers(listener: (change: MemberChange) => void): void {
    this.#toldMembers = listener
  }

  /** Gives up what this node holds, so that no key is left of it; what Redis cannot do now the other nodes do once the lease is over. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    this.#follower.close()
    const untilMs = Date.now() + CLOSE_MS
    await this.#beating
    await this.#registering
    await Promise.all([...this.#held.values()].map((held) => held.work?.catch(() => {})))
    try {
      const node = this.#node
      while (node !== undefined && Date.now() < untilMs) {
        const [, , more, left] = toList(await this.#run(LEAVE, node, this.options.graceMs))
        this.#tellLeft(left)
        if (Number(more) === 0) break
      }
    } catch (error) {
      this.report(error)
    }
    this.#held.clear()
  }

  #key(name: string): string {
    return this.options.base + name
  }

  #command(...args: ReadonlyArray<string | number>): Promise<unknown> {
    return this.bus.command(args).catch(unavailable)
  }

  #run(script: Script, ...args: ReadonlyArray<string | number>): Promise<unknown> {
    return this.bus.run(script, this.options.base, args).catch(unavailable)
  }

  #tick(): void {
    if (!this.bus.isUp || this.#closed) return
    this.#follower.read()
    if (!this.#takesPart) return
    this.#beating ??= this.#beat()
      .then(() => {
        this.#isAlive = true
      })
      .catch((error: unknown) => {
        this.#isAlive = false
        this.report(error)
      })
      .finally(() => {
        this.#beating = undefined
      })
  }

  async #beat(): Promise<void> {
    const { leaseMs, graceMs } = this.options
    for (let more = 1; more > 0 && !this.#closed; ) {
      const node = await this.#incarnation()
      const [state, , left, pairs] = toList(await this.#run(BEAT, node, leaseMs, graceMs, randomUUID()))
      more = Number(left)
      this.#tellLeft(pairs)
      if (state === 'FENCED' && this.#node === node) this.#node = undefined
    }
    // Not waited for: a node that has much to register is alive all the while.
    this.#registering ??= this.#registerAgain()
      .catch((error: unknown) => this.report(error))
      .finally(() => {
        this.#registering = undefined
      })
  }

  /** Those that are not stored as they should be: after a new incarnation, all. */
  async #registerAgain(): Promise<void> {
    const node = await this.#incarnation()
    const unsettled = [...this.#held.values()].filter((held) => held.work === undefined && !isSettled(held, node))
    const work = async (): Promise<void> => {
      for (let held = unsettled.pop(); held !== undefined && !this.#closed; held = unsettled.pop()) await this.#settle(held)
    }
    await Promise.all(Array.from({ length: Math.min(MAX_AT_WORK, unsettled.length) }, work))
  }

  #incarnation(): Promise<string> {
    if (this.#node !== undefined) return Promise.resolve(this.#node)
    this.#enrolling ??= this.#enrol().finally(() => {
      this.#enrolling = undefined
    })
    return this.#enrolling
  }

  async #enrol(): Promise<string> {
    const node = randomUUID()
    await this.#run(ENROL, node, this.options.leaseMs)
    this.#node = node
    return node
  }

  #settleLater(held: Held): void {
    if (!this.#closed) this.#settle(held).catch(() => {}) // the next tick tries again
  }

  /** One command at a time for a connection, until what is stored is what should be. */
  #settle(held: Held): Promise<void> {
    held.work ??= this.#write(held).finally(() => {
      held.work = undefined
    })
    return held.work
  }

  async #write(held: Held): Promise<void> {
    await undefined // what is said in one turn is one command
    for (;;) {
      const node = await this.#incarnation()
      if (isSettled(held, node)) {
        if (!held.gone) return
        this.#held.delete(held.connection.id)
        await this.#tellLost(held)
        return
      }
      const answer = await (held.gone ? this.#drop(held, node) : this.#put(held, node))
      if (answer === 'FENCED' && this.#node === node) this.#node = undefined
    }
  }

  async #put(held: Held, node: string): Promise<unknown> {
    const { id, userId, device } = held.connection
    if (held.node !== node) forgetStored(held)
    const wanted = new Set(held.rooms)
    const entered = held.certain ? [...wanted].filter((room) => !held.touched.has(room)) : [...wanted]
    const exited = [...held.touched].filter((room) => !wanted.has(room))
    held.node = node
    held.certain = false
    for (const room of wanted) held.touched.add(room)
    const answer = await this.#run(PUT, node, id, userId, JSON.stringify(device), entered.length, ...entered, ...exited)
    if (!Array.isArray(answer)) return answer
    const [standing, first, last, replaces] = answer
    held.certain = device === held.connection.device // it may say something else by now
    held.touched = wanted
    held.standing = toTexts(standing)
    held.replaces = Number(replaces) === 1
    for (const room of toTexts(first)) this.#toldMembers({ change: 'joined', room, userId })
    for (const room of toTexts(last)) this.#toldMembers({ change: 'left', room, userId })
    return undefined
  }

  async #drop(held: Held, node: string): Promise<unknown> {
    const { id, userId } = held.connection
    const answer = await this.#run(DROP, node, id, userId, this.options.graceMs, ...held.touched)
    if (!Array.isArray(answer)) return answer
    forgetStored(held)
    for (const room of toTexts(answer[0])) this.#toldMembers({ change: 'left', room, userId })
    return undefined
  }

  /** It went with an older incarnation: whether somebody has told of that, or it was lost with all of the state, nobody knows. */
  async #tellLost({ touched, connection: { userId } }: Held): Promise<void> {
    for (const room of touched) {
      const isIn = Number(await this.#command('HEXISTS', this.#key(`room:${room}`), userId)) === 1
      if (!isIn) this.#toldMembers({ change: 'left', room, userId })
    }
  }

  #tellLeft(pairs: unknown): void {
    const texts = toTexts(pairs)
    for (let index = 0; index + 1 < texts.length; index += 2) {
      this.#toldMembers({ change: 'left', room: texts[index] as string, userId: texts[index + 1] as string }) // within its length
    }
  }
}

function forgetStored(held: Held): void {
  held.node = undefined
  held.touched = new Set()
  held.certain = false
}

/** What was stored under an older incarnation goes with that. */
function isSettled({ gone, certain, node: storedUnder, touched, rooms }: Held, node: string): boolean {
  if (gone) return storedUnder !== node
  return storedUnder === node && certain && touched.size === rooms.size && [...rooms].every((room) => touched.has(room))
}

type TellableChange = keyof PresenceEvents | 'changed'

/** Follows the events of all nodes: each is told once, and what was missed is made good from who is online. */
class Follower {
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

/** Whether the failure says that Redis has not done it: what was sent without an answer may have run. */
function wasNotRun(error: unknown): boolean {
  const cause = error instanceof RealtimeError ? error.cause : error
  return cause instanceof Error && (REFUSALS.has(cause.name) || REFUSALS.has(cause.constructor.name) || cause.message.startsWith("Stream isn't writeable"))
}

// Of ioredis, and of redis.
const REFUSALS: ReadonlySet<string> = new Set(['ReplyError', 'ErrorReply', 'SimpleError', 'BlobError', 'ClientOfflineError', 'ClientClosedError'])

function unavailable(cause: unknown): never {
  throw cause instanceof RealtimeError ? cause : new RealtimeError('UNAVAILABLE', 'Redis cannot be reached, or refuses', { cause })
}

/** What no node has written is nobody's device. */
function toDevice(text: string): PresentDevice[] {
  try {
    const device: unknown = JSON.parse(text)
    return isObject(device) && typeof device['id'] === 'string' ? [{ ...device, id: device['id'] }] : []
  } catch {
    return []
  }
}

function toList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function toTexts(value: unknown): string[] {
  return toList(value).map(String)
}
