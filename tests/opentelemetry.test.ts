import { context, DiagLogLevel, diag, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { openTelemetry as clientTelemetry } from '@org/realtime-client/opentelemetry'
import { toManifest } from '@org/realtime-contracts'
import { createRealtimeEmitter } from '@org/realtime-server'
import { openTelemetry } from '@org/realtime-server/opentelemetry'
import { redisCluster } from '@org/realtime-server/redis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { contract } from './contract.js'
import { createTestClient, heard, refusalOf, signToken, startServer, until } from './harness.js'
import { startRedis } from './redis.js'

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager())
})
afterAll(() => context.disable())

function tracing() {
  const exporter = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const named = (name: string): ReadableSpan[] => exporter.getFinishedSpans().filter((span) => span.name === name)
  return { tracerProvider, tracer: tracerProvider.getTracer('tests'), named, spans: () => exporter.getFinishedSpans() }
}

/** Where a span hangs. */
function parentOf(span: ReadableSpan | undefined): { traceId: string | undefined; parent: string | undefined } {
  return { traceId: span?.spanContext().traceId, parent: span?.parentSpanContext?.spanId }
}

function below(span: ReadableSpan | undefined): { traceId: string | undefined; parent: string | undefined } {
  return { traceId: span?.spanContext().traceId, parent: span?.spanContext().spanId }
}

