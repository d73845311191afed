import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Started, start } from './programs.js'
import { nginxConfig } from './proxy.js'

const HOST = '127.0.0.1'
const NODES = ['a', 'b', 'c'] as const
export type NodeName = (typeof NODES)[number]

export interface ClusterOptions {
  /** Of nginx; 0 takes a free one. */
  readonly port: number
  readonly secret: string
  /** Told of every program that serves. */
  readonly onStart: (title: string, pid: number, address: string) => void
}

/** Redis, three nodes and nginx, all on this machine. */
export class Cluster {
  readonly #addresses = new Map<NodeName, string>()
  readonly #nodes = new Map<NodeName, Started>()
  /** In the order in which they end. */
  readonly #others: Started[] = []
  #folder = ''
  #port = 0
  #redisUrl = ''

  private constructor(private readonly options: ClusterOptions) {}

  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options)
    try {
      await cluster.#start()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  /** Where clients connect. */
  get url(): string {
    return `http://${HOST}:${this.#port}`
  }

  get redisUrl(): string {
    return this.#redisUrl
  }

  /** Where one node answers, past nginx. */
  nodeUrl(name: NodeName): string {
    return `http://${this.#addressOf(name)}`
  }

  /** The nodes that run. */
  get running(): NodeName[] {
    return NODES.filter((name) => this.#nodes.has(name))
  }

  /** Ends a node as a fault would: it cannot say goodbye to anyone. */
  async kill(name: NodeName): Promise<void> {
    await this.#nodes.get(name)?.end('SIGKILL')
    this.#nodes.delete(name)
  }

  async startNode(name: NodeName, port = Number(this.#addresses.get(name)?.split(':')[1] ?? 0)): Promise<void> {
    const title = `node ${name}`
    const started = await start({
      title,
      program: process.execPath,
      args: ['--conditions=@org/source', '--import', 'tsx', fileURLToPath(new URL('node.ts', import.meta.url))],
      env: { ...process.env, NODE_NAME: name, WS_HOST: HOST, WS_PORT: String(port), REDIS_URL: this.#redisUrl, JWT_SECRET: this.options.secret },
      ready: /listens on (\S+)/,
    })
    const address = started.found[1] ?? ''
    this.#nodes.set(name, started)
    this.#addresses.set(name, address)
    this.options.onStart(title, started.pid, address)
  }

  /** Ends everything, the nodes before the Redis that they clean up in. */
  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => node.end()))
    for (const program of this.#others) await program.end()
    if (this.#folder !== '') await rm(this.#folder, { recursive: true, force: true })
  }

  async #start(): Promise<void> {
    this.#port = await freePort(this.options.port)
    this.#folder = await mkdtemp(join(tmpdir(), 'realtime-example-'))
    await chmod(this.#folder, 0o755) // started by root, nginx keeps large requests here as another user
    await this.#startRedis()
    await Promise.all(NODES.map((name) => this.startNode(name)))
    await this.#startNginx()
  }

  async #startRedis(): Promise<void> {
    const port = await freePort()
    const args = ['--port', String(port), '--bind', HOST, '--dir', this.#folder, '--save', '', '--appendonly', 'no']
    const started = await start({ title: 'redis-server', program: 'redis-server', args, ready: /Ready to accept connections/ })
    this.#others.unshift(started)
    this.#redisUrl = `redis://${HOST}:${port}`
    this.options.onStart('redis', started.pid, `${HOST}:${port}`)
  }

  async #startNginx(): Promise<void> {
    const listen = `${HOST}:${this.#port}`
    const nodes = { a: this.#addressOf('a'), b: this.#addressOf('b'), c: this.#addressOf('c') }
    const file = join(this.#folder, 'nginx.conf')
    await writeFile(file, await nginxConfig({ listen, nodes, accessLog: 'access.log' }))
    const args = ['-p', this.#folder, '-c', file, '-e', 'stderr', '-g', 'daemon off;']
    const started = await start({ title: 'nginx', program: 'nginx', args, ready: /start worker process / })
    this.#others.unshift(started)
    this.options.onStart('nginx', started.pid, listen)
  }

  #addressOf(name: NodeName): string {
    return this.#addresses.get(name) ?? ''
  }
}

/** A port that is free now: the one that is asked for, or any. @throws Error `EADDRINUSE` */
function freePort(port = 0): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, HOST, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port))
    })
  })
}
