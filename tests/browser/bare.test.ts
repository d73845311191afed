import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { contract } from '@org/realtime-contracts/events'
import { createRealtimeServer } from '@org/realtime-server'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { snippetsOf } from '../../scripts/markdown.js'
import { root } from '../example.js'
import { signToken, testJwt, until } from '../harness.js'
import { INSTALL_MS } from '../programs.js'
import { launchChromium } from './chromium.js'

// A browser, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000 })

const GUIDE = 'docs/guides/browser.md'
const client = dirname(createRequire(import.meta.url).resolve('socket.io-client/package.json'))
let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
}, INSTALL_MS)
afterAll(() => browser?.close())

/** The page that the guide shows, word for word. */
async function readPage(): Promise<string> {
  const page = snippetsOf({ path: GUIDE, text: await readFile(join(root, GUIDE), 'utf8') }).find(({ language }) => language === 'html')
  if (page === undefined) throw new Error(`${GUIDE} shows no page`)
  return `<!doctype html>\n<link rel="icon" href="data:," />\n${page.code}`
}

/** Serves the page, Socket.IO's own client and tokens of Ada's, and the events. */
async function start() {
  const page = await readPage()
  const script = await readFile(join(client, 'dist/socket.io.min.js'))
  let token = await signToken('ada')
  const server = createServer((request, response) => {
    if (request.url === '/') response.setHeader('content-type', 'text/html').end(page)
    else if (request.url === '/socket.io.min.js') response.setHeader('content-type', 'text/javascript').end(script)
    else if (request.url === '/token') response.end(token)
    else response.writeHead(404).end()
  })
  const realtime = createRealtimeServer(contract, { authenticate: testJwt() })
  const marked: string[] = []
  realtime.on('notification:mark_read', ({ payload: { notificationId }, fail }) => {
    if (notificationId === 'missing') throw fail('NOT_FOUND', { notificationId })
    marked.push(notificationId)
    return { success: true }
  })
  realtime.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    await realtime.close({ drainMs: 0 })
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server does not listen')
  return { realtime, marked, url: `http://127.0.0.1:${address.port}`, setToken: (value: string) => (token = value) }
}

/** Opens the page. @returns with what it writes to the console. */
async function open(url: string): Promise<{ page: Page; said: string[] }> {
  const page = await browser.newPage()
  onTestFinished(() => page.close())
  const said: string[] = []
  page.on('console', (message) => void said.push(message.text()))
  page.on('pageerror', (error) => void said.push(`failed: ${error.message}`))
  await page.goto(url)
  return { page, said }
}

const markRead = (page: Page, id: string) => page.evaluate((id) => (window as unknown as { markRead(id: string): Promise<void> }).markRead(id), id)

test('the page of the guide is let in, hears what its user is told, and is answered', async () => {
  const { realtime, marked, url } = await start()
  const { page, said } = await open(url)
  await until(() => said.includes('in as ada'))
  realtime.toUser('ada').emit('notification:new', { notification: { id: 'n-1', message: 'Well done' }, timestamp: new Date().toISOString() })
  await until(() => said.includes('Well done'))
  await markRead(page, 'n-1')
  await markRead(page, 'missing')
  await until(() => said.includes('NOT_FOUND'))
  expect(marked).toEqual(['n-1'])
  expect(said).toEqual(['in as ada', 'Well done', 'NOT_FOUND'])
})

test('the page of the guide says why it is not let in', async () => {
  const { url, setToken } = await start()
  setToken('none')
  const { page, said } = await open(url)
  await until(() => said.some((line) => line.startsWith('refused')))
  expect(said).toContainEqual(expect.stringMatching(/^refused \{code: UNAUTHENTICATED, /))
  expect(await page.evaluate('socket.active')).toBe(false)
})

test('the page of the guide hears of a failure that nobody waits for', async () => {
  const { url } = await start()
  const { page, said } = await open(url)
  await until(() => said.includes('in as ada'))
  await page.evaluate("socket.emit('notification:mark_read', { notificationId: 'missing' })")
  await until(() => said.length > 1)
  expect(said[1]).toMatch(/^notification:mark_read NOT_FOUND/)
})
