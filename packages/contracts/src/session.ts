import type { WireError } from './wire.js'

/** What a client is told once it is let in, beside the contract's own session fields: the first event of a connection. */
export interface SessionFacts {
  readonly userId: string
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
  readonly clientVersion: string
  readonly serverVersion: string
}

/** Why the server is about to close this connection. */
export interface DisconnectNotice {
  readonly code: string
  readonly reason: string
  /** How long to wait before coming back, in milliseconds, where coming back helps. */
  readonly retryAfterMs?: number
}

/** A failure of an event that was sent without an acknowledgement, or of the connection itself. */
export interface ErrorNotice extends WireError {
  readonly event?: string
}

/** A room's members changed: for those in the room, where its members are visible, and for those who watch it. */
export interface MembersNotice {
  readonly kind: string
  readonly id: string
  readonly joined?: readonly string[]
  readonly left?: readonly string[]
}

/** One device of a user, with what it says about itself. */
export interface PresentDevice<Meta = unknown> {
  readonly id: string
  readonly meta?: Meta
}

/** Where a user stands now. */
export interface UserPresence<Meta = unknown> {
  readonly userId: string
  readonly online: boolean
  readonly devices: ReadonlyArray<PresentDevice<Meta>>
}

/** Where users stand that a client watches: all of it, for those that have changed. */
export interface PresenceNotice {
  readonly users: readonly UserPresence[]
}

/** Events that the SDK itself sends to clients, as Socket.IO's own map type. Reserved: no contract can declare them. */
export interface SessionEvents {
  authenticated: (session: { success: true } & SessionFacts) => void
  error: (error: ErrorNotice) => void
  $disconnect: (notice: DisconnectNotice) => void
  $presence: (notice: MembersNotice | PresenceNotice) => void
}

/** Events that the SDK itself sends to the server; each is answered. */
export const CONTROL = { join: '$join', leave: '$leave', authenticate: '$authenticate', watch: '$watch', unwatch: '$unwatch', set: '$set' } as const

export interface RoomAddress {
  readonly kind: string
  readonly id: string
}

/** What joining or watching a room answers: its members' user ids where the room shows them. */
export interface JoinAnswer {
  readonly members?: string[]
}
