import type { JoinAnswer, MembersNotice, RealtimeError, RoomAddress } from '@org/realtime-contracts/wire'
import type { ClientBorder } from './border.js'
import type { Connection } from './connection.js'
import { addTo, type Listener, type Listeners } from './listeners.js'
import { control, type RequestOptions } from './requests.js'

/** A room that this client is in, until `leave()`; joined again by itself after a reconnect. */
export interface Room<Kind extends string = string, Id = unknown> {
  /** The kind of room, as in the contract. */
  readonly kind: Kind
  /** The room's id. */
  readonly id: Id
  /** The ids of the users in the room, kept up to date; `undefined` where the server does not show them, or this client is not in it now. */
  readonly members: readonly string[] | undefined
  /** Whether this client is in it now: not while it reconnects, nor once the server has taken it out. */
  readonly joined: boolean
  /** Calls the listener when `members` or `joined` changes. @returns a function that ends it. */
  subscribe(listener: () => void): () => void
  /** Gives this hold of the room up; the last one to go leaves it. */
  leave(): Promise<void>
}

/** A room whose members this client watches, until `stop()`; watched again by itself after a reconnect. */
export interface RoomWatch<Kind extends string = string, Id = unknown> extends Omit<Room<Kind, Id>, 'leave' | 'joined'> {
  /** Ends the watching, and resolves once the server knows. @throws RealtimeError as `request`. */
  stop(): Promise<void>
}

/** One room on the wire, however many hold it. */
interface JoinedRoom {
  readonly address: RoomAddress
  readonly listeners: Set<Listener>
  /** What changes while an answer is under way, for each that is: the answer may be from before. */
  readonly early: Set<MembersNotice[]>
  /** Who is in it, or about to be. */
  holders: number
  /** Whether the server has let this client in, and must be asked again after a reconnect. */
  entered?: boolean
  /** Whether it is in it now. */
  inside?: boolean
  members?: readonly string[] | undefined
}

// Rooms that are joined again at a time.
const WORKERS = 16

/** The rooms that a client is in, or watches: what it asks the server says which. */
export function createRooms(
  connection: Connection,
  border: ClientBorder,
  { callAll, tell }: Listeners,
  enterEvent: string,
  exitEvent: string,
  left: (address: RoomAddress) => void = () => {},
) {
  const rooms = new Map<string, JoinedRoom>()
  let queue: JoinedRoom[] = [] // to be joined again

  function set(room: JoinedRoom, inside: boolean, members?: readonly string[]): void {
    room.inside = inside
    room.members = members
    callAll(room.listeners)
  }

  function drop(address: RoomAddress): void {
    const room = rooms.get(keyOf(address))
    rooms.delete(keyOf(address))
    if (room) set(room, false)
  }

  function forget(address: RoomAddress): void {
    left(address)
    drop(address)
  }

  async function enter(room: JoinedRoom, options?: RequestOptions): Promise<void> {
    const changes: MembersNotice[] = []
    room.early.add(changes)
    try {
      const answer = (await control(connection, enterEvent, room.address, options)) as JoinAnswer | undefined // only the server of the SDK answers it
      room.entered = true
      if (rooms.get(keyOf(room.address)) === room) set(room, true, answer?.members && changes.reduce(apply, answer.members))
    } finally {
      room.early.delete(changes)
    }
  }

  async function exit(address: RoomAddress): Promise<void> {
    try {
      if (connection.status() === 'connected') await control(connection, exitEvent, address)
    } catch (error) {
      if (connection.status() === 'connected') throw error // else it has left with the connection
    }
  }

  /**
   * Nobody waits for it, so a refusal is told to `error`; what was only lost on the way is asked with the next connection.
   * @returns in how many milliseconds to ask again, where it cannot be now.
   */
  async function enterAgain(room: JoinedRoom): Promise<number | undefined> {
    try {
      await enter(room)
    } catch (thrown) {
      const error = thrown as RealtimeError // enter() throws nothing else
      const { limit, retryAfterMs } = Object(error.data)
      const isPassing = error.code === 'REPLY_TIMEOUT' || (error.origin === 'remote' && error.retryable)
      if (isPassing && limit !== 'roomsPerConnection') return retryAfterMs || 1_000
      if (isRefusal(error)) forget(room.address)
      tell('error', error)
    }
  }

  /** A few rooms at a time; where they cannot be joined now, one. */
  function enterAllAgain(): void {
    queue = [...rooms.values()].filter(({ entered }) => entered)
    const mine = queue
    let workers = 0
    const work = async (): Promise<void> => {
      workers++
      for (let room = mine.shift(); room; room = mine.shift()) {
        const waitMs = rooms.get(keyOf(room.address)) === room && (await enterAgain(room))
        if (!waitMs) continue
        mine.push(room)
        if (workers > 1) break
        await new Promise((resolve) => setTimeout(resolve, waitMs))
      }
      workers--
    }
    for (let started = 0; started < WORKERS; started++) void work()
  }

  return {
    forget,

    async join(kind: string, id: unknown, options?: RequestOptions): Promise<Room & RoomWatch> {
      const address = { kind, id: border.encodeRoomId(kind, id) as string }
      const key = keyOf(address)
      const room = rooms.get(key) ?? { address, listeners: new Set(), early: new Set(), holders: 0 }
      rooms.set(key, room)
      room.holders++
      let released: Promise<void> | undefined
      const release = async (end: typeof drop, sent: boolean): Promise<void> => {
        if (--room.holders > 0 || rooms.get(key) !== room) return
        end(address)
        if (sent) await exit(address)
      }
      try {
        await enter(room, options)
      } catch (thrown) {
        const error = thrown as RealtimeError // enter() throws nothing else
        // Who could not join has not left: the next one goes on from where this device was. Where nobody waits for the answer any more,
        // the server may still let this client in.
        release(isRefusal(error) ? forget : drop, error.origin === 'local').catch(() => {})
        throw error
      }
      const leave = (): Promise<void> => (released ??= release(forget, true))
      return {
        kind,
        id,
        get members() {
          return room.members
        },
        get joined() {
          return !!room.inside
        },
        subscribe: (listener) => addTo(room.listeners, listener),
        leave,
        stop: leave,
      }
    },

    /** Leaves a room for all who hold it. */
    async leave(kind: string, id: unknown): Promise<void> {
      const address = { kind, id: border.encodeRoomId(kind, id) as string }
      forget(address)
      await exit(address)
      forget(address) // a join that was under way
    },

    /** The connection has come, or gone. */
    connected(again: boolean): void {
      queue.length = 0
      if (again) enterAllAgain()
      else for (const room of rooms.values()) set(room, false)
    },

    change(notice: MembersNotice): void {
      const room = rooms.get(keyOf(notice))
      if (!room) return
      for (const changes of room.early) changes.push(notice)
      if (room.members) set(room, true, apply(room.members, notice))
    },
  }
}

/** Whether the server has said no, and will say so again. */
function isRefusal({ origin, retryable }: RealtimeError): boolean {
  return origin === 'remote' && !retryable
}

function apply(members: readonly string[], { joined = [], left = [] }: MembersNotice): readonly string[] {
  return [...new Set([...members, ...joined])].filter((userId) => !left.includes(userId))
}

export function keyOf({ kind, id }: RoomAddress): string {
  return `${kind}:${id}`
}
