import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { ClientEvent, Contract, PresenceMeta, PresentDevice, RoomId, RoomKind } from '@org/realtime-contracts'
import type { Server as SocketServer } from 'socket.io'
import type { Handler, Middleware } from './context.js'
import type { AllTarget, Receipt, Target, UserTarget } from './delivery.js'
import type { BaseUser } from './identity.js'
import type { Inbox } from './inbox.js'
import type { PresenceReader } from './presence.js'
import type { Revocation } from './revocation.js'

/** The presence of users and of rooms' members. */
export interface Presence<C extends Contract> extends PresenceReader {
  /** The devices of a user that are connected now, with what they say about themselves. */
  devices(userId: string): Promise<Array<PresentDevice<PresenceMeta<C>>>>
  /** The ids of the users who have a device in the room, each once. @throws RealtimeError `INVALID_PAYLOAD` for what is no room. */
  members<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): Promise<string[]>
}

/** The server side of a contract, typed by it. Made by `createRealtimeServer`. */
export interface RealtimeServer<C extends Contract, User extends BaseUser = BaseUser> {
  /** The contract it was made of. */
  readonly contract: C
  /** The Socket.IO server beneath, for what the SDK does not cover. */
  readonly io: SocketServer
  /** Who is connected, on all nodes. */
  readonly presence: Presence<C>
  /** Whether clients can be let in now: it serves, is not closing, and reaches its cluster. For a load balancer's health check. */
  readonly ready: boolean
  /** Adds a middleware around the handlers of all events; the first one added is the outermost. */
  use(middleware: Middleware<User>): this
  /**
   * Handles an event of clients, with middleware of its own where given.
   * @throws TypeError where the event has a handler already, or is not in the contract.
   */
  on<K extends ClientEvent<C>>(event: K, handler: Handler<C['clientToServer'][K], K, User>): this
  on<K extends ClientEvent<C>>(event: K, middleware: Middleware<User>, handler: Handler<C['clientToServer'][K], K, User>): this
  on<K extends ClientEvent<C>>(event: K, first: Middleware<User>, second: Middleware<User>, handler: Handler<C['clientToServer'][K], K, User>): this
  on<K extends ClientEvent<C>>(event: K, middleware: ReadonlyArray<Middleware<User>>, handler: Handler<C['clientToServer'][K], K, User>): this
  /** All devices of one user. @throws TypeError where the id can be nobody's. */
  toUser(userId: string): UserTarget<C>
  /** All devices of several users; of nobody, where there are none. @throws TypeError where an id can be nobody's. */
  toUsers(userIds: Iterable<string> & object): UserTarget<C, Receipt[]>
  /** Everybody in a room. @throws RealtimeError `INVALID_PAYLOAD` for what is no room. */
  toRoom<K extends RoomKind<C>>(kind: K, id: RoomId<C, K>): Target<C>
  /** Everybody who is connected. */
  toAll(): AllTarget<C>
  /** The durable events that are kept for a user. @throws TypeError where the id can be nobody's. */
  inbox(userId: string): Inbox<C>
  /** Ends the connections of a user, or of one device; stock clients stay away, too, until they are told to connect. */
  disconnectUser(userId: string, options?: { readonly reason?: string; readonly deviceId?: string }): Promise<void>
  /**
   * No longer believes what a user has proved, or one token: closes what is connected by it (`REVOKED`), and refuses it
   * (`UNAUTHENTICATED`) for as long as it could have been used. What the user is issued after that counts.
   * A token's `iat` is in whole seconds: one issued in the second of the revocation is refused, too.
   * @throws TypeError for what names neither; RealtimeError `UNAVAILABLE` where the store fails: who is connected is closed, but can come back.
   */
  revoke(revocation: Revocation): Promise<void>
  /** Serves on an HTTP server that the application has, and keeps: `close()` leaves it open. */
  attach(server: HttpServer | HttpsServer): this
  /** Serves on an HTTP server of its own; port 0 takes a free one. @returns where it listens. */
  listen(port: number, host?: string): Promise<AddressInfo>
  /**
   * Lets no one in any more, waits for handlers at work, tells clients to come back later, and closes.
   * It can be called again: there is one closing.
   */
  close(options?: {
    /** How long to wait for handlers at work, in milliseconds; ending the connections may take a second more. @default 5_000 */
    readonly drainMs?: number
  }): Promise<void>
}
