import type {
  Answered,
  Contract,
  DurableEvent,
  EventBorder,
  EventCodecs,
  IsDurable,
  PayloadArguments,
  PayloadOf,
  Position,
  ReplyOf,
  RequestError,
  RoomId,
  RoomKind,
  ServerEvent,
} from '@org/realtime-contracts'
import { checkTimeout, invalidPayload, RealtimeError } from '@org/realtime-contracts/wire'
import type { Audience } from './cluster.js'
import type { Report } from './context.js'
import type { LogEntry, LogStore } from './log.js'
import type { Observation } from './observe.js'
import type { DeviceOutcome } from './peers.js'
import { deviceRooms, type RoomNames, userRoom } from './rooms.js'

/** Reserved for what a later version can say about one emit. What is not stored has no key, and nobody confirms it. */
export interface EmitOptions {
  /** For durable events alone. */
  readonly key?: never
  /** For durable events alone. */
  readonly confirm?: never
}

/** What can be said about one emit of a durable event. */
export interface DurableEmitOptions {
  /**
   * Makes it safe to repeat: with the same key it is stored once, as long as it is kept, and has one receipt. 1–256 characters.
   * With another payload it is a `CONFLICT`.
   */
  readonly key?: string
  /** Whether to ask devices to say that they have taken it in, for `inbox(userId).confirmed(receipt)`. For users only. @default false */
  readonly confirm?: boolean
}

/** That a durable event is stored, and where: plain data, which can be kept. */
export type Receipt = Position

type OptionsOf<E> = IsDurable<E> extends true ? DurableEmitOptions : EmitOptions

/** What can be said of one request. */
export interface RequestOptions {
  /** How long to wait for the slowest device, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
}

/** What one device made of a request. */
export type DeviceAnswer<Data = unknown, Failure = RealtimeError> =
  | { readonly deviceId: string; readonly status: 'answered'; readonly data: Data }
  | { readonly deviceId: string; readonly status: 'failed'; readonly error: Failure }
  | { readonly deviceId: string; readonly status: 'silent' }

/** Whom an event goes to. Targets are values: narrowing one gives another. */
export interface EmitTarget<C extends Contract, R = Receipt> {
  /**
   * Sends an event to every connected device of the target; validated and encoded once. A durable one resolves once it is stored, and reaches
   * every device of the user, or member of the room, also those that come back later. That it could not be stored is told to `onError`, too:
   * a promise that nobody awaits never ends the process.
   * @throws RealtimeError `INVALID_PAYLOAD` at once, where the payload does not match the contract. A durable one rejects with `UNAVAILABLE` where
   * nobody knows whether it is stored: repeat it with the same `key`; and with `CONFLICT`.
   */
  emit<K extends ServerEvent<C>>(
    event: K,
    ...args: PayloadArguments<PayloadOf<C['serverToClient'][K]>, OptionsOf<C['serverToClient'][K]>>
  ): IsDurable<C['serverToClient'][K]> extends true ? Promise<R> : void
  /** The same target without one device, which is often the one that has just told us. */
  exceptDevice(deviceId: string): this
  /** The same target without one user's devices. */
  exceptUser(userId: string): this
}

/** Whom an event goes to, in a process that serves sockets and so can hear answers. */
export interface Target<C extends Contract, R = Receipt> extends EmitTarget<C, R> {
  /**
   * Asks every connected device of the target and waits for all answers. Never rejects for what a device does.
   * @returns one result a device; `silent` is a device that did not answer in time, or went away.
   * @throws RealtimeError `INVALID_PAYLOAD` where the payload does not match the contract.
   */
  request<K extends Answered<C['serverToClient']>>(
    event: K,
    ...args: PayloadArguments<PayloadOf<C['serverToClient'][K]>, RequestOptions>
  ): Promise<Array<DeviceAnswer<ReplyOf<C['serverToClient'][K]>, RequestError<C['serverToClient'][K]>>>>
}

/** A target of users, whose devices can be moved between rooms. */
export interface UserEmitTarget<C extends Contract, R = Receipt> extends EmitTarget<C, R> {
  /**
   * Puts every device of the target into a room, on whatever node, and those that connect later, until `leave`; the room's rule is not asked.
   * With devices or users left out, only the devices that are connected now. Resolves once it is so.
   * @throws RealtimeError `INVALID_PAYLOAD` for what is no room; `UNAVAILABLE` where the nodes cannot be told: safe to repeat.
   */
  join<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): Promise<void>
  /** Takes every device of the target out of a room. @throws RealtimeError as `join`. */
  leave<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): Promise<void>
}

