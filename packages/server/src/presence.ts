import type { ContractCodec } from '@org/realtime-contracts'
import type { PresentDevice } from '@org/realtime-contracts/wire'
import { isUserId } from './identity.js'
import type { RoomNames } from './rooms.js'

/** What `presence.on` tells of. */
export interface PresenceEvents {
  /** A user's first device has connected, anywhere. */
  readonly online: { readonly userId: string }
  /** A user's last device has been gone for the grace period. */
  readonly offline: { readonly userId: string }
}

/** Who is online. A user is, from the first device that connects until the grace period after the last one has gone. */
export interface PresenceReader {
  /** @throws RealtimeError `UNAVAILABLE`, here and below, where several nodes share presence and their store cannot be reached. */
  isOnline(userId: string): Promise<boolean>
  /** In one round trip. @returns those of `userIds` that are online, in their order. */
  online(userIds: Iterable<string> & object): Promise<string[]>
  /** How many users are online. */
  count(): Promise<number>
  /** Called once for each change, on every node that listens. @returns a function that ends the listening. */
  on<E extends keyof PresenceEvents>(event: E, listener: (change: PresenceEvents[E]) => void): () => void
}

/** One live connection, as presence keeps it. */
export interface PresentConnection {
  /** Tells two connections of one device apart while one replaces the other. */
  readonly id: string
  /** Whose connection it is. */
  readonly userId: string
  /** With what it says about itself, as it goes over the wire. */
  readonly device: PresentDevice
}

/** A change of what is known of a user. */
export type UserChange =
  | {
      /** `changed`: another device of a user who is online, or what a device says about itself. */
      readonly change: keyof PresenceEvents | 'changed'
      readonly userId: string
    }
  /** Of what changed in the meantime nobody knows; but who came or went is told. */
  | { readonly change: 'missed' }

/** A user's first device in a room, or the last one. */
export interface MemberChange {
  /** Whether the user is in it now. */
  readonly change: 'joined' | 'left'
  /** The room's name. */
  readonly room: string
  /** Whom it is about. */
  readonly userId: string
}

export interface Added {
  /** The rooms that the user stands in, on whatever device. */
  readonly standing: readonly string[]
  /** Whether another process has a connection of the same device of the user. */
  readonly replaces: boolean
}

/** Keeps who is connected, and in which rooms: of one process, or of all that share it. What it is told, it may be told again. */
export interface PresenceStore {
  /** @throws RealtimeError `UNAVAILABLE`; then the connection is not there. */
  add(connection: PresentConnection): Promise<Added>
  /** What cannot be written now is written later. */
  remove(connection: PresentConnection): void
  /** Its device says something else about itself. */
  update(connection: PresentConnection): void
  /** A connection is in a room from now on. Does not wait; see `settled`. */
  enter(room: string, connection: PresentConnection): void
  /** A connection is in a room no longer. Does not wait; see `settled`. */
  exit(room: string, connection: PresentConnection): void
  /** Resolves once what was entered and left so far is written. @throws RealtimeError `UNAVAILABLE` */
  settled(connection: PresentConnection): Promise<void>
  /** A user stands in a room until told otherwise, also while away. @throws RealtimeError `UNAVAILABLE` */
  stand(room: string, userIds: readonly string[]): Promise<void>
  /** The users' devices are put into the room no longer. @throws RealtimeError `UNAVAILABLE` */
  unstand(room: string, userIds: readonly string[]): Promise<void>
  /** Whether each of the users is online, in their order. */
  online(userIds: readonly string[]): Promise<readonly boolean[]>
  /** A user's devices that are connected now. */
  devices(userId: string): Promise<PresentDevice[]>
  /** The ids of the users with a connection in the room, each once. */
  members(room: string): Promise<string[]>
  /** How many users are online. */
  count(): Promise<number>
  /** Tells every change from when it resolves, and may tell some from before. */
  follow(listener: (change: UserChange) => void): Promise<void>
  /** Tells the changes that this process has made, or has found out: each is told on one node. */
  followMembers(listener: (change: MemberChange) => void): void
  /** Ends what the store keeps going. */
  close(): Promise<void>
}

