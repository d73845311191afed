import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import * as z from 'zod'
import { signToken, startServer, TRANSPORTS, testJwt, until } from './harness.js'
import { findProgram, INSTALL_MS, type Program } from './programs.js'

let python: Program

beforeAll(async () => {
  python = await findProgram('python3')
}, INSTALL_MS)

/** Runs a client; `told` has what it has printed so far. What it is told is lines of its input. */
function startPython(url: string, transport: string, lines: readonly string[], program = 'client.py') {
  const file = fileURLToPath(new URL(`./python/${program}`, import.meta.url))
  const child = spawn(python.path, [file, url, transport], { env: { ...python.env, PYTHONDONTWRITEBYTECODE: '1' } })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => {
    output += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    errors += String(chunk)
  })
  for (const line of lines) child.stdin.write(`${line}\n`)
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const told = (): Array<[what: string, value: unknown]> =>
    output
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  const toldOf = (what: string): unknown[] => told().flatMap(([name, value]) => (name === what ? [value] : []))
  const reached = (what: string): Promise<void> =>
    until(() => {
      if (child.exitCode !== null && toldOf(what).length === 0) throw new Error(`the client ended without ${what}:\n${output}${errors}`)
      return toldOf(what).length > 0
    })
  return { toldOf, reached, exit, errors: () => errors, say: (line: string) => child.stdin.write(`${line}\n`) }
}

/** A server with durable events, of which it keeps two, and a command. */
async function startShop() {
  const contract = defineContract({
    name: 'shop',
    version: '1.0.0',
    serverToClient: {
      'order:shipped': { payload: z.object({ number: z.int() }), delivery: 'durable' },
      'group:renamed': { payload: z.object({ name: z.string() }), delivery: 'durable' },
    },
    clientToServer: { 'order:place': { payload: z.object({ item: z.string() }), reply: z.object({ number: z.int() }), idempotent: true } },
    rooms: { group: z.string() },
  })
  const realtime = createRealtimeServer(contract, { authenticate: testJwt(), rooms: { group: { authorize: () => true } }, durable: { maxMessages: 2 } })
  let orders = 0
  realtime.on('order:place', () => {
    orders += 1
    return { number: orders }
  })
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  return { realtime, url: `http://127.0.0.1:${port}` }
}

describe.each(TRANSPORTS)('a Python client that was written from docs/protocol.md, over %s', (transport) => {
  test('connects, receives, sends with and without an answer, joins a room, renews its token, and hears why it ends', { timeout: 60_000 }, async () => {
    const server = await startServer({ rooms: { group: { authorize: ({ id }) => id !== 'closed', members: 'visible' } } })
    const { realtime } = server
    realtime.on('say', ({ payload, user }) => realtime.toUser(user.userId).emit('note', payload))
    realtime.on('echo', ({ payload }) => payload)
    realtime.on('take', ({ payload, fail }) => {
      throw fail('NOT_FOUND', payload)
    })
    const client = startPython(server.url, transport, [await signToken('ada', { expiresInS: 60 }), await signToken('ada', { role: 'admin' })])
    await client.reached('joined')
    await (await server.client('eve')).join('group', '42')
    await client.reached('ready')
    expect(await realtime.toUser('ada').request('confirm', { question: 'Python?' })).toEqual([
      { deviceId: 'python-1', status: 'answered', data: { yes: true } },
    ])
    await realtime.disconnectUser('ada', { reason: 'logged-out' })

    expect(await client.exit, client.errors()).toBe(0)
    const session = { success: true, userId: 'ada', email: 'ada@example.com', deviceId: 'python-1', expiresInMs: expect.any(Number) }
    expect(client.toldOf('refused')).toEqual(['UNAUTHENTICATED'])
    expect(client.toldOf('authenticated')).toEqual([{ ...session, role: 'member' }])
    expect(client.toldOf('note')).toEqual([{ text: 'without an answer' }])
    expect(client.toldOf('reply')).toEqual([{ text: 'Grüße, 世界' }])
    expect(client.toldOf('declared')).toEqual([['NOT_FOUND', { id: '7' }]])
    expect(client.toldOf('error')).toEqual([expect.objectContaining({ code: 'INVALID_PAYLOAD', event: 'take' })])
    expect(client.toldOf('joined')).toEqual([{ members: ['ada'] }])
    expect(client.toldOf('presence')).toEqual([{ kind: 'group', id: '42', joined: ['eve'] }])
    expect(client.toldOf('kept out')).toEqual(['FORBIDDEN'])
    expect(client.toldOf('left')).toEqual([null])
    expect(client.toldOf('renewed')).toEqual([{ ...session, role: 'admin' }])
    expect(client.toldOf('disconnect')).toEqual([{ code: 'DISCONNECTED', reason: 'logged-out' }])
  })

  test('gets durable events, those that it has missed, too, and has a command done once', { timeout: 60_000 }, async () => {
    const { realtime, url } = await startShop()
    const room = { kind: 'group', id: 'a b/ü' } as const
    const ship = (number: number, options?: { confirm: true }) => realtime.toUser('ada').emit('order:shipped', { number }, options)
    const rename = (name: string) => realtime.toRoom(room.kind, room.id).emit('group:renamed', { name })
    const client = startPython(url, transport, [await signToken('ada')], 'durable.py')
    await client.reached('ready')
    await rename('one')
    const receipt = await ship(1, { confirm: true })
    expect(await realtime.inbox('ada').confirmed(receipt, { timeoutMs: 20_000 })).toBe(true)
    await client.reached('away')
    for (const number of [2, 3, 4]) await ship(number)
    await rename('two')
    client.say('come back')

    expect(await client.exit, client.errors()).toBe(0)
    expect(client.toldOf('placed')).toEqual([{ number: 1 }, { number: 1 }])
    expect(client.toldOf('refused')).toEqual(['CONFLICT'])
    expect(client.toldOf('order:shipped')).toEqual([{ number: 1 }, { number: 3 }, { number: 4 }])
    expect(client.toldOf('gap')).toEqual([[null, 2, 2, 'trimmed']])
    expect(client.toldOf('group:renamed')).toEqual([{ name: 'one' }, { name: 'two' }])
    expect(client.toldOf('caught up')).toEqual(
      expect.arrayContaining([
        [null, false],
        [room, false],
        [null, true],
        [room, true],
      ]),
    )
  })
})