/** All of it. */
export interface UserTarget<C extends Contract, R = Receipt> extends Target<C, R>, UserEmitTarget<C, R> {}

/** Everybody who is connected; nobody stores what is for them all. */
export interface AllEmitTarget<C extends Contract> extends Pick<EmitTarget<C>, 'exceptDevice' | 'exceptUser'> {
  /** Sends an event, not a durable one, to every connected device; validated and encoded once. @throws RealtimeError `INVALID_PAYLOAD` at once. */
  emit<K extends Exclude<ServerEvent<C>, DurableEvent<C>>>(event: K, ...args: PayloadArguments<PayloadOf<C['serverToClient'][K]>, EmitOptions>): void
}

/** Everybody who is connected, in a process that serves sockets. */
export interface AllTarget<C extends Contract> extends AllEmitTarget<C>, Pick<Target<C>, 'request'> {}

const DEFAULT_REQUEST_TIMEOUT_MS = 10_000

/** The ways out of this process. */
export interface Outbound {
  emit(audience: Audience, event: string, args: readonly unknown[], isVolatile: boolean): void
  request(audience: Audience, event: string, args: readonly unknown[], timeoutMs: number): Promise<DeviceOutcome[]>
  move(kind: 'join' | 'leave', room: string, userIds: readonly string[], except: readonly string[]): Promise<void>
}

/** Everything outbound: encodes an event and hands it on, by the names of rooms. */
export class Delivery {
  constructor(
    readonly codecs: EventCodecs,
    readonly names: RoomNames,
    readonly outbound: Outbound,
    private readonly logs: LogStore,
    private readonly maxBytes: number,
    private readonly report: Report,
    private readonly observation: Observation | undefined,
  ) {}

  toUser(userId: string): Recipients {
    return new Recipients(this, 'user', [userRoom(userId)], [], [userId])
  }

  toUsers(userIds: readonly string[]): Recipients {
    return new Recipients(this, 'users', userIds.map(userRoom), [], userIds)
  }

  toRoom(kind: string, id: unknown): Recipients {
    return new Recipients(this, 'room', [this.names.fromDomain(kind, id).name], [])
  }

  toAll(): Recipients {
    return new Recipients(this, 'all', [], [])
  }

  /** @throws RealtimeError `INVALID_PAYLOAD` at once. */
  store(logs: readonly string[], event: string, args: readonly unknown[], entry: Omit<LogEntry, 'json'>, key: string | undefined): Promise<Receipt[]> {
    const json = JSON.stringify([event, ...args])
    const bytes = args.length === 0 ? 0 : Buffer.byteLength(json) - event.length - JSON.stringify(['', 0]).length + 1
    if (bytes > this.maxBytes) throw invalidPayload([{ path: [], message: `larger than ${this.maxBytes} bytes` }], event)
    this.observation?.sent({ event, origin: 'local', isRequest: false, recipients: undefined, length: json.length })
    return this.#append(logs, event, { json, ...entry }, key)
  }

  async #append(logs: readonly string[], event: string, entry: LogEntry, key: string | undefined): Promise<Receipt[]> {
    try {
      return await Promise.all(logs.map((log) => this.logs.append(log, entry, key)))
    } catch (thrown) {
      const error = thrown instanceof RealtimeError ? new RealtimeError(thrown.code, thrown.message, { cause: thrown.cause, event }) : thrown
      if (!(error instanceof RealtimeError && error.code === 'CONFLICT')) this.report(error, { event })
      throw error
    }
  }
}

// What an idempotency key may cost where it is kept.
const MAX_KEY_LENGTH = 256

