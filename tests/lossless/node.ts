import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Order, Setup } from './process.js'

const PROGRAM = fileURLToPath(new URL('process.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const ANSWER_MS = 3_000

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL') // also one that is stopped
})

type Task = Order extends infer O ? (O extends Order ? Omit<O, 'id'> : never) : never

/** A process that serves, and is started again on its port where it was killed. */
export class Node {
  #child: ChildProcess | undefined
  #isReady: Promise<unknown> = Promise.resolve()
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #lastId = 0

  constructor(private readonly setup: Setup) {}

  get url(): string {
    return `http://127.0.0.1:${this.setup.port}`
  }

  async start(): Promise<void> {
    const child = fork(PROGRAM, {
      cwd: ROOT,
      execArgv: ['--conditions=@org/source', '--import', 'tsx'],
      env: { ...process.env, LOSSLESS_SETUP: JSON.stringify(this.setup) },
    })
    running.add(child)
    this.#child = child
    this.#isReady = new Promise((resolve) => {
      child.on('message', ({ id, value, failed }: { id: number; value?: unknown; failed?: string }) => {
        if (id === -1) resolve(undefined)
        const waiting = this.#waiting.get(id)
        if (failed === undefined) waiting?.resolve(value)
        else waiting?.reject(new Error(failed))
      })
    })
    child.once('exit', () => {
      running.delete(child)
      for (const { reject } of this.#waiting.values()) reject(new Error('the node has gone'))
    })
    await this.#isReady
    while (!(await this.ask({ ask: 'ready' }).catch(() => false))) await delay(50)
  }

  /** @throws Error where the node fails, is gone, or does not answer in time. */
  async ask(task: Task): Promise<unknown> {
    const id = this.#lastId++
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      if (this.#child?.connected !== true) reject(new Error('the node is down'))
      else this.#child.send({ ...task, id }, (error) => error && reject(error))
    })
    const timer = new AbortController()
    const late = delay(ANSWER_MS, undefined, { signal: timer.signal }).then(() => Promise.reject(new Error('no answer')))
    late.catch(() => {})
    return Promise.race([answer, late]).finally(() => {
      timer.abort()
      this.#waiting.delete(id)
    })
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async pause(ms: number): Promise<void> {
    this.#child?.kill('SIGSTOP')
    await delay(ms)
    this.#child?.kill('SIGCONT')
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
