import type {
  Answered,
  Contract,
  EventCodec,
  PayloadArguments,
  PayloadOf,
  RealtimeError,
  ReplyOf,
  RequestError,
  RoomId,
  RoomKind,
  ServerEvent,
} from '@org/realtime-contracts'
import { checkTimeout, encodeArguments, findNonJson, MAX_DEPTH, readReply } from '@org/realtime-contracts/wire'
import type { Namespace } from 'socket.io'
import type { Connections } from './connection.js'
import type { BaseUser } from './identity.js'
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
    readonly contract: Contract,
    readonly namespace: Namespace,
    readonly names: RoomNames,
    readonly connections: Connections<User>,
  ) {}

  to(rooms: readonly string[] | 'all', except: readonly string[] = []): Recipients<User> {
    return new Recipients(this, rooms, except)
  }

  /** @throws TypeError for an event that the contract does not have. */
  codecOf(event: string): EventCodec {
    const codec = this.contract.codec.serverToClient.get(event)
    if (codec === undefined) {
      throw new TypeError(`The contract "${this.contract.name}" has no serverToClient event ${JSON.stringify(event)}`)
    }
    return codec
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
    const args = encodeArguments(event, this.delivery.codecOf(event), payload)
    this.#operator()?.emit(event, ...args)
  }

  exceptDevice(deviceId: string): this {
    return this.#without(deviceRoom(deviceId))
  }

  exceptUser(userId: string): this {
    return this.#without(userRoom(userId))
  }

  async request(event: string, payload?: unknown, { timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS }: RequestOptions = {}): Promise<DeviceAnswer[]> {
    const codec = this.delivery.codecOf(event)
    if (codec.reply === undefined) {
      throw new TypeError(`request: the event ${JSON.stringify(event)} has no reply in the contract; use emit`)
    }
    checkTimeout(timeoutMs)
    const args = encodeArguments(event, codec, payload)
    const sockets = (await this.#operator()?.local.fetchSockets()) ?? []
    const connections = sockets.flatMap(({ id }) => this.delivery.connections.get(id) ?? [])
    return Promise.all(
      connections.map(async (connection) => toDeviceAnswer(event, codec, connection.device.id, await connection.request(event, args, timeoutMs))),
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

function toDeviceAnswer(event: string, codec: EventCodec, deviceId: string, outcome: { readonly answer: unknown } | undefined): DeviceAnswer {
  if (outcome === undefined) {
    return { deviceId, status: 'silent' }
  }
  // What a client answers is as little trusted as what it sends.
  const answer = findNonJson(outcome.answer, MAX_DEPTH) === undefined ? outcome.answer : undefined
  const result = readReply(event, codec, answer)
  return result.ok ? { deviceId, status: 'answered', data: result.data } : { deviceId, status: 'failed', error: result.error }
}
