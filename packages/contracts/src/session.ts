import type { WireError } from './wire.js'

/** What a client is told once it is let in, beside the contract's own session fields: the first event of a connection. */
export interface SessionFacts {
  /** Who the server takes this client for. */
  readonly userId: string
  /** The user's e-mail address, where it is known. */
  readonly email?: string
  /** This client instance; the socket's id for stock clients. */
  readonly deviceId: string
  /** How long the token still holds, in milliseconds, where it ends. */
  readonly expiresInMs?: number
  /** The server's version of the contract, where it is newer than the client's. */
  readonly $contract?: { readonly version: string }
}

/** That this client is of an older version than the server. */
export interface OutdatedNotice {
  /** Whether the two cannot talk: reload now. Else they can: reload when it suits. */
  readonly urgent: boolean
  /** The version of this client's contract. */
  readonly clientVersion: string
  /** The version of the server's contract. */
  readonly serverVersion: string
}

/** Why the server is about to close this connection. */
export interface DisconnectNotice {
  /** One of the error codes. */
  readonly code: string
  /** Why, in a sentence, for people. */
  readonly reason: string
  /** How long to wait before coming back, in milliseconds, where coming back helps. */
  readonly retryAfterMs?: number
}

/** A failure of an event that was sent without an acknowledgement, or of the connection itself. */
export interface ErrorNotice extends WireError {
  /** The event that failed; absent where none did. */
  readonly event?: string
}

/** A room's members changed: for those in the room, where its members are visible, and for those who watch it. */
export interface MembersNotice {
  /** The kind of room. */
  readonly kind: string
  /** The room's id, as on the wire. */
  readonly id: string
  /** The ids of users who are in it now, and were not. */
  readonly joined?: readonly string[]
  /** The ids of users who were in it, and are not any more. */
  readonly left?: readonly string[]
}

/** One device of a user, with what it says about itself. */
export interface PresentDevice<Meta = unknown> {
  /** The device's id. */
  readonly id: string
  /** What it says about itself; absent where it says nothing. */
  readonly meta?: Meta
}

/** Where a user stands now. */
export interface UserPresence<Meta = unknown> {
  /** Whom it is about. */
  readonly userId: string
  /** Whether the user has a device that is connected, or had one until a moment ago. */
  readonly online: boolean
  /** The user's devices that are connected now. */
  readonly devices: ReadonlyArray<PresentDevice<Meta>>
}

/** Where users stand that a client watches: all of it, for those that have changed. */
export interface PresenceNotice {
  /** Those that have changed. */
  readonly users: readonly UserPresence[]
}

/** A place in a log of durable events: behind one of them, or at its start. */
export interface Position {
  /** Names the log: another one where it was emptied and begun anew. */
  readonly epoch: string
  /** The number of the event, counted from 1 without holes. */
  readonly sequence: number
  /** When the event was stored, in milliseconds since 1970: tells it from one that had the number in a past which the store has lost. 0 where it is not known. */
  readonly atMs: number
}

/** What comes with a durable event, for clients that announced `'meta'`. */
export interface DeliveryMeta extends Position {
  /** Whose log it is of; the user's own where it is left out. */
  readonly room?: RoomAddress
  /** Whether the server waits to hear that a device has taken it in. */
  readonly confirm?: true
}

/** That events of a log are lost to this device, or may be; what comes next is behind them. */
export interface GapNotice extends Position {
  /** Of which room; of the user's own events where it is left out. */
  readonly room?: RoomAddress
  /**
   * The event that is missing, where it can be but one: the server's contract has no other durable event. A log holds them all, and of what it has
   * lost only the numbers are left; so where this is left out, any of them may be missing.
   */
  readonly event?: string
  /** The number of the first event that is missing. */
  readonly from: number
  /** The number of the last one, where that is known. */
  readonly to?: number
  /**
   * - `trimmed`: there were more than are kept.
   * - `expired`: they were too old.
   * - `emptied`: the log was erased, or its store has lost it.
   * - `replaced`: it was, and another one has begun.
   * - `ahead`: the store has lost the last of what this device knows.
   */
  readonly reason: 'trimmed' | 'expired' | 'emptied' | 'replaced' | 'ahead'
}

/** That all there is of a log has been sent, and what comes from now on comes as it is emitted. */
export interface CaughtUpNotice extends Position {
  /** Of which room; of the user's own events where it is left out. */
  readonly room?: RoomAddress
  /** Whether it went on from where this device was; else it begins now, and what was before is to be fetched. */
  readonly resumed: boolean
}

/** Events that the SDK itself sends to clients, as Socket.IO's own map type. Reserved: no contract can declare them. */
export interface SessionEvents {
  /** The first event of every connection. */
  authenticated: (session: { success: true } & SessionFacts) => void
  /** A failure that nobody waits for. */
  error: (error: ErrorNotice) => void
  /** Why the server is about to close the connection. */
  $disconnect: (notice: DisconnectNotice) => void
  /** Who came and went, in rooms or among watched users. */
  $presence: (notice: MembersNotice | PresenceNotice) => void
  /** Durable events are missing. */
  $gap: (notice: GapNotice) => void
  /** All durable events that there were have come. */
  $caughtUp: (notice: CaughtUpNotice) => void
}

/** Events that the SDK itself sends to the server; each is answered. */
export const CONTROL = {
  join: '$join',
  leave: '$leave',
  authenticate: '$authenticate',
  watch: '$watch',
  unwatch: '$unwatch',
  set: '$set',
  ack: '$ack',
} as const

/** Which room. */
export interface RoomAddress {
  /** The kind of room. */
  readonly kind: string
  /** The room's id, as on the wire. */
  readonly id: string
}

/** What joining or watching a room answers: its members' user ids where the room shows them. */
export interface JoinAnswer {
  /** The ids of the users in it, each once. */
  readonly members?: string[]
}
