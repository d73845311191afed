import { checkTimeout, type DisconnectNotice, fromWireError, PROTOCOL_VERSION, RealtimeError, type SessionFacts } from '@org/realtime-contracts/wire'
import type { PositionStore } from './positions.js'
import { type Acknowledge, openSocket, type Socket, toPlace } from './socket.js'
import type { ClientTracing } from './tracing.js'

/** `idle` before the first `connect()`; `refused` when the server said no for good; `closed` after `close()`. */
export type Status = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'refused' | 'closed'

/** How a client reaches its server. */
export interface ConnectionOptions {
  /** Where the server is, such as `https://realtime.example.com`; as in Socket.IO, a path in it is the namespace. */
  readonly url: string
  /** Awaited before every way to a connection and every renewal, one call at a time; nothing for a client without a token. */
  readonly getToken?: () => string | null | undefined | Promise<string | null | undefined>
  /** The path of the handshake. @default '/socket.io/' */
  readonly path?: string
  /** @default ['polling', 'websocket'] */
  readonly transports?: ReadonlyArray<'polling' | 'websocket'>
  /** Names this client instance, 1–64 of `[A-Za-z0-9_-]`. @default a random one */
  readonly deviceId?: string
  /** Whether cookies go along to another origin. @default false */
  readonly withCredentials?: boolean
  /** The wait before the first new attempt, in milliseconds; doubled with each, and spread at random by a half. @default 1_000 */
  readonly reconnectDelayMs?: number
  /** Where the places in durable events are kept, for a page that goes on from there when it is loaded again. @default in memory */
  readonly positions?: PositionStore
  /** The longest wait between attempts, in milliseconds. @default 5_000 */
  readonly maxReconnectDelayMs?: number
  /** Carries the trace of what is sent to the server: `openTelemetry()` of `@org/realtime-client/opentelemetry`. @default none */
  readonly tracing?: ClientTracing
}

/** What a connection tells the client around it. */
export interface ConnectionEvents {
  /** Takes in what the server says of this client. @throws RealtimeError where it does not match the contract. */
  onAuthenticated(session: SessionFacts): void
  /** @param respond is there where the server waits for an answer. */
  onEvent(event: string, args: readonly unknown[], respond: ((reply: unknown) => void) | undefined): void
  onStatus(): void
  /** Where this device is in the durable events. */
  since(): Promise<object>
  onError(error: RealtimeError): void
}

type Facts = { readonly name: string; readonly version: string; readonly fingerprint: string }
type Timer = ReturnType<typeof setTimeout> | undefined

const ATTEMPT_MS = 20_000
const RENEW_AHEAD_MS = 30_000
const MAX_TIMER_MS = 2 ** 31 - 1

export interface Connection {
  readonly deviceId: string
  readonly tracing: ClientTracing | undefined
  status(): Status
  /** Why it is not connected, where it failed to be. */
  error(): RealtimeError | undefined
  /** @returns a function that forgets who waits for the reply; `undefined` where it is not connected, and nothing was sent. */
  send(packet: readonly [event: string, ...args: unknown[]], acknowledge?: Acknowledge): (() => void) | undefined
  /** Starts dialling unless it goes on already. */
  open(): void
  close(): void
  /** @throws RealtimeError `ABORTED`, `CLOSED`, the refusal, or one of code `late` after the timeout, while dialling goes on. */
  ready(timeoutMs: number, signal: AbortSignal | undefined, late: string, event?: string): Promise<unknown>
  /** One call at a time, however many wait for it. @throws RealtimeError what `getToken` threw, or `UNAVAILABLE` for what is none or comes too late; `ABORTED`; why the connection ended. */
  token(timeoutMs: number, signal: AbortSignal | undefined): Promise<unknown>
  /** Resolves after the time. @throws RealtimeError `ABORTED`, or why the connection ended. */
  pause(ms: number, signal: AbortSignal | undefined): Promise<unknown>
  /** Calls `renew` ahead of a token's end; of one that lasts months, months ahead. */
  renewBefore(expiresInMs: number | undefined, renew: () => void): void
}

