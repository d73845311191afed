import { randomBytes } from 'node:crypto'
import { optionsFromEnv } from '@org/realtime-server'
import { type App, close, createApp, listen } from './app.js'
import { contract } from './contract.js'
import { ConsoleMail } from './fallback.js'
import { buildPage, type Page } from './page.js'
import { runSession } from './session.js'
import { Timeline } from './timeline.js'
import { signToken } from './token.js'

const USERS = ['ada', 'grace']

let closing = false

async function main(): Promise<void> {
  // Without a secret of yours, one that ends with this process will do for looking around.
  const options = optionsFromEnv({ ...process.env, JWT_SECRET: process.env['JWT_SECRET'] || randomBytes(48).toString('base64') })
  if (/^\/(api|assets)?\/?$/.test(options.path)) throw new TypeError('WS_PATH: the page and its API are there; take another, such as /socket.io/')
  let built: Promise<Page> | undefined
  const page = (): Promise<Page> => (built ??= buildPage(contract, options.path))
  const app = createApp(options, new ConsoleMail(), page)
  // Its login gives a token to whoever asks, so only this machine may, unless you say otherwise.
  const port = await listen(app.server, options.port, process.env['WS_HOST'] || '127.0.0.1')
  endOnSignal(app)
  page().catch(() => {}) // waited for below

  const url = `http://localhost:${port}`
  const tokenOf = (userId: string): Promise<string> => signToken(userId, options.jwt)
  console.log(`A session of three clients on ${url}:\n`)
  await runSession(app, { url, path: options.path, tokenOf, timeline: new Timeline() })
  await page()

  console.log(`\nServing on ${url} (path ${options.path}): open it in a browser.`)
  console.log('Or connect with socket.io-client and auth: { token }:\n')
  for (const userId of USERS) console.log(`  ${userId.padEnd(6)} ${await tokenOf(userId)}`)
  console.log('\nCtrl-C ends it.')
}

function endOnSignal(app: App): void {
  const end = async (): Promise<void> => {
    if (closing) return
    closing = true
    await close(app)
    console.log('Closed.')
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Every process between the terminal and this one passes a Ctrl-C on: it may come more than once.
    process.on(signal, () => void end())
  }
}

main().catch((error: unknown) => {
  if (closing) return // what was under way has ended with it
  console.error(explain(error))
  process.exit(1)
})

function explain(error: unknown): unknown {
  if (error instanceof TypeError) {
    return `Cannot start: ${error.message}`
  }
  const { code, port } = error as { code?: string; port?: number }
  return code === 'EADDRINUSE' ? `Port ${port} is taken. Set WS_PORT to another, or 0 for a free one.` : error
}
