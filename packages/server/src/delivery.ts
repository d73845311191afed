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
import { checkTimeout, findNonJson, MAX_DEPTH } from '@org/realtime-contracts/wire'
import type { Namespace } from 'socket.io'
import type { Connections } from './connection.js'
import type { BaseUser } from './identity.js'
import { isOversized } from './parser.js'
import { deviceRoom, type RoomNames, userRoom } from './rooms.js'

/** Reserved for what a later version can say about one emit. */
export type EmitOptions = Readonly<Record<never, never>>

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
export interface Target<C extends Contract> {
  /**
   * Sends an event to every connected device of the target; validated and encoded once.
   * @throws RealtimeError `INVALID_PAYLOAD` at once, where the payload does not match the contract.
   */
  emit<K extends ServerEvent<C>>(event: K, ...args: PayloadArguments<PayloadOf<C['serverToClient'][K]>, EmitOptions>): void
  /** The same target without one device, which is often the one that has just told us. */
  exceptDevice(deviceId: string): this
  /** The same target without one user's devices. */
  exceptUser(userId: string): this
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

/** A target of users, whose devices the server can move between rooms. */
export interface UserTarget<C extends Contract> extends Target<C> {
  /** Puts every connected device of the target into a room; the room's rule is not asked. @throws RealtimeError `INVALID_PAYLOAD` for what is no room. */
  join<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): Promise<void>
  /** Takes every connected device of the target out of a room. @throws RealtimeError `INVALID_PAYLOAD` for what is no room. */
  leave<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): Promise<void>
}

const DEFAULT_REQUEST_TIMEOUT_MS = 10_000

/** Everything outbound: encodes an event and hands it to Socket.IO, by the name of a room. */
export class Delivery<User extends BaseUser> {
  constructor(
    readonly codecs: EventCodecs,
    readonly namespace: Namespace,
    readonly names: RoomNames,
    readonly connections: Connections<User>,
  ) {}

  to(rooms: readonly string[] | 'all', except: readonly string[] = []): Recipients<User> {
    return new Recipients(this, rooms, except)
  }
}

/** The one implementation behind {@link Target} and {@link UserTarget}, which type it by the contract. */
class Recipients<User extends BaseUser> {
  constructor(
    private readonly delivery: Delivery<User>,
    private readonly rooms: readonly string[] | 'all',
    private readonly except: readonly string[],
  ) {}

  emit(event: string, payload?: unknown): void {
    const args = this.delivery.codecs.encodeArguments(event, payload)
    this.#operator()?.emit(event, ...args)
  }

  exceptDevice(deviceId: string): this {
    return this.#without(deviceRoom(deviceId))
  }

  exceptUser(userId: string): this {
    return this.#without(userRoom(userId))
  }

  async request(event: string, payload?: unknown, { timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS }: RequestOptions = {}): Promise<DeviceAnswer[]> {
    const { codecs } = this.delivery
    codecs.assertAnswered(event)
    checkTimeout(timeoutMs)
    const args = codecs.encodeArguments(event, payload)
    const sockets = (await this.#operator()?.local.fetchSockets()) ?? []
    const connections = sockets.flatMap(({ id }) => this.delivery.connections.get(id) ?? [])
    return Promise.all(
      connections.map(async (connection) => toDeviceAnswer(event, codecs, connection.device.id, await connection.request(event, args, timeoutMs))),
    )
  }

  async join(kind: string, id: unknown): Promise<void> {
    const { name } = this.delivery.names.fromDomain(kind, id)
    this.#operator()?.socketsJoin(name)
  }

  async leave(kind: string, id: unknown): Promise<void> {
    const { name } = this.delivery.names.fromDomain(kind, id)
    this.#operator()?.socketsLeave(name)
  }

  #without(room: string): this {
    return new Recipients(this.delivery, this.rooms, [...this.except, room]) as this // it has no subclass
  }

  /** `undefined` for nobody: to Socket.IO an empty list of rooms means everybody. */
  #operator() {
    const { namespace } = this.delivery
    if (this.rooms === 'all') {
      return namespace.except([...this.except])
    }
    return this.rooms.length === 0 ? undefined : namespace.to([...this.rooms]).except([...this.except])
  }
}

function toDeviceAnswer(event: string, codecs: EventBorder, deviceId: string, outcome: { readonly answer: unknown } | undefined): DeviceAnswer {
  if (outcome === undefined) {
    return { deviceId, status: 'silent' }
  }
  // What a client answers is as little trusted as what it sends.
  const answer = isOversized(outcome.answer) || findNonJson(outcome.answer, MAX_DEPTH) !== undefined ? undefined : outcome.answer
  try {
    return { deviceId, status: 'answered', data: codecs.decodeReply(event, answer) }
  } catch (error) {
    return { deviceId, status: 'failed', error: error as RealtimeError } // decodeReply throws nothing else for an event with a reply
  }
}
