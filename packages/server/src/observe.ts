import type { ClientEvent, Contract, ServerEvent } from '@org/realtime-contracts'
import { type CONTROL, isObject, type Reply } from '@org/realtime-contracts/wire'
import type { RefusalListener } from './admission.js'
import type { Connection } from './connection.js'
import type { Report, Sender } from './context.js'
import type { BaseUser } from './identity.js'
import type { Limits } from './limits.js'
import { isOversized } from './parser.js'

/** An event of clients by name: of the contract, of the SDK itself, or `$unknown` for all others, so that nobody can make up names without end. */
export type ObservedName<C extends Contract = Contract> = ClientEvent<C> | (typeof CONTROL)[keyof typeof CONTROL] | '$unknown'

/** A client. */
export interface ObservedClient {
  /** Whose connection it is. */
  readonly userId: string
  /** The client instance. */
  readonly deviceId: string
}

/** An event that a client has sent; the same object in `eventIn`, `handle` and `reply`. */
export interface ObservedEvent<C extends Contract = Contract> extends ObservedClient {
  /** The event's name. */
  readonly event: ObservedName<C>
  /** Whether the client waits for an answer. */
  readonly isRequest: boolean
  /** The trace that the client says it belongs to, as W3C's `traceparent`. */
  readonly trace?: string
}

/** How an event of a client was answered; where nobody waits, how it would have been. */
export interface ObservedReply {
  /** Whether it went well. */
  readonly ok: boolean
  /** The error code, where it did not. */
  readonly code?: string
  /** From when the event was taken up until its answer was on its way, in milliseconds. */
  readonly durationMs: number
}

/** An event that the server sends. */
export interface ObservedEmit<C extends Contract = Contract> {
  /** The event's name. */
  readonly event: ServerEvent<C>
  /** `remote` for an event of another node, which this one has written to its own connections. */
  readonly origin: 'local' | 'remote'
  /** Whether devices are asked for an answer. */
  readonly isRequest: boolean
  /** How many connections of this node it was written to; `undefined` where it is not known. */
  readonly recipients: number | undefined
  /** How long the event is as JSON, in characters; `undefined` where it is not known. */
  readonly length: number | undefined
  /** The trace that came with it from another node, as W3C's `traceparent`. */
  readonly trace?: string
}

/** A client that was not let in. */
export interface ObservedRefusal {
  /** The error code. */
  readonly code: string
  /** The address of the peer: a proxy's, where there is one. */
  readonly address: string
  /** The page's origin, where there is one. */
  readonly origin: string | undefined
}

/** The name of a limit, as in the option `limits`; `perSecond` and `maxBytes` are those of one event, `handshakes` those on one transport. */
export type ObservedLimit = keyof Limits | 'perSecond' | 'maxBytes' | 'handshakes'

/**
 * Told what a server does. Every callback is optional, and called synchronously: it should not take long.
 * One that throws is told to `onError`, and changes nothing.
 */
export interface RealtimeObserver<C extends Contract = Contract> {
  /** A client is in. `durationMs` is from its handshake on, in milliseconds. */
  connect?(client: ObservedClient & { readonly transport: string; readonly durationMs: number }): void
  /** A client was not let in. */
  refuse?(refusal: ObservedRefusal): void
  /** A client has gone: `code` is why the server ended the connection, where it did; `reason` is Socket.IO's. `durationMs` is how long it was in, in milliseconds. */
  disconnect?(client: ObservedClient & { readonly code?: string; readonly reason: string; readonly durationMs: number }): void
  /** A client has sent an event; nothing has been checked yet. */
  eventIn?(event: ObservedEvent<C>): void
  /** Runs the handler and its middleware, for those who have to be around it. It calls `work` once, at once, and returns what that returns. */
  handle?<T>(event: ObservedEvent<C>, work: () => T): T
  /** An event of a client has its answer. */
  reply?(event: ObservedEvent<C>, reply: ObservedReply): void
  /**
   * An event was sent: once for each emit, and once on every other node that has written it.
   * @returns the trace to send along to other nodes, as W3C's `traceparent`.
   */
  eventOut?(event: ObservedEmit<C>): string | undefined | void
  /** Something was refused, or ended, for being beyond a limit. */
  limitHit?(hit: { readonly limit: ObservedLimit; readonly event?: ObservedName<C>; readonly userId?: string }): void
}

/** The application's observer, which can neither throw nor change what happens. There is none of this where nobody observes. */
export class Observation {
  readonly #followsEvents: boolean

  constructor(
    private readonly observer: RealtimeObserver,
    private readonly knows: (event: unknown) => boolean,
    private readonly report: Report,
  ) {
    this.#followsEvents = (['eventIn', 'handle', 'reply', 'limitHit'] as const).some((callback) => observer[callback] !== undefined)
  }

