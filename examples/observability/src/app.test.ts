import { readFile } from 'node:fs/promises'
import { createRealtimeClient } from '@org/realtime-client'
import { manifest } from '@org/realtime-contracts/events/manifest'
import { createTestRealtime } from '@org/realtime-testing'
import { parser } from '@prometheus-io/lezer-promql'
import { expect, onTestFinished, test } from 'vitest'
import { type App, startApp } from './app.js'
import { startTraffic } from './traffic.js'

interface Dashboard {
  readonly panels: ReadonlyArray<{ readonly title: string; readonly targets: ReadonlyArray<{ readonly expr: string }> }>
}

test('every panel of the dashboard asks in PromQL for metrics and labels that the server has', async () => {
  const app = await startApp(0)
  onTestFinished(() => app.close())
  const endTraffic = await startTraffic(app)
  onTestFinished(endTraffic)
  await hitLimit(app)
  await app.realtime.disconnectUser('katherine')
  const { panels } = JSON.parse(await readFile(new URL('../grafana/dashboard.json', import.meta.url), 'utf8')) as Dashboard
  const wanted = panels.flatMap(({ title, targets }) => targets.flatMap(({ expr }) => selectionsOf(expr).map((selection) => ({ title, ...selection }))))
  expect(new Set(wanted.map(({ metric }) => metric)).size).toBeGreaterThan(8)
  await expect
    .poll(async () => {
      const labels = labelsByMetric(await metricsOf(app.port))
      return wanted.filter(({ metric, labels: asked }) => asked.some((label) => labels.get(metric)?.has(label) !== true))
    })
    .toEqual([])
})

test('what is no PromQL is found', () => {
  expect(() => selectionsOf('sum by (le (rate(realtime_emits_total[1m]))')).toThrow('is no PromQL')
  expect(selectionsOf('sum by (realtime_event) (rate(realtime_emits_total{realtime_origin="local"}[1m]))')).toEqual([
    { metric: 'realtime_emits_total', labels: ['__name__', 'realtime_event', 'realtime_origin'] },
  ])
})

test('what has happened is counted, by the event', async () => {
  const app = await startApp(0)
  onTestFinished(() => app.close())
  const endTraffic = await startTraffic(app)
  endTraffic()
  await expect.poll(async () => await metricsOf(app.port)).toEqual(expect.arrayContaining([expect.stringMatching(/^realtime_connections_active(\{.*\})? 0$/)]))
  const metrics = await metricsOf(app.port)
  expect(metrics).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^realtime_handshake_refused_total\{.*error_type="UNAUTHENTICATED".*\} 1$/),
      expect.stringMatching(/^realtime_event_duration_count\{.*realtime_event="notification:mark_read".*\} [1-3]$/),
      expect.stringMatching(/^realtime_emits_total\{.*realtime_event="xp:gained".*\} 3$/),
    ]),
  )
})

test('an event that is stored is counted, too', async () => {
  const app = await startApp(0)
  onTestFinished(() => app.close())
  const kit = await createTestRealtime.around(app.realtime)
  onTestFinished(() => kit.close())
  const laptop = await kit.connect('ada', { token: 'ada' })
  await laptop.request('notification:mark_read', { notificationId: 'n-1' })
  await laptop.expectEvent('notification:read', { notificationId: 'n-1' })
  expect(await metricsOf(app.port)).toContainEqual(expect.stringMatching(/^realtime_emits_total\{.*realtime_event="notification:read".*\} 1$/))
})

/** A payload that is too large. */
async function hitLimit({ port }: App): Promise<void> {
  const client = createRealtimeClient(manifest, { url: `http://127.0.0.1:${port}`, getToken: () => 'ada' })
  await client.connect()
  await client.tryRequest('notification:mark_read', { notificationId: 'x'.repeat(100_000) })
  client.close()
}

interface Selection {
  readonly metric: string
  readonly labels: readonly string[]
}

// Prometheus itself says of every metric where it has it from.
const OF_PROMETHEUS = new Set(['instance'])

/** The metrics of an expression, each with all labels that the expression groups and selects by. @throws where it is no PromQL, by the grammar of Prometheus. */
function selectionsOf(expression: string): Selection[] {
  const text = expression.replaceAll('$__rate_interval', '1m') // Grafana's own
  const metrics = new Set<string>()
  const labels = new Set(['__name__'])
  parser.parse(text).iterate({
    enter({ type, from, to }) {
      if (type.isError) throw new Error(`${expression} is no PromQL, at ${from}`)
      if (type.name === 'VectorSelector') metrics.add(/^\w+/.exec(text.slice(from, to))?.[0] ?? '')
      if (type.name === 'LabelName') labels.add(text.slice(from, to))
    },
  })
  return [...metrics].map((metric) => ({ metric, labels: [...labels].filter((label) => !OF_PROMETHEUS.has(label)) }))
}

/** The labels that each metric has in some line of what Prometheus is given. */
function labelsByMetric(lines: readonly string[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const line of lines.filter((each) => each !== '' && !each.startsWith('#'))) {
    const [, metric = '', labels = ''] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? []
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, name = '']) => name)
    found.set(metric, new Set([...(found.get(metric) ?? []), '__name__', ...names]))
  }
  return found
}

async function metricsOf(port: number): Promise<string[]> {
  return (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).split('\n')
}
