import { afterEach, expect, test, vi } from 'vitest'
import { heard, refusalOf, signToken, startServer, testJwt, until } from './harness.js'

// Only the wall clock is set; timers run as they do.
const DAY_S = 24 * 60 * 60
const SWEEPS_MS = 1_200

function setClock(): { by(ms: number): void } {
  const startMs = Date.now()
  const startedAtMs = performance.now()
  vi.useFakeTimers({ toFake: ['Date'] })
  return { by: (ms) => vi.setSystemTime(startMs + (performance.now() - startedAtMs) + ms) }
}

afterEach(() => {
  vi.useRealTimers()
})

/** Long enough for the server to have looked at every token twice. */
async function sweeps(): Promise<void> {
  const untilMs = performance.now() + SWEEPS_MS
  await until(() => performance.now() > untilMs)
}

test('a token of 60 days holds for 60 days, and not a second longer', async () => {
  const server = await startServer()
  const clock = setClock()
  const stock = server.stock({ token: await signToken('ada', { expiresInS: 60 * DAY_S }) })
  expect(await heard(stock, 'authenticated')).toMatchObject({ expiresInMs: expect.closeTo(60 * DAY_S * 1000, -4) })
  await sweeps()
  clock.by((60 * DAY_S - 30) * 1000)
  await sweeps()
  expect(stock.connected).toBe(true)
  const notice = heard(stock, '$disconnect')
  const jumpedAtMs = performance.now()
  clock.by((60 * DAY_S + 1) * 1000)
  expect(await notice).toMatchObject({ code: 'TOKEN_EXPIRED' })
  expect(performance.now() - jumpedAtMs).toBeLessThan(5_000) // within a second on a machine of its own
})

test('a clock that is set back keeps a token from nothing, and one that is set on ends it', async () => {
  const server = await startServer()
  const clock = setClock()
  const stock = server.stock({ token: await signToken('ada', { expiresInS: 3600 }) })
  await heard(stock, 'authenticated')
  clock.by(-DAY_S * 1000)
  await sweeps()
  expect(stock.connected).toBe(true)
  const notice = heard(stock, '$disconnect')
  clock.by(2 * 3600 * 1000)
  expect(await notice).toMatchObject({ code: 'TOKEN_EXPIRED' })
  expect(await refusalOf(server.stock({ token: await signToken('ada', { expiresInS: -60 }) }))).toMatchObject({ code: 'TOKEN_EXPIRED' })
})

test('a token may live 90 days, and not 91', async () => {
  const server = await startServer({ authenticate: testJwt() })
  await heard(server.stock({ token: await signToken('ada', { expiresInS: 90 * DAY_S - 60 }) }), 'authenticated')
  expect(await refusalOf(server.stock({ token: await signToken('ada', { expiresInS: 91 * DAY_S }) }))).toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('a client does not renew a token of 60 days at once, as a timer that overflows would', async () => {
  const server = await startServer()
  const getToken = vi.fn(() => signToken('ada', { expiresInS: 60 * DAY_S }))
  await server.client('ada', { getToken })
  await sweeps()
  expect(getToken).toHaveBeenCalledTimes(1)
})
