import type { Coded, Contract, ErrorsOf, EventCodec, PayloadOf, ReplyOf, Schema, ValueCodec } from '@org/realtime-contracts'
import {
  describeIssues,
  type EventMeta,
  findNonJson,
  invalidPayload,
  isObject,
  MAX_DEPTH,
  RealtimeError,
  type Reply,
  toWireError,
  type WireError,
} from '@org/realtime-contracts/wire'
import type { BaseUser } from './identity.js'

/** One client instance, kept across its reconnects; the socket's id for stock clients. An address, not a credential. */
export interface Device {
  readonly id: string
}

/** Failures that any handler or middleware may declare, with their data. */
interface OpenFailures {
  readonly FORBIDDEN: undefined
  readonly RATE_LIMITED: { retryAfterMs: number } | undefined
  readonly UNAVAILABLE: { retryAfterMs: number } | undefined
}

/** Makes the error that answers this call; throw what it returns. An error made elsewhere is answered as `INTERNAL`. */
export type Fail<Declared = unknown> = <Code extends keyof (Declared & OpenFailures) & string>(
  code: Code,
  ...rest: undefined extends (Declared & OpenFailures)[Code]
    ? [data?: (Declared & OpenFailures)[Code], message?: string]
    : [data: (Declared & OpenFailures)[Code], message?: string]
) => RealtimeError<Code>

interface Context<User> {
  readonly user: User
  readonly device: Device
  /** What the client's SDK sent beside the payload. */
  readonly meta: EventMeta
}

/** What a middleware sees of an event. */
export interface MiddlewareContext<User = BaseUser> extends Context<User> {
  readonly event: string
  /** Validated and decoded. */
  readonly payload: unknown
  readonly fail: Fail
}

/**
 * Runs around the handlers of events, outermost first. It lets the event through by `await next()`,
 * which rejects where what is inside failed, or refuses it by throwing `fail(...)`.
 */
export type Middleware<User = BaseUser> = (context: MiddlewareContext<User>, next: () => Promise<void>) => unknown

/** What a handler sees of an event `E`, named `K`. */
export interface HandlerContext<E, K extends string = string, User = BaseUser> extends Context<User> {
  readonly event: K
  readonly payload: PayloadOf<E>
  readonly fail: Fail<ErrorsOf<E>>
}

/** Handles one event of clients; what it returns is the reply, where the event has one. */
export type Handler<E, K extends string = string, User = BaseUser> = (context: HandlerContext<E, K, User>) => HandlerResult<E>
type HandlerResult<E> = E extends { reply: Schema } ? ReplyOf<E> | Promise<ReplyOf<E>> : unknown

/** Who sent an event, and how to tell them of a failure that nobody waits for. */
export interface Sender<User> {
  readonly user: User
  readonly device: Device
  sendError(error: WireError, event: string): void
}

/** Told of everything that went wrong inside the server and is answered as `INTERNAL`. */
export type Report = (error: unknown, context: { readonly event?: string; readonly userId?: string }) => void

type AnyHandler<User> = (context: MiddlewareContext<User>) => unknown

/** Answers one of the SDK's own events; a RealtimeError it throws is the answer. */
export type ControlHandler<S> = (payload: unknown, sender: S) => Promise<unknown>

interface Route<User> {
  readonly codec: EventCodec
  readonly steps: ReadonlyArray<Middleware<User>>
  readonly handler: AnyHandler<User>
}

type Acknowledge = (reply: Reply) => void
type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

/** The one guarded place that every inbound event goes through. It never throws, and answers whoever waits. */
export class Dispatcher<User extends BaseUser, S extends Sender<User> = Sender<User>> {
  readonly #routes = new Map<string, Route<User>>()
  readonly #controls = new Map<string, ControlHandler<S>>()
  readonly #middleware: Array<Middleware<User>> = []
  #inFlight = 0
  #closing = false
  #onIdle: Array<() => void> = []

  constructor(
    private readonly contract: Contract,
    private readonly report: Report,
  ) {}

  /** @throws TypeError where it is no function. */
  use(middleware: Middleware<User>): void {
    assertFunction(middleware, 'use: a middleware')
    this.#middleware.push(middleware)
  }

  /** @throws TypeError for an event that the contract does not have, or that has a handler already. */
  on(event: string, steps: ReadonlyArray<Middleware<User>>, handler: AnyHandler<User>): void {
    const where = `on(${JSON.stringify(event)})`
    const codec = this.contract.codec.clientToServer.get(event)
    if (codec === undefined) {
      throw new TypeError(`${where}: the contract "${this.contract.name}" has no such event in clientToServer`)
    }
    if (this.#routes.has(event)) {
      throw new TypeError(`${where}: there is a handler already, and an event has one`)
    }
    for (const step of steps) assertFunction(step, `${where}: a middleware`)
    assertFunction(handler, `${where}: the handler`)
    this.#routes.set(event, { codec, steps, handler })
  }

