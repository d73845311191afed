import { type DisconnectNotice, fromWireError, isObject, PROTOCOL_VERSION, RealtimeError, type SessionFacts } from '@org/realtime-contracts/wire'
import { io, type Socket } from 'socket.io-client'

/** `idle` before the first `connect()`; `refused` when the server said no for good; `closed` after `close()`. */
export type Status = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'refused' | 'closed'

export interface ConnectionOptions {
  /** Where the server is, such as `https://realtime.example.com`. @default the page's own origin */
  readonly url?: string
  /** Awaited before every way to a connection and every renewal, one call at a time; nothing for a client without a token. */
  readonly getToken?: () => string | null | undefined | Promise<string | null | undefined>
  /** The path of the handshake. @default '/socket.io/' */
  readonly path?: string
  /** Socket.IO's namespace. @default '/' */
  readonly namespace?: string
  /** @default ['polling', 'websocket'] */
  readonly transports?: ReadonlyArray<'polling' | 'websocket'>
  /** Names this client instance, 1–64 of `[A-Za-z0-9_-]`. @default a random one */
  readonly deviceId?: string
  /** Whether cookies go along to another origin. @default false */
  readonly withCredentials?: boolean
  /** The wait before the first new attempt, in milliseconds; doubled with each, and spread at random by a half. @default 1_000 */
  readonly reconnectDelayMs?: number
  /** The longest wait between attempts, in milliseconds. @default 5_000 */
  readonly maxReconnectDelayMs?: number
}

export interface WaitOptions {
  /** In milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** What a connection tells the client around it. */
export interface ConnectionEvents {
  /** Decodes what the server says of this client; throws where it does not match the contract. */
  onAuthenticated(session: SessionFacts): void
  onEvent(event: string, args: unknown[]): void
  onStatus(): void
  onError(error: RealtimeError): void
}

type Contract = { readonly name: string; readonly version: string; readonly fingerprint: string }
type Waiter = { resolve(): void; reject(error: RealtimeError): void }

const ATTEMPT_MS = 20_000
const RENEW_AHEAD_MS = 30_000
const MAX_TIMER_MS = 2 ** 31 - 1

/** One connection: keeps dialling until the server refuses it for good, and shows one status of it all. */
export class Connection {
  readonly socket: Socket
  readonly deviceId: string
  status: Status = 'idle'
  #waiters = new Set<Waiter>()
  #token: Promise<string | null | undefined> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #renewal: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #dial = 0 // numbers the attempts, so that what is left of an older one is ignored
  #expired = false // the last attempt failed for an old token, which is tried once more
  #notice: DisconnectNotice | undefined

  constructor(
    private readonly options: ConnectionOptions,
    private readonly contract: Contract,
    private readonly events: ConnectionEvents,
  ) {
    this.deviceId = options.deviceId ?? randomId()
    this.socket = io(toAddress(options), {
      path: options.path ?? '/socket.io/',
      autoConnect: false,
      forceNew: true,
      // Socket.IO gives up on a refusal; dialling again is done here, for every reason alike.
      reconnection: false,
      ...(options.transports && { transports: [...options.transports] }),
      ...(options.withCredentials && { withCredentials: true }),
    })
    this.socket.on('connect_error', (error: Error & { data?: unknown }) => this.#failed(toRefusal(error)))
    this.socket.on('disconnect', (reason) => this.#lost(reason))
    this.socket.onAny((event: string, ...args: unknown[]) => this.#receive(event, args))
  }

  /** Starts dialling unless it goes on already. */
  open(): void {
    if (this.status === 'idle' || this.status === 'refused' || this.status === 'closed') {
      this.#failures = 0
      this.#expired = false
      this.#setStatus('connecting')
      watchWaking(this.#wake, true)
      void this.#attempt()
    }
  }

  close(): void {
    if (this.status === 'closed') {
      return
    }
    this.#stop('closed', new RealtimeError('CLOSED', 'The client was closed'))
  }

  /** @throws RealtimeError `ABORTED`, `CLOSED`, the refusal, or `late` after the timeout; dialling goes on. */
  ready({ timeoutMs, signal }: WaitOptions, late: () => RealtimeError): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      }
      const abort = (): void => waiter.reject(aborted())
      const timer = setTimeout(() => waiter.reject(late()), timeoutMs)
      const settle = (done: () => void): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#waiters.delete(waiter)
        done()
      }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', abort)
      if (signal?.aborted) abort()
      else if (this.status === 'connected') waiter.resolve()
    })
  }