/** One connection: keeps dialling until the server refuses it for good, and shows one status of it all. */
export function createConnection(
  { url, getToken, deviceId = randomId(), reconnectDelayMs = 1_000, maxReconnectDelayMs = 5_000, positions: _, tracing, ...engine }: ConnectionOptions,
  { name, version, fingerprint }: Facts,
  { onAuthenticated, onEvent, onStatus, onError, since }: ConnectionEvents,
): Connection {
  if (!url) {
    throw new TypeError('createRealtimeClient: url is required; a page of the server itself gives location.origin')
  }
  checkTimeout(reconnectDelayMs, 'reconnectDelayMs')
  checkTimeout(maxReconnectDelayMs, 'maxReconnectDelayMs')
  const place = toPlace(url)
  /** Each says whether a caller has been told. */
  const waiting = new Set<(error?: RealtimeError) => unknown>()
  let socket: Socket | undefined // of the attempt, or the connection
  let status: Status = 'idle'
  let end: RealtimeError | undefined // why it is closed or refused
  let last: RealtimeError | undefined // why the last attempt failed
  let pendingToken: Promise<string | null | undefined> | undefined
  let timer: Timer // of the attempt, or of the next one
  let renewal: Timer
  let attempts = 0 // since the last connection
  let dial = 0 // numbers the attempts, so that what is left of an older one goes unheard
  let expired = false // the last attempt failed for an old token, which is tried once more
  let notice: Partial<DisconnectNotice> = {} // what the server said before it closed

  function receive(event: string, args: readonly unknown[], respond: ((...reply: unknown[]) => void) | undefined): void {
    if (event === '$disconnect') {
      notice = Object(args[0])
      // The server waits for that: what was sent before it is still answered, and nothing is sent after it.
      if (respond) {
        if (status === 'connected') setStatus('reconnecting')
        respond()
      }
    }
    try {
      if (event === 'authenticated')
        authenticated(args[0] as SessionFacts) // who takes it in decodes it
      else onEvent(event, args, respond)
    } catch (cause) {
      // Not what the server of the SDK would send.
      const error = cause instanceof RealtimeError ? cause : new RealtimeError('INVALID_PAYLOAD', undefined, { cause, event })
      if (event === 'authenticated') failed(error)
      else onError(error)
    }
  }

  function authenticated(session: SessionFacts): void {
    status = 'connected' // what is told now may send at once
    last = undefined
    onAuthenticated(session)
    if (status !== 'connected') return // who was told has closed it
    clearTimeout(timer)
    attempts = 0
    expired = false
    onStatus()
    settleAll()
  }

  /** @returns how many callers have been told. */
  function settleAll(): number {
    return [...waiting].filter((settle) => settle(end)).length
  }

  function setStatus(next: Status): void {
    if (status !== next) {
      status = next
      onStatus()
    }
  }

  function token(): Promise<string | null | undefined> {
    pendingToken ??= (async () => getToken?.())()
      .catch((cause: unknown) => {
        throw cause instanceof RealtimeError ? cause : new RealtimeError('UNAVAILABLE', 'getToken failed', { cause })
      })
      .finally(() => {
        if (pendingToken === mine) pendingToken = undefined
      })
    const mine = pendingToken
    return mine
  }

  async function attempt(): Promise<void> {
    const mine = ++dial
    schedule(ATTEMPT_MS, () => {
      pendingToken = undefined // it may never come
      failed(new RealtimeError('UNAVAILABLE'))
    })
    try {
      const [fresh, positions] = await Promise.all([token(), since()])
      if (mine !== dial) return
      notice = {}
      const auth = {
        ...(fresh && { token: fresh }),
        realtime: { protocol: PROTOCOL_VERSION, contract: { name, version, fingerprint }, device: deviceId, features: ['meta'], since: positions },
      }
      socket = openSocket(place, engine as object, auth, {
        onEvent: ([event, ...args], respond) => receive(event, args, respond),
        onEnd: (error) =>
          failed(notice.code || notice.reason ? fromWireError({ code: error.code, ...notice, message: notice.reason, data: notice }, error.code) : error),
        onError,
      })
    } catch (cause) {
      // Beside token(), the Engine.IO client throws, for options that it cannot take.
      if (mine === dial) failed(cause instanceof RealtimeError ? cause : new RealtimeError('INTERNAL', (cause as Error).message, { cause }))
    }
  }

  /** Every way to fail ends here: dial again, or give up. */
  function failed(error: RealtimeError): void {
    const old = error.code === 'TOKEN_EXPIRED'
    if (old ? expired : !error.retryable) {
      stop('refused', error, true)
      return
    }
    expired = old && status !== 'connected'
    last = error
    abandon()
    const askedMs = Number((error.data as Partial<DisconnectNotice> | undefined)?.retryAfterMs) || 0
    const backoffMs = Math.min(reconnectDelayMs * 2 ** attempts++, maxReconnectDelayMs) * (0.5 + Math.random())
    schedule(expired ? 0 : askedMs + backoffMs, attempt) // where only the token was old there is no reason to wait
    setStatus(status === 'connecting' ? status : 'reconnecting') // last, since who is told may close
  }

  function schedule(ms: number, then: () => void): void {
    clearTimeout(timer)
    timer = setTimeout(then, Math.min(ms, MAX_TIMER_MS))
  }

  function stop(next: Status, reason: RealtimeError, tell?: boolean): void {
    watchWaking('removeEventListener', wake)
    end = reason
    pendingToken = undefined // whoever connects next may be somebody else
    const changed = status !== next
    status = next // what was sent and is lost now is lost for this reason
    abandon()
    const told = settleAll()
    if (changed) onStatus() // late, since who is told may connect again
    if (tell && !told) onError(reason)
  }

  /** Ends the attempt or the connection there is; what is left of it goes unheard. */
  function abandon(): void {
    dial++
    clearTimeout(timer)
    clearTimeout(renewal)
    socket?.close()
    socket = undefined
  }

  /** A page that wakes, or is online again, does not wait for the timer. */
  function wake(): void {
    if (status !== 'connected' && !socket && !globalThis.document?.hidden) void attempt()
  }

  /** A wait that ends where the connection does; for the connection itself, where nothing is started. */
  function wait(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    late: (() => RealtimeError) | undefined,
    start?: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void,
  ): Promise<unknown> {
    let settle: (error?: RealtimeError) => unknown
    return bounded(timeoutMs, signal, late, (resolve, reject) => {
      settle = (error) => {
        if (!error && start) return false
        waiting.delete(settle)
        if (error) reject(error)
        else resolve(undefined)
        return !start // only who waits for the connection itself has been told what became of it
      }
      if (end || (!start && status === 'connected')) settle(end)
      else {
        waiting.add(settle)
        start?.(resolve, reject)
      }
    }).finally(() => waiting.delete(settle))
  }

  return {
    deviceId,
    tracing,
    status: () => status,
    error: () => end ?? last,

    send: (packet, acknowledge) => (status === 'connected' ? socket?.send(packet, acknowledge) : undefined),

    open() {
      if (end || status === 'idle') {
        end = undefined
        last = undefined
        attempts = 0
        expired = false
        watchWaking('addEventListener', wake)
        void attempt()
        if (!end) setStatus('connecting') // getToken may have closed it
      }
    },

    close: () => stop('closed', new RealtimeError('CLOSED')),

    ready: (timeoutMs, signal, late, event) => wait(timeoutMs, signal, () => new RealtimeError(late, last?.message, { cause: last, event })),

    token: (timeoutMs, signal) =>
      wait(
        timeoutMs,
        signal,
        () => new RealtimeError('UNAVAILABLE', 'getToken takes too long'),
        (resolve, reject) => token().then(resolve, reject),
      ),

    pause: (ms, signal) => wait(ms, signal, undefined, () => {}),

    renewBefore(expiresInMs, renew) {
      clearTimeout(renewal)
      if (expiresInMs && status === 'connected')
        renewal = setTimeout(renew, Math.min(Math.max(expiresInMs - RENEW_AHEAD_MS, expiresInMs / 2, 1_000), MAX_TIMER_MS))
    },
  }
}

/** A promise that ends with a signal, as `ABORTED`, or after a time, as `late` says; work that has been started goes on unheard. */
export async function bounded(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  late: (() => RealtimeError) | undefined,
  start: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void,
): Promise<unknown> {
  let timer: Timer
  let off: (() => void) | undefined
  try {
    return await new Promise((resolve, reject) => {
      off = onAbort(signal, () => reject(new RealtimeError('ABORTED')))
      if (signal?.aborted) return
      timer = setTimeout(() => (late ? reject(late()) : resolve(undefined)), timeoutMs)
      start(resolve, reject)
    })
  } finally {
    clearTimeout(timer)
    off?.()
  }
}

/** Calls back when a signal aborts, also where it has already. @returns a function that ends it. */
export function onAbort(signal: AbortSignal | undefined, abort: () => void): () => void {
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  return () => signal?.removeEventListener('abort', abort)
}

// Neither is there in Node.js.
function watchWaking(change: 'addEventListener' | 'removeEventListener', wake: () => void): void {
  globalThis[change]?.('online', wake)
  globalThis.document?.[change]('visibilitychange', wake)
}

// crypto.randomUUID is missing on pages that are not served over https.
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join('')
}
