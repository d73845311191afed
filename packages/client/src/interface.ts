import type {
  Answered,
  ClientEvent,
  Contract,
  ErrorsOf,
  PayloadArguments,
  PayloadOf,
  PresenceMeta,
  ReplyOf,
  RequestError,
  RoomId,
  RoomKind,
  ServerEvent,
  Session,
  Side,
} from '@org/realtime-contracts'
import type { CaughtUpNotice, DisconnectNotice, GapNotice, OutdatedNotice, RealtimeError, Result } from '@org/realtime-contracts/wire'
import type { RequestOptionsOf } from './commands.js'
import type { ConnectionOptions, Status } from './connection.js'
import type { PresenceWatch } from './presence.js'
import type { RequestOptions } from './requests.js'
import type { Room, RoomWatch } from './rooms.js'
import type { ConnectionState } from './state.js'

/** How a client reaches its server: the second argument of `createRealtimeClient`. */
export type RealtimeClientOptions = ConnectionOptions

/** What can be said of one `connect()`. */
export interface ConnectOptions {
  /** When to give up waiting, in milliseconds; dialling goes on. @default 20_000 */
  readonly timeoutMs?: number
  /** Ends the wait with `ABORTED`; dialling goes on. */
  readonly signal?: AbortSignal
}

/** Reserved for what a later version can say about one emit. */
export type EmitOptions = Readonly<Record<never, never>>

/** What the SDK itself tells a client, beside the events of the contract. */
export interface ClientEvents<C extends Contract, V extends Side> {
  /** On every connection, the first and each later one. */
  authenticated: Session<C, V>
  /** Every failure that no promise carries: of emits, of what came in, of the connection. */
  error: RealtimeError
  /** The server is about to close the connection, and says why. */
  $disconnect: DisconnectNotice
  /**
   * Durable events are lost to this device, or may be. Fetch what they would have changed: what comes after the gap waits until the promise
   * that the listener returns has settled, so that nothing falls between.
   */
  $gap: GapNotice
  /** All there was is here. Where it has not `resumed`, fetch the state now; what comes waits for that as for `$gap`. */
  $caughtUp: CaughtUpNotice
  /** The server has a newer version of the contract: of this page there is a newer one, too. Told on every connection, and where it is refused for that. */
  $outdated: OutdatedNotice
}

/** What listeners of an event are given: of the contract, or of the SDK itself. */
export type EventPayload<C extends Contract, V extends Side, K> = K extends keyof ClientEvents<C, V>
  ? ClientEvents<C, V>[K]
  : K extends ServerEvent<C>
    ? PayloadOf<C['serverToClient'][K], V>
    : never

/** What a handler of the server's requests is given beside the payload. */
export interface AnswerContext<E, V extends Side> {
  /** Makes the declared error that answers this request; throw what it returns. */
  fail<Code extends keyof ErrorsOf<E, V> & string>(
    code: Code,
    ...data: undefined extends ErrorsOf<E, V>[Code] ? [data?: ErrorsOf<E, V>[Code]] : [data: ErrorsOf<E, V>[Code]]
  ): RealtimeError<Code>
}

