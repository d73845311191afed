import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Command {
  /** What to call it. */
  readonly title: string
  readonly program: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** What it says once it serves. */
  readonly ready: RegExp
}

export interface Started {
  readonly pid: number
  /** What `ready` has found. */
  readonly found: RegExpExecArray
  /** Ends it, and waits until it has. */
  end(signal?: NodeJS.Signals): Promise<void>
}

const running = new Set<ChildProcess>()

process.once('exit', () => {
  for (const child of running) child.kill('SIGTERM')
})

/** Starts a program, and waits until it serves. @throws Error with what it has said, where it does not. */
export async function start({ title, program, args, env = process.env, ready }: Command): Promise<Started> {
  // In a process group of its own, so that Ctrl-C does not end Redis before the nodes that say goodbye to it.
  const child = spawn(program, args, { env: withSbin(env), detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  child.once('exit', () => running.delete(child))
  const found = await saysSo(child, title, ready)
  return { pid: child.pid ?? 0, found, end: (signal = 'SIGTERM') => end(child, signal) }
}

/** The PATH of an ordinary user leaves out where Debian has nginx. */
function withSbin(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, PATH: `${env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin` }
}

function saysSo(child: ChildProcess, title: string, ready: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let output = ''
    const hear = (text: string): void => {
      output = (output + text).slice(-10_000)
      const found = ready.exec(output)
      if (found) resolve(found)
    }
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', hear)
    child.once('exit', () => reject(new Error(`${title} has ended:\n${output}`)))
    child.once('error', ({ message }) => {
      running.delete(child)
      reject(new Error(`${title} does not start (${message}). Install it so that it is on the PATH, or use docker compose: see README.md.`))
    })
  })
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}
