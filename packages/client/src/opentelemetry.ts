import { context, SpanKind, SpanStatusCode, type TracerProvider, trace } from '@opentelemetry/api'
import type { ClientTracing } from './tracing.js'

/** What `openTelemetry` takes. */
export interface OpenTelemetryOptions {
  /** Where spans go. @default the global one of `@opentelemetry/api` */
  readonly tracerProvider?: TracerProvider
}

/** Makes a span of every event that a client sends, which its trace at the server is part of: the client's option `tracing`. */
export function openTelemetry({ tracerProvider = trace.getTracerProvider() }: OpenTelemetryOptions = {}): ClientTracing {
  const tracer = tracerProvider.getTracer('@org/realtime-client')
  return {
    start(event, args, isRequest) {
      const kind = isRequest ? SpanKind.CLIENT : SpanKind.PRODUCER
      const span = tracer.startSpan(`${isRequest ? 'request' : 'emit'} ${event}`, { kind, attributes: { 'realtime.event': event } }, context.active())
      const { traceId, spanId, traceFlags } = span.spanContext()
      return {
        args: /^0+$/.test(traceId) ? args : withTrace(args, `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`),
        end(code) {
          if (code !== undefined) span.setAttribute('error.type', code).setStatus({ code: SpanStatusCode.ERROR })
          span.end()
        },
      }
    },
  }
}

/** The arguments of an event with its trace: in `$meta`, beside what is there. */
function withTrace([payload = null, meta]: readonly unknown[], trace: string): unknown[] {
  return [payload, { ...(meta as object | undefined), trace }]
}