type Listeners = { readonly [E in keyof PresenceEvents]: Set<(change: PresenceEvents[E]) => void> }

/** What an application asks and hears of presence. */
export class PresenceService implements PresenceReader {
  readonly #listeners: Listeners = { online: new Set(), offline: new Set() }
  #following = false

  constructor(
    private readonly store: PresenceStore,
    private readonly names: RoomNames,
    private readonly codec: ContractCodec,
    private readonly report: (error: unknown) => void,
  ) {}

  async isOnline(userId: string): Promise<boolean> {
    return (await this.store.online([checkUserId(userId)]))[0] === true
  }

  async online(userIds: Iterable<string> & object): Promise<string[]> {
    const ids = [...new Set(checkUserIds(userIds))]
    if (ids.length === 0) return []
    const online = await this.store.online(ids)
    return ids.filter((_, index) => online[index] === true)
  }

  async devices(userId: string): Promise<PresentDevice[]> {
    const devices = await this.store.devices(checkUserId(userId))
    return devices.map(({ id, meta }) => ({ id, ...(meta !== undefined && { meta: this.codec.decodePresence(meta) }) }))
  }

  count(): Promise<number> {
    return this.store.count()
  }

  async members(kind: string, id: unknown): Promise<string[]> {
    return this.store.members(this.names.fromDomain(kind, id).name)
  }

  on<E extends keyof PresenceEvents>(event: E, listener: (change: PresenceEvents[E]) => void): () => void {
    const listeners = this.#listeners[event]
    if (listeners === undefined || typeof listener !== 'function') {
      throw new TypeError("presence.on: expected 'online' or 'offline', and a function")
    }
    listeners.add(listener)
    if (!this.#following) {
      this.#following = true
      const following = this.store.follow((told) => {
        if (told.change === 'online' || told.change === 'offline') this.#emit(told.change, told.userId)
      })
      following.catch(this.report)
    }
    return () => listeners.delete(listener)
  }

  #emit(event: keyof PresenceEvents, userId: string): void {
    for (const listener of this.#listeners[event]) {
      try {
        const result: unknown = listener({ userId })
        if (result instanceof Promise) result.catch(this.report)
      } catch (error) {
        this.report(error)
      }
    }
  }
}

interface PresentUser {
  connections: readonly PresentConnection[]
  leaving: NodeJS.Timeout | undefined
}

function has({ connections }: PresentUser, id: string): boolean {
  return connections.some((connection) => connection.id === id)
}

function without({ connections }: PresentUser, id: string): PresentConnection[] {
  return connections.filter((connection) => connection.id !== id)
}

/** Presence of one process. */
export class MemoryPresenceStore implements PresenceStore {
  readonly #users = new Map<string, PresentUser>()
  /** Who is in a room, with their connections in it. */
  readonly #rooms = new Map<string, Map<string, Set<string>>>()
  readonly #roomsOf = new Map<string, Set<string>>()
  readonly #standing = new Map<string, Set<string>>()
  readonly #listeners: Array<(change: UserChange) => void> = []
  #toldMembers: (change: MemberChange) => void = () => {}

  constructor(private readonly graceMs: number) {}

