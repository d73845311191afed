import type {
  Answered,
  ClientEvent,
  Contract,
  ContractOf,
  ErrorsOf,
  Manifest,
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
  SideOf,
} from '@org/realtime-contracts'
import {
  type CaughtUpNotice,
  CONTROL,
  type ContractMismatch,
  checkTimeout,
  type DeliveryMeta,
  type DisconnectNotice,
  type ErrorNotice,
  fromWireError,
  type GapNotice,
  type MembersNotice,
  type OutdatedNotice,
  type PresenceNotice,
  RealtimeError,
  type Result,
  type RoomAddress,
  type SessionFacts,
} from '@org/realtime-contracts/wire'
import { createAnswers } from './answers.js'
import { type ClientBorder, wireBorder } from './border.js'
import { OUTBOX, type OutboxSeam, type RequestOptionsOf, repeat } from './commands.js'
import { type Connection, type ConnectionOptions, createConnection, onAbort, type Status } from './connection.js'
import { addTo, createListeners, type Listener } from './listeners.js'
import { createPositions } from './positions.js'
import { createPresence, type PresenceWatch } from './presence.js'
import { control, DEFAULT_TIMEOUT_MS, exchange, type RequestOptions } from './requests.js'
import { createRooms, type Room, type RoomWatch } from './rooms.js'
import { type ConnectionState, createState } from './state.js'
import { createStream } from './stream.js'

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

/**
 * Makes the client side of a contract, or of its manifest. It connects on `connect()`.
 * @throws TypeError for options that are missing or wrong.
 */
export function createRealtimeClient<const Source extends Contract | Manifest>(
  source: Source,
  options: RealtimeClientOptions,
): RealtimeClient<ContractOf<Source>, SideOf<Source>> {
  // The implementation knows names and values; the interface gives them the types of this contract.
  return createClient(source, options) as unknown as RealtimeClient<ContractOf<Source>, SideOf<Source>>
}

