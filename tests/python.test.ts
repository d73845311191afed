import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { signToken, startServer, TRANSPORTS, until } from './harness.js'
import { findProgram, INSTALL_MS, type Program } from './programs.js'

let python: Program

beforeAll(async () => {
  python = await findProgram('python3')
}, INSTALL_MS)

/** Runs the client; `told` has what it has printed so far. */
function startPython(url: string, transport: string, tokens: readonly string[]) {
  const child = spawn(python.path, [fileURLToPath(new URL('./python/client.py', import.meta.url)), url, transport], { env: python.env })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => {
    output += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    errors += String(chunk)
  })
  child.stdin.end(tokens.join('\n'))
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
  return { toldOf, reached, exit, errors: () => errors }
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
})
