import type { ValueCodec } from '@org/realtime-contracts'
import { CONTROL, isObject, type JoinAnswer, type MembersNotice, RealtimeError, type RoomAddress } from '@org/realtime-contracts/wire'
import type { Namespace } from 'socket.io'
import type { Connection } from './connection.js'
import type { Connections } from './connections.js'
import type { Device, Report } from './context.js'
import type { Feeds } from './feeds.js'
import { type BaseUser, isUserId } from './identity.js'
import { rateLimited } from './limits.js'
import type { MemberChange, PresenceStore } from './presence.js'
import { withTimeout } from './time.js'

const SOCKET_ID_LENGTH = 20

/**
 * Every room's name is made here. The sharded Redis adapter takes a name as long as a socket id for one,
 * and publishes it to every node; ids never hold a colon, so a last one changes nothing else.
 */
function toName(kind: string, encodedId: string): string {
  const name = `${kind}:${encodedId}`
  return name.length === SOCKET_ID_LENGTH ? `${name}:` : name
}

/** @throws TypeError where the id is none: such a user can never be connected. */
export function userRoom(userId: string): string {
  if (!isUserId(userId)) {
    throw new TypeError(`A user id is 1–128 of [A-Za-z0-9._@|-]; got ${JSON.stringify(String(userId).slice(0, 40))}`)
  }
  return toName('user', userId)
}

export function deviceRoom(deviceId: string): string {
  if (typeof deviceId !== 'string' || deviceId === '') {
    throw new TypeError(`A device id is a text that is not empty; got ${typeof deviceId}`)
  }
  return toName('device', encodeURIComponent(deviceId))
}

/** Where a device may be by itself: one that has no name is the socket, which has a room of its own already. */
export function deviceRooms(deviceId: string): string[] {
  const room = deviceRoom(deviceId)
  return deviceId.length === SOCKET_ID_LENGTH ? [room, deviceId] : [room]
}

/** A room of the contract: its id as the domain has it, as the wire has it, and its name. */
export interface Room {
  readonly kind: string
  readonly id: unknown
  readonly wireId: string
  readonly name: string
}

/** Where those are who watch a room's members without being in it; no kind of a contract starts with `$`. */
function toWatched(room: Room): WatchedRoom {
  return { ...room, name: toName(`$${room.kind}`, encodeURIComponent(room.wireId)), watched: room.name }
}

/** A room's place for watchers, with the name of the room itself. */
interface WatchedRoom extends Room {
  readonly watched: string
}

function isWatched(room: Room): room is WatchedRoom {
  return 'watched' in room
}

/** Names the rooms of one contract. */
export class RoomNames {
  constructor(
    private readonly codecs: ReadonlyMap<string, ValueCodec>,
    private readonly maxIdLength: number,
  ) {}

  /** @throws RealtimeError `INVALID_PAYLOAD` for an unknown kind or an id that the contract does not allow. */
  fromDomain(kind: string, id: unknown): Room {
    const coded = this.#codecOf(kind).encode(id)
    if (!coded.ok) {
      throw invalidRoom(kind, coded.issues[0]?.message)
    }
    return toRoom(kind, id, coded.value, this.maxIdLength)
  }

  /** @throws RealtimeError `INVALID_PAYLOAD`, as {@link fromDomain}. */
  fromWire(kind: string, wireId: unknown): Room {
    const codec = this.#codecOf(kind)
    const coded = codec.decode(wireId)
    if (!coded.ok) {
      throw invalidRoom(kind, coded.issues[0]?.message)
    }
    // A schema may trim or lower its text: the room is named after what it makes of an id, on every way to it,
    // and that must be what it makes of its own work, or a rule would be asked about another room than is joined.
    const room = this.fromDomain(kind, coded.value)
    const again = codec.decode(room.wireId)
    if (!again.ok || this.fromDomain(kind, again.value).name !== room.name) {
      throw invalidRoom(kind, 'the id changes each time it is read')
    }
    return { ...room, id: again.value }
  }

  #codecOf(kind: string): ValueCodec {
    const codec = this.codecs.get(kind)
    if (codec === undefined) {
      throw invalidRoom(kind, 'the contract has no such kind of room')
    }
    return codec
  }
}

function toRoom(kind: string, id: unknown, wireId: unknown, maxIdLength: number): Room {
  if (typeof wireId !== 'string' || wireId.length > maxIdLength) {
    throw invalidRoom(kind, `an id is a text of at most ${maxIdLength} characters`)
  }
  try {
    return { kind, id, wireId, name: toName(kind, encodeURIComponent(wireId)) }
  } catch {
    throw invalidRoom(kind, 'the id is not well-formed Unicode')
  }
}