function createClient(source: Contract | Manifest, options: RealtimeClientOptions) {
  if (!source?.fingerprint) {
    throw new TypeError('createRealtimeClient: expected a contract, or its manifest')
  }
  const border: ClientBorder = 'codec' in source ? source.codec : wireBorder
  const { clientToServer } = border
  const subscribers = new Set<Listener>()
  let session: SessionFacts | undefined

  const listeners = createListeners()
  const { on, tell, callAll, latest } = listeners
  const state = createState(() => callAll(subscribers))
  const positions = createPositions(options?.positions, () => connection)
  const connection: Connection = createConnection(options ?? {}, source, {
    onAuthenticated(wire) {
      if (session?.userId !== wire.userId) latest.clear() // it was another user's
      adopt(wire)
      positions.connected(wire.userId)
      rooms.connected(true)
      watchedRooms.connected(true)
      presence.connected()
      tell('authenticated', session)
    },
    onEvent(event, args) {
      const payload = args[0]
      if (event === 'error') {
        const error = fromWireError(payload, 'INTERNAL', (payload as ErrorNotice | undefined)?.event)
        // The server took this client out.
        if (error.event === CONTROL.join) rooms.forget(error.data as RoomAddress)
        if (error.event === CONTROL.watch) watchedRooms.forget(error.data as RoomAddress)
        tell(event, error)
      } else if (event === '$presence') {
        if ('users' in (payload as object)) presence.change(payload as PresenceNotice)
        else {
          rooms.change(payload as MembersNotice)
          watchedRooms.change(payload as MembersNotice)
        }
      } else if (event === '$gap' || event === '$caughtUp') positions.hold(payload as DeliveryMeta, () => tell(event, payload))
      else if (event[0] === '$') tell(event, payload)
      else answers.receive(event, args)
    },
    since: () => positions.since(),
    onError: (error) => tell('error', error),
    onStatus() {
      if (status() !== 'connected') {
        rooms.connected(false)
        watchedRooms.connected(false)
      }
      if (status() === 'closed') latest.clear()
      const { reason, server } = Object(connection.error()?.data) as Partial<ContractMismatch>
      if (status() === 'refused' && reason === 'too_old') outdated(server, true)
      state.follow(connection)
    },
  })
  const { status, close, deviceId } = connection
  const rooms = createRooms(connection, border, listeners, CONTROL.join, CONTROL.leave, positions.forget)
  const watchedRooms = createRooms(connection, border, listeners, CONTROL.watch, CONTROL.unwatch)
  const presence = createPresence(connection, border, listeners)
  const answers = createAnswers(border.serverToClient, listeners, positions.take)

  function outdated(server: { readonly version: string } | undefined, urgent = false): void {
    const notice: OutdatedNotice = { urgent, clientVersion: source.version, serverVersion: String(server?.version) }
    tell('$outdated', notice)
  }

  /** Only the server of the SDK says it. @throws RealtimeError `INVALID_PAYLOAD` where it does not match the contract. */
  function adopt(wire: unknown): SessionFacts {
    const { success: _, $contract, ...facts } = wire as SessionFacts & { success: true }
    if ($contract) outdated($contract)
    session = border.decodeSession(facts)
    // Where it fails, the server ends the connection in time, and the next one asks for a token again.
    connection.renewBefore(session.expiresInMs, () => {
      reauthenticate().catch((error: unknown) => {
        if (status() === 'connected') tell('error', error)
      })
    })
    return session
  }

  async function reauthenticate(options: RequestOptions = {}): Promise<SessionFacts> {
    const untilMs = Date.now() + checkTimeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS)
    const left = (): number => Math.max(untilMs - Date.now(), 1)
    const token = await connection.token(left(), options.signal)
    return adopt(await control(connection, CONTROL.authenticate, { token }, { ...options, timeoutMs: left() }))
  }

  const encode = (event: string, payload?: unknown): unknown[] => clientToServer.encodeArguments(event, payload)
  const decode = (event: string, answer: unknown): unknown => clientToServer.decodeReply(event, answer)

  const ask: OutboxSeam['ask'] = (event, args, options, owner) =>
    repeat(
      connection,
      event,
      args,
      (answer) => decode(event, answer),
      () => session?.userId,
      options,
      owner,
    )

  async function request(event: string, payload?: unknown, options?: RequestOptions): Promise<unknown> {
    clientToServer.assertAnswered(event)
    const args = encode(event, payload)
    return source.idempotent?.includes(event) ? ask(event, args, options) : decode(event, await exchange(connection, event, args, options))
  }

  const subscribe = (listener: () => void): (() => void) => addTo(subscribers, listener)

  return {
    get status() {
      return status()
    },
    get state() {
      return state.get()
    },
    get session() {
      return session
    },
    deviceId,
    on: (event: string, listener: Listener) => on(event, listener),
    subscribe,
    request,
    reauthenticate,
    join: rooms.join,
    leave: rooms.leave,
    presence: { watch: presence.watch, watchRoom: watchedRooms.join, set: presence.set },
    handle: answers.handle,
    close,
    [OUTBOX]: { idempotent: source.idempotent, encode, ask } satisfies OutboxSeam,

    async connect({ timeoutMs = 20_000, signal }: ConnectOptions = {}) {
      checkTimeout(timeoutMs)
      if (!signal?.aborted) connection.open()
      await connection.ready(timeoutMs, signal, 'UNAVAILABLE')
      return session
    },

    once: (event: string, listener: Listener) => on(event, listener, true),
    latest: (event: string) => latest.get(event),

    events(event: string, { signal }: { signal?: AbortSignal } = {}) {
      const offs: Array<() => void> = []
      const { push, end, iterator } = createStream<unknown>(() => {
        for (const off of offs) off()
      })
      const endClosed = (): void => {
        if (status() === 'closed') end()
      }
      offs.push(on(event, push), subscribe(endClosed))
      offs.push(onAbort(signal, end)) // which ends what is above, where it has aborted already
      endClosed()
      return iterator
    },

    emit(event: string, payload?: unknown) {
      const args = encode(event, payload)
      const sent = options.tracing?.start(event, args, false)
      if (status() === 'connected') connection.socket.emit(event, ...(sent?.args ?? args))
      // What Socket.IO could not send now it keeps for later, behind the caller's back.
      const isLost = status() !== 'connected' || connection.socket.sendBuffer.pop()
      sent?.end(isLost ? 'NOT_CONNECTED' : undefined)
      if (isLost) tell('error', new RealtimeError('NOT_CONNECTED', undefined, { event }))
    },

    async tryRequest(event: string, payload?: unknown, options?: RequestOptions): Promise<Result> {
      try {
        return { ok: true, data: await request(event, payload, options) }
      } catch (error) {
        if (error instanceof RealtimeError) return { ok: false, error }
        throw error
      }
    },
  }
}
