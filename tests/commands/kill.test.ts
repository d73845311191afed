import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createTestClient, until } from '../harness.js'
import { INSTALL_MS } from '../programs.js'
import { ask, type RedisServer, startRedis } from '../redis.js'
import { shop } from './contract.js'

let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis()
}, INSTALL_MS)
afterAll(() => redis?.stop())

interface Process {
  readonly url: string
  kill(): Promise<unknown>
}

async function startProcess(env: NodeJS.ProcessEnv): Promise<Process> {
  const file = fileURLToPath(new URL('process.ts', import.meta.url))
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|VITEST)/.test(name)))
  const child = spawn(process.execPath, ['--conditions=@org/source', '--import', 'tsx', file], {
    env: { ...inherited, ...env, REDIS_URL: redis.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', (chunk) => (output += String(chunk)))
  const url = (): string | undefined => /listens on (\S+)\n/.exec(output)?.[1]
  await until(() => url() !== undefined || child.exitCode !== null)
  expect(url()).toBeDefined()
  const kill = async (): Promise<unknown> => {
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    return exit
  }
  return { url: url() ?? '', kill }
}

test('what a killed process was at is run again by another, and a step of Redis that it did is not done again', async () => {
  const PREFIX = `kill-${randomUUID()}`
  const [dying, living] = await Promise.all([startProcess({ PREFIX, HANG: 'yes' }), startProcess({ PREFIX })])
  const clients = [dying, living].map(({ url }) => createTestClient(shop, { url, getToken: () => 'ada' }))
  await Promise.all(clients.map((client) => client.connect()))
  const [first, second] = clients.map((client) => () => client.request('checkout', undefined, { key: 'k', timeoutMs: 25_000 }))
  first?.().catch(() => {}) // nobody answers it
  await until(async () => (await ask(redis.port, `STRLEN ${PREFIX}:effects`)) === '1')
  await dying.kill()
  await second?.()
  await second?.()
  expect(await ask(redis.port, `LLEN ${PREFIX}:runs`)).toBe('2')
  expect(await ask(redis.port, `GET ${PREFIX}:effects`)).toBe('1')
})