  connected({ user: { userId }, device, socket }: Connection<BaseUser>, ended: () => string | undefined): void {
    const client: ObservedClient = { userId, deviceId: device.id }
    const sinceMs = performance.now()
    this.#tell('connect', { ...client, transport: socket.conn.transport.name, durationMs: Math.max(0, Date.now() - socket.handshake.issued) })
    socket.on('disconnect', (reason) => {
      const code = ended()
      this.#tell('disconnect', { ...client, reason, durationMs: performance.now() - sinceMs, ...(code !== undefined && { code }) })
      if (code === 'SLOW_CONSUMER') this.limitHit('bufferedBytes', { userId })
      if (code === 'RATE_LIMITED') this.limitHit('refusals', { userId })
    })
  }

  readonly refused: RefusalListener = ({ code, data }, client) => {
    this.#tell('refuse', { code, ...client })
    this.#limited(code, data, {})
  }

  /** @param packet the event's name and its arguments. @returns `undefined` where nobody is told of events. */
  open(packet: readonly unknown[], isRequest: boolean, { user, device, allowance }: Sender<BaseUser>): ObservedCall | undefined {
    if (!this.#followsEvents) return undefined
    const event = this.knows(packet[0]) ? (packet[0] as string) : '$unknown'
    const call = withTrace({ event, isRequest, userId: user.userId, deviceId: device.id }, packet[2])
    if (this.observer.eventIn !== undefined) this.#tell('eventIn', call)
    return new ObservedCall(this, call, allowance.tookUpAtMs)
  }

  replied(call: ObservedEvent, reply: Reply, durationMs: number): void {
    try {
      this.observer.reply?.(call, reply.ok ? { ok: true, durationMs } : { ok: false, code: reply.error.code, durationMs })
    } catch (error) {
      this.report(error, { event: call.event, userId: call.userId })
    }
    if (!reply.ok) this.#limited(reply.error.code, reply.error.data, call)
  }

  /** Whether the observer wants to be around handlers. */
  get wraps(): boolean {
    return this.observer.handle !== undefined
  }

  /** Never throws, as `work` does not. */
  around<T>(call: ObservedEvent, work: () => T): T {
    let done: { readonly value: T } | undefined
    const once = (): T => {
      done ??= { value: work() }
      return done.value
    }
    try {
      this.observer.handle?.(call, once)
    } catch (error) {
      this.report(error, { event: call.event, userId: call.userId })
    }
    return once()
  }

  /** @returns the trace to send along. */
  sent(emit: ObservedEmit): string | undefined {
    try {
      return this.observer.eventOut?.(emit) ?? undefined
    } catch (error) {
      this.report(error, { event: emit.event })
      return undefined
    }
  }

  limitHit(limit: ObservedLimit, where: { readonly event?: string; readonly userId?: string }): void {
    this.#tell('limitHit', { limit, ...where })
  }

  /** What the SDK refuses for a limit has its name; what a handler refuses has none. */
  #limited(code: string, data: unknown, { event, userId }: Partial<ObservedEvent>): void {
    if (code !== 'RATE_LIMITED' || !isObject(data) || typeof data['limit'] !== 'string') return
    this.limitHit(data['limit'] as ObservedLimit, { ...(event !== undefined && { event }), ...(userId !== undefined && { userId }) })
  }

  #tell<K extends 'connect' | 'refuse' | 'disconnect' | 'eventIn' | 'limitHit'>(callback: K, what: Parameters<NonNullable<RealtimeObserver[K]>>[0]): void {
    try {
      ;(this.observer[callback] as ((what: unknown) => void) | undefined)?.call(this.observer, what)
    } catch (error) {
      this.report(error, {})
    }
  }
}

function withTrace(call: ObservedEvent, meta: unknown): ObservedEvent {
  return isObject(meta) && typeof meta['trace'] === 'string' ? { ...call, trace: meta['trace'] } : call
}

/** One event of a client, from when it came until it is answered. */
export class ObservedCall {
  constructor(
    private readonly observation: Observation,
    private readonly call: ObservedEvent,
    private readonly sinceMs: number,
  ) {}

  /** Whether its handler is to run in {@link around}. */
  get isWrapped(): boolean {
    return this.observation.wraps
  }

  around<T>(work: () => T): T {
    return this.observation.around(this.call, work)
  }

  replied(reply: Reply): void {
    this.observation.replied(this.call, reply, performance.now() - this.sinceMs)
  }

  /** Its payload is larger than the contract lets it be. */
  tooLarge(): void {
    this.observation.limitHit('maxBytes', { event: this.call.event, userId: this.call.userId })
  }

  /** It was refused for what the packet is: `RATE_LIMITED` says its limit in the reply. */
  beyond(code: string, packet: readonly unknown[]): void {
    const limit =
      code === 'UNKNOWN_EVENT' ? 'eventNameLength' : code === 'INVALID_PAYLOAD' ? (isOversized(packet) ? 'payloadBytes' : 'payloadDepth') : undefined
    if (limit !== undefined) this.observation.limitHit(limit, { event: this.call.event, userId: this.call.userId })
  }
}
