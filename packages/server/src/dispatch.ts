import type { Coded, Contract, EventCodec, ValueCodec } from '@org/realtime-contracts'
import { type EventMeta, findNonJson, invalidPayload, isKey, isObject, RealtimeError } from '@org/realtime-contracts/wire'
import { type Acknowledge, Answer, Failures, type Outcome } from './answer.js'
import type { Commands } from './commands.js'
import type { Middleware, MiddlewareContext, Report, Sender } from './context.js'
import type { BaseUser } from './identity.js'
import type { Limits } from './limits.js'
import type { Observation } from './observe.js'
import { apply, type OlderEvent } from './older.js'
import { isOversized } from './parser.js'

type AnyHandler<User> = (context: MiddlewareContext<User>) => unknown

/** Answers one of the SDK's own events; a RealtimeError it throws is the answer. */
export type ControlHandler<S> = (payload: unknown, sender: S) => Promise<unknown>

interface Route<User> {
  readonly event: string
  readonly codec: EventCodec
  readonly steps: ReadonlyArray<Middleware<User>>
  readonly handler: AnyHandler<User>
}

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
    private readonly limits: Limits,
    private readonly report: Report,
    private readonly commands: Commands,
    private readonly observation?: Observation,
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
    this.#routes.set(event, { event, codec, steps, handler })
  }

  control(event: string, handler: ControlHandler<S>): void {
    this.#controls.set(event, handler)
  }

  /** Whether {@link dispatch} would do more than refuse the event. */
  handles(event: unknown): boolean {
    return typeof event === 'string' && (this.#routes.has(event) || this.#controls.has(event))
  }

  /** Whether no handler is at work. */
  get isIdle(): boolean {
    return this.#inFlight === 0
  }

  /** Answers what comes from now on with `UNAVAILABLE`, and resolves once no handler is at work. */
  close(): Promise<void> {
    this.#closing = true
    return this.#inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve))
  }

  /** @param packet the event's name and its arguments. */
  dispatch(packet: readonly unknown[], acknowledge: Acknowledge | undefined, sender: S): void {
    const answer = this.#open(packet, acknowledge, sender)
    if (this.#closing || sender.isDraining) {
      answer.refuse(new RealtimeError('UNAVAILABLE', 'The server is closing'))
      return
    }
    const beyond = findBeyondLimits(packet, this.limits) ?? sender.allowance.begin()
    if (beyond !== undefined) {
      this.#refuse(answer, beyond, sender)
      answer.observed?.beyond(beyond.code, packet)
      return
    }
    const meta = readMeta(packet[2])
    if (meta === undefined) {
      answer.refuse(
        invalidPayload([{ path: [], message: 'an event carries one payload; what follows it can only be $meta, whose key is 1–64 of [A-Za-z0-9_-]' }]),
      )
      return
    }
    const payload = packet[1]
    const older = sender.older?.event(answer.event)
    const route = this.#routes.get(older?.name ?? answer.event)
    const control = this.#controls.get(answer.event)
    if (route !== undefined && older !== undefined) {
      this.#callOlder(route, older, payload, meta, answer, sender)
    } else if (route !== undefined) {
      this.#call(route, payload, meta, answer, sender)
    } else if (control !== undefined) {
      this.#settle(
        attempt(() => control(payload, sender)),
        (outcome) => answer.control(outcome),
        sender,
      )
    } else {
      answer.refuse(new RealtimeError('UNKNOWN_EVENT', `The server does not handle ${describeEvent(packet[0])}`))
    }
  }

  /** Answers an event that is beyond a limit. */
  refuse(packet: readonly unknown[], acknowledge: Acknowledge | undefined, error: RealtimeError, sender: S): void {
    this.#refuse(this.#open(packet, acknowledge, sender), error, sender)
  }

  #refuse(answer: Answer, error: RealtimeError, sender: S): void {
    answer.refuse(error)
    sender.allowance.refused()
  }

  #open(packet: readonly unknown[], acknowledge: Acknowledge | undefined, sender: S): Answer {
    const [event] = packet
    const name = typeof event === 'string' ? event.slice(0, this.limits.eventNameLength) : ''
    return new Answer(name, acknowledge, sender, this.report, this.observation?.open(packet, acknowledge !== undefined, sender))
  }

  /** What its own version lets through comes up to the server's, and the reply goes down. */
  #callOlder(route: Route<User>, { codec, up, down }: OlderEvent, wire: unknown, meta: EventMeta, answer: Answer, sender: S): void {
    const payload = decodePayload(codec.payload, wire)
    if (!payload.ok) {
      answer.refuseInvalid(payload)
      return
    }
    answer.down = down
    try {
      this.#call(route, up === undefined ? wire : apply(up, toOwn(codec.payload, wire)), meta, answer, sender)
    } catch (error) {
      answer.internal(error) // the cast's: nothing else throws
    }
  }

  #call(route: Route<User>, wire: unknown, meta: EventMeta, answer: Answer, sender: S): void {
    const payload = decodePayload(route.codec.payload, wire)
    if (!payload.ok) {
      answer.refuseInvalid(payload)
      return
    }
    const failures = new Failures(route.event, route.codec.errors)
    const context: MiddlewareContext<User> = {
      event: route.event,
      payload: payload.value,
      user: sender.user,
      device: sender.device,
      meta,
      fail: failures.fail,
    }
    const { idempotent } = route.codec
    const steps = this.#middleware.length === 0 ? route.steps : [...this.#middleware, ...route.steps]
    const handler = idempotent ? this.#once(route, wire, failures) : route.handler
    // Without middleware and with a synchronous handler, the reply leaves in the same turn.
    const outcome = answer.observed?.isWrapped ? answer.observed.around(() => run(steps, handler, context)) : run(steps, handler, context)
    this.#settle(outcome, (settled) => answer.handled(settled, idempotent ? ENCODED : route.codec.reply, failures), sender)
  }

  /** Middleware runs for every repeat, the handler for none. */
  #once({ codec, handler }: Route<User>, payload: unknown, failures: Failures): AnyHandler<User> {
    return (context) => {
      const call = { event: context.event, userId: context.user.userId, payload, key: context.meta.key, codec: codec.reply, failures }
      return this.commands.run(call, (command) => handler(Object.assign(context, command)))
    }
  }

  #settle(outcome: Outcome | Promise<Outcome>, settle: (outcome: Outcome) => void, { allowance }: S): void {
    if (!(outcome instanceof Promise)) {
      settle(outcome)
      return
    }
    this.#inFlight++
    allowance.pending(1)
    void outcome.then(settle).finally(() => {
      this.#inFlight--
      allowance.pending(-1)
      if (this.#inFlight === 0) {
        for (const resolve of this.#onIdle.splice(0)) resolve()
      }
    })
  }
}

