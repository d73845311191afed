import { reloadOutdated } from '@org/realtime-client'
import { defineContract, mergeContracts, toManifest } from '@org/realtime-contracts'
import { formatLock, toLock } from '@org/realtime-contracts/compat'
import { createRealtimeServer } from '@org/realtime-server'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import * as z from 'zod'
import { collect, createTestClient, rejection, until } from './harness.js'

/** A contract that differs with its version. */
const at = (version: string, name = 'shop') => defineContract({ name, version, serverToClient: { [`at:${version}`]: z.object({}) } })

async function start(contract = at('2.3.1'), port = 0) {
  const realtime = createRealtimeServer(contract, { authenticate: ({ token }) => ({ userId: token ?? 'ada' }) })
  const address = await realtime.listen(port, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  return {
    realtime,
    port: address.port,
    client: (of: Parameters<typeof createTestClient>[0]) => createTestClient(of, { url: `http://127.0.0.1:${address.port}` }),
  }
}

describe('a client of another version', () => {
  test.each(['2.3.1', '2.3.0', '2.3.9', '2.0.0', '2.2.7-beta.1'])('of a server of 2.3.1 is let in at %s', async (version) => {
    const { client } = await start()
    await client(toManifest(at(version))).connect()
  })

  test.each([
    ['1.9.9', 'too_old'],
    ['0.1.0', 'too_old'],
  ])('of a server of 2.3.1 is refused for good at %s', async (version, reason) => {
    const { client } = await start()
    const old = client(at(version))
    const notices = collect((add) => old.on('$outdated', add))
    expect(await rejection(old.connect())).toMatchObject({
      code: 'CONTRACT_MISMATCH',
      retryable: false,
      data: { reason, client: { name: 'shop', version }, server: { name: 'shop', version: '2.3.1' } },
    })
    expect(old.status).toBe('refused')
    expect(notices).toEqual([{ urgent: true, clientVersion: version, serverVersion: '2.3.1' }])
  })

  test.each(['0.3.0', '0.5.0'])('of a server of 0.4.0 is not that of another minor version: %s', async (version) => {
    const { client } = await start(at('0.4.0'))
    const other = client(at(version))
    if (version === '0.3.0') expect(await rejection(other.connect())).toMatchObject({ code: 'CONTRACT_MISMATCH', data: { reason: 'too_old' } })
    else expect(await rejection(other.connect({ timeoutMs: 200 }))).toMatchObject({ code: 'UNAVAILABLE', cause: { data: { reason: 'too_new' } } })
  })

  test.each(['3.0.0', '2.4.0'])('that is ahead of a deployment, at %s, goes on dialling until the server is there', async (version) => {
    const { realtime, port, client } = await start()
    const ahead = client(at(version))
    expect(await rejection(ahead.connect({ timeoutMs: 300 }))).toMatchObject({
      code: 'UNAVAILABLE',
      cause: { code: 'CONTRACT_MISMATCH', data: { reason: 'too_new' } },
    })
    expect(ahead.status).toBe('connecting')
    await realtime.close({ drainMs: 0 })
    await start(at(version), port)
    await until(() => ahead.status === 'connected') // it was told to wait 5 s
  })

  test('is told that there is a newer one, on every connection', async () => {
    const { realtime, client } = await start()
    const old = client(at('2.1.0'))
    const notices = collect((add) => old.on('$outdated', add))
    const session = await old.connect()
    expect(notices).toEqual([{ urgent: false, clientVersion: '2.1.0', serverVersion: '2.3.1' }])
    expect(session).not.toHaveProperty('$contract')
    for (const socket of realtime.io.of('/').sockets.values()) socket.conn.close()
    await until(() => notices.length === 2)
  })

  test('that is no older hears nothing of it', async () => {
    const { client } = await start()
    for (const version of ['2.3.1', '2.3.2']) {
      const same = client(at(version))
      const notices = collect((add) => same.on('$outdated', add))
      await same.connect()
      expect(notices).toEqual([])
    }
  })
})

describe('with the history of released versions', () => {
  const of = (version: string, fields: Record<string, z.ZodType>) =>
    defineContract({ name: 'shop', version, serverToClient: { order: z.object({ id: z.string(), ...fields }) } })
  const old = of('1.0.0', { note: z.string().optional() })
  const broken = of('1.9.0', { total: z.number() })
  const now = of('2.0.0', {})
  const ahead = of('2.1.0', { extra: z.string().optional() })
  async function startNow(history: readonly unknown[]) {
    const realtime = createRealtimeServer(now, { authenticate: () => ({ userId: 'ada' }), history })
    const { port } = await realtime.listen(0, '127.0.0.1')
    onTestFinished(() => realtime.close({ drainMs: 0 }))
    return (contract: Parameters<typeof createTestClient>[0]) => createTestClient(contract, { url: `http://127.0.0.1:${port}` })
  }

  test('what has really changed decides, not the version', async () => {
    const client = await startNow([old, broken, ahead].map((contract) => JSON.parse(formatLock(toLock(contract)))))
    const page = client(old)
    const notices = collect((add) => page.on('$outdated', add))
    await page.connect()
    expect(notices).toMatchObject([{ urgent: false, serverVersion: '2.0.0' }])
    await client(toManifest(ahead)).connect()
    expect(await rejection(client(broken).connect())).toMatchObject({ code: 'CONTRACT_MISMATCH', data: { reason: 'too_old' } })
    expect(await rejection(client(of('1.5.0', { x: z.string() })).connect())).toMatchObject({ data: { reason: 'too_old' } }) // not known
  })

  test('what is no history is refused when the server is made', () => {
    const make = (history: unknown) => () => createRealtimeServer(now, { authenticate: () => ({ userId: 'ada' }), history: history as never })
    expect(make({})).toThrow(/history must be a list/)
    expect(make([{}])).toThrow(/history\[0\]: This is no contract lock/)
    expect(make([toLock(at('1.0.0', 'other'))])).toThrow(/history\[0\] is a lock of "other"/)
  })
})

test('a client of another contract is refused, one of a part of it is not', async () => {
  const parts = [at('1.0.0', 'chat'), at('2.0.0', 'shop')] as const
  const { client } = await start(mergeContracts({ name: 'all', version: '7.0.0' } as never, ...parts))
  await client(at('2.0.0', 'shop')).connect()
  await client(toManifest(at('1.0.0', 'chat'))).connect()
  expect(await rejection(client(at('2.0.0', 'chat')).connect({ timeoutMs: 200 }))).toMatchObject({
    cause: { data: { reason: 'too_new', server: { name: 'chat' } } },
  })
  expect(await rejection(client(at('7.0.0', 'other')).connect())).toMatchObject({
    code: 'CONTRACT_MISMATCH',
    data: { reason: 'wrong_contract', server: { name: 'all', version: '7.0.0' } },
  })
})

describe('a page that is outdated', () => {
  function page() {
    const items = new Map<string, string>()
    const reload = vi.fn()
    return { reload, storage: { getItem: (key: string) => items.get(key) ?? null, setItem: (key: string, value: string) => void items.set(key, value) } }
  }

  test('is reloaded once for a version, so that it cannot loop', () => {
    const options = page()
    expect(reloadOutdated({ serverVersion: '2.0.0' }, options)).toBe(true)
    expect(reloadOutdated({ serverVersion: '2.0.0' }, options)).toBe(false)
    expect(options.reload).toHaveBeenCalledTimes(1)
    expect(reloadOutdated({ serverVersion: '2.0.1' }, options)).toBe(true)
  })

  test('is not reloaded where nothing is remembered', () => {
    const { reload } = page()
    const forgets = { getItem: () => null, setItem: () => {} }
    const refuses = {
      ...forgets,
      setItem: () => {
        throw new Error('QuotaExceededError')
      },
    }
    for (const storage of [forgets, refuses]) expect(reloadOutdated({ serverVersion: '2.0.0' }, { storage, reload })).toBe(false)
    expect(reload).not.toHaveBeenCalled()
  })
})
