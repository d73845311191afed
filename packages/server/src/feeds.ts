import { RealtimeError } from '@org/realtime-contracts/wire'
import type { Namespace } from 'socket.io'
import type { Connection } from './connection.js'
import type { Connections } from './connections.js'
import type { BaseUser } from './identity.js'
import { send, toEncoded } from './local.js'
import type { Appended, LogStore } from './log.js'
import { Delivered, Reader } from './reader.js'
import { deviceRoom, toAddress, userRoom } from './rooms.js'

/** A reader as it is kept: it begins where the client says, or where the log ends now. */
interface Place {
  readonly ready: Promise<Reader>
  reader: Reader | undefined
  isOver: boolean
}

// In so many parts all logs are looked at, so that Redis is not asked for all of them at once.
const POLL_PARTS = 20
const CHECKS_AT_ONCE = 100

/**
 * The logs of the users and rooms that have somebody here. What is stored is told here and forwarded; since that may get lost,
 * it is looked from time to time where each log ends.
 */
export class Feeds<User extends BaseUser> {
  /** By log, then by the id of a socket. */
  readonly #places = new Map<string, Map<string, Place>>()
  readonly #timer: NodeJS.Timeout | undefined
  #due: string[] = []
  #perTick = 0

  /** @param durable the durable events of the contract. */
  constructor(
    private readonly namespace: Namespace,
    private readonly connections: Connections<User>,
    private readonly store: LogStore,
    private readonly durable: readonly string[],
    pollMs: number,
    private readonly report: (error: unknown) => void,
  ) {
    store.follow((appended) => this.#hear(appended))
    if (!this.#isNeeded) return
    // Whoever moves a socket, the SDK or the application by Socket.IO.
    namespace.adapter.on('join-room', (name: string, socketId: string) => this.#moved(name, socketId))
    namespace.adapter.on('leave-room', (name: string, socketId: string) => this.#leave(name, socketId))
    this.#timer = setInterval(() => this.#poll(), (pollMs / POLL_PARTS) * (1 + Math.random() / POLL_PARTS)).unref()
  }

  /** Resolves once it is known where the connection begins in the log of a room. @throws RealtimeError `UNAVAILABLE` */
  async enter(connection: Connection<User>, name: string): Promise<void> {
    if (!this.#isNeeded || connection.since === undefined) return
    const reader = await this.#placeOf(connection, name).ready
    if (this.connections.get(connection.socket.id) === connection) reader.start() // else when it is let in
  }

  /** A join that failed is no leaving: the next one of this connection goes on from where this one was. */
  keep({ socket, user, since }: Connection<User>, name: string): void {
    const reader = this.#places.get(name)?.get(socket.id)?.reader
    if (since !== undefined && reader !== undefined) since[toLogName(name, user)] = reader.position
  }

  /** The client can be sent to. */
  start({ socket }: Connection<User>): void {
    if (!this.#isNeeded) return
    for (const name of socket.rooms) withReader(this.#places.get(name)?.get(socket.id), (reader) => reader.start())
  }

  /** Looks where all logs end: this process may not have heard of something. */
  async checkAll(): Promise<void> {
    const names = [...this.#places.keys()]
    const check = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) await this.#check(name)
    }
    await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, check))
  }

  close(): void {
    clearInterval(this.#timer)
  }

  get #isNeeded(): boolean {
    return this.durable.length > 0
  }

  #placeOf(connection: Connection<User>, name: string): Place {
    const { socket } = connection
    const places = this.#places.get(name) ?? new Map<string, Place>()
    this.#places.set(name, places)
    const known = places.get(socket.id)
    if (known !== undefined) return known
    const place: Place = { ready: this.#read(connection, name), reader: undefined, isOver: false }
    places.set(socket.id, place)
    place.ready.then(
      (reader) => {
        place.reader = reader
      },
      () => this.#leave(name, socket.id), // who waits for it is told
    )
    return place
  }

  async #read({ socket, user, device, since = {} }: Connection<User>, name: string): Promise<Reader> {
    const position = takeFrom(since, toLogName(name, user))
    const begin = position ?? (await this.store.head(name))
    const about = { room: toAddress(name), event: this.durable.length === 1 ? this.durable[0] : undefined }
    return new Reader(this.store, name, about, socket, [userRoom(user.userId), deviceRoom(device.id)], begin, position !== undefined, (error) =>
      this.#fail(error),
    )
  }

  #moved(name: string, socketId: string): void {
    const connection = this.connections.get(socketId) // one on its way in is entered where it joins
    if (connection?.since === undefined || toAddress(name) === undefined) return
    const place = this.#placeOf(connection, name)
    place.ready.catch((error: unknown) => this.#fail(error))
    withReader(place, (reader) => reader.start())
  }

  #leave(name: string, socketId: string): void {
    const places = this.#places.get(name)
    const place = places?.get(socketId)
    if (places === undefined || place === undefined) return
    place.isOver = true
    withReader(place, (reader) => reader.end())
    places.delete(socketId)
    if (places.size === 0) this.#places.delete(name)
  }

  #hear(appended: Appended): void {
    const { log, epoch, sequence, atMs, entry } = appended
    const places = this.#places.get(log)
    const { name } = this.namespace
    const delivered = new Delivered(name, toAddress(log), { epoch, sequence, atMs }, entry)
    for (const place of places?.values() ?? []) withReader(place, (reader) => reader.hear(appended, delivered))
    const plain = toEncoded(name, entry.json)
    for (const id of this.namespace.adapter.rooms.get(log) ?? []) {
      const socket = this.namespace.sockets.get(id)
      if (socket === undefined || places?.has(id) === true) continue
      if (entry.except?.some((room) => socket.rooms.has(room)) !== true) send(socket, plain)
    }
  }

  #poll(): void {
    if (this.#due.length === 0) {
      this.#due = [...this.#places.keys()]
      this.#perTick = Math.ceil(this.#due.length / POLL_PARTS)
    }
    for (const name of this.#due.splice(0, this.#perTick)) void this.#check(name)
  }

  /** Never rejects. */
  async #check(name: string): Promise<void> {
    if (!this.#places.has(name)) return
    try {
      const head = await this.store.head(name)
      for (const place of this.#places.get(name)?.values() ?? []) withReader(place, (reader) => reader.check(head))
    } catch (error) {
      this.#fail(error)
    }
  }

  /** That the store is away is told by what connects to it; it is asked again soon. */
  #fail(error: unknown): void {
    if (!(error instanceof RealtimeError && error.code === 'UNAVAILABLE')) this.report(error)
  }
}

/** What a client calls the log of a room: one of the contract, or its user's own. */
function toLogName(name: string, { userId }: BaseUser): string {
  const room = toAddress(name)
  return room === undefined ? `user:${userId}` : `${room.kind}:${room.id}`
}

/** A position is good for once: who leaves a room and joins it again begins anew. */
function takeFrom<T>(positions: Record<string, T>, name: string): T | undefined {
  const position = Object.hasOwn(positions, name) ? positions[name] : undefined
  delete positions[name]
  return position
}

/** At once where it is there, else once it is; who waits for it to come is told where it does not. */
function withReader(place: Place | undefined, act: (reader: Reader) => void): void {
  if (place?.reader !== undefined) act(place.reader)
  else place?.ready.then(act, ignore)
}

function ignore(): void {}