describe('a trace', () => {
  test('goes from the caller of a request to its handler, to what that emits, and ends with the answer', async () => {
    const { tracerProvider, tracer, named } = tracing()
    const server = await startServer({ observe: openTelemetry({ tracerProvider }) })
    server.realtime.on('echo', async ({ payload, user }) => {
      await Promise.resolve()
      server.realtime.toUser(user.userId).emit('note', { text: payload.text })
      return payload
    })
    const client = await server.client('ada', { tracing: clientTelemetry({ tracerProvider }) })
    await tracer.startActiveSpan('click', async (span) => {
      await client.request('echo', { text: 'x' })
      span.end()
    })
    const [click, request, handle, emit] = ['click', 'request echo', 'handle echo', 'emit note'].map((name) => named(name)[0])
    expect(parentOf(request)).toEqual(below(click))
    expect(parentOf(handle)).toEqual(below(request))
    expect(parentOf(emit)).toEqual(below(handle))
    expect([request, handle, emit].map((span) => span?.kind)).toEqual([SpanKind.CLIENT, SpanKind.SERVER, SpanKind.PRODUCER])
    expect(handle?.attributes).toMatchObject({ 'realtime.event': 'echo', 'user.id': 'ada' })
    expect(emit?.attributes).toMatchObject({ 'realtime.recipients': 1 })
  })

  test('says what failed on both sides', async () => {
    const { tracerProvider, named } = tracing()
    const server = await startServer({ observe: openTelemetry({ tracerProvider }) })
    server.realtime.on('take', ({ fail }) => {
      throw fail('LOCKED')
    })
    const client = await server.client('ada', { tracing: clientTelemetry({ tracerProvider }) })
    await client.tryRequest('take', { id: '7' })
    expect(named('handle take')[0]?.attributes['error.type']).toBe('LOCKED')
    expect(named('request take')[0]?.attributes['error.type']).toBe('LOCKED')
  })

  test('ends once, as failed, where nothing was sent or nobody waits for the answer', async () => {
    const { tracerProvider, named } = tracing()
    const server = await startServer()
    server.realtime.on('echo', () => new Promise(() => {}))
    const options = { url: server.url, getToken: () => signToken('ada'), tracing: clientTelemetry({ tracerProvider }) }
    const client = createTestClient(toManifest(contract), options) // which leaves validating to the server
    await client.connect()
    const noJson = { text: 1n } as unknown as { text: string }
    expect(() => client.emit('say', noJson)).toThrow(TypeError)
    await expect(client.request('echo', noJson)).rejects.toThrow(TypeError)
    await expect(client.request('echo', { text: 'x' }, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'REPLY_TIMEOUT' })
    await expect(client.request('echo', { text: 'x' }, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ code: 'ABORTED' })
    client.close()
    client.emit('say', { text: 'x' })
    const codes = (name: string): unknown[] => named(name).map(({ attributes }) => attributes['error.type'])
    expect(codes('request echo')).toEqual(['INTERNAL', 'REPLY_TIMEOUT', 'ABORTED'])
    expect(codes('emit say')).toEqual(['INTERNAL', 'NOT_CONNECTED'])
  })

  test('goes with an event that is not answered, and one without a payload', async () => {
    const { tracerProvider, named } = tracing()
    const server = await startServer({ observe: openTelemetry({ tracerProvider }) })
    server.realtime.on('poke', () => {})
    const client = await server.client('ada', { tracing: clientTelemetry({ tracerProvider }) })
    client.emit('poke')
    await until(() => named('handle poke').length === 1)
    expect(parentOf(named('handle poke')[0])).toEqual(below(named('emit poke')[0]))
  })

  test.each(['', 'none', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x'])(
    'begins at the server where a client sends %j for one',
    async (sent) => {
      const { tracerProvider, named } = tracing()
      const server = await startServer({ observe: openTelemetry({ tracerProvider }) })
      server.realtime.on('echo', ({ payload }) => payload)
      const stock = server.stock({ token: await signToken('ada') })
      await heard(stock, 'authenticated')
      expect(await stock.emitWithAck('echo', { text: 'x' }, { trace: sent })).toMatchObject({ ok: true })
      expect(named('handle echo')[0]?.parentSpanContext).toBeUndefined()
    },
  )

  test('goes from an emit through Redis to the node that writes it, also from a process without sockets', async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const cluster = () => redisCluster({ url: redis.url })
    const [here, there] = [tracing(), tracing()]
    const sender = await startServer({ cluster: cluster(), observe: openTelemetry(here) })
    const writer = await startServer({ cluster: cluster(), observe: openTelemetry(there) })
    const emitter = createRealtimeEmitter(contract, { cluster: cluster(), observe: openTelemetry(here) })
    onTestFinished(() => emitter.close())
    await writer.client('ada')
    here.tracer.startActiveSpan('job', (span) => {
      sender.realtime.toUser('ada').emit('note', { text: 'x' })
      span.end()
    })
    await until(() => there.named('write note').length === 1)
    expect(parentOf(here.named('emit note')[0])).toEqual(below(here.named('job')[0]))
    expect(parentOf(there.named('write note')[0])).toEqual(below(here.named('emit note')[0]))
    await until(() => emitter.ready)
    emitter.toAll().emit('note', { text: 'x' })
    await until(() => there.named('write note').length === 2)
    expect(parentOf(there.named('write note')[1])).toEqual(below(here.named('emit note')[1]))
  })

  test('is not made where there is to be none', async () => {
    const { tracerProvider, spans } = tracing()
    trace.setGlobalTracerProvider(tracerProvider)
    onTestFinished(() => trace.disable())
    const server = await startServer({ observe: openTelemetry({ tracerProvider: false }) })
    server.realtime.on('echo', ({ payload }) => payload)
    await (await server.client('ada')).request('echo', { text: 'x' })
    expect(spans()).toEqual([])
  })
})

/** What was measured: by metric and attributes, a sum or how often a histogram was told. */
async function measured(reader: PeriodicExportingMetricReader, exporter: InMemoryMetricExporter): Promise<Record<string, number>> {
  await reader.forceFlush()
  const metrics =
    exporter
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
  return Object.fromEntries(
    metrics.flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => [
        [descriptor.name, ...Object.entries(attributes).map(([key, each]) => `${key}=${String(each)}`)].join(' '),
        typeof value === 'number' ? value : value.count,
      ]),
    ),
  )
}