/** The kind and id behind a room's name; `undefined` for rooms that are not of a contract, such as a socket's own. */
function parseRoomName(name: string): { kind: string; wireId: string } | undefined {
  const [, kind, id] = /^([a-z][a-z0-9_-]*):([^:]*):?$/.exec(name) ?? []
  if (kind === undefined || id === undefined || kind === 'user' || kind === 'device') {
    return undefined
  }
  try {
    return { kind, wireId: decodeURIComponent(id) }
  } catch {
    return undefined // a room that the application named itself
  }
}

/** The kind and the id, as it goes over the wire, of a room of a contract. */
export function toAddress(name: string): RoomAddress | undefined {
  const room = parseRoomName(name)
  return room && { kind: room.kind, id: room.wireId }
}

/** Whether it is a room of a contract, such as those whose members are known. */
export function isContractRoom(name: string): boolean {
  return parseRoomName(name) !== undefined
}

function invalidRoom(kind: unknown, reason = 'the id does not match'): RealtimeError {
  const shown = typeof kind === 'string' ? JSON.stringify(kind.slice(0, 64)) : typeof kind
  return new RealtimeError('INVALID_PAYLOAD', `Not a room: ${shown}: ${reason}`, { data: { issues: [{ path: ['id'], message: reason }] } })
}

/** Who may join a kind of room, and what those in it see of each other. */
export interface RoomRule<User, Id> {
  /** Asked when a client joins, and again when its token is renewed. Only `true` lets it in. */
  readonly authorize: (request: { readonly user: User; readonly device: Device; readonly id: Id }) => boolean | Promise<boolean>
  /** Whether those in a room learn who else is in it. @default 'hidden' */
  readonly members?: 'visible' | 'hidden'
  /** Who may watch its members without being in it: asked as `authorize` is. Nobody where it is left out. */
  readonly authorizeWatch?: (request: { readonly user: User; readonly device: Device; readonly id: Id }) => boolean | Promise<boolean>
}

/** A rule as it is kept: the contract has made sure of the id's type. */
export type AnyRoomRule<User> = RoomRule<User, never>

/** Clients joining and leaving rooms, and what a room's members are told of each other. */
export class Rooms<User extends BaseUser> {
  readonly #rules: ReadonlyMap<string, RoomRule<User, unknown>>

