import { CONTROL, type JoinAnswer, type MembersNotice } from '@org/realtime-contracts/wire'
import type { ClientBorder } from './border.js'
import type { Connection } from './connection.js'
import { addTo, type Listeners } from './listeners.js'
import { control, type RequestOptions } from './requests.js'

/** A room that this client is in, until `leave()`; joined again by itself after a reconnect. */
export interface Room<Kind extends string = string, Id = unknown> {
  readonly kind: Kind
  readonly id: Id
  /** The ids of the users in the room, kept up to date; `undefined` where the server does not show them, or this client is not in it now. */
  readonly members: readonly string[] | undefined
  /** Calls the listener when `members` changes. @returns a function that ends it. */
  subscribe(listener: () => void): () => void
  /** Gives this hold of the room up; the last one to go leaves it. */
  leave(): Promise<void>
}

/** One room on the wire, however many hold it. */
interface JoinedRoom {
  readonly address: { readonly kind: string; readonly id: unknown }
  readonly listeners: Set<() => void>
  holders: number
  members?: readonly string[] | undefined
  /** Settles once the server has answered. */
  entry?: Promise<void> | undefined
  /** Whether the server has let this client in, and must be asked again after a reconnect. */
  entered?: boolean
}

/** The rooms that a client is in. */
export function createRooms(connection: Connection, border: ClientBorder, { callAll, tell }: Listeners) {
  const rooms = new Map<string, JoinedRoom>()

  function roomOf(kind: string, id: unknown): JoinedRoom {
    const address = { kind, id: border.encodeRoomId(kind, id) }
    const room = rooms.get(keyOf(address)) ?? { address, listeners: new Set(), holders: 0 }
    rooms.set(keyOf(address), room)
    return room
  }

  function set(room: JoinedRoom, entered: boolean, members?: readonly string[]): void {
    room.entered = entered
    room.members = members
    callAll(room.listeners)
  }

  async function enter(room: JoinedRoom, options?: RequestOptions): Promise<void> {
    try {
      const answer = await control(connection, CONTROL.join, room.address, options)
      set(room, true, (answer as JoinAnswer | undefined)?.members) // only the server of the SDK answers it
    } catch (error) {
      set(room, false)
      throw error
    }
  }

  function forget(room: JoinedRoom): void {
    set(room, false)
    rooms.delete(keyOf(room.address))
  }

  async function release(room: JoinedRoom): Promise<void> {
    if (--room.holders > 0) return
    forget(room)
    if (connection.status() === 'connected') await control(connection, CONTROL.leave, room.address)
  }

  return {
    async join(kind: string, id: unknown, options?: RequestOptions): Promise<Room> {
      const room = roomOf(kind, id)
      room.holders++
      try {
        room.entry ??= enter(room, options)
        await room.entry
      } catch (error) {
        room.entry = undefined
        if (!--room.holders) forget(room)
        throw error
      }
      let released: Promise<void> | undefined
      return {
        kind,
        id,
        get members() {
          return room.members
        },
        subscribe: (listener) => addTo(room.listeners, listener),
        leave: () => (released ??= release(room)),
      }
    },

    /** Leaves a room for all who hold it. */
    async leave(kind: string, id: unknown): Promise<void> {
      const room = roomOf(kind, id)
      room.holders = 1
      await release(room)
    },

    /** After a reconnect; nobody waits for it, so a refusal is told to `error`. */
    enterAgain(): void {
      for (const room of rooms.values()) {
        if (room.entered) enter(room).catch((error: unknown) => tell('error', error))
      }
    },

    change({ joined = [], left = [], ...address }: MembersNotice): void {
      const room = rooms.get(keyOf(address))
      if (room)
        set(
          room,
          true,
          [...new Set([...(room.members ?? []), ...joined])].filter((userId) => !left.includes(userId)),
        )
    },
  }
}

function keyOf({ kind, id }: { readonly kind: string; readonly id: unknown }): string {
  return `${kind}:${id}`
}