/** What is refused whatever the contract says. */
function findBeyondLimits(packet: readonly unknown[], limits: Limits): RealtimeError | undefined {
  const [event] = packet
  if (typeof event === 'string' && event.length > limits.eventNameLength) {
    return new RealtimeError('UNKNOWN_EVENT', `The name of an event has at most ${limits.eventNameLength} characters`)
  }
  const problem = findProblem(packet, limits)
  return problem === undefined ? undefined : invalidPayload([{ path: [], message: problem }])
}

function findProblem(packet: readonly unknown[], { payloadBytes, payloadDepth }: Limits): string | undefined {
  if (isOversized(packet)) {
    return `larger than ${payloadBytes} bytes`
  }
  return packet.length > 3 ? 'an event carries one payload at most' : findNonJson(packet[1], payloadDepth)
}

const NO_META: EventMeta = Object.freeze({})

/** @returns `undefined` for what is none. */
function readMeta(meta: unknown): EventMeta | undefined {
  if (meta === undefined || meta === null) {
    return NO_META
  }
  if (!isMeta(meta)) {
    return undefined
  }
  const { key, trace } = meta
  return { ...(key !== undefined && { key }), ...(trace !== undefined && { trace }) }
}

const MAX_TRACE_LENGTH = 128

function isMeta(value: unknown): value is EventMeta {
  if (!isObject(value) || ArrayBuffer.isView(value)) return false
  const { key, trace } = value
  return (key === undefined || isKey(key)) && (trace === undefined || (typeof trace === 'string' && trace.length <= MAX_TRACE_LENGTH))
}

/** What a command comes to is encoded already. */
const ENCODED: ValueCodec = { encode: (value) => ({ ok: true, value }), decode: (value) => ({ ok: true, value }) }

function decodePayload(codec: ValueCodec | undefined, payload: unknown): Coded {
  if (codec === undefined) {
    return { ok: true, value: undefined }
  }
  const decoded = codec.decode(payload)
  // An absent payload before something else is null, since JSON has no hole.
  const absent = payload === null && !decoded.ok ? codec.decode(undefined) : decoded
  return absent.ok ? absent : decoded
}

/** What of an accepted payload a cast is given: nothing where the event has none, or where null only holds its place. */
function toOwn(codec: ValueCodec | undefined, wire: unknown): unknown {
  const isAbsent = codec === undefined || (wire === null && !codec.decode(null).ok)
  return isAbsent ? undefined : wire
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

function run<User>(steps: ReadonlyArray<Middleware<User>>, handler: AnyHandler<User>, context: MiddlewareContext<User>): Outcome | Promise<Outcome> {
  return steps.length === 0 ? attempt(() => handler(context)) : runThrough(steps, handler, context)
}

async function runThrough<User>(steps: ReadonlyArray<Middleware<User>>, handler: AnyHandler<User>, context: MiddlewareContext<User>): Promise<Outcome> {
  let outcome: Outcome | undefined
  async function step(index: number): Promise<void> {
    const middleware = steps[index]
    if (middleware === undefined) {
      outcome = await attempt(() => handler(context))
      if (!outcome.ok) throw outcome.error
      return
    }
    let inside: Promise<void> | undefined
    await middleware(context, () => {
      inside ??= step(index + 1)
      inside.catch(() => {}) // a middleware may not wait for it; it is waited for below
      return inside
    })
    // What failed inside has failed, also where a middleware looked away.
    await inside
  }
  try {
    await step(0)
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

function assertFunction(value: unknown, what: string): void {
  if (typeof value !== 'function') {
    throw new TypeError(`${what} must be a function, got ${value === null ? 'null' : typeof value}`)
  }
}
