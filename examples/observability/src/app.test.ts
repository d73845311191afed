import { readFile } from 'node:fs/promises'
import { createTestRealtime } from '@org/realtime-testing'
import { expect, onTestFinished, test } from 'vitest'
import { startApp } from './app.js'
import { startTraffic } from './traffic.js'

interface Dashboard {
  readonly panels: ReadonlyArray<{ readonly title: string; readonly targets: ReadonlyArray<{ readonly expr: string }> }>
}

test('every panel of the dashboard shows metrics that the server has', async () => {
  const app = await startApp(0)
  onTestFinished(() => app.close())
  const endTraffic = await startTraffic(app)
  onTestFinished(endTraffic)
  await app.realtime.disconnectUser('katherine')
  const { panels } = JSON.parse(await readFile(new URL('../grafana/dashboard.json', import.meta.url), 'utf8')) as Dashboard
  const wanted = new Set(panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => namesIn(expr))))
  expect(wanted.size).toBeGreaterThan(6)
  await expect
    .poll(async () => {
      const names = new Set((await metricsOf(app.port)).map((line) => line.split(/[{ ]/)[0]))
      return [...wanted].filter((name) => !names.has(name) && !name.startsWith('realtime_limit')) // none has been hit
    })
    .toEqual([])
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

/** The metrics of an expression, without what it groups and selects by. */
function namesIn(expression: string): string[] {
  return expression.replaceAll(/by \([^)]*\)|\{[^}]*\}/g, '').match(/realtime_\w+/g) ?? []
}

async function metricsOf(port: number): Promise<string[]> {
  return (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).split('\n')
}
