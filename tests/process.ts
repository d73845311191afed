import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Program } from './programs.js'

export const HOST = '127.0.0.1'

/** What a program says when its port was taken while it started. */
export class PortTaken extends Error {}

/** Another process may take a port between the look and the start: then the next one. */
export async function firstFree<T>(work: (port: number) => Promise<T>, offsets: readonly number[] = [0]): Promise<T> {
  for (;;) {
    const port = await freePort(offsets)
    try {
      return await work(port)
    } catch (error) {
      if (!(error instanceof PortTaken)) throw error
    }
  }
}

/** Below the ports that systems give to outgoing connections, so that it is still free for a restart. */
async function freePort(offsets: readonly number[]): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 12_000)
    const free = await Promise.all(offsets.map((offset) => isFree(port + offset)))
    if (free.every(Boolean)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, HOST, () => server.close(() => resolve(true)))
  })
}

export interface Launched {
  readonly child: ChildProcess
  /** The end of what it has said so far. */
  log(): string
}

const running = new Map<ChildProcess, NodeJS.Signals>()

process.once('exit', () => {
  for (const [child, signal] of running) child.kill(signal)
})

/**
 * Starts a program that does not outlive this process.
 * @param lastSignal ends it with this process; one with children of its own has to hear it.
 */
export async function launch({ path, env }: Program, args: readonly string[], lastSignal: NodeJS.Signals = 'SIGKILL'): Promise<Launched> {
  const child = spawn(path, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-10_000)))
  running.set(child, lastSignal)
  child.once('exit', () => running.delete(child))
  await once(child, 'spawn')
  return { child, log: () => log }
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Ends a process, and waits until it has. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(child)) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}
