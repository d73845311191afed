import type {
  Answered,
  Contract,
  EventBorder,
  EventCodecs,
  PayloadArguments,
  PayloadOf,
  RealtimeError,
  ReplyOf,
  RequestError,
  RoomId,
  RoomKind,
  ServerEvent,
} from '@org/realtime-contracts'
import { checkTimeout } from '@org/realtime-contracts/wire'
import type { Audience } from './cluster.js'
import type { DeviceOutcome } from './peers.js'
import { deviceRoom, type RoomNames, userRoom } from './rooms.js'

/** Reserved for what a later version can say about one emit. */
export type EmitOptions = Readonly<Record<never, never>>

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
export interface EmitTarget<C extends Contract> {
  /**
   * Sends an event to every connected device of the target; validated and encoded once.
   * @throws RealtimeError `INVALID_PAYLOAD` at once, where the payload does not match the contract.
   */
  emit<K extends ServerEvent<C>>(event: K, ...args: PayloadArguments<PayloadOf<C['serverToClient'][K]>, EmitOptions>): void
  /** The same target without one device, which is often the one that has just told us. */
  exceptDevice(deviceId: string): this
  /** The same target without one user's devices. */
  exceptUser(userId: string): this
}

/** Whom an event goes to, in a process that serves sockets and so can hear answers. */
export interface Target<C extends Contract> extends EmitTarget<C> {
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
export interface UserEmitTarget<C extends Contract> extends EmitTarget<C> {
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
export interface UserTarget<C extends Contract> extends Target<C>, UserEmitTarget<C> {}

const DEFAULT_REQUEST_TIMEOUT_MS = 10_000

/** The ways out of this process. */
export interface Outbound {
  emit(audience: Audience, event: string, args: readonly unknown[]): void
  request(audience: Audience, event: string, args: readonly unknown[], timeoutMs: number): Promise<DeviceOutcome[]>
  move(kind: 'join' | 'leave', room: string, userIds: readonly string[], except: readonly string[]): Promise<void>
}

/** Everything outbound: encodes an event and hands it on, by the names of rooms. */
export class Delivery {
  constructor(
    readonly codecs: EventCodecs,
    readonly names: RoomNames,
    readonly outbound: Outbound,
  ) {}

  toUsers(userIds: readonly string[]): Recipients {
    return new Recipients(this, userIds.map(userRoom), [], userIds)
  }

  toRoom(kind: string, id: unknown): Recipients {
    return new Recipients(this, [this.names.fromDomain(kind, id).name], [])
  }

  toAll(): Recipients {
    return new Recipients(this, 'all', [])
  }
}

/** The one implementation behind {@link Target} and {@link UserTarget}, which type it by the contract. */
class Recipients {
  constructor(
    private readonly delivery: Delivery,
    private readonly rooms: readonly string[] | 'all',
    private readonly except: readonly string[],
    private readonly userIds: readonly string[] = [],
  ) {}

  emit(event: string, payload?: unknown): void {
    const args = this.delivery.codecs.encodeArguments(event, payload)
    const audience = this.#audience()
    if (audience !== undefined) this.delivery.outbound.emit(audience, event, args)
  }

  exceptDevice(deviceId: string): this {
    return this.#without(deviceRoom(deviceId))
  }

  exceptUser(userId: string): this {
    return this.#without(userRoom(userId))
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

  #without(room: string): this {
    return new Recipients(this.delivery, this.rooms, [...this.except, room], this.userIds) as this // it has no subclass
  }

  /** `undefined` for nobody: an audience without rooms is everybody. */
  #audience(): Audience | undefined {
    const rooms = this.rooms === 'all' ? [] : this.rooms
    return this.rooms !== 'all' && rooms.length === 0 ? undefined : { rooms, except: this.except }
  }
}

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