  /** @throws TypeError for a rule of a kind that the contract does not have, or one without `authorize`. */
  constructor(
    private readonly namespace: Namespace,
    private readonly names: RoomNames,
    private readonly connections: Connections<User>,
    private readonly presence: PresenceStore,
    private readonly feeds: Feeds<User>,
    private readonly report: Report,
    rules: { readonly [kind: string]: AnyRoomRule<User> | undefined },
    kinds: readonly string[],
    private readonly timeoutMs: number,
    private readonly maxRooms: number,
  ) {
    this.#rules = new Map(Object.entries(rules).map(([kind, rule]) => [kind, checkRule(kind, rule, kinds) as RoomRule<User, unknown>]))
    // Whoever moves a socket, the SDK or the application by Socket.IO: who is in a room is known.
    namespace.adapter.on('join-room', (name: string, socketId: string) => this.#moved(name, socketId, 'enter'))
    namespace.adapter.on('leave-room', (name: string, socketId: string) => this.#moved(name, socketId, 'exit'))
    presence.followMembers((change) => this.#tellMembers(change))
  }

  /** @throws RealtimeError `FORBIDDEN`, or `INVALID_PAYLOAD` for what is no room. */
  async join(payload: unknown, connection: Connection<User>): Promise<JoinAnswer> {
    const room = this.#read(payload)
    const rule = await this.#enter(room, connection)
    return isVisible(rule) ? { members: await this.#membersFor(room, room.name, connection) } : {}
  }

  /** Who is in a room, and from then on who comes and goes. @throws RealtimeError as {@link join}. */
  async watch(payload: unknown, connection: Connection<User>): Promise<JoinAnswer> {
    const room = toWatched(this.#read(payload))
    await this.#enter(room, connection)
    return { members: await this.#membersFor(room, room.watched, connection) }
  }

  async unwatch(payload: unknown, connection: Connection<User>): Promise<void> {
    await connection.leave(toWatched(this.#read(payload)))
  }

  /** @throws RealtimeError `INVALID_PAYLOAD` for what is no room. */
  async leave(payload: unknown, connection: Connection<User>): Promise<void> {
    await connection.leave(this.#read(payload))
  }

  /** Asks every rule again, and takes the connection out of the rooms that it may no longer be in. */
  async authorizeAgain(connection: Connection<User>): Promise<void> {
    for (const room of connection.joined()) {
      try {
        await this.#authorize(room, connection)
      } catch (error) {
        await connection.leave(room)
        const { code, message } = error instanceof RealtimeError ? error : new RealtimeError('INTERNAL', 'The server failed to authorize this')
        connection.sendError(
          {
            code,
            message: `No longer ${isWatched(room) ? 'watching' : 'in'} the room ${room.kind} ${JSON.stringify(room.wireId)}: ${message}`,
            data: { kind: room.kind, id: room.wireId },
          },
          isWatched(room) ? CONTROL.watch : CONTROL.join,
        )
      }
    }
  }

  /** The ids of the users who have a device in the room, each once. */
  members(name: string): Promise<string[]> {
    return this.presence.members(name)
  }

  #read(payload: unknown): Room {
    const { kind, id } = isObject(payload) ? payload : {}
    return this.names.fromWire(typeof kind === 'string' ? kind : '', id)
  }

  async #enter(room: Room, connection: Connection<User>): Promise<RoomRule<User, unknown>> {
    if (connection.joined().length >= this.maxRooms && !connection.isIn(room)) {
      connection.allowance.refused()
      throw rateLimited('roomsPerConnection', `A connection may join or watch at most ${this.maxRooms} rooms; leave one first`)
    }
    const rule = await this.#authorize(room, connection)
    try {
      await connection.join(room)
      if (!isWatched(room)) await this.feeds.enter(connection, room.name)
      await this.presence.settled(connection.present)
      return rule
    } catch (cause) {
      throw await this.#leaveFor(cause, room, connection)
    }
  }

  async #membersFor(room: Room, name: string, connection: Connection<User>): Promise<string[]> {
    try {
      return await this.members(name)
    } catch (cause) {
      throw await this.#leaveFor(cause, room, connection)
    }
  }

  async #leaveFor(cause: unknown, room: Room, connection: Connection<User>): Promise<RealtimeError> {
    this.feeds.keep(connection, room.name)
    await connection.leave(room)
    return cause instanceof RealtimeError ? cause : new RealtimeError('UNAVAILABLE', 'The room cannot be joined on all nodes now', { cause })
  }

  async #authorize(room: Room, { user, device }: Connection<User>): Promise<RoomRule<User, unknown>> {
    const rule = this.#rules.get(room.kind)
    const question = isWatched(room) ? 'authorizeWatch' : 'authorize'
    if (rule?.[question] === undefined || !(await this.#ask(rule, question, { user, device, id: room.id }, room.kind))) {
      throw new RealtimeError('FORBIDDEN', `Not allowed ${isWatched(room) ? 'to watch' : 'in'} this room of kind ${JSON.stringify(room.kind)}`)
    }
    return rule
  }

  async #ask(
    rule: RoomRule<User, unknown>,
    question: 'authorize' | 'authorizeWatch',
    request: { user: User; device: Device; id: unknown },
    kind: string,
  ): Promise<boolean> {
    try {
      const answer = (async () => rule[question]?.(request))()
      const late = (): Error => new Error(`rooms.${kind}.${question} took longer than ${this.timeoutMs} ms`)
      return (await withTimeout(this.timeoutMs, answer, late)) === true
    } catch (error) {
      this.report(error, { event: question === 'authorize' ? CONTROL.join : CONTROL.watch, userId: request.user.userId })
      throw new RealtimeError('INTERNAL', 'The server failed to authorize this')
    }
  }

  #moved(name: string, socketId: string, move: 'enter' | 'exit'): void {
    const connection = this.connections.get(socketId)
    if (connection !== undefined && isContractRoom(name)) this.presence[move](name, connection.present)
  }

  #tellMembers({ room: name, userId, change }: MemberChange): void {
    const room = parseRoomName(name)
    if (room === undefined) return
    const rule = this.#rules.get(room.kind)
    const notice: MembersNotice = { kind: room.kind, id: room.wireId, [change]: [userId] }
    if (isVisible(rule)) this.namespace.to(name).except(userRoom(userId)).emit('$presence', notice)
    if (rule?.authorizeWatch !== undefined) this.namespace.to(toWatched({ ...room, id: undefined, name }).name).emit('$presence', notice)
  }
}

function isVisible(rule: { readonly members?: 'visible' | 'hidden' } | undefined): boolean {
  return rule?.members === 'visible'
}

function checkRule<User>(kind: string, rule: AnyRoomRule<User> | undefined, kinds: readonly string[]): AnyRoomRule<User> {
  if (!kinds.includes(kind)) {
    throw new TypeError(`rooms.${kind}: the contract has no room of this kind; it has ${kinds.join(', ') || 'none'}`)
  }
  if (typeof rule?.authorize !== 'function') {
    throw new TypeError(`rooms.${kind}: expected { authorize: ({ user, id }) => boolean }; a kind that nobody may join is left out`)
  }
  if (rule.authorizeWatch !== undefined && typeof rule.authorizeWatch !== 'function') {
    throw new TypeError(`rooms.${kind}: authorizeWatch must be a function; a kind that nobody may watch has none`)
  }
  if (rule.members !== undefined && rule.members !== 'visible' && rule.members !== 'hidden') {
    throw new TypeError(`rooms.${kind}: members must be 'visible' or 'hidden'`)
  }
  return rule
}
