import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, dirname } from 'node:path'
import { io } from 'socket.io-client'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { root, startExample } from './example.js'
import { heard, refusalOf, signToken, until } from './harness.js'
import { startNode, viewOf } from './nodes.js'
import { findProgram, INSTALL_MS, isRunning } from './programs.js'
import { startRedis } from './redis.js'

// Each example is one process or several, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000 })

/** The environment of a machine that has Redis and nginx. */
async function programsEnv(): Promise<Record<string, string>> {
  const programs = [await findProgram('redis-server'), await findProgram('nginx')]
  const of = (name: string): string[] => programs.flatMap(({ env }) => env[name] ?? [])
  return {
    PATH: [...programs.map(({ path }) => dirname(path)), ...of('PATH')].join(delimiter),
    LD_LIBRARY_PATH: of('LD_LIBRARY_PATH').join(delimiter),
  }
}

/** Expects a line for each step, in their order. */
function expectInOrder(output: string, steps: readonly RegExp[]): void {
  const lines = output.split('\n')
  let from = 0
  for (const step of steps) {
    const found = lines.findIndex((line, index) => index >= from && step.test(line))
    expect(found, `${step} in\n${output}`).toBeGreaterThanOrEqual(0)
    from = found + 1
  }
}

describe('the main job', () => {
  test('prints the session of three clients, keeps serving with the tokens it prints, and ends on Ctrl-C', async () => {
    const running = startExample('notifications', {
      WS_PATH: '/realtime/',
      CORS_ORIGIN: 'https://app.example.com',
      JWT_SECRET: 'uL3n8vQ1zR7xW2kJ5mB9sD4fG6hT0pYc',
    })
    await until(() => running.output.includes('Ctrl-C ends it.') || running.process.exitCode !== null)
    const lines = running.output.split('\n')
    const steps = [
      /ada\/laptop +← authenticated/,
      /ada\/phone +← authenticated/,
      /grace\/tablet +← authenticated/,
      /ada\/(laptop|phone) +← notification:new/,
      /ada\/(laptop|phone) +← notification:new/,
      /ada\/laptop +→ notification:mark_read/,
      /ada\/phone +← notification:read/,
      /ada\/(laptop|phone) +← xp:gained/,
      /ada\/(laptop|phone) +← achievement:unlocked/,
      /ada\/(laptop|phone) +← rank:updated/,
      /leaderboard:updated/,
      /server +· notify katherine, who is not connected/,
      /^e-mail to katherine@example.com: Mission/,
      /stranger +← UNAUTHENTICATED/,
      /grace\/tablet +← INVALID_PAYLOAD.*notificationId/,
    ]
    expectInOrder(running.output, steps)
    expect(running.output).toMatch(/ada\/laptop +← reply +\{ success: true \}/)
    expect(lines.filter((line) => /← leaderboard:updated/.test(line))).toHaveLength(3)
    expect(running.output).not.toMatch(/ada\/laptop +← notification:read/)

    const url = /Serving on (\S+)/.exec(running.output)?.[1] ?? ''
    const token = /^ +grace +(\S+)$/m.exec(running.output)?.[1]
    const connect = (origin?: string) => {
      const socket = io(url, {
        path: '/realtime/',
        auth: { token },
        forceNew: true,
        reconnection: false,
        ...(origin !== undefined && { extraHeaders: { origin } }),
      })
      onTestFinished(() => void socket.disconnect())
      return socket
    }
    expect(await heard(connect(), 'authenticated')).toMatchObject({ success: true, userId: 'grace' })
    expect(await heard(connect('https://app.example.com'), 'authenticated')).toMatchObject({ userId: 'grace' })
    expect(await heard<Error>(connect('https://evil.example'), 'connect_error')).toBeInstanceOf(Error)
    expect(await heard(connect(url), 'authenticated')).toMatchObject({ userId: 'grace' }) // its own page

    const page = await fetch(url)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
    const script = /<script [^>]*src="(\S+)"/.exec(await page.text())?.[1] ?? ''
    const code = await (await fetch(`${url}${script}`)).text()
    expect(code).toContain('path:`/realtime/`')
    expect(code).not.toContain('ZodError') // it takes the manifest
    expect((await fetch(`${url}/nothing`)).status).toBe(404)

    running.process.kill('SIGINT')
    expect(await running.exit).toBe(0)
    expect(running.output).toContain('Closed.')
  })

  test('makes a secret of its own where there is none, and refuses tokens of another', async () => {
    const running = startExample('notifications')
    await until(() => running.output.includes('Ctrl-C ends it.') || running.process.exitCode !== null)
    const url = /Serving on (\S+)/.exec(running.output)?.[1] ?? ''
    const socket = io(url, { auth: { token: 'eyJhbGciOiJIUzI1NiJ9.e30.x' }, forceNew: true, reconnection: false })
    onTestFinished(() => void socket.disconnect())
    expect(await refusalOf(socket)).toMatchObject({ code: 'UNAUTHENTICATED' })
    running.process.kill('SIGTERM')
    expect(await running.exit).toBe(0)
  })

  test.each([
    ['WS_PORT', { WS_PORT: 'http' }],
    ['WS_PATH', { WS_PATH: 'ws' }],
    ['WS_PATH', { WS_PATH: '/api' }],
    ['CORS_ORIGIN', { CORS_ORIGIN: 'app.example.com' }],
    ['JWT_SECRET', { JWT_SECRET: 'short' }],
  ])('says what is wrong with %s, and does not start', async (name, env) => {
    const running = startExample('notifications', env)
    expect(await running.exit).toBe(1)
    expect(running.output).toMatch(new RegExp(`^Cannot start: ${name}`))
  })

  test.each(['notifications', 'redis-cluster'])('%s says so where its port is taken', async (example) => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, resolve))
    onTestFinished(() => void other.close())
    const address = other.address()
    const port = String(typeof address === 'object' && address !== null ? address.port : 0)
    const running = startExample(example, { WS_PORT: port })
    expect(await running.exit).toBe(1)
    expect(running.output).toContain(`Port ${port} is taken. Set WS_PORT`)
  })
})

