import {
  type Attributes,
  type Context,
  context,
  diag,
  type Meter,
  type MeterProvider,
  metrics,
  type Observable,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import type { ObservedEmit, ObservedEvent, RealtimeObserver } from './observe.js'

/** What `openTelemetry` takes. */
export interface OpenTelemetryOptions {
  /** Where metrics go. @default the global one of `@opentelemetry/api` */
  readonly meterProvider?: MeterProvider
  /** Where spans go; `false` for nowhere. @default the global one of `@opentelemetry/api` */
  readonly tracerProvider?: TracerProvider | false
}

const SCOPE = '@org/realtime-server'
const EVENT = 'realtime.event'
const ERROR = 'error.type'
const USER = 'user.id'

/**
 * An observer that makes metrics and spans of what a server, or an emitter, does: its option `observe`.
 * The handler of an event runs in a span of its own, within the trace that the client has sent; what is emitted there belongs to it, also on other nodes.
 */
export function openTelemetry({ meterProvider = metrics.getMeterProvider(), tracerProvider }: OpenTelemetryOptions = {}): RealtimeObserver {
  const measured = metricsOf(meterProvider)
  return tracerProvider === false ? measured : { ...measured, ...createSpans(tracerProvider ?? trace.getTracerProvider(), measured) }
}

type Measured = Required<Omit<RealtimeObserver, 'handle' | 'eventIn'>>

// Two callbacks for one observable counter overwrite each other, and so may those of two copies of this package: a bundle's, or CommonJS beside ESM.
const SHARED = Symbol.for('@org/realtime-server metrics')
const shared = globalThis as { [SHARED]?: WeakMap<MeterProvider, Measured> }

/** One set of instruments for all observers of a provider. */
function metricsOf(provider: MeterProvider): Measured {
  shared[SHARED] ??= new WeakMap()
  const measured = shared[SHARED].get(provider) ?? createMetrics(provider)
  shared[SHARED].set(provider, measured)
  return measured
}

const SHORT = { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] }
const LONG = { explicitBucketBoundaries: [1, 10, 60, 300, 900, 3_600, 14_400, 86_400] }

/** Durations are in seconds, as OpenTelemetry has them. */
function createMetrics(provider: MeterProvider): Measured {
  const meter = provider.getMeter(SCOPE)
  const active = meter.createUpDownCounter('realtime.connections.active', { unit: '{connection}', description: 'Connections that are in' })
  const handshakes = meter.createHistogram('realtime.handshake.duration', { unit: 's', description: 'From a handshake to authenticated', advice: SHORT })
  const refusals = meter.createCounter('realtime.handshake.refused', { unit: '{handshake}', description: 'Clients that were not let in' })
  const lives = meter.createHistogram('realtime.connection.duration', { unit: 's', description: 'How long connections were in', advice: LONG })
  const limits = meter.createCounter('realtime.limit.hits', { unit: '{hit}', description: 'What was refused, or ended, for being beyond a limit' })
  const emits = meter.createObservableCounter('realtime.emits', {
    unit: '{event}',
    description: 'Events that the server has sent, or written for another node',
  })
  const recordAnswer = createAnswerTimes(meter, emits)
  const countEmit = createEmitCount(meter, emits)
  return {
    connect({ transport, durationMs }) {
      active.add(1)
      handshakes.record(durationMs / 1000, { 'realtime.transport': transport })
    },
    refuse: ({ code }) => refusals.add(1, { [ERROR]: code }),
    disconnect({ code, durationMs }) {
      active.add(-1)
      lives.record(durationMs / 1000, code === undefined ? {} : { [ERROR]: code })
    },
    reply: ({ event }, { code, durationMs }) => recordAnswer(event, code, durationMs / 1000),
    eventOut: countEmit,
    limitHit: ({ limit, event }) => limits.add(1, { 'realtime.limit': limit, ...(event !== undefined && { [EVENT]: event }) }),
  }
}

// So many records are made together: between other work the SDK's code is out of the caches each time, and costs up to twice as much.
const TOGETHER = 128

/** How long answers with the same attributes took. */
interface Durations {
  readonly attributes: Attributes
  /** In seconds; the first `count` of them are not recorded yet. */
  readonly waiting: Float64Array
  count: number
  /** Whether none was recorded since the provider has collected. */
  isFirst: boolean
}

