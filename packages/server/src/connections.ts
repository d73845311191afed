import type { Connection } from './connection.js'
import type { BaseUser } from './identity.js'
import { rateLimited } from './limits.js'
import { userRoom } from './rooms.js'

// Often enough that a token is never believed a second longer, and against the wall clock: a timer of weeks
// would overflow, and none would see the clock being set.
const EXPIRY_SWEEP_MS = 500

/** The connections of this process. */
export class Connections<User extends BaseUser> {
  readonly #bySocket = new Map<string, Connection<User>>()
  /** Also those that are on their way in, so that they can be kept out. */
  readonly #byUserRoom = new Map<string, Connection<User>[]>()
  readonly #sweep: NodeJS.Timeout

  constructor(private readonly maxPerUser: number) {
    this.#sweep = setInterval(() => this.#closeExpired(), EXPIRY_SWEEP_MS).unref()
  }

  get(socketId: string): Connection<User> | undefined {
    return this.#bySocket.get(socketId)
  }

  all(): Connection<User>[] {
    return [...this.#bySocket.values()]
  }

  /** A user's connections, or the one of a device. */
  of(userId: string, deviceId?: string): Connection<User>[] {
    return this.inRoomOf(userRoom(userId)).filter(({ device }) => deviceId === undefined || device.id === deviceId)
  }

  /** The connections of the user whose room that is; also those on their way in. */
  inRoomOf(name: string): Connection<User>[] {
    return [...(this.#byUserRoom.get(name) ?? [])]
  }

  /** Also those on their way in. */
  those(test: (connection: Connection<User>) => boolean): Connection<User>[] {
    return [...this.#byUserRoom.values()].flatMap((connections) => connections.filter(test))
  }

  /** A connection is on its way in. @throws RealtimeError `RATE_LIMITED` where its user has too many. */
  expect(connection: Connection<User>): void {
    const room = connection.userRoom
    const connections = this.#byUserRoom.get(room) ?? []
    // A device that is online replaces its connection, once at a time.
    const [known, ...others] = this.#ofSameDevice(connection)
    const replaces = known !== undefined && others.length === 0 && this.#isIn(known)
    if (connections.length >= this.maxPerUser && !replaces) {
      throw rateLimited('connectionsPerUser', `A user may have at most ${this.maxPerUser} connections`)
    }
    this.#byUserRoom.set(room, [...connections, connection])
  }

  /** @returns the connection of the same device of the same user that this one replaces. */
  add(connection: Connection<User>): Connection<User> | undefined {
    const replaced = this.#ofSameDevice(connection).findLast((each) => this.#isIn(each))
    this.#bySocket.set(connection.socket.id, connection)
    return replaced
  }

  remove(connection: Connection<User>): void {
    const room = connection.userRoom
    const others = this.#byUserRoom.get(room)?.filter((each) => each !== connection) ?? []
    if (others.length === 0) this.#byUserRoom.delete(room)
    else this.#byUserRoom.set(room, others)
    this.#bySocket.delete(connection.socket.id)
  }

  /** As though what the device has proved ended now. */
  expire(userId: string, deviceId: string): void {
    for (const connection of this.of(userId, deviceId)) connection.renew({ ...connection.proof, expiresAtMs: Date.now() })
    this.#closeExpired()
  }

  close(): void {
    clearInterval(this.#sweep)
  }

  /** Also those on their way in. */
  #ofSameDevice({ userRoom, device }: Connection<User>): Connection<User>[] {
    return (this.#byUserRoom.get(userRoom) ?? []).filter((each) => each.device.id === device.id)
  }

  #isIn(connection: Connection<User>): boolean {
    return this.#bySocket.get(connection.socket.id) === connection
  }

  #closeExpired(): void {
    const nowMs = Date.now()
    for (const connection of this.#bySocket.values()) {
      if (connection.expiresAtMs !== undefined && connection.expiresAtMs <= nowMs) {
        connection.close({ code: 'TOKEN_EXPIRED', reason: 'The token has expired' })
      }
    }
  }
}
