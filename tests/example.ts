import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const root = fileURLToPath(new URL('..', import.meta.url))

export interface Running {
  readonly process: ChildProcess
  output: string
  readonly exit: Promise<number | null>
}

/** Runs an example as its `start` script does, or another file of it; it is killed with the test. */
export function startExample(
  example: string,
  env: NodeJS.ProcessEnv = {},
  { file = 'main.ts', args = [] }: { file?: string; args?: readonly string[] } = {},
): Running {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(WS_|CORS_|JWT_|REDIS_|NODE_OPTIONS|VITEST)/.test(name)))
  const child = spawn(process.execPath, ['--conditions=@org/source', '--import', 'tsx', `${root}examples/${example}/src/${file}`, ...args], {
    cwd: root,
    env: { ...inherited, WS_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const running: Running = { process: child, output: '', exit: new Promise((resolve) => child.once('exit', resolve)) }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (running.output += String(chunk)))
  onTestFinished(() => void child.kill('SIGKILL'))
  return running
}
