import type {
  Answered,
  ClientEvent,
  Contract,
  ContractCodec,
  ContractOf,
  ErrorsOf,
  EventCodec,
  Manifest,
  PayloadArguments,
  PayloadOf,
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
  CONTROL,
  checkTimeout,
  type DisconnectNotice,
  encodeArguments,
  fromWireError,
  invalidPayload,
  isObject,
  type JoinAnswer,
  RealtimeError,
  type Reply,
  type Result,
  readReply,
  type SessionFacts,
  toWireError,
} from '@org/realtime-contracts/wire'
import { aborted, Connection, type ConnectionOptions, type Status } from './connection.js'
import { JoinedRoom, type Room, toHold } from './room.js'
import { stream } from './stream.js'

export type RealtimeClientOptions = ConnectionOptions

export interface ConnectOptions {
  /** When to give up waiting, in milliseconds; dialling goes on. @default 20_000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface RequestOptions {
  /** How long all of it may take, waiting for a connection included, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** Whether to fail with `NOT_CONNECTED` at once, rather than to wait for a connection. @default false */
  readonly failFast?: boolean
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
}

type Listened<C extends Contract, V extends Side, K> = K extends keyof ClientEvents<C, V>
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
  readonly status: Status
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
  on<K extends ServerEvent<C> | keyof ClientEvents<C, V>>(event: K, listener: (payload: Listened<C, V, K>) => unknown): () => void
  /** As `on`, for the next such event only. */
  once<K extends ServerEvent<C> | keyof ClientEvents<C, V>>(event: K, listener: (payload: Listened<C, V, K>) => unknown): () => void
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
  /** Sends an event and waits for its reply. @throws RealtimeError, which {@link tryRequest} returns instead. */
  request<K extends Answered<C['clientToServer']>>(
    event: K,
    ...args: PayloadArguments<PayloadOf<C['clientToServer'][K], V>, RequestOptions>
  ): Promise<ReplyOf<C['clientToServer'][K], V>>
  /** As `request`, with failures as values: a union on `error.code`, the event's declared errors included. */
  tryRequest<K extends Answered<C['clientToServer']>>(
    event: K,
    ...args: PayloadArguments<PayloadOf<C['clientToServer'][K], V>, RequestOptions>
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
  /** Calls the listener when `status` changes. @returns a function that ends it. */
  subscribe(listener: () => void): () => void
  /** Proves again who this is, on the live connection, with a new token of the same user. @throws RealtimeError as `request`; `REVOKED` for another user. */
  reauthenticate(options?: RequestOptions): Promise<Session<C, V>>
  /** Ends the connection and what waits for it. `connect()` opens it again. */
  close(): void
}

const CONNECT_TIMEOUT_MS = 20_000
const REQUEST_TIMEOUT_MS = 10_000

/**
 * Makes the client side of a contract, or of its manifest. It connects on `connect()`.
 * @throws TypeError for options that are missing or wrong.
 */
export function createRealtimeClient<const Source extends Contract | Manifest>(
  source: Source,
  options: RealtimeClientOptions = {},
): RealtimeClient<ContractOf<Source>, SideOf<Source>> {
  // The implementation knows names and codecs; the interface gives them the types of this contract.
  return new Client(source, options) as unknown as RealtimeClient<ContractOf<Source>, SideOf<Source>>
}

type Listener = (payload: unknown) => unknown
type AnswerHandler = (payload: unknown, context: { fail(code: string, data?: unknown): RealtimeError }) => unknown

class Client {
  session: SessionFacts | undefined
  readonly #codec: ContractCodec | undefined
  readonly #connection: Connection
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #handlers = new Map<string, AnswerHandler>()
  readonly #rooms = new Map<string, JoinedRoom>()
  readonly #subscribers = new Set<() => void>()

  constructor(source: Contract | Manifest, options: RealtimeClientOptions) {
    if (typeof source?.fingerprint !== 'string') {
      throw new TypeError('createRealtimeClient: expected a contract, or its manifest')
    }
    this.#codec = 'codec' in source ? source.codec : undefined
    this.#connection = new Connection(options, source, {
      onAuthenticated: (session) => this.#authenticated(session),
      onEvent: (event, args) => this.#receive(event, args),
      onError: (error) => this.#tell('error', error),
      onStatus: () => {
        for (const subscriber of [...this.#subscribers]) this.#guard(subscriber)
      },
    })
  }

  get status(): Status {
    return this.#connection.status
  }

  get deviceId(): string {
    return this.#connection.deviceId
  }