/** The client side of a contract. With a manifest it works with wire values and leaves validating to the server. */
export interface RealtimeClient<C extends Contract, V extends Side = 'domain'> {
  /** Never there at run time: it carries the types of the client. */
  readonly '~types'?: { readonly contract: C; readonly side: V }
  /** Where the connection stands now. */
  readonly status: Status
  /** The status, and what a page shows of it. */
  readonly state: ConnectionState
  /** What the server last said of this client; `undefined` before the first connection. */
  readonly session: Session<C, V> | undefined
  /** Names this client instance across its reconnects. */
  readonly deviceId: string
  /**
   * Connects, and resolves once the server has let this client in. Called again, it gives the same connection.
   * @throws RealtimeError the refusal; `UNAVAILABLE` after the timeout, while dialling goes on; `CLOSED`; `ABORTED`.
   */
  connect(options?: ConnectOptions): Promise<Session<C, V>>
  /** Calls the listener with every such event. @returns a function that ends it. */
  on<K extends ServerEvent<C> | keyof ClientEvents<C, V>>(event: K, listener: (payload: EventPayload<C, V, K>) => unknown): () => void
  /** As `on`, for the next such event only. */
  once<K extends ServerEvent<C> | keyof ClientEvents<C, V>>(event: K, listener: (payload: EventPayload<C, V, K>) => unknown): () => void
  /** The last such event since this user connected; `undefined` before the first, and after `close()`. */
  latest<K extends ServerEvent<C> | keyof ClientEvents<C, V>>(event: K): EventPayload<C, V, K> | undefined
  /** The events as they come; keeps the newest 1,000 while nobody looks, survives reconnects, ends by `signal` or `close()`. */
  events<K extends ServerEvent<C>>(
    event: K,
    options?: { readonly signal?: AbortSignal },
  ): AsyncIterableIterator<PayloadOf<C['serverToClient'][K], V>, void, undefined>
  /**
   * Sends an event and does not wait. While not connected it is dropped and told to `error` as `NOT_CONNECTED`;
   * so is what the server makes of it, where it fails.
   * @throws RealtimeError `INVALID_PAYLOAD` at once (not with a manifest).
   */
  emit<K extends ClientEvent<C>>(event: K, ...args: PayloadArguments<PayloadOf<C['clientToServer'][K], V>, EmitOptions>): void
  /**
   * Sends an event and waits for its reply. An idempotent one is sent again, with the same key, after a lost reply, a reconnect or an answer
   * that says to ask later, until its time is over. @throws RealtimeError, which {@link tryRequest} returns instead.
   */
  request<K extends Answered<C['clientToServer']>>(
    event: K,
    ...args: PayloadArguments<PayloadOf<C['clientToServer'][K], V>, RequestOptionsOf<C['clientToServer'][K]>>
  ): Promise<ReplyOf<C['clientToServer'][K], V>>
  /** As `request`, with failures as values: a union on `error.code`, the event's declared errors included. */
  tryRequest<K extends Answered<C['clientToServer']>>(
    event: K,
    ...args: PayloadArguments<PayloadOf<C['clientToServer'][K], V>, RequestOptionsOf<C['clientToServer'][K]>>
  ): Promise<Result<ReplyOf<C['clientToServer'][K], V>, RequestError<C['clientToServer'][K], V>>>
  /** Answers the server's requests of one event. @throws TypeError where there is a handler already. @returns a function that ends it. */
  handle<K extends Answered<C['serverToClient']>>(
    event: K,
    handler: (
      payload: PayloadOf<C['serverToClient'][K], V>,
      context: AnswerContext<C['serverToClient'][K], V>,
    ) => ReplyOf<C['serverToClient'][K], V> | Promise<ReplyOf<C['serverToClient'][K], V>>,
  ): () => void
  /** Joins a room, and again after every reconnect. @throws RealtimeError `FORBIDDEN`, or as `request`. */
  join<K extends RoomKind<C>>(kind: K, id: RoomId<C, K, V>, options?: RequestOptions): Promise<Room<K, RoomId<C, K, V>>>
  /** Leaves a room for all who hold it. */
  leave<K extends RoomKind<C>>(kind: K, id: RoomId<C, K, V>): Promise<void>
  /** Where users stand, and what this device says about itself. */
  readonly presence: {
    /**
     * Watches users that the server lets this client see, and resolves with where they stand.
     * @throws RealtimeError `FORBIDDEN` where one of them may not be seen, or as `request`.
     */
    watch(userIds: Iterable<string> & object, options?: RequestOptions): Promise<PresenceWatch<PresenceMeta<C, V>>>
    /**
     * Watches who is in a room, without being in it, where the server lets this client.
     * @throws RealtimeError `FORBIDDEN` where it does not, or as `request`.
     */
    watchRoom<K extends RoomKind<C>>(kind: K, id: RoomId<C, K, V>, options?: RequestOptions): Promise<RoomWatch<K, RoomId<C, K, V>>>
    /** Says something about this device, also after a reconnect, until it says something else. @throws RealtimeError `INVALID_PAYLOAD`, or as `request`. */
    set(meta: PresenceMeta<C, V>, options?: RequestOptions): Promise<void>
  }
  /** Calls the listener when `state` changes. @returns a function that ends it. */
  subscribe(listener: () => void): () => void
  /** Proves again who this is, on the live connection, with a new token of the same user. @throws RealtimeError as `request`; `REVOKED` for another user. */
  reauthenticate(options?: RequestOptions): Promise<Session<C, V>>
  /** Ends the connection and what waits for it. `connect()` opens it again. */
  close(): void
}
