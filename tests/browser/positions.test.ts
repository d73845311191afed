import { createRealtimeServer } from '@org/realtime-server'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { INSTALL_MS } from '../programs.js'
import { launchChromium } from './chromium.js'
import { seen } from './page.js'
import { kept } from './positions-contract.js'
import type { PositionsPage } from './positions-page.js'
import { buildScript, createPageServer } from './script.js'

// A browser, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000 })

let browser: Browser
let script: string

beforeAll(async () => {
  ;[browser, script] = await Promise.all([launchChromium(), buildScript('positions-page.ts')])
}, INSTALL_MS)
afterAll(() => browser?.close())

async function start() {
  const server = createPageServer(script)
  const realtime = createRealtimeServer(kept, { authenticate: ({ token }) => ({ userId: token ?? 'nobody' }), presence: { graceMs: 0 } })
  realtime.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const context: BrowserContext = await browser.newContext()
  onTestFinished(async () => {
    await context.close()
    await realtime.close({ drainMs: 0 })
    server.close()
  })
  const address = server.address()
  const url = `http://localhost:${typeof address === 'object' ? address?.port : ''}`
  return { context, url, tell: (n: number) => realtime.toUser('ada').emit('told', { n }) }
}

const of = (page: Page) => page.evaluate(() => ({ ...(window as unknown as { page: PositionsPage }).page, close: undefined })) // the script has put it there
const hasBegun = (page: Page) => page.waitForFunction(() => (window as Partial<{ page: PositionsPage }>).page?.begun.length === 1)
const isKept = (page: Page, n: number) => page.waitForFunction((text) => sessionStorage.getItem('realtime.positions')?.includes(text), `"sequence":${n},`)
const close = (page: Page) => page.evaluate(() => (window as unknown as { page: PositionsPage }).page.close())

test('a tab that is loaded again goes on where it was, and each tab has a place of its own', async () => {
  const { context, url, tell } = await start()
  const [first, second] = [await context.newPage(), await context.newPage()]
  for (const page of [first, second]) {
    await page.goto(url)
    await hasBegun(page)
  }
  await tell(1)
  await Promise.all([isKept(first, 1), isKept(second, 1)])
  await close(first)
  await tell(2)
  await isKept(second, 2)
  await first.reload()
  await hasBegun(first)
  await seen(async () => (await of(first)).heard.length === 1)
  expect([await of(first), await of(second)]).toMatchObject([
    { heard: [2], begun: [true] },
    { heard: [1, 2], begun: [false] },
  ])
})

test('a tab that was made of another goes on where that one was, and neither takes anything from the other', async () => {
  const { context, url, tell } = await start()
  const first = await context.newPage()
  await first.goto(url)
  await hasBegun(first)
  await tell(1)
  await isKept(first, 1)
  const [second] = await Promise.all([context.waitForEvent('page'), first.evaluate(() => void window.open(location.href))])
  await hasBegun(second)
  await close(second)
  for (const n of [2, 3]) await tell(n)
  await isKept(first, 3)
  await second.reload()
  await hasBegun(second)
  await seen(async () => (await of(second)).heard.length === 2)
  expect([await of(first), await of(second)]).toMatchObject([
    { heard: [1, 2, 3], begun: [false] },
    { heard: [2, 3], begun: [true] },
  ])
})