/** The one implementation behind {@link Target} and {@link UserTarget}, which type it by the contract. */
class Recipients {
  constructor(
    private readonly delivery: Delivery,
    private readonly kind: 'user' | 'users' | 'room' | 'all',
    private readonly rooms: readonly string[],
    private readonly except: readonly string[],
    private readonly userIds: readonly string[] = [],
  ) {}

  emit(event: string, payload?: unknown, options: DurableEmitOptions = {}): Promise<Receipt | Receipt[]> | void {
    const { codecs, outbound } = this.delivery
    const args = codecs.encodeArguments(event, payload)
    const delivery = codecs.get(event)?.delivery
    if (delivery === 'durable') return this.#store(event, args, options)
    const audience = this.#audience()
    if (audience !== undefined) outbound.emit(audience, event, args, delivery === 'volatile')
  }

  exceptDevice(deviceId: string): this {
    return this.#without(...deviceRooms(deviceId))
  }

  exceptUser(userId: string): this {
    return this.#without(userRoom(userId))
  }

  #store(event: string, args: readonly unknown[], { key, confirm = false }: DurableEmitOptions): Promise<Receipt | Receipt[]> {
    if (this.kind === 'all') {
      throw new TypeError(`${JSON.stringify(event)} is durable, and there is no log of everybody: emit it toUsers(ids) or toRoom(kind, id)`)
    }
    if (key !== undefined && !(typeof key === 'string' && key.length > 0 && key.length <= MAX_KEY_LENGTH)) {
      throw new TypeError(`emit: key is a text of 1–${MAX_KEY_LENGTH} characters`)
    }
    if (confirm && this.kind === 'room') throw new TypeError('emit: confirm is for users; of a room nobody knows who should confirm')
    const logs = this.rooms.filter((room) => !this.except.includes(room)) // a user left out has nothing stored
    const except = this.except.filter((room) => !this.rooms.includes(room))
    const entry = { ...(except.length > 0 && { except }), ...(confirm && { confirm: true as const }) }
    const stored = this.delivery.store(logs, event, args, entry, key)
    stored.catch(noop) // nobody need wait for it
    if (this.kind === 'users') return stored
    const receipt = stored.then(([first]) => first ?? NOWHERE)
    receipt.catch(noop)
    return receipt
  }

  async request(event: string, payload?: unknown, { timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS }: RequestOptions = {}): Promise<DeviceAnswer[]> {
    const { codecs, outbound } = this.delivery
    codecs.assertAnswered(event)
    checkTimeout(timeoutMs)
    const args = codecs.encodeArguments(event, payload)
    const audience = this.#audience()
    const outcomes = audience === undefined ? [] : await outbound.request(audience, event, args, timeoutMs)
    return outcomes.map((outcome) => toDeviceAnswer(event, codecs, outcome))
  }

  async join(kind: string, id: unknown): Promise<void> {
    const { name } = this.delivery.names.fromDomain(kind, id)
    await this.delivery.outbound.move('join', name, this.userIds, this.except)
  }

  async leave(kind: string, id: unknown): Promise<void> {
    const { name } = this.delivery.names.fromDomain(kind, id)
    await this.delivery.outbound.move('leave', name, this.userIds, this.except)
  }

  #without(...rooms: readonly string[]): this {
    return new Recipients(this.delivery, this.kind, this.rooms, [...this.except, ...rooms], this.userIds) as this // it has no subclass
  }

  /** `undefined` for nobody: an audience without rooms is everybody. */
  #audience(): Audience | undefined {
    return this.kind !== 'all' && this.rooms.length === 0 ? undefined : { rooms: this.rooms, except: this.except }
  }
}

/** Of what is for a user who is left out. */
const NOWHERE: Receipt = { epoch: '', sequence: 0, atMs: 0 }

function noop(): void {}

function toDeviceAnswer(event: string, codecs: EventBorder, { deviceId, answered, answer }: DeviceOutcome): DeviceAnswer {
  if (!answered) {
    return { deviceId, status: 'silent' }
  }
  try {
    return { deviceId, status: 'answered', data: codecs.decodeReply(event, answer) }
  } catch (error) {
    return { deviceId, status: 'failed', error: error as RealtimeError } // decodeReply throws nothing else for an event with a reply
  }
}
