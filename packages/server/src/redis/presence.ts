import { randomUUID } from 'node:crypto'
import type { PresentDevice } from '@org/realtime-contracts/wire'
import { type Added, type MemberChange, type PresenceStore, type PresentConnection, type UserChange, unique } from '../presence.js'
import type { RedisBus } from './bus.js'
import { Follower, type RedisPresenceOptions } from './follower.js'
import { toDevice, toList, toTexts, unavailable, wasNotRun } from './reply.js'
import { BEAT, DROP, ENROL, LEAVE, PUT, type Script } from './scripts.js'

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
    const { userId, device } = held.connection
    held.connection = { id, userId, device } // not all that a connection has, until Redis can be told
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
