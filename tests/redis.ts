import { type ChildProcess, execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { end, firstFree, HOST, hasEnded, launch, PortTaken } from './process.js'
import { findProgram, type Program, until } from './programs.js'

const run = promisify(execFile)

const READY_MS = 20_000
/** Where Redis listens for the other nodes of a cluster, above its port. */
const BUS_OFFSET = 10_000

export interface RedisOptions {
  /** More arguments of `redis-server`, such as `['--maxmemory', '10mb']`. */
  readonly args?: readonly string[]
}

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Its process, while it runs. */
  readonly pid: number | undefined
  /** Its own folder, removed by `stop`. */
  readonly folder: string
  /** Ends the process, by `SIGKILL` unless told otherwise, and waits until it has. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Keeps its connections open and answers nothing, until `resume`. */
  pause(): void
  resume(): void
  /** Starts it anew on the same port, empty; one that still runs is killed first. */
  restart(): Promise<void>
  /** Leaves no process and no folder; more than once is fine. */
  stop(): Promise<void>
}

export interface RedisCluster {
  readonly nodes: readonly RedisServer[]
  readonly urls: readonly string[]
  stop(): Promise<void>
}

interface Place {
  readonly program: Program
  readonly port: number
  readonly folder: string
  readonly args: readonly string[]
}

/** A Redis on a free port of the loopback, without persistence; the caller stops it. */
export async function startRedis({ args = [] }: RedisOptions = {}): Promise<RedisServer> {
  const program = await findRedis()
  const folder = await mkdtemp(join(tmpdir(), 'realtime-redis-'))
  try {
    return await firstFree((port) => start({ program, port, folder, args }), [0, BUS_OFFSET])
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** Three masters that share the slots. */
export async function startRedisCluster({ args = [] }: RedisOptions = {}): Promise<RedisCluster> {
  const clustered = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-announce-ip', HOST, ...args]
  const started = await Promise.allSettled(Array.from({ length: 3 }, () => startRedis({ args: clustered })))
  const nodes = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())))
  try {
    for (const result of started) if (result.status === 'rejected') throw result.reason
    await joinCluster(nodes)
  } catch (error) {
    await stop()
    throw error
  }
  return { nodes, urls: nodes.map(({ url }) => url), stop }
}

/** Returns when every node knows the others and serves. */
async function joinCluster(nodes: readonly RedisServer[]): Promise<void> {
  const { path, env } = await findRedis()
  const addresses = nodes.map(({ port }) => `${HOST}:${port}`)
  await run(join(dirname(path), 'redis-cli'), ['--cluster', 'create', ...addresses, '--cluster-replicas', '0', '--cluster-yes'], { env, timeout: READY_MS })
  for (const { port } of nodes) await until(() => isClustered(port, nodes.length), READY_MS, `the Redis node on port ${port} did not join its cluster`)
}

async function isClustered(port: number, size: number): Promise<boolean> {
  const info = await ask(port, 'CLUSTER INFO')
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${size}`) && info.includes('cluster_slots_ok:16384')
}

/** What Redis answers to one command, over a connection of its own. */
export async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, HOST)
  try {
    socket.write(`${command}\r\n`)
    let received = ''
    for await (const chunk of socket.setEncoding('utf8')) {
      received += chunk
      const answer = answerIn(received)
      if (answer !== undefined) return answer
    }
    throw new Error(`Redis on port ${port} closed the connection before it answered ${command}`)
  } finally {
    socket.destroy()
  }
}

/** A command as Redis was sent it, and by which connection. */
export interface SeenCommand {
  readonly from: string
  readonly name: string
  readonly args: readonly string[]
}

/** All that clients ask a Redis for from now on, but what its scripts do; the caller stops it. */
export async function watchCommands(port: number): Promise<{ readonly seen: readonly SeenCommand[]; stop(): void }> {
  const socket = connect(port, HOST).setEncoding('utf8')
  const seen: SeenCommand[] = []
  let rest = ''
  let isWatching = false
  socket.on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\r\n')
    rest = lines.pop() ?? ''
    isWatching ||= lines[0] === '+OK'
    for (const line of lines) seen.push(...toCommand(line))
  })
  socket.write('MONITOR\r\n')
  await until(() => isWatching, READY_MS, 'Redis does not say what it is asked for')
  return { seen, stop: () => void socket.destroy() }
}

/** Of a line such as `+1700000000.1 [0 127.0.0.1:4000] "GET" "key"`. */
function toCommand(line: string): SeenCommand[] {
  const [, from, quoted] = /^\+[\d.]+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? []
  if (from === undefined || quoted === undefined || from === 'lua') return []
  const [name = '', ...args] = [...quoted.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text)
  return [{ from, name: name.toUpperCase(), args }]
}

/** A line, or a text of the length that its first line tells. */
function answerIn(received: string): string | undefined {
  const end = received.indexOf('\r\n')
  if (end < 0) return undefined
  if (!received.startsWith('$')) return received.slice(1, end)
  const text = received.slice(end + 2)
  const length = Number(received.slice(1, end))
  return Buffer.byteLength(text) < length + 2 ? undefined : text.slice(0, -2)
}

let found: Promise<Program> | undefined

function findRedis(): Promise<Program> {
  found ??= findProgram('redis-server').then(atLeast7)
  return found
}

async function atLeast7(program: Program): Promise<Program> {
  const { stdout } = await run(program.path, ['--version'], { env: program.env })
  const version = /v=(\d+)/.exec(stdout)?.[1]
  if (Number(version) >= 7) return program
  throw new Error(`The tests need Redis 7, and ${program.path} is ${stdout.trim()}: put a newer redis-server first on the PATH.`)
}

/** Starts the process and gives its handle as soon as it answers. */
async function launchRedis(place: Place): Promise<ChildProcess> {
  const { child, log } = await launch(place.program, argumentsFor(place))
  try {
    // Its own word first: on a port that was taken, another Redis would answer.
    await until(() => hasEnded(child) || log().includes('Ready to accept connections'), READY_MS, 'redis-server did not get ready')
    if (!hasEnded(child)) await until(() => hasEnded(child) || answersPing(place.port), READY_MS, 'redis-server does not answer PING')
  } catch (error) {
    await end(child, 'SIGKILL')
    throw new Error(log(), { cause: error })
  }
  if (!hasEnded(child)) return child
  if (log().includes('Address already in use')) throw new PortTaken(`port ${place.port} was taken`)
  throw new Error(`redis-server ended before it answered:\n${log()}`)
}

function argumentsFor({ port, folder, args }: Place): string[] {
  return ['--port', String(port), '--bind', HOST, '--dir', folder, '--save', '', '--appendonly', 'no', ...args]
}

async function answersPing(port: number): Promise<boolean> {
  try {
    const answer = await ask(port, 'PING')
    return answer === 'PONG' || answer.startsWith('NOAUTH')
  } catch {
    return false
  }
}

async function start(place: Place): Promise<RedisServer> {
  const { port, folder } = place
  let child = await launchRedis(place)
  const kill = (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => end(child, signal)
  return {
    url: `redis://${HOST}:${port}`,
    port,
    folder,
    get pid() {
      return hasEnded(child) ? undefined : child.pid
    },
    kill,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    restart: async () => {
      await kill()
      child = await launchRedis(place)
    },
    stop: async () => {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
