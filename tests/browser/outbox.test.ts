import { createRealtimeServer } from '@org/realtime-server'
import type { Browser, BrowserContext, JSHandle, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { shop } from '../commands/contract.js'
import { INSTALL_MS } from '../programs.js'
import { launchChromium } from './chromium.js'
import type { PageOutbox } from './outbox-page.js'
import { seen } from './page.js'
import { buildScript, createPageServer } from './script.js'

// A browser, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000 })

let browser: Browser
let script: string

beforeAll(async () => {
  ;[browser, script] = await Promise.all([launchChromium(), buildScript('outbox-page.ts')])
}, INSTALL_MS)
afterAll(() => browser?.close())

interface Shop {
  /** What was ordered, by whom. */
  readonly ordered: string[]
  readonly context: BrowserContext
  readonly url: string
}

/** A shop with pages of its own. */
async function startShop(): Promise<Shop> {
  const ordered: string[] = []
  const server = createPageServer(script)
  const realtime = createRealtimeServer(shop, { authenticate: ({ token }) => ({ userId: token ?? 'nobody' }), presence: { graceMs: 0 } })
  realtime.on('order', ({ payload, user }) => ({ number: ordered.push(`${user.userId} ${payload.item}`), at: new Date() }))
  realtime.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const context = await browser.newContext()
  onTestFinished(async () => {
    await context.close()
    await realtime.close({ drainMs: 0 })
    server.close()
  })
  const address = server.address()
  return { ordered, context, url: `http://localhost:${typeof address === 'object' ? address?.port : ''}` }
}

/** An outbox in a page, of the given user. */
async function open(page: Page, userId: string): Promise<JSHandle<PageOutbox>> {
  await page.waitForFunction(() => 'open' in window && window.open.length === 1)
  return page.evaluateHandle((id) => (window as unknown as { open(userId: string): PageOutbox }).open(id), userId)
}

async function openTab({ context, url }: Shop, userId: string): Promise<JSHandle<PageOutbox>> {
  const page = await context.newPage()
  await page.goto(url)
  return open(page, userId)
}

const send = (outbox: JSHandle<PageOutbox>, item: string) => outbox.evaluate((each, name) => each.send(name), item)
const waiting = (outbox: JSHandle<PageOutbox>) => outbox.evaluate((each) => each.waiting())
const connect = (outbox: JSHandle<PageOutbox>) => outbox.evaluate((each) => each.connect())

test('what was made offline survives a reload, and is sent in order, once', async () => {
  const started = await startShop()
  const page = await started.context.newPage()
  await page.goto(started.url)
  const before = await open(page, 'ada')
  for (const item of ['tea', 'milk', 'jam']) await send(before, item)
  await page.reload()
  const after = await open(page, 'ada')
  await seen(async () => (await waiting(after)).length === 3)
  expect(await waiting(after)).toEqual(['tea', 'milk', 'jam'])
  await send(after, 'bread')
  expect(started.ordered).toEqual([])
  await connect(after)
  expect(await after.evaluate((outbox) => outbox.numbers())).toEqual([4])
  expect(started.ordered).toEqual(['ada tea', 'ada milk', 'ada jam', 'ada bread'])
  await page.reload()
  const empty = await open(page, 'ada')
  await connect(empty)
  await send(empty, 'last')
  expect(await empty.evaluate((outbox) => outbox.numbers())).toEqual([5])
})

test('two tabs of one user share it: what one has made the other sends, and both hear what came of it', async () => {
  const started = await startShop()
  const [first, second] = [await openTab(started, 'ada'), await openTab(started, 'ada')]
  await send(first, 'tea')
  await send(second, 'milk')
  await send(first, 'jam')
  await seen(async () => (await waiting(second)).length === 3)
  await connect(second)
  await seen(async () => (await waiting(first)).length === 0)
  expect(started.ordered).toEqual(['ada tea', 'ada milk', 'ada jam'])
  expect(await second.evaluate((outbox) => outbox.numbers())).toEqual([2])
  await connect(first)
  await Promise.all([send(first, 'bread'), send(second, 'salt')])
  // The first tab asks again for what the second has sent, and is told the same.
  const numbers = await Promise.all([first, second].map((tab) => tab.evaluate((outbox) => outbox.numbers())))
  expect(numbers.flat().sort()).toEqual([1, 2, 3, 4, 5])
  expect(started.ordered).toHaveLength(5)
})

test('what one user has made is not sent by another who logs in on the same browser', async () => {
  const started = await startShop()
  const adas = await openTab(started, 'ada')
  await send(adas, 'tea')
  await adas.evaluate((outbox) => outbox.close())
  const eves = await openTab(started, 'eve')
  await connect(eves)
  await send(eves, 'milk')
  await eves.evaluate((outbox) => outbox.numbers())
  expect(await waiting(eves)).toEqual([])
  expect(started.ordered).toEqual(['eve milk'])
  const back = await openTab(started, 'ada')
  await connect(back)
  await seen(async () => started.ordered.length === 2)
  expect(started.ordered).toEqual(['eve milk', 'ada tea'])
})
