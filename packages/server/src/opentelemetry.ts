import {
  type Attributes,
  type Context,
  context,
  type MeterProvider,
  metrics,
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
  const measured = createMetrics(meterProvider)
  return tracerProvider === false ? measured : { ...measured, ...createSpans(tracerProvider ?? trace.getTracerProvider(), measured) }
}

type Measured = Required<Omit<RealtimeObserver, 'handle' | 'eventIn'>>

const SHORT = { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] }
const LONG = { explicitBucketBoundaries: [1, 10, 60, 300, 900, 3_600, 14_400, 86_400] }

/** Durations are in seconds, as OpenTelemetry has them. */
function createMetrics(provider: MeterProvider): Measured {
  const meter = provider.getMeter(SCOPE)
  const active = meter.createUpDownCounter('realtime.connections.active', { unit: '{connection}', description: 'Connections that are in' })
  const handshakes = meter.createHistogram('realtime.handshake.duration', { unit: 's', description: 'From a handshake to authenticated', advice: SHORT })
  const refusals = meter.createCounter('realtime.handshake.refused', { unit: '{handshake}', description: 'Clients that were not let in' })
  const lives = meter.createHistogram('realtime.connection.duration', { unit: 's', description: 'How long connections were in', advice: LONG })
  const answers = meter.createHistogram('realtime.event.duration', { unit: 's', description: 'From an event of a client to its answer', advice: SHORT })
  const emits = meter.createCounter('realtime.emits', { unit: '{event}', description: 'Events that the server has sent, or written for another node' })
  const recipients = meter.createCounter('realtime.emit.recipients', { unit: '{connection}', description: 'Connections that events were written to' })
  const limits = meter.createCounter('realtime.limit.hits', { unit: '{hit}', description: 'What was refused, or ended, for being beyond a limit' })
  const attributesOf = createAttributes()
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
    reply: ({ event }, { code, durationMs }) => answers.record(durationMs / 1000, attributesOf(event, ERROR, code)),
    eventOut({ event, origin, recipients: count }) {
      const attributes = attributesOf(event, 'realtime.origin', origin)
      emits.add(1, attributes)
      if (count !== undefined && count > 0) recipients.add(count, attributes)
    },
    limitHit: ({ limit, event }) => limits.add(1, { 'realtime.limit': limit, ...(event !== undefined && { [EVENT]: event }) }),
  }
}

/** Attributes are made once for each name and value: both are few, and events many. */
function createAttributes(): (event: string, key: string, value: string | undefined) => Attributes {
  const known = new Map<string, Attributes>()
  return (event, key, value) => {
    const id = value === undefined ? event : `${event} ${value}`
    let attributes = known.get(id)
    if (attributes === undefined) {
      attributes = { [EVENT]: event, ...(value !== undefined && { [key]: value }) }
      known.set(id, attributes)
    }
    return attributes
  }
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