test('metrics count connections, events, emits, refusals and limits', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter })
  const meterProvider = new MeterProvider({ readers: [reader] })
  onTestFinished(() => meterProvider.shutdown())
  const server = await startServer({ observe: openTelemetry({ meterProvider, tracerProvider: false }) })
  server.realtime.on('knock', () => {})
  server.realtime.on('take', ({ fail }) => {
    throw fail('LOCKED')
  })
  await refusalOf(server.stock({ token: 'none' }))
  const client = await server.client('ada', { transports: ['websocket'] })
  const other = await server.client('ada', { transports: ['websocket'] })
  for (let time = 0; time < 4; time++) await client.tryRequest('knock', { text: 'x' })
  await client.tryRequest('take', { id: '7' })
  server.realtime.toUser('ada').emit('note', { text: 'x' })
  other.close()
  await until(async () => (await measured(reader, exporter))['realtime.connections.active'] === 1)
  expect(await measured(reader, exporter)).toEqual({
    'realtime.connections.active': 1,
    'realtime.handshake.duration realtime.transport=websocket': 2,
    'realtime.handshake.refused error.type=UNAUTHENTICATED': 1,
    'realtime.connection.duration': 1,
    'realtime.event.duration realtime.event=knock': 3,
    'realtime.event.duration realtime.event=knock error.type=RATE_LIMITED': 1,
    'realtime.event.duration realtime.event=take error.type=LOCKED': 1,
    'realtime.emits realtime.event=note realtime.origin=local': 1,
    'realtime.emit.recipients realtime.event=note realtime.origin=local': 2,
    'realtime.limit.hits realtime.limit=perSecond realtime.event=knock': 1,
  })
})

/** How often `note` was sent, in each collection so far. */
function emitsOf(exporter: InMemoryMetricExporter): Array<number | undefined> {
  return exporter.getMetrics().map(({ scopeMetrics }) => {
    const metric = scopeMetrics.flatMap(({ metrics }) => metrics).find(({ descriptor }) => descriptor.name === 'realtime.emits')
    return metric?.dataPoints.find(({ attributes }) => attributes['realtime.event'] === 'note')?.value as number | undefined
  })
}

test('every reader gets what was sent: since the start, or since it last asked', async () => {
  const [total, delta] = [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA].map((temporality) => new InMemoryMetricExporter(temporality))
  const readers = [total, delta].map((exporter) => new PeriodicExportingMetricReader({ exporter: exporter as InMemoryMetricExporter })) // there are two
  const meterProvider = new MeterProvider({ readers })
  onTestFinished(() => meterProvider.shutdown())
  const { realtime } = await startServer({ observe: openTelemetry({ meterProvider, tracerProvider: false }) })
  for (const times of [2, 3]) {
    for (let time = 0; time < times; time++) realtime.toUser('ada').emit('note', { text: 'x' })
    for (const reader of readers) await reader.forceFlush()
  }
  expect(emitsOf(total as InMemoryMetricExporter)).toEqual([2, 5])
  expect(emitsOf(delta as InMemoryMetricExporter)).toEqual([2, 3])
})

test('servers of one process that have the same provider are counted together, also by another copy of the package', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter })
  const meterProvider = new MeterProvider({ readers: [reader] })
  onTestFinished(() => meterProvider.shutdown())
  vi.resetModules()
  const { openTelemetry: copy } = await import('@org/realtime-server/opentelemetry')
  expect(copy).not.toBe(openTelemetry)
  const servers = await Promise.all(
    [openTelemetry, openTelemetry, copy].map((make) => startServer({ observe: make({ meterProvider, tracerProvider: false }) })),
  )
  for (let round = 0; round < 2; round++) {
    for (const { realtime } of servers) realtime.toUser('ada').emit('note', { text: 'x' })
    await reader.forceFlush()
  }
  expect(emitsOf(exporter)).toEqual([3, 6])
})

test('a view that throws harms nobody, and is told to the diagnostics of OpenTelemetry', async () => {
  const told: unknown[] = []
  const error = (...args: unknown[]): void => void told.push(args.at(-1))
  const ignore = (): void => {}
  diag.setLogger({ error, warn: ignore, info: ignore, debug: ignore, verbose: ignore }, { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true })
  onTestFinished(() => diag.disable())
  const broken = {
    process: () => {
      throw new Error('broken')
    },
  }
  const meterProvider = new MeterProvider({ views: [{ instrumentName: 'realtime.event.duration', attributesProcessors: [broken] }], readers: [] })
  const server = await startServer({ observe: openTelemetry({ meterProvider, tracerProvider: false }) })
  server.realtime.on('echo', ({ payload }) => payload)
  const client = await server.client('ada')
  expect(await client.request('echo', { text: 'x' })).toEqual({ text: 'x' })
  await until(() => told.length > 0)
  expect(String(told[0])).toBe('Error: broken')
})
