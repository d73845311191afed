import type { ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { end, firstFree, HOST, hasEnded, launch, PortTaken } from './process.js'
import { findProgram, type Program, until } from './programs.js'

const READY_MS = 20_000

export interface NginxOptions {
  /** The whole configuration, for an address to listen on. */
  readonly config: (listen: string) => string | Promise<string>
}

export interface Nginx {
  readonly url: string
  readonly port: number
  /** Its first process, while it runs. */
  readonly pid: number | undefined
  /** Its own folder, which relative paths in the configuration start from; removed by `stop`. */
  readonly folder: string
  /** What has been written to a file in its folder so far. */
  read(file: string): Promise<string>
  /** Leaves no process and no folder; more than once is fine. */
  stop(): Promise<void>
}

interface Place {
  readonly program: Program
  readonly port: number
  readonly folder: string
  readonly config: NginxOptions['config']
}

/** An nginx on a free port of the loopback; the caller stops it. */
export async function startNginx({ config }: NginxOptions): Promise<Nginx> {
  const program = await findProgram('nginx')
  const folder = await mkdtemp(join(tmpdir(), 'realtime-nginx-'))
  try {
    // Started by root, its workers are another user's, and keep large requests here.
    await chmod(folder, 0o755)
    return await firstFree((port) => start({ program, port, folder, config }))
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function start(place: Place): Promise<Nginx> {
  const { port, folder } = place
  const child = await launchNginx(place)
  return {
    url: `http://${HOST}:${port}`,
    port,
    folder,
    get pid() {
      return hasEnded(child) ? undefined : child.pid
    },
    read: (file) => readFile(join(folder, file), 'utf8'),
    stop: async () => {
      // Killed, it would leave its workers.
      await end(child, 'SIGTERM')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Starts the process and gives its handle as soon as it serves. */
async function launchNginx({ program, port, folder, config }: Place): Promise<ChildProcess> {
  const file = join(folder, 'nginx.conf')
  await writeFile(file, await config(`${HOST}:${port}`))
  const { child, log } = await launch(program, ['-p', folder, '-c', file, '-e', 'stderr', '-g', 'daemon off;'], 'SIGTERM')
  try {
    // It listens before it starts its workers.
    await until(() => hasEnded(child) || log().includes('start worker process '), READY_MS, 'nginx did not get ready')
  } catch (error) {
    await end(child, 'SIGTERM')
    throw new Error(log(), { cause: error })
  }
  if (!hasEnded(child)) return child
  if (log().includes('Address already in use')) throw new PortTaken(`port ${port} was taken`)
  throw new Error(`nginx ended before it served:\n${log()}`)
}