  control(event: string, handler: ControlHandler<S>): void {
    this.#controls.set(event, handler)
  }

  /** Whether {@link dispatch} would do more than refuse the event. */
  handles(event: unknown): boolean {
    return typeof event === 'string' && (this.#routes.has(event) || this.#controls.has(event))
  }

  /** Answers what comes from now on with `UNAVAILABLE`, and resolves once no handler is at work. */
  close(): Promise<void> {
    this.#closing = true
    return this.#inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve))
  }

  /** @param packet the event's name, its arguments, and last an acknowledgement where the sender waits. */
  dispatch(packet: readonly unknown[], sender: S): void {
    const [event, ...args] = packet
    const acknowledge = typeof args.at(-1) === 'function' ? (args.pop() as Acknowledge) : undefined
    const answer = new Answer(typeof event === 'string' ? event : '', acknowledge, sender, this.report)
    const inbound = decodeArguments(args)
    if (this.#closing) {
      answer.refuse(new RealtimeError('UNAVAILABLE', 'The server is closing'))
      return
    }
    if (!inbound.ok) {
      answer.refuse(inbound.error)
      return
    }
    const control = this.#controls.get(answer.event)
    const route = this.#routes.get(answer.event)
    if (control !== undefined) {
      this.#settle(
        attempt(() => control(inbound.payload, sender)),
        (outcome) => answer.control(outcome),
      )
    } else if (route !== undefined) {
      this.#call(route, inbound, answer, sender)
    } else {
      answer.refuse(new RealtimeError('UNKNOWN_EVENT', `The server does not handle ${describeEvent(event)}`))
    }
  }

  #call(route: Route<User>, inbound: Inbound, answer: Answer, sender: S): void {
    const payload = decodePayload(route.codec.payload, inbound)
    if (!payload.ok) {
      answer.refuse(invalidPayload(payload.issues, answer.event))
      return
    }
    const failures = new Failures(answer.event, route.codec.errors)
    const context: MiddlewareContext<User> = {
      event: answer.event,
      payload: payload.value,
      user: sender.user,
      device: sender.device,
      meta: inbound.meta,
      fail: failures.fail,
    }
    const steps = this.#middleware.length === 0 ? route.steps : [...this.#middleware, ...route.steps]
    // Without middleware and with a synchronous handler, the reply leaves in the same turn.
    const outcome = steps.length === 0 ? attempt(() => route.handler(context)) : runThrough(steps, route.handler, context)
    this.#settle(outcome, (settled) => answer.handled(settled, route.codec.reply, failures))
  }

  #settle(outcome: Outcome | Promise<Outcome>, settle: (outcome: Outcome) => void): void {
    if (!(outcome instanceof Promise)) {
      settle(outcome)
      return
    }
    this.#inFlight++
    void outcome.then(settle).finally(() => {
      this.#inFlight--
      if (this.#inFlight === 0) {
        for (const resolve of this.#onIdle.splice(0)) resolve()
      }
    })
  }
}

interface Inbound {
  readonly payload: unknown
  readonly meta: EventMeta
}

function decodeArguments(args: readonly unknown[]): ({ readonly ok: true } & Inbound) | { readonly ok: false; readonly error: RealtimeError } {
  const [payload, meta] = args
  const problem = args.length > 2 ? 'an event carries one payload at most' : findNonJson(payload, MAX_DEPTH)
  if (problem !== undefined) {
    return { ok: false, error: invalidPayload([{ path: [], message: problem }]) }
  }
  if (meta === undefined || meta === null) {
    return { ok: true, payload, meta: {} }
  }
  if (!isMeta(meta)) {
    return { ok: false, error: invalidPayload([{ path: [], message: 'an event carries one payload; what follows it can only be $meta' }]) }
  }
  const { key, trace } = meta
  return { ok: true, payload, meta: { ...(key !== undefined && { key }), ...(trace !== undefined && { trace }) } }
}

const MAX_META_LENGTH = 128

function isMeta(value: unknown): value is EventMeta {
  return (
    isObject(value) && ['key', 'trace'].every((name) => value[name] === undefined || (typeof value[name] === 'string' && value[name].length <= MAX_META_LENGTH))
  )
}

function decodePayload(codec: ValueCodec | undefined, { payload }: Inbound): Coded {
  if (codec === undefined) {
    return { ok: true, value: undefined }
  }
  const decoded = codec.decode(payload)
  // An absent payload before something else is null, since JSON has no hole.
  const absent = payload === null && !decoded.ok ? codec.decode(undefined) : decoded
  return absent.ok ? absent : decoded
}

function describeEvent(event: unknown): string {
  return typeof event === 'string' ? JSON.stringify(event.slice(0, 64)) : 'an event whose name is no text'
}

function attempt(work: () => unknown): Outcome | Promise<Outcome> {
  try {
    const value = work()
    return isThenable(value) ? Promise.resolve(value).then(succeed, failWith) : succeed(value)
  } catch (error) {
    return failWith(error)
  }
}

