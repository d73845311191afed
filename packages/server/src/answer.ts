import type { Cast, ValueCodec } from '@org/realtime-contracts'
import {
  describeIssues,
  findNonJson,
  type Issue,
  invalidPayloadOnWire,
  MAX_DEPTH,
  RealtimeError,
  type Reply,
  toWireError,
  type WireError,
} from '@org/realtime-contracts/wire'
import type { OpenFailures, Report, Sender } from './context.js'
import type { BaseUser } from './identity.js'
import type { ObservedCall } from './observe.js'
import { apply } from './older.js'

export type Acknowledge = (reply: Reply) => void
/** What came of a handler. */
export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

const OPEN_FAILURES: ReadonlySet<string> = new Set<keyof OpenFailures>(['INVALID_PAYLOAD', 'FORBIDDEN', 'RATE_LIMITED', 'UNAVAILABLE'])

/** The errors that `fail` made for one call: only these reach the client as they are. */
export class Failures {
  #made: Map<unknown, WireError> | undefined

  constructor(
    private readonly event: string,
    private readonly declared: ReadonlyMap<string, ValueCodec | undefined>,
  ) {}

  /** @throws TypeError for a code that is not declared, or data that does not match; the client is told `INTERNAL`. */
  readonly fail = (code: string, data?: unknown, message: string = code): RealtimeError<never> => {
    const wireData = this.#encode(code, data)
    const error = new RealtimeError(code, message, { data, event: this.event })
    this.#made ??= new Map()
    this.#made.set(error, toWireError(new RealtimeError(code, message, { data: wireData })))
    return error as RealtimeError<never> // Fail gives it the type of its code
  }

  /** The error of a call whose answer is given again. */
  restore(wire: WireError): RealtimeError {
    const error = new RealtimeError(wire.code, wire.message, { data: wire.data, event: this.event })
    this.#made ??= new Map()
    this.#made.set(error, wire)
    return error
  }

  made(error: unknown): WireError | undefined {
    return this.#made?.get(error)
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
export class Answer {
  /** To the version of the contract that the client has. */
  down: Cast | undefined

  constructor(
    readonly event: string,
    private readonly acknowledge: Acknowledge | undefined,
    private readonly sender: Sender<BaseUser>,
    private readonly report: Report,
    /** `undefined` where nobody observes. */
    readonly observed: ObservedCall | undefined,
  ) {}

  refuse(error: RealtimeError): void {
    this.#send({ ok: false, error: toWireError(error) })
  }

  refuseInvalid({ issues, isTooLarge }: { readonly issues: readonly Issue[]; readonly isTooLarge?: true }): void {
    this.#send({ ok: false, error: invalidPayloadOnWire(issues, this.event) })
    if (isTooLarge) this.observed?.tooLarge()
  }

  control(outcome: Outcome): void {
    if (outcome.ok) {
      this.#send({ ok: true, data: outcome.value })
    } else if (outcome.error instanceof RealtimeError && outcome.error.origin === 'local') {
      this.refuse(outcome.error)
    } else {
      this.internal(outcome.error)
    }
  }

  handled(outcome: Outcome, codec: ValueCodec | undefined, failures: Failures): void {
    if (!outcome.ok) {
      const error = failures.made(outcome.error)
      if (error === undefined) this.internal(outcome.error)
      else this.#send({ ok: false, error })
      return
    }
    const reply = codec?.encode(outcome.value) ?? { ok: true, value: undefined }
    if (reply.ok) {
      this.#reply(reply.value)
    } else {
      this.internal(new TypeError(`The reply of ${JSON.stringify(this.event)} does not match the contract: ${describeIssues(reply.issues)}`))
    }
  }

  #reply(data: unknown): void {
    let lowered = data
    try {
      if (this.down !== undefined) lowered = apply(this.down, data)
    } catch (error) {
      this.internal(error)
      return
    }
    this.#send({ ok: true, data: lowered })
  }

  /** Answers `INTERNAL`, and reports why. */
  internal(cause: unknown): void {
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
    this.observed?.replied(reply)
  }
}
