import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { type App, close, createApp, listen } from '../../examples/notifications/src/app.js'
import { contract } from '../../examples/notifications/src/contract.js'
import type { StoredNotification } from '../../examples/notifications/src/inbox.js'
import { type Page as BuiltPage, buildPage } from '../../examples/notifications/src/page.js'
import { SECRET } from '../harness.js'

export type DeviceName = 'ada-laptop' | 'ada-phone' | 'grace-tablet'

const PATH = '/realtime/'

/** The page of the example, with React's development build: under StrictMode, effects run twice. */
export function buildExample(): Promise<BuiltPage> {
  return buildPage(contract, PATH)
}

export interface Example {
  readonly app: App
  readonly port: number
  readonly url: string
  /** Whom the fallback has told, and what. */
  readonly mails: ReadonlyArray<readonly [userId: string, notification: StoredNotification]>
  /** Calls the HTTP interface. */
  call(method: string, path: string, body?: unknown): Promise<unknown>
}

/** The server of the example on a free port, or on one that another has left; closed with the test. */
export async function startExampleApp(built: BuiltPage, port = 0): Promise<Example> {
  const mails: Array<readonly [string, StoredNotification]> = []
  const fallback = { name: 'e-mail', deliver: async (userId: string, notification: StoredNotification) => void mails.push([userId, notification]) }
  const app = createApp({ path: PATH, cors: {}, jwt: { secret: SECRET, issuer: false, audience: false } }, fallback, () => built)
  const taken = await listen(app.server, port, '127.0.0.1')
  onTestFinished(() => close(app))
  const url = `http://localhost:${taken}`
  return {
    app,
    port: taken,
    url,
    mails,
    async call(method, path, body) {
      const response = await fetch(`http://127.0.0.1:${taken}/api${path}`, {
        method,
        ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      })
      return response.json()
    },
  }
}

export interface OpenPage {
  readonly page: Page
  /** What the browser complains of: errors in the console, exceptions, requests to other hosts. */
  readonly complaints: readonly string[]
  device(name: DeviceName): Locator
  /** How much has moved by itself, as browsers measure it. */
  layoutShift(): Promise<number>
  /** The frames of one device in the timeline, oldest first, such as `up profile:get`. */
  crossings(name: DeviceName): Promise<string[]>
  socketId(name: DeviceName): Promise<string | null>
  /** What React says of itself to its developer tools: 1 for its development build. */
  bundleType(): Promise<number | undefined>
}

/** The page in a browser, with its three devices connected. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, ...options })
  onTestFinished(() => context.close())
  context.setDefaultTimeout(60_000) // the machine may be busy
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => /^(data:|http:\/\/localhost:)/.test(request.url()) || complaints.push(`a request to ${request.url()}`))
  await page.addInitScript(() => {
    const shifts = window as unknown as { layoutShift: number }
    shifts.layoutShift = 0
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as Array<PerformanceEntry & { value: number; hadRecentInput: boolean }>) {
        if (!entry.hadRecentInput) shifts.layoutShift += entry.value
      }
    }).observe({ type: 'layout-shift', buffered: true })
  })
  await page.addInitScript(() => {
    const tools = window as unknown as { bundleType?: number; __REACT_DEVTOOLS_GLOBAL_HOOK__: object }
    tools.__REACT_DEVTOOLS_GLOBAL_HOOK__ = {
      supportsFiber: true,
      inject: ({ bundleType }: { bundleType: number }) => (tools.bundleType = bundleType),
      onCommitFiberRoot() {},
      onCommitFiberUnmount() {},
    }
  })
  await page.goto(url)
  const open: OpenPage = {
    page,
    complaints,
    device: (name) => page.locator(`[data-device="${name}"].device`),
    layoutShift: () => page.evaluate(() => (window as unknown as { layoutShift: number }).layoutShift),
    crossings: async (name) => {
      const rows = page.locator('.timeline tbody tr', { has: page.locator(`.tag[data-device="${name}"]`) })
      return rows.evaluateAll((all) => all.map((row) => `${row.getAttribute('data-direction')} ${row.querySelector('.event > span:last-child')?.textContent}`))
    },
    socketId: (name) => page.locator(`[data-device="${name}"] [data-fact="socket"]`).textContent(),
    bundleType: () => page.evaluate(() => (window as unknown as { bundleType?: number }).bundleType),
  }
  await allConnected(open)
  return open
}

export async function allConnected({ page }: OpenPage): Promise<void> {
  await seen(async () => (await page.locator('.status[data-status="connected"]').count()) === 3)
}

/** Waits until a condition of the page holds; each look costs the browser something. */
export async function seen(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
