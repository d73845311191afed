import { readFile } from 'node:fs/promises'
import { io } from 'socket.io-client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConsoleMail } from '../examples/notifications/src/fallback.js'
import { OPERATIONS, perform, toCurl } from '../examples/notifications/src/page/operations.js'
import { startExampleApp } from './browser/page.js'
import { root } from './example.js'
import { heard, signToken } from './harness.js'

const NO_PAGE = new Map()

async function start() {
  const example = await startExampleApp(NO_PAGE)
  const send = (method: string, path: string, body?: string, type = 'application/json') =>
    fetch(`http://127.0.0.1:${example.port}/api${path}`, { method, ...(body !== undefined && { body, headers: { 'content-type': type } }) })
  /** A stock client of a user, connected. */
  async function connect(userId: string) {
    const socket = io(example.url, { path: '/realtime/', auth: { token: await signToken(userId) }, transports: ['websocket'], forceNew: true })
    onTestFinished(() => void socket.disconnect())
    await heard(socket, 'authenticated')
    return socket
  }
  return { ...example, send, connect }
}

describe('the HTTP interface of the example', () => {
  test('tells users who are connected by their sockets, and others by the fallback', async () => {
    const { call, connect, mails } = await start()
    const socket = await connect('ada')
    const told = heard(socket, 'notification:new')
    expect(await call('POST', '/users/ada/notifications', { title: 'T', message: 'M' })).toMatchObject({ delivered: { by: 'socket', devices: 1 } })
    expect(await told).toMatchObject({ notification: { title: 'T', message: 'M', read: false } })
    expect(mails).toEqual([])
    const used = heard(socket, 'fallback:used')
    expect(await call('POST', '/users/grace/notifications', { title: 'T', message: 'M' })).toMatchObject({ delivered: { by: 'e-mail' } })
    expect(mails).toMatchObject([['grace', { title: 'T' }]])
    expect(await used).toMatchObject({ userId: 'grace', by: 'e-mail' })
    expect(await call('GET', '/users/grace')).toMatchObject({ notifications: [{ title: 'T', read: false }], devices: [] })
  })

  test('hands over to the fallback what no device has confirmed, however connected it is', async () => {
    const { call, connect, mails } = await start()
    const socket = await connect('ada') // a stock client, which confirms nothing
    const used = heard(socket, 'fallback:used')
    await call('POST', '/users/ada/notifications', { title: 'T', message: 'M' })
    expect(mails).toEqual([])
    expect(await used).toMatchObject({ userId: 'ada', by: 'e-mail' })
    expect(mails).toMatchObject([['ada', { title: 'T' }]])
  })

  test.each([
    ['POST', '/users/ada/xp', '{"amount":250,"source":"mission"}', 'xp:gained', { amount: 250, source: 'mission', totalXp: 1650 }],
    ['POST', '/users/ada/xp', '{"amount":250,"source":"mission"}', 'rank:updated', { newRank: 'Silver', oldRank: 'Bronze', xpRequired: 3000 }],
    ['PUT', '/users/ada/rank', '{"rank":"Platinum"}', 'rank:updated', { newRank: 'Platinum', oldRank: 'Bronze' }],
    ['POST', '/users/ada/achievements', '{"achievementId":"a","title":"T"}', 'achievement:unlocked', { achievementId: 'a', title: 'T' }],
    ['POST', '/leaderboard', undefined, 'leaderboard:updated', { leaderboard: expect.arrayContaining([{ rank: 1, userId: 'ada', name: 'Ada', score: 1400 }]) }],
  ])('%s %s %s is told as %s', async (method, path, body, event, payload) => {
    const { send, connect } = await start()
    const told = heard(await connect('ada'), event)
    expect((await send(method, path, body)).ok).toBe(true)
    expect(await told).toEqual(payload)
  })

  test('marks as read, deletes and logs out what there is', async () => {
    const { send, call, connect, app } = await start()
    const socket = await connect('ada')
    const { notification } = (await call('POST', '/users/ada/notifications', { title: 'T', message: 'M' })) as { notification: { id: string } }
    const read = heard(socket, 'notification:read')
    expect((await send('POST', `/users/ada/notifications/${notification.id}/read`)).status).toBe(200)
    expect(await read).toEqual({ notificationId: notification.id, success: true })
    const deleted = heard(socket, 'notification:deleted')
    expect((await send('DELETE', `/users/ada/notifications/${notification.id}`)).status).toBe(200)
    expect(await deleted).toEqual({ notificationId: notification.id })
    expect((await send('DELETE', `/users/ada/notifications/${notification.id}`)).status).toBe(404)
    const gone = heard(socket, 'disconnect')
    const [device] = await app.realtime.presence.devices('ada')
    expect((await send('DELETE', `/users/ada/devices/${device?.id}`)).status).toBe(200)
    expect(await gone).toBe('io server disconnect')
  })

  test.each([
    ['POST', '/users/ada/notifications', '{}', 400, 'title: Invalid input: expected string'],
    ['POST', '/users/ada/notifications', '{"title":"  ","message":"M"}', 400, 'title: Too small'],
    ['POST', '/users/ada/notifications', '{"title":"T","message":"M","mesage":"M"}', 400, 'Unrecognized key: "mesage"'],
    ['POST', '/users/ada/notifications', '{"title":"T"', 400, 'The request cannot be read'],
    ['POST', '/users/ada/notifications', 'null', 400, 'expected object'],
    ['POST', '/users/ada/notifications', undefined, 400, 'A JSON body is needed'],
    ['POST', '/users/ada/xp', '{"amount":"100","source":"s"}', 400, 'amount: Invalid input: expected number'],
    ['POST', '/users/ada/xp', '{"amount":-5}', 400, 'amount: Too small'],
    ['POST', '/users/ada/achievements', '{"title":"T"}', 400, 'achievementId'],
    ['PUT', '/users/ada/rank', '{"rank":"Emperor"}', 400, '"Bronze"|"Silver"'],
    ['POST', '/users/ada/confirm', '{"question":""}', 400, 'question: Too small'],
    ['POST', '/login', '{"userId":"ada","lifetimeS":1}', 400, 'lifetimeS: Too small'],
    ['POST', '/login', '{"userId":"eve"}', 404, 'There is no user "eve"'],
    ['POST', '/users/eve/xp', '{"amount":1,"source":"s"}', 404, 'There is no user "eve"'],
    ['POST', '/users/__proto__/xp', '{"amount":1,"source":"s"}', 404, 'There is no user'],
    ['DELETE', '/users/ada/notifications/none', undefined, 404, 'ada has no notification "none"'],
    ['GET', '/nothing', undefined, 404, 'There is no GET /api/nothing'],
    ['POST', '/users/ada/notifications', `{"title":"T","message":"${'M'.repeat(20_000)}"}`, 413, 'too large'],
  ])('%s %s %s is answered %i', async (method, path, body, status, message) => {
    const { send } = await start()
    const response = await send(method, path, body)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: expect.stringContaining(message) })
  })

  test('gives a page of another origin nothing', async () => {
    const { send } = await start()
    const response = await send('POST', '/login', '{"userId":"ada"}', 'text/plain') // what needs no permission from here
    expect(response.status).toBe(400)
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('has a curl line in its README for all that the page can call, and each does what it says', async () => {
    const readme = await readFile(`${root}examples/notifications/README.md`, 'utf8')
    const { url, call, connect } = await start()
    const socket = await connect('ada')
    socket.on('confirm', (_question, answer) => answer({ ok: true, data: { accepted: true } }))
    await call('POST', '/users/ada/notifications', { title: 'T', message: 'M' }) // n-1
    for (const operation of OPERATIONS) {
      expect(readme).toContain(toCurl(operation, 'http://localhost:3000'))
      const answer = await perform(operation, url)
      expect(answer, operation.label).toMatch(operation.label === 'Wrong input' ? /^400 / : /^20[01] /)
      if (operation.path.endsWith('/confirm')) expect(answer).toContain('"accepted": true')
    }
  })
})

test('the fallback of the example writes the e-mail that it would send', async () => {
  const lines: string[] = []
  await new ConsoleMail((line) => lines.push(line)).deliver('grace', { id: 'n-1', title: 'T', message: 'M', createdAt: '', read: false })
  expect(lines).toEqual(['e-mail to grace@example.com: T: M'])
})