/** @param collected an instrument that the provider asks for its value when it collects: what waits then is recorded first. */
function createAnswerTimes(meter: Meter, collected: Observable): (event: string, code: string | undefined, seconds: number) => void {
  const histogram = meter.createHistogram('realtime.event.duration', { unit: 's', description: 'From an event of a client to its answer', advice: SHORT })
  const answered = new Map<string, Durations>()
  const failed = new Map<string, Durations>()
  const record = ({ attributes }: Durations, seconds: number): void => {
    try {
      histogram.record(seconds, attributes)
    } catch (error) {
      diag.error(`${SCOPE}: a duration could not be recorded`, error) // by the code of a view
    }
  }
  const recordAll = (durations: Durations): void => {
    for (const seconds of durations.waiting.subarray(0, durations.count)) record(durations, seconds)
    durations.count = 0
  }
  const collect = (): void => {
    for (const durations of [...answered.values(), ...failed.values()]) {
      recordAll(durations)
      durations.isFirst = true
    }
  }
  meter.addBatchObservableCallback(collect, [collected])
  return (event, code, seconds) => {
    const durations =
      code === undefined
        ? getOrMake(answered, event, () => toDurations({ [EVENT]: event }))
        : getOrMake(failed, `${event} ${code}`, () => toDurations({ [EVENT]: event, [ERROR]: code }))
    durations.waiting[durations.count++] = seconds
    // A data point begins with its first record, which so is made when it happens.
    if (durations.isFirst || durations.count === TOGETHER) recordAll(durations)
    durations.isFirst = false
  }
}

function toDurations(attributes: Attributes): Durations {
  return { attributes, waiting: new Float64Array(TOGETHER), count: 0, isFirst: true }
}

/** The SDK makes a text of the attributes with every `add`, which costs a hundred times as much as counting: they are counted here, and it is told when it collects. */
function createEmitCount(meter: Meter, emits: Observable): (emit: ObservedEmit) => void {
  const sent = { local: new Map<string, Sent>(), remote: new Map<string, Sent>() }
  const observe = (counter: Observable, count: (of: Sent) => number): void =>
    counter.addCallback((result) => {
      for (const each of [...sent.local.values(), ...sent.remote.values()]) if (count(each) > 0) result.observe(count(each), each.attributes)
    })
  const recipients = { unit: '{connection}', description: 'Connections that events were written to' }
  observe(emits, (each) => each.emits)
  observe(meter.createObservableCounter('realtime.emit.recipients', recipients), (each) => each.recipients)
  return ({ event, origin, recipients = 0 }) => {
    const of = getOrMake(sent[origin], event, () => ({ attributes: { [EVENT]: event, 'realtime.origin': origin }, emits: 0, recipients: 0 }))
    of.emits++
    of.recipients += recipients
  }
}

/** What was sent of one event. */
interface Sent {
  readonly attributes: Attributes
  emits: number
  recipients: number
}

function getOrMake<T>(known: Map<string, T>, key: string, make: () => T): T {
  let value = known.get(key)
  if (value === undefined) {
    value = make()
    known.set(key, value)
  }
  return value
}

function createSpans(provider: TracerProvider, measured: Measured): Required<Pick<RealtimeObserver, 'eventIn' | 'handle' | 'reply' | 'eventOut'>> {
  const tracer = provider.getTracer(SCOPE)
  const spans = new WeakMap<ObservedEvent, Span>()
  return {
    eventIn(call) {
      const { event, isRequest, userId, deviceId, trace: sent } = call
      const attributes = { [EVENT]: event, [USER]: userId, 'realtime.device': deviceId }
      const kind = isRequest ? SpanKind.SERVER : SpanKind.CONSUMER
      spans.set(call, tracer.startSpan(`handle ${event}`, { kind, attributes }, within(sent, ROOT_CONTEXT)))
    },
    handle(call, work) {
      const span = spans.get(call)
      return span === undefined ? work() : context.with(trace.setSpan(context.active(), span), work)
    },
    reply(call, reply) {
      measured.reply(call, reply)
      const span = spans.get(call)
      if (reply.code !== undefined) {
        span?.setAttribute(ERROR, reply.code)
        // What a client does wrong is no fault of the server.
        if (reply.code === 'INTERNAL' || reply.code === 'UNAVAILABLE') span?.setStatus({ code: SpanStatusCode.ERROR })
      }
      span?.end()
    },
    eventOut(emit) {
      measured.eventOut(emit)
      return emit.origin === 'remote' && emit.trace === undefined ? undefined : toTraceparent(recordEmit(emit))
    },
  }

  function recordEmit({ event, origin, isRequest, recipients, length, trace: sent }: ObservedEmit): SpanContext {
    const [name, kind] = origin === 'remote' ? [`write ${event}`, SpanKind.CONSUMER] : [`emit ${event}`, isRequest ? SpanKind.CLIENT : SpanKind.PRODUCER]
    const attributes = {
      [EVENT]: event,
      ...(recipients !== undefined && { 'realtime.recipients': recipients }),
      ...(length !== undefined && { 'realtime.length': length }),
    }
    const span = tracer.startSpan(name, { kind, attributes }, origin === 'remote' ? within(sent, ROOT_CONTEXT) : context.active())
    span.end()
    return span.spanContext()
  }
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
const NOTHING = /^0+$/

/** @param sent comes from a client: what is no `traceparent` is no trace. */
function within(sent: string | undefined, otherwise: Context): Context {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(sent ?? '') ?? []
  if (traceId === '' || NOTHING.test(traceId) || NOTHING.test(spanId)) return otherwise
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true })
}

function toTraceparent({ traceId, spanId, traceFlags }: SpanContext): string | undefined {
  return NOTHING.test(traceId) ? undefined : `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}
