import type { JoinAnswer, MembersNotice } from '@org/realtime-contracts/wire'

/** A room that this client is in, until `leave()`; joined again by itself after a reconnect. */
export interface Room<Kind extends string = string, Id = unknown> {
  readonly kind: Kind
  readonly id: Id
  /** The ids of the users in the room, kept up to date; `undefined` where the server does not show them. */
  readonly members: readonly string[] | undefined
  /** @returns a function that ends the listening. */
  subscribe(listener: () => void): () => void
  /** Gives this hold of the room up; the last one to go leaves it. */
  leave(): Promise<void>
}

/** One room on the wire, however many hold it. */
export class JoinedRoom {
  members: readonly string[] | undefined
  holders = 0
  /** Settles once the server has answered; there while at least one holder wants the room. */
  entry: Promise<void> | undefined
  /** Whether the server has let this client in, and must be asked again after a reconnect. */
  entered = false
  readonly listeners = new Set<() => void>()

  constructor(
    readonly kind: string,
    readonly id: unknown,
    readonly wireId: unknown,
  ) {}

  enter({ members }: JoinAnswer): void {
    this.entered = true
    this.#setMembers(members)
  }

  lose(): void {
    this.entered = false
    this.#setMembers(undefined)
  }

  change({ joined = [], left = [] }: Partial<MembersNotice>): void {
    const gone = new Set(left)
    this.#setMembers([...new Set([...(this.members ?? []), ...joined])].filter((userId) => !gone.has(userId)))
  }

  #setMembers(members: readonly string[] | undefined): void {
    this.members = members
    for (const listener of [...this.listeners]) listener()
  }
}

/** One hold of a room, which can be given up once. */
export function toHold(room: JoinedRoom, release: () => Promise<void>): Room {
  let released: Promise<void> | undefined
  return {
    kind: room.kind,
    id: room.id,
    get members() {
      return room.members
    },
    subscribe(listener) {
      const entry = (): void => listener() // the same function may listen twice
      room.listeners.add(entry)
      return () => {
        room.listeners.delete(entry)
      }
    },
    leave() {
      released ??= release()
      return released
    },
  }
}