const succeed = (value: unknown): Outcome => ({ ok: true, value })
const failWith = (error: unknown): Outcome => ({ ok: false, error })

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

async function runThrough<User>(steps: ReadonlyArray<Middleware<User>>, handler: AnyHandler<User>, context: MiddlewareContext<User>): Promise<Outcome> {
  let outcome: Outcome | undefined
  async function run(index: number): Promise<void> {
    const step = steps[index]
    if (step === undefined) {
      outcome = await attempt(() => handler(context))
      if (!outcome.ok) throw outcome.error
      return
    }
    let inside: Promise<void> | undefined
    await step(context, () => {
      inside ??= run(index + 1)
      inside.catch(() => {}) // a middleware may not wait for it; it is waited for below
      return inside
    })
    // What failed inside has failed, also where a middleware looked away.
    await inside
  }
  try {
    await run(0)
  } catch (error) {
    return failWith(error)
  }
  return (
    outcome ??
    failWith(
      new Error(
        `A middleware of ${JSON.stringify(context.event)} neither called next() nor threw: await next() to let the event through, throw fail(...) to refuse it`,
      ),
    )
  )
}

const OPEN_FAILURES: ReadonlySet<string> = new Set<keyof OpenFailures>(['FORBIDDEN', 'RATE_LIMITED', 'UNAVAILABLE'])

/** The errors that `fail` made for one call: only these reach the client as they are. */
class Failures {
  readonly #made = new Map<unknown, WireError>()

  constructor(
    private readonly event: string,
    private readonly declared: ReadonlyMap<string, ValueCodec | undefined>,
  ) {}

  /** @throws TypeError for a code that is not declared, or data that does not match; the client is told `INTERNAL`. */
  readonly fail = (code: string, data?: unknown, message: string = code): RealtimeError<never> => {
    const wireData = this.#encode(code, data)
    const error = new RealtimeError(code, message, { data, event: this.event })
    this.#made.set(error, toWireError(new RealtimeError(code, message, { data: wireData })))
    return error as RealtimeError<never> // Fail gives it the type of its code
  }

  made(error: unknown): WireError | undefined {
    return this.#made.get(error)
  }

  #encode(code: string, data: unknown): unknown {
    if (!this.declared.has(code)) {
      const problem = findNonJson(data, MAX_DEPTH)
      if (OPEN_FAILURES.has(code) && problem === undefined) return data
      if (problem !== undefined) throw new TypeError(`fail: the data of ${code}: ${problem}`)
      throw new TypeError(`fail: ${JSON.stringify(this.event)} does not declare the error ${JSON.stringify(code)}`)
    }
    const coded = this.declared.get(code)?.encode(data) ?? { ok: true, value: undefined }
    if (!coded.ok) {
      throw new TypeError(`fail: the data of ${code} does not match the contract: ${describeIssues(coded.issues)}`)
    }
    return coded.value
  }
}

/** How one event is answered: to the acknowledgement where there is one, else failures to `error`. */
class Answer {
  constructor(
    readonly event: string,
    private readonly acknowledge: Acknowledge | undefined,
    private readonly sender: Sender<BaseUser>,
    private readonly report: Report,
  ) {}

  refuse(error: RealtimeError): void {
    this.#send({ ok: false, error: toWireError(error) })
  }

  control(outcome: Outcome): void {
    if (outcome.ok) {
      this.#send({ ok: true, data: outcome.value })
    } else if (outcome.error instanceof RealtimeError && outcome.error.origin === 'local') {
      this.refuse(outcome.error)
    } else {
      this.#internal(outcome.error)
    }
  }

  handled(outcome: Outcome, codec: ValueCodec | undefined, failures: Failures): void {
    if (!outcome.ok) {
      const error = failures.made(outcome.error)
      if (error === undefined) this.#internal(outcome.error)
      else this.#send({ ok: false, error })
      return
    }
    const reply = codec?.encode(outcome.value) ?? { ok: true, value: undefined }
    if (reply.ok) {
      this.#send({ ok: true, data: reply.value })
    } else {
      this.#internal(new TypeError(`The reply of ${JSON.stringify(this.event)} does not match the contract: ${describeIssues(reply.issues)}`))
    }
  }

  #internal(cause: unknown): void {
    this.refuse(new RealtimeError('INTERNAL', 'The server failed to handle this'))
    this.report(cause, { event: this.event, userId: this.sender.user.userId })
  }

  #send(reply: Reply): void {
    try {
      if (this.acknowledge !== undefined) this.acknowledge(reply)
      else if (!reply.ok) this.sender.sendError(reply.error, this.event)
    } catch (error) {
      this.report(error, { event: this.event, userId: this.sender.user.userId })
    }
  }
}

function assertFunction(value: unknown, what: string): void {
  if (typeof value !== 'function') {
    throw new TypeError(`${what} must be a function, got ${value === null ? 'null' : typeof value}`)
  }
}