  /** One call at a time, however many wait for it. @throws RealtimeError what `getToken` threw, or `UNAVAILABLE` for what is none. */
  token(): Promise<string | null | undefined> {
    this.#token ??= this.#getToken().finally(() => {
      this.#token = undefined
    })
    return this.#token
  }

  async #getToken(): Promise<string | null | undefined> {
    try {
      return await this.options.getToken?.()
    } catch (cause) {
      throw cause instanceof RealtimeError ? cause : new RealtimeError('UNAVAILABLE', 'getToken failed', { cause })
    }
  }

  /** Renews the token ahead of its end, by `renew`, which is told to try again where it fails. */
  renewIn(expiresInMs: number | undefined, renew: () => void): void {
    clearTimeout(this.#renewal)
    if (expiresInMs === undefined) {
      return
    }
    const untilMs = Date.now() + Math.max(expiresInMs - RENEW_AHEAD_MS, expiresInMs / 2)
    const arm = (): void => {
      const leftMs = untilMs - Date.now()
      this.#renewal = setTimeout(() => (leftMs > MAX_TIMER_MS ? arm() : renew()), Math.min(leftMs, MAX_TIMER_MS))
    }
    arm()
  }

  async #attempt(): Promise<void> {
    const dial = ++this.#dial
    const stale = (): boolean => dial !== this.#dial
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#failed(new RealtimeError('UNAVAILABLE', 'The server did not answer in time')), ATTEMPT_MS)
    try {
      const token = await this.token()
      if (stale()) return
      const { contract, deviceId: device } = this
      const { name, version, fingerprint } = contract
      this.socket.auth = { ...(token && { token }), realtime: { protocol: PROTOCOL_VERSION, contract: { name, version, fingerprint }, device } }
      this.#notice = undefined
      this.socket.connect()
    } catch (error) {
      if (!stale()) this.#failed(error as RealtimeError) // token() throws nothing else
    }
  }

  #receive(event: string, args: unknown[]): void {
    if (event === 'authenticated') {
      this.#authenticated(args[0])
      return
    }
    if (event === '$disconnect' && isObject(args[0])) {
      this.#notice = args[0] as unknown as DisconnectNotice // read as a wire error where it is used
    }
    this.events.onEvent(event, args)
  }

  #authenticated(session: unknown): void {
    try {
      this.events.onAuthenticated(session as SessionFacts) // who is told decodes it
    } catch (error) {
      this.#failed(error as RealtimeError) // it throws nothing else
      return
    }
    clearTimeout(this.#timer)
    this.#failures = 0
    this.#expired = false
    this.#setStatus('connected')
    for (const waiter of this.#waiters) waiter.resolve()
  }

  #lost(reason: string): void {
    if (reason === 'io client disconnect') {
      return // ours
    }
    const { code, reason: message, retryAfterMs } = this.#notice ?? {}
    const byServer = reason === 'io server disconnect' ? 'DISCONNECTED' : 'UNAVAILABLE'
    this.#failed(
      fromWireError(
        { code: code ?? byServer, message: message ?? `The connection was lost: ${reason}`, data: retryAfterMs === undefined ? undefined : { retryAfterMs } },
        byServer,
      ),
    )
  }

  /** Every way to fail ends here: dial again, or give up. */
  #failed(error: RealtimeError): void {
    const retry = error.code === 'TOKEN_EXPIRED' ? !this.#expired : error.retryable
    if (!retry) {
      if (this.#waiters.size === 0) this.events.onError(error)
      this.#stop('refused', error)
      return
    }
    this.#abandon()
    const expired = error.code === 'TOKEN_EXPIRED'
    const delayMs = expired ? 0 : this.#delayMs(error) // a fresh token is at hand: no reason to wait
    this.#expired = expired && this.status !== 'connected'
    this.#setStatus(this.status === 'connecting' ? 'connecting' : 'reconnecting')
    this.#timer = setTimeout(() => void this.#attempt(), delayMs)
  }

  #delayMs({ data }: RealtimeError): number {
    const { reconnectDelayMs = 1_000, maxReconnectDelayMs = 5_000 } = this.options
    const askedMs = isObject(data) && typeof data['retryAfterMs'] === 'number' ? data['retryAfterMs'] : 0
    const backoffMs = Math.min(reconnectDelayMs * 2 ** this.#failures++, maxReconnectDelayMs)
    return Math.min(askedMs + backoffMs * (0.5 + Math.random()), MAX_TIMER_MS)
  }

  #stop(status: Status, error: RealtimeError): void {
    watchWaking(this.#wake, false)
    this.#setStatus(status)
    this.#abandon()
    for (const waiter of this.#waiters) waiter.reject(error)
  }

  /** Ends the attempt or the connection there is; what is left of it goes unheard. */
  #abandon(): void {
    this.#dial++
    clearTimeout(this.#timer)
    clearTimeout(this.#renewal)
    this.socket.disconnect()
  }

  #setStatus(status: Status): void {
    if (this.status !== status) {
      this.status = status
      this.events.onStatus()
    }
  }

  /** A page that wakes, or is online again, does not wait for the timer. */
  readonly #wake = (): void => {
    if ((this.status === 'connecting' || this.status === 'reconnecting') && !this.socket.active && !(globalThis.document?.hidden ?? false)) {
      void this.#attempt()
    }
  }
}

function watchWaking(wake: () => void, on: boolean): void {
  const change = on ? 'addEventListener' : 'removeEventListener'
  // Neither is there in Node.js.
  globalThis[change]?.('online', wake)
  globalThis.document?.[change]('visibilitychange', wake)
}

export function aborted(): RealtimeError {
  return new RealtimeError('ABORTED', 'The caller has aborted it')
}

/** A refusal carries a wire error; anything else is a server that cannot be reached. */
function toRefusal(error: Error & { data?: unknown }): RealtimeError {
  return isObject(error.data)
    ? fromWireError(error.data, 'UNAVAILABLE')
    : new RealtimeError('UNAVAILABLE', `The server cannot be reached: ${error.message}`, { cause: error })
}

function toAddress({ url, namespace = '/' }: ConnectionOptions): string {
  const base = url ?? globalThis.location?.origin
  const parsed = base === undefined ? undefined : new URL(base) // throws a TypeError of its own
  if (parsed === undefined || parsed.pathname !== '/') {
    throw new TypeError('createRealtimeClient: url must be a scheme and a host, such as https://realtime.example.com; give the rest as path or namespace')
  }
  return parsed.origin + namespace
}

// crypto.randomUUID is missing on pages that are not served over https.
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