  async connect({ timeoutMs = CONNECT_TIMEOUT_MS, signal }: ConnectOptions = {}): Promise<SessionFacts> {
    checkTimeout(timeoutMs)
    const ready = this.#connection.ready(
      { timeoutMs, signal },
      () => new RealtimeError('UNAVAILABLE', `Not connected within ${timeoutMs} ms; dialling goes on`),
    )
    if (!signal?.aborted) this.#connection.open()
    await ready
    return this.session as SessionFacts // set before a connection is ready
  }

  on(event: string, listener: Listener): () => void {
    if (typeof listener !== 'function') {
      throw new TypeError(`on(${JSON.stringify(event)}): expected a function`)
    }
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners)
    const entry: Listener = (payload) => listener(payload) // the same function may listen twice
    listeners.add(entry)
    return () => {
      listeners.delete(entry)
    }
  }

  once(event: string, listener: Listener): () => void {
    const off = this.on(event, (payload) => {
      off()
      return listener(payload)
    })
    return off
  }

  events(event: string, { signal }: { signal?: AbortSignal } = {}): AsyncIterableIterator<unknown, void, undefined> {
    return stream({
      subscribe: (listener) => this.on(event, listener),
      onEnd: (end) => {
        const off = this.subscribe(() => {
          if (this.status === 'closed') end()
        })
        signal?.addEventListener('abort', end)
        if (signal?.aborted) end()
        return () => {
          off()
          signal?.removeEventListener('abort', end)
        }
      },
    })
  }

  emit(event: string, payload?: unknown): void {
    const args = encodeArguments(event, this.#eventCodec('clientToServer', event), payload)
    if (this.status === 'connected') {
      this.#connection.socket.emit(event, ...args)
    } else {
      this.#tell('error', new RealtimeError('NOT_CONNECTED', `${JSON.stringify(event)} was not sent: not connected`, { event }))
    }
  }

  async request(event: string, payload?: unknown, options?: RequestOptions): Promise<unknown> {
    const result = await this.tryRequest(event, payload, options)
    if (!result.ok) {
      throw result.error
    }
    return result.data
  }

  async tryRequest(event: string, payload?: unknown, options?: RequestOptions): Promise<Result> {
    const codec = this.#eventCodec('clientToServer', event)
    if (codec !== undefined && codec.reply === undefined) {
      throw new TypeError(`request: the event ${JSON.stringify(event)} has no reply in the contract; use emit`)
    }
    return this.#send(event, codec, payload, options)
  }

  handle(event: string, handler: AnswerHandler): () => void {
    if (typeof handler !== 'function' || this.#handlers.has(event)) {
      throw new TypeError(
        `handle(${JSON.stringify(event)}): ${typeof handler === 'function' ? 'there is a handler already, and an event has one' : 'expected a function'}`,
      )
    }
    this.#handlers.set(event, handler)
    return () => {
      if (this.#handlers.get(event) === handler) this.#handlers.delete(event)
    }
  }

  async join(kind: string, id: unknown, options?: RequestOptions): Promise<Room> {
    const room = this.#room(kind, id)
    room.holders++
    try {
      room.entry ??= this.#enter(room, options)
      await room.entry
    } catch (error) {
      room.holders--
      room.entry = undefined
      this.#forget(room)
      throw error
    }
    return toHold(room, () => this.#release(room))
  }

  async leave(kind: string, id: unknown): Promise<void> {
    const room = this.#room(kind, id)
    room.holders = 0
    await this.#release(room)
  }

  subscribe(listener: () => void): () => void {
    this.#subscribers.add(listener)
    return () => {
      this.#subscribers.delete(listener)
    }
  }

  async reauthenticate(options?: RequestOptions): Promise<SessionFacts> {
    const token = await this.#connection.token()
    this.#adopt((await this.#control(CONTROL.authenticate, { token }, options)) as SessionFacts) // only the server of the SDK answers it
    return this.session as SessionFacts // just adopted
  }

  close(): void {
    this.#connection.close()
  }

  #authenticated(session: SessionFacts): void {
    this.#adopt(session)
    for (const room of this.#rooms.values()) {
      if (room.entered) void this.#enterAgain(room)
    }
    this.#tell('authenticated', this.session)
  }

  /** @throws RealtimeError `INVALID_PAYLOAD` where the session does not match the contract. */
  #adopt({ success: _, userId, email, deviceId, expiresInMs, ...fields }: SessionFacts & { success?: true }): void {
    const decoded = this.#codec?.session?.decode(fields) ?? { ok: true, value: fields }
    if (!decoded.ok) {
      throw invalidPayload(decoded.issues, 'authenticated')
    }
    this.session = {
      ...(decoded.value as object), // a session is an object: the contract has made sure
      userId,
      deviceId,
      ...(email !== undefined && { email }),
      ...(expiresInMs !== undefined && { expiresInMs }),
    }
    this.#connection.renewIn(expiresInMs, () => {
      // Where it fails, the server ends the connection in time, and the next one asks for a token again.
      this.reauthenticate().catch((error: unknown) => this.#tell('error', error))
    })
  }

  #receive(event: string, args: unknown[]): void {
    const acknowledge = typeof args.at(-1) === 'function' ? (args.pop() as (reply: Reply) => void) : undefined
    const [payload] = args
    if (event === 'error') {
      const about = isObject(payload) && typeof payload['event'] === 'string' ? payload['event'] : undefined
      this.#tell('error', fromWireError(payload, 'INTERNAL', about))
    } else if (event === '$presence' && isObject(payload)) {
      this.#rooms.get(roomKey(String(payload['kind']), payload['id']))?.change(payload)
    } else if (event.startsWith('$')) {
      this.#tell(event, payload)
    } else {
      this.#receiveEvent(event, payload, acknowledge)
    }
  }

  #receiveEvent(event: string, wire: unknown, acknowledge: ((reply: Reply) => void) | undefined): void {
    const codec = this.#codec?.serverToClient.get(event)
    const payload = codec?.payload?.decode(wire) ?? { ok: true, value: wire }
    if (!payload.ok) {
      const error = invalidPayload(payload.issues, event)
      acknowledge?.({ ok: false, error: toWireError(error) })
      this.#tell('error', error)
      return
    }
    this.#tell(event, payload.value)
    if (acknowledge !== undefined) {
      void this.#answer(event, codec, payload.value).then(acknowledge)
    }
  }

  /** Never rejects: whoever asked gets an answer. */
  async #answer(event: string, codec: EventCodec | undefined, payload: unknown): Promise<Reply> {
    const made = new Set<unknown>()
    const fail = (code: string, data?: unknown): RealtimeError => {
      const coded = codec?.errors.get(code)?.encode(data) ?? { ok: true, value: data }
      if (!coded.ok) throw invalidPayload(coded.issues, event)
      const error = new RealtimeError(code, code, { data: coded.value, event })
      made.add(error)
      return error
    }
    try {
      const handler = this.#handlers.get(event)
      if (handler === undefined) {
        throw fail('UNKNOWN_EVENT')
      }
      const value = await handler(payload, { fail })
      const reply = codec?.reply?.encode(value) ?? { ok: true, value }
      if (!reply.ok) throw invalidPayload(reply.issues, event)
      return { ok: true, data: reply.value }
    } catch (cause) {
      if (made.has(cause)) {
        return { ok: false, error: toWireError(cause as RealtimeError) } // fail has made it
      }
      this.#broken(cause, event)
      return { ok: false, error: { code: 'INTERNAL', message: 'The client failed to answer this' } }
    }
  }

  async #send(event: string, codec: EventCodec | undefined, payload: unknown, options: RequestOptions = {}): Promise<Result> {
    const { timeoutMs = REQUEST_TIMEOUT_MS, signal, failFast = false } = options
    const untilMs = Date.now() + checkTimeout(timeoutMs)
    try {
      const args = encodeArguments(event, codec, payload)
      if (signal?.aborted) {
        throw aborted()
      }
      // Nothing is waited for where it can be sent now, so that it keeps its place among what is emitted.
      if (this.status !== 'connected') {
        await this.#ready(event, failFast ? 0 : timeoutMs, signal)
      }
      return readReply(event, codec, await this.#exchange(event, args, untilMs - Date.now(), signal))
    } catch (error) {
      return { ok: false, error: error as RealtimeError } // nothing else is thrown in here
    }
  }

  #ready(event: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const notConnected = (): RealtimeError => new RealtimeError('NOT_CONNECTED', `${JSON.stringify(event)} was not sent: not connected`, { event })
    if (timeoutMs === 0 || this.status === 'closed' || this.status === 'refused') {
      throw this.status === 'closed' ? new RealtimeError('CLOSED', 'The client was closed', { event }) : notConnected()
    }
    return this.#connection.ready({ timeoutMs, signal }, notConnected)
  }

  #exchange(event: string, args: unknown[], timeoutMs: number, signal: AbortSignal | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(aborted())
      signal?.addEventListener('abort', abort)
      this.#connection.socket.timeout(Math.max(timeoutMs, 1)).emit(event, ...args, (failure: Error | null, answer: unknown) => {
        signal?.removeEventListener('abort', abort)
        if (failure === null) resolve(answer)
        else reject(this.#unanswered(event))
      })
    })
  }

  /** Socket.IO tells of a timeout and of a lost connection alike; the status tells them apart. */
  #unanswered(event: string): RealtimeError {
    if (this.status === 'closed') {
      return new RealtimeError('CLOSED', 'The client was closed', { event })
    }
    return this.status === 'connected'
      ? new RealtimeError('REPLY_TIMEOUT', `${JSON.stringify(event)} was sent and not answered in time; whether it was done is unknown`, { event })
      : new RealtimeError('REPLY_LOST', `The connection was lost before ${JSON.stringify(event)} was answered; whether it was done is unknown`, { event })
  }

  async #control(event: string, payload: object, options?: RequestOptions): Promise<unknown> {
    const result = await this.#send(event, undefined, payload, options)
    if (!result.ok) {
      throw result.error
    }
    return result.data
  }

  #room(kind: string, id: unknown): JoinedRoom {
    const codec = this.#codec?.rooms.get(kind)
    if (this.#codec !== undefined && codec === undefined) {
      throw new TypeError(`The contract has no room of kind ${JSON.stringify(kind)}`)
    }
    const wireId = codec?.encode(id) ?? { ok: true, value: id }
    if (!wireId.ok) {
      throw invalidPayload(wireId.issues, CONTROL.join)
    }
    const key = roomKey(kind, wireId.value)
    const room = this.#rooms.get(key) ?? new JoinedRoom(kind, id, wireId.value)
    this.#rooms.set(key, room)
    return room
  }

  async #enter(room: JoinedRoom, options: RequestOptions = {}): Promise<void> {
    const { timeoutMs = REQUEST_TIMEOUT_MS } = options
    const untilMs = Date.now() + timeoutMs
    const address = { kind: room.kind, id: room.wireId }
    let result = await this.#send(CONTROL.join, undefined, address, options)
    // To join twice is to join once, so what a lost connection leaves open is simply asked again.
    while (!result.ok && result.error.code === 'REPLY_LOST' && Date.now() < untilMs) {
      result = await this.#send(CONTROL.join, undefined, address, { ...options, timeoutMs: untilMs - Date.now() })
    }
    if (!result.ok) {
      throw result.error
    }
    room.enter((result.data ?? {}) as JoinAnswer) // only the server of the SDK answers it
  }

  /** After a reconnect; nobody waits for it, so a refusal is told to `error`. */
  async #enterAgain(room: JoinedRoom): Promise<void> {
    try {
      await this.#enter(room)
    } catch (error) {
      room.lose()
      this.#tell('error', error)
    }
  }

  async #release(room: JoinedRoom): Promise<void> {
    room.holders = Math.max(room.holders - 1, 0)
    if (room.holders > 0) {
      return
    }
    this.#forget(room)
    if (this.status === 'connected') {
      await this.#control(CONTROL.leave, { kind: room.kind, id: room.wireId })
    }
  }

  #forget(room: JoinedRoom): void {
    if (room.holders === 0) {
      room.lose()
      this.#rooms.delete(roomKey(room.kind, room.wireId))
    }
  }

  /** @throws TypeError for an event that the contract does not have. */
  #eventCodec(direction: 'serverToClient' | 'clientToServer', event: string): EventCodec | undefined {
    const codec = this.#codec?.[direction].get(event)
    if (this.#codec !== undefined && codec === undefined) {
      throw new TypeError(`The contract has no ${direction} event ${JSON.stringify(event)}`)
    }
    return codec
  }

  #tell(event: string, payload: unknown): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      this.#guard(() => listener(payload), event)
    }
  }

  /** Calls what is the application's: where it fails, nobody else does. */
  #guard(call: () => unknown, event?: string): void {
    try {
      const result = call()
      if (result instanceof Promise) result.catch((cause: unknown) => this.#broken(cause, event))
    } catch (cause) {
      this.#broken(cause, event)
    }
  }

  #broken(cause: unknown, event: string | undefined): void {
    const heard = event !== 'error' && (this.#listeners.get('error')?.size ?? 0) > 0
    if (heard)
      this.#tell(
        'error',
        new RealtimeError('INTERNAL', `A listener or handler${event === undefined ? '' : ` of ${JSON.stringify(event)}`} failed`, {
          cause,
          ...(event !== undefined && { event }),
        }),
      )
    else reportUnheard(cause)
  }
}

function roomKey(kind: string, wireId: unknown): string {
  return `${kind}:${String(wireId)}`
}

/** A mistake that nobody listens for must still be seen: as an uncaught one in a browser, as a warning in Node.js. */
function reportUnheard(cause: unknown): void {
  if (typeof globalThis.reportError === 'function') globalThis.reportError(cause)
  else globalThis.process?.emitWarning(cause instanceof Error ? cause : String(cause))
}