describe('three nodes behind nginx', () => {
  beforeAll(programsEnv, 2 * INSTALL_MS)

  test('reach a user from each other, take over from a node that is killed, and leave nothing behind', async () => {
    const running = startExample('redis-cluster', await programsEnv())
    const pids = (): number[] => [...running.output.matchAll(/, process (\d+)$/gm)].map(([, pid]) => Number(pid))
    onTestFinished(() => {
      for (const pid of pids().filter(isRunning)) process.kill(pid, 'SIGTERM')
    })
    await until(() => running.output.includes('Ctrl-C ends it.') || running.process.exitCode !== null)
    expectInOrder(running.output, [
      /^nginx +serves on/,
      /^ada\/laptop +← authenticated/,
      /^ada\/phone +← authenticated/,
      /^node [abc] +has 1 of ada's devices/,
      /^node [abc] +notifies ada/,
      /^ada\/(laptop|phone) +← notification:new from node [abc]/,
      /^ada\/(laptop|phone) +← notification:new from node [abc]/,
      /^ada\/phone +→ notification:mark_read/,
      /^ada\/laptop +← notification:read/,
      /^node a +sees ada online, with 2 devices/,
      /^node b +sees ada online, with 2 devices/,
      /^node c +sees ada online, with 2 devices/,
      /^node [abc] +is killed/,
      /^ada\/(laptop|phone) +← authenticated/,
      /^node [abc] +notifies ada/,
      /^ada\/(laptop|phone) +← notification:new from node [abc]/,
      /^ada\/(laptop|phone) +← notification:new from node [abc]/,
      /^node [abc] +serves on/,
      /^Serving on/,
    ])
    running.process.kill('SIGINT')
    expect(await running.exit).toBe(0)
    expect(running.output).toContain('Closed.')
    expect(pids()).toHaveLength(6)
    expect(pids().filter(isRunning)).toEqual([])
  })

  test('say what is missing where a program is', async () => {
    const running = startExample('redis-cluster', { PATH: '/nowhere' })
    expect(await running.exit).toBe(1)
    expect(running.output).toMatch(/^redis-server does not start .*Install it/)
  })
})

describe('the worker', () => {
  beforeAll(() => findProgram('redis-server'), INSTALL_MS)

  test('tells users where they are connected, and those who are not by other means', async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const { address } = await startNode('a', redis.url)
    const socket = io(`http://${address}`, { auth: { token: await signToken('ada') }, forceNew: true, transports: ['websocket'] })
    onTestFinished(() => void socket.disconnect())
    const message = heard(socket, 'notification:new')
    await heard(socket, 'authenticated')
    await until(async () => (await viewOf(address, 'ada')).online)

    const worker = startExample('worker', { REDIS_URL: redis.url }, { args: ['ada', 'grace'] })
    expect(await worker.exit, worker.output).toBe(0)
    expect(worker.output).toBe('mail to grace@example.com: Report\nada: live\ngrace: fallback\n')
    expect(await message).toMatchObject({ notification: { title: 'Report', message: 'Your report is ready' } })
  })

  test('fails, so that its job can be tried again, where Redis is away', async () => {
    const redis = await startRedis()
    await redis.stop()
    const worker = startExample('worker', { REDIS_URL: redis.url }, { args: ['ada'] })
    expect(await worker.exit).toBe(1)
    expect(worker.output).not.toMatch(/mail to|live|fallback/)
  })
})

describe('the README', () => {
  test('shows the code of examples/quickstart as it is, which runs', async () => {
    const readme = await readFile(`${root}README.md`, 'utf8')
    const sources = await Promise.all(
      ['contract.ts', 'server.ts', 'client.ts', 'hello.tsx'].map((file) => readFile(`${root}examples/quickstart/src/${file}`, 'utf8')),
    )
    expect([...readme.matchAll(/^```tsx?\n(.*?)^```$/gms)].map(([, code]) => code)).toEqual(sources)
    const running = startExample('quickstart')
    expect(await running.exit).toBe(0)
    expect(running.output).toBe('ada: Hello, me\nreached 1 device(s)\n')
  })

  test('names the commands that CI runs', async () => {
    const readme = await readFile(`${root}README.md`, 'utf8')
    const manifest = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as { packageManager: string }
    for (const file of ['.ci/run', 'README.md']) expect(await readFile(`${root}${file}`, 'utf8')).toContain(`npx -y ${manifest.packageManager} test\n`)
    expect(readme).toContain(`npx -y ${manifest.packageManager} start\n`)
  })
})