  async add(connection: PresentConnection): Promise<Added> {
    const { id, userId } = connection
    const known = this.#users.get(userId)
    clearTimeout(known?.leaving)
    if (known === undefined) {
      this.#users.set(userId, { connections: [connection], leaving: undefined })
      this.#tell('online', userId)
    } else {
      known.leaving = undefined
      known.connections = [...without(known, id), connection]
      this.#tell('changed', userId)
    }
    return { standing: [...(this.#standing.get(userId) ?? [])], replaces: false }
  }

  remove({ id, userId }: PresentConnection): void {
    const known = this.#users.get(userId)
    if (known === undefined || !has(known, id)) return
    known.connections = without(known, id)
    for (const room of this.#roomsOf.get(id) ?? []) this.exit(room, { id, userId })
    this.#roomsOf.delete(id)
    this.#tell('changed', userId)
    if (known.connections.length > 0) return
    known.leaving = setTimeout(() => {
      this.#users.delete(userId)
      this.#tell('offline', userId)
    }, this.graceMs).unref()
  }

  update(connection: PresentConnection): void {
    const { id, userId } = connection
    const known = this.#users.get(userId)
    if (known === undefined || !has(known, id)) return
    known.connections = known.connections.map((each) => (each.id === id ? connection : each))
    this.#tell('changed', userId)
  }

  enter(room: string, { id, userId }: PresentConnection): void {
    const known = this.#users.get(userId)
    if (known === undefined || !has(known, id)) return
    const users = this.#rooms.get(room) ?? new Map<string, Set<string>>()
    const connections = users.get(userId) ?? new Set<string>()
    this.#rooms.set(room, users.set(userId, connections.add(id)))
    this.#roomsOf.set(id, (this.#roomsOf.get(id) ?? new Set()).add(room))
    if (connections.size === 1) this.#toldMembers({ change: 'joined', room, userId })
  }

  exit(room: string, { id, userId }: Pick<PresentConnection, 'id' | 'userId'>): void {
    this.#roomsOf.get(id)?.delete(room)
    const users = this.#rooms.get(room)
    const connections = users?.get(userId)
    if (connections?.delete(id) !== true || connections.size > 0) return
    users?.delete(userId)
    if (users?.size === 0) this.#rooms.delete(room)
    this.#toldMembers({ change: 'left', room, userId })
  }

  async settled(): Promise<void> {}

  async stand(room: string, userIds: readonly string[]): Promise<void> {
    for (const userId of userIds) this.#standing.set(userId, (this.#standing.get(userId) ?? new Set()).add(room))
  }

  async unstand(room: string, userIds: readonly string[]): Promise<void> {
    for (const userId of userIds) {
      const rooms = this.#standing.get(userId)
      rooms?.delete(room)
      if (rooms?.size === 0) this.#standing.delete(userId)
    }
  }

  async online(userIds: readonly string[]): Promise<readonly boolean[]> {
    return userIds.map((userId) => this.#users.has(userId))
  }

  async devices(userId: string): Promise<PresentDevice[]> {
    return unique((this.#users.get(userId)?.connections ?? []).map(({ device }) => device))
  }

  async members(room: string): Promise<string[]> {
    return [...(this.#rooms.get(room)?.keys() ?? [])]
  }

  async count(): Promise<number> {
    return this.#users.size
  }

  async follow(listener: (change: UserChange) => void): Promise<void> {
    this.#listeners.push(listener)
  }

  followMembers(listener: (change: MemberChange) => void): void {
    this.#toldMembers = listener
  }

  /** Forgets everybody, without telling anyone: the process ends, its users do not leave. */
  async close(): Promise<void> {
    for (const { leaving } of this.#users.values()) clearTimeout(leaving)
    this.#users.clear()
    this.#rooms.clear()
  }

  /** Later, so that a connection on its way in is in when a listener sends something to it. */
  #tell(change: keyof PresenceEvents | 'changed', userId: string): void {
    setImmediate(() => {
      for (const listener of this.#listeners) listener({ change, userId })
    })
  }
}

/** A device that changes over to a new connection has two for a moment: the later counts. */
export function unique(devices: readonly PresentDevice[]): PresentDevice[] {
  return [...new Map(devices.map((device) => [device.id, device])).values()]
}

/** A text is iterable, too, and would be taken for the users of its letters. */
export function checkUserIds(userIds: Iterable<string> & object): string[] {
  if (typeof userIds !== 'object' || userIds === null) {
    throw new TypeError('Expected a list of user ids; for one user, say so: [userId]')
  }
  return [...userIds].map(checkUserId)
}

export function checkUserId(userId: string): string {
  if (!isUserId(userId)) {
    throw new TypeError(`A user id is 1–128 of [A-Za-z0-9._@|-]; got ${JSON.stringify(String(userId).slice(0, 40))}`)
  }
  return userId
}
