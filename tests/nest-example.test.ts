import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { contract } from '@org/realtime-contracts/events'
import { io, type Socket } from 'socket.io-client'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Running, root, startExample } from './example.js'
import { collect, createTestClient, heard, until } from './harness.js'

vi.setConfig({ testTimeout: 120_000 })

// tsx compiles decorators as the example's own start script has it.
const env = { TSX_TSCONFIG_PATH: `${root}examples/nestjs/tsconfig.json` }

interface Started {
  readonly running: Running
  readonly url: string
  tokenOf(userId: string): string
}

async function start(): Promise<Started> {
  const running = startExample('nestjs', { ...env, WS_PATH: '/realtime/' })
  await until(() => running.output.includes('Ctrl-C ends it.') || running.process.exitCode !== null)
  const url = /Serving on (\S+)/.exec(running.output)?.[1]
  expect(url, running.output).toBeDefined()
  return { running, url: url ?? '', tokenOf: (userId) => new RegExp(`^ +${userId} +(\\S+)$`, 'm').exec(running.output)?.[1] ?? '' }
}

function connectStock({ url, tokenOf }: Started, userId: string): Socket {
  const socket = io(url, { path: '/realtime/', auth: { token: tokenOf(userId) }, forceNew: true, reconnection: false })
  onTestFinished(() => void socket.disconnect())
  return socket
}

async function post(url: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}

const online = async (url: string, userId: string): Promise<unknown> => (await fetch(`${url}/users/${userId}/online`)).json()

test('the Nest example tells users what its routes are told, over the SDK and over a stock client, and ends on a signal', async () => {
  const started = await start()
  const { url, running, tokenOf } = started
  expect(await online(url, 'ada')).toEqual({ online: false })

  const laptop = createTestClient(contract, { url, path: '/realtime/', getToken: () => tokenOf('ada') })
  expect(await laptop.connect()).toMatchObject({ userId: 'ada', email: 'ada@example.com' })
  const phone = connectStock(started, 'ada')
  expect(await heard(phone, 'authenticated')).toMatchObject({ success: true, userId: 'ada' })
  const grace = connectStock(started, 'grace')
  await heard(grace, 'authenticated')
  const heardByGrace = collect<string>((add) => grace.onAny(add))
  expect(await online(url, 'ada')).toEqual({ online: true })
  expect(await (await fetch(`${url}/ready`)).json()).toEqual({ ready: true })

  const onLaptop = new Promise<unknown>((resolve) => laptop.once('notification:new', resolve))
  const onPhone = heard(phone, 'notification:new')
  const { status, body: notification } = await post(`${url}/users/ada/notifications`, { message: 'Well done', title: 'Mission' })
  expect(status).toBe(201)
  expect(await onLaptop).toEqual({ notification, timestamp: expect.any(String) })
  expect(await onPhone).toEqual({ notification, timestamp: expect.any(String) })

  const id = String(notification['id'])
  const read = heard(phone, 'notification:read')
  const count = heard(phone, 'notification:unread_count')
  expect(await laptop.request('notification:mark_read', { notificationId: id })).toEqual({ success: true })
  expect(await read).toEqual({ notificationId: id, success: true })
  expect(await count).toEqual({ unreadCount: 0 })
  expect(await laptop.tryRequest('notification:mark_read', { notificationId: 'n-0' })).toMatchObject({
    ok: false,
    error: { code: 'NOT_FOUND', data: { notificationId: 'n-0' } },
  })
  expect(await phone.emitWithAck('notification:mark_read', { notificationId: id })).toEqual({ ok: true, data: { success: true } })
  const refused = heard(phone, 'error')
  phone.emit('notification:mark_read', { notificationId: 7 })
  expect(await refused).toMatchObject({ code: 'INVALID_PAYLOAD', event: 'notification:mark_read' })

  const events: ReadonlyArray<readonly [string, string, object]> = [
    ['achievement:unlocked', 'users/ada/achievements', { achievementId: 'ach-001', title: 'First steps' }],
    ['xp:gained', 'users/ada/xp', { amount: 100, source: 'daily_mission', totalXp: 1500 }],
    ['rank:updated', 'users/ada/rank', { newRank: 'Silver', oldRank: 'Bronze' }],
  ]
  for (const [event, path, payload] of events) {
    const arrived = heard(phone, event)
    expect((await post(`${url}/${path}`, payload)).status).toBe(202)
    expect(await arrived).toEqual(payload)
  }
  expect(heardByGrace).toEqual([])
  expect(await post(`${url}/users/ada/xp`, { amount: 'much' })).toMatchObject({
    status: 400,
    body: { message: expect.arrayContaining([expect.stringMatching(/^amount: /)]) },
  })

  const both = Promise.all([phone, grace].map((socket) => heard(socket, 'notification:new')))
  const { body: shared } = await post(`${url}/notifications`, { userIds: ['ada', 'grace'], message: 'Maintenance at noon' })
  expect(await both).toMatchObject([{ notification: shared }, { notification: shared }])
  const board = Promise.all([phone, grace].map((socket) => heard(socket, 'leaderboard:updated')))
  const leaderboard = [{ rank: 1, userId: 'ada', name: 'Ada', score: 1500 }]
  expect((await post(`${url}/leaderboard`, { leaderboard })).status).toBe(202)
  expect(await board).toEqual([{ leaderboard }, { leaderboard }])

  const notice = heard(phone, '$disconnect')
  running.process.kill('SIGTERM')
  expect(await notice).toMatchObject({ code: 'UNAVAILABLE' })
  expect(await running.exit, running.output).toBe(0)
})

test('the Nest example says what is wrong with a setting, and that its port is taken, and does not start', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, resolve))
  onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo
  const wrong = startExample('nestjs', { ...env, JWT_SECRET: 'short' })
  const taken = startExample('nestjs', { ...env, WS_PORT: String(port) })
  expect(await Promise.all([wrong.exit, taken.exit])).toEqual([1, 1])
  expect(wrong.output).toMatch(/^Cannot start: JWT_SECRET/m)
  expect(taken.output).toContain(`Port ${port} is taken. Set WS_PORT`)
})

describe('what is written about Nest', () => {
  const read = (path: string): Promise<string> => readFile(`${root}${path}`, 'utf8')
  const withoutIndent = (text: string): string => text.replaceAll(/^ +/gm, '')

  test('the README of the example shows its files as they are', async () => {
    const readme = await read('examples/nestjs/README.md')
    for (const file of ['realtime.ts', 'websocket.service.ts']) expect(readme).toContain(`\`\`\`ts\n${await read(`examples/nestjs/src/${file}`)}\`\`\``)
  })

  test('the guide shows code that runs', async () => {
    const packaging = ['realtime.ts', 'roles.guard.ts', 'sold-out.filter.ts'].map((file) => `tests/packaging/nest/${file}`)
    const example = ['app.module.ts', 'notification.service.ts', 'status.controller.ts'].map((file) => `examples/nestjs/src/${file}`)
    const sources = (await Promise.all([...packaging, ...example, 'tests/nest.test.ts'].map(read))).map(withoutIndent)
    const snippets = [...(await read('docs/guides/nest.md')).matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => withoutIndent(code ?? ''))
    expect(snippets).toHaveLength(7)
    for (const snippet of snippets)
      expect(
        sources.some((source) => source.includes(snippet)),
        snippet,
      ).toBe(true)
  })
})
