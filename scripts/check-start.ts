// Does what docs/getting-started.md says, in its order, from an empty folder and with the packed packages: writes its files, runs
// its commands, opens its page in a browser. Only its port is another one, as somebody may be there already.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { launchChromium } from '../tests/browser/chromium.js'
import { until } from '../tests/programs.js'
import { root, type Snippet, snippetsOf } from './markdown.js'
import { packAll } from './pack.js'
import { serveRegistry } from './registry.js'

type Page = Awaited<ReturnType<Awaited<ReturnType<typeof launchChromium>>['newPage']>>

const GUIDE = 'docs/getting-started.md'
const WAIT_MS = 60_000
const RUN_MS = 300_000

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** The file that a snippet is, by its first line. */
function fileOf({ code }: Snippet): string | undefined {
  return /^(?:\/\/|<!--) ([\w.-]+\.\w+)(?: -->)?\n/.exec(code)?.[1]
}

class Reader {
  readonly #folder = mkdtempSync(join(tmpdir(), 'realtime-start-'))
  #running: ChildProcess | undefined

  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly port: number,
  ) {}

  async follow(snippet: Snippet): Promise<void> {
    const text = snippet.code.replaceAll('3000', String(this.port))
    const file = fileOf(snippet)
    if (file !== undefined) this.#write(file, text)
    else if (snippet.info === 'sh keeps-running') await this.#start(text)
    else if (snippet.language === 'sh') await this.#run(text)
  }

  /** Whether the types hold after a change to a file. */
  async holdsWith(file: string, change: (text: string) => string): Promise<boolean> {
    const before = readFileSync(join(this.#folder, file), 'utf8')
    this.#write(file, change(before))
    try {
      await this.#run('npx tsc')
      return true
    } catch {
      return false
    } finally {
      this.#write(file, before)
    }
  }

  end(): void {
    if (this.#running?.pid !== undefined) process.kill(-this.#running.pid, 'SIGKILL') // with what it has started
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Without blocking: this process is also the registry. */
  async #run(commands: string): Promise<void> {
    console.log(commands.trim().replaceAll(/^/gm, '$ '))
    await promisify(execFile)('bash', ['-euc', commands], { cwd: this.#folder, env: this.env, timeout: RUN_MS })
  }

  #write(file: string, text: string): void {
    console.log(`> ${file}`)
    writeFileSync(join(this.#folder, file), text)
  }

  async #start(command: string): Promise<void> {
    console.log(`$ ${command.trim()} &`)
    let output = ''
    const child = spawn('bash', ['-euc', command], { cwd: this.#folder, env: this.env, detached: true })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += String(chunk)
      })
    }
    this.#running = child
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`${command} has ended:\n${output}`)
        return output.includes(`http://localhost:${this.port}`)
      },
      WAIT_MS,
      `${command} does not serve`,
    )
  }
}

async function shows(page: Page, text: string): Promise<void> {
  await page.getByText(text).first().waitFor({ timeout: WAIT_MS })
  console.log(`the page shows: ${text}`)
}

/** Opens the two pages, and sends from one to the other. */
async function look(ada: Page, grace: Page, url: string): Promise<void> {
  await ada.goto(url)
  await grace.goto(`${url}/?user=grace`)
  await shows(ada, 'You are ada')
  await shows(grace, 'You are grace')
  await grace.getByLabel('Message').fill('Hello from a page')
  await grace.getByRole('button').click()
  await shows(grace, 'Sent; you have 1 device(s)')
  await shows(ada, 'grace: Hello from a page')
  await grace.getByLabel('Message').fill('')
  await grace.getByRole('button').click()
  await shows(grace, 'INVALID_PAYLOAD')
}

async function main(): Promise<void> {
  const startMs = performance.now()
  const registry = await serveRegistry(packAll(join(root, '.cache/start')))
  const port = await freePort()
  const reader = new Reader({ ...process.env, ...registry.env }, port)
  const browser = await launchChromium()
  try {
    const [ada, grace] = [await browser.newPage(), await browser.newPage()]
    for (const snippet of snippetsOf({ path: GUIDE, text: readFileSync(join(root, GUIDE), 'utf8') })) {
      await reader.follow(snippet)
      if (snippet.info === 'sh keeps-running') await look(ada, grace, `http://localhost:${port}`)
    }
    await shows(ada, 'the server: Hello, ada')
    const misspelt = (text: string): string =>
      text.replace("'message:new': z.object({ from: z.string(), text:", "'message:new': z.object({ from: z.string(), txt:")
    if (await reader.holdsWith('contract.ts', misspelt)) throw new Error('tsc has not found the misspelt field')
  } finally {
    await browser.close()
    reader.end()
    registry.close()
  }
  console.log(`${GUIDE} does what it says, in ${Math.round((performance.now() - startMs) / 1000)} s.`)
}

await main()
