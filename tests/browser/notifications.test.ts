import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { close } from '../../examples/notifications/src/app.js'
import type { Page as BuiltPage } from '../../examples/notifications/src/page.js'
import { INSTALL_MS } from '../programs.js'
import { launchChromium } from './chromium.js'
import { allConnected, buildExample, type DeviceName, type OpenPage, openPage, seen, startExampleApp } from './page.js'

// A browser with three clients, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000 })

let browser: Browser
let built: BuiltPage

beforeAll(async () => {
  ;[browser, built] = await Promise.all([launchChromium(), buildExample()])
}, INSTALL_MS)
afterAll(() => browser?.close())

async function start() {
  const example = await startExampleApp(built)
  return { ...example, ...(await openPage(browser, example.url)) }
}

const inbox = ({ device }: OpenPage, name: DeviceName) => device(name).locator('.inbox-item')
const members = ({ device }: OpenPage, name: DeviceName) => device(name).getByRole('list', { name: 'In the room' }).getByRole('listitem')
const online = ({ device }: OpenPage, name: DeviceName) => device(name).locator('.people li[data-state="online"]')
const textOf = async (locator: { allTextContents(): Promise<string[]> }) => (await locator.allTextContents()).join(' | ')

describe('two devices of one user', () => {
  test('both get a notification from an HTTP route, and what one does with it shows on the other', async () => {
    const open = await start()
    const laptop = open.device('ada-laptop')
    const phone = open.device('ada-phone')
    expect(await open.call('POST', '/users/ada/notifications', { title: 'Build finished', message: 'All green' })).toMatchObject({
      notification: { title: 'Build finished', read: false },
      delivered: { by: 'socket', devices: 2 },
    })
    for (const device of [laptop, phone]) {
      await device.getByRole('button', { name: '1 unread notification' }).waitFor()
      await device.getByRole('status').getByText('Build finished').waitFor()
    }
    expect(await textOf(inbox(open, 'ada-phone'))).toContain('Unread: Build finished')
    expect(await inbox(open, 'grace-tablet').count()).toBe(0)

    await laptop.getByRole('button', { name: 'Mark “Build finished” as read' }).click()
    await phone.getByRole('button', { name: 'No unread notifications' }).waitFor()
    await seen(async () => (await textOf(inbox(open, 'ada-phone'))).includes('Unread') === false)
    await laptop.getByRole('button', { name: 'No unread notifications' }).waitFor()

    await phone.getByRole('button', { name: 'Delete “Build finished”' }).click()
    for (const name of ['ada-laptop', 'ada-phone'] as const) await seen(async () => (await inbox(open, name).count()) === 0)
    expect(open.complaints).toEqual([])
  })

  test('show points, rank, achievement and leaderboard as they change', async () => {
    const open = await start()
    await open.call('POST', '/users/ada/xp', { amount: 1700, source: 'weekly_mission' })
    await open.call('POST', '/users/ada/achievements', { achievementId: 'ach-002', title: 'Night owl' })
    for (const name of ['ada-laptop', 'ada-phone'] as const) {
      const device = open.device(name)
      await device.getByText('3,100 XP of 6,000').waitFor()
      await device.getByText('+1,700 for weekly_mission').waitFor()
      await device.locator('.rank', { hasText: 'Gold' }).waitFor()
      await device.getByRole('list', { name: 'Achievements' }).getByText('Night owl').waitFor()
    }
    await open.device('grace-tablet').locator('.leaderboard li', { hasText: '3,100' }).waitFor()
    expect(await open.device('grace-tablet').locator('.rank').textContent()).toBe('Bronze')
  })

  test('answer a question of the server each for itself', async () => {
    const open = await start()
    const answers = open.call('POST', '/users/ada/confirm', { question: 'Sign in in Berlin?' })
    await open.device('ada-laptop').getByRole('button', { name: 'Ada’s account' }).click() // what is open is not in the way
    await open.device('ada-laptop').getByRole('group', { name: 'Sign in in Berlin?' }).getByRole('button', { name: 'Yes' }).click()
    await open.device('ada-phone').getByRole('group', { name: 'Sign in in Berlin?' }).getByRole('button', { name: 'No' }).press('Escape')
    expect(await answers).toMatchObject({
      answers: expect.arrayContaining([
        expect.objectContaining({ status: 'answered', data: { accepted: true } }),
        expect.objectContaining({ status: 'answered', data: { accepted: false } }),
      ]),
    })
    expect(await open.device('grace-tablet').getByRole('group').count()).toBe(0)
  })

  test('are listed, and one logs the other out, which signs in again', async () => {
    const open = await start()
    const laptop = open.device('ada-laptop')
    const phone = open.device('ada-phone')
    await laptop.getByRole('button', { name: 'Ada’s account' }).click()
    await laptop.getByRole('button', { name: 'Log out phone' }).click()
    await phone.getByText('Signed out: Logged out').waitFor()
    await laptop.getByRole('button', { name: 'Log out phone' }).waitFor({ state: 'detached' })
    await phone.getByText('unknown').first().waitFor()

    await open.call('POST', '/users/ada/notifications', { title: 'Meanwhile', message: 'While the phone was out' })
    await phone.getByRole('button', { name: 'Sign in' }).click()
    await allConnected(open)
    await phone.getByRole('button', { name: 'Mark “Meanwhile” as read' }).waitFor()
    expect(open.complaints).toEqual([])
  })
})

test('a user who is not connected is told by the fallback, and the page shows that', async () => {
  const open = await start()
  await open.page.getByRole('radio', { name: 'Notify Katherine' }).check()
  await open.page.getByRole('button', { name: 'Run' }).click()
  await open.page.getByText('"delivered": { "by": "e-mail" }').waitFor()
  await open.page.getByRole('list', { name: 'Sent by other means' }).getByText('katherine@example.com').waitFor()
  expect(open.mails).toMatchObject([['katherine', { title: 'Welcome back' }]])
  expect(await open.page.getByRole('list', { name: 'Sent by other means' }).getByRole('listitem').count()).toBe(1) // though three devices heard of it
})

test('a room shows who is in it, who is typing and what is said', async () => {
  const open = await start()
  const laptop = open.device('ada-laptop')
  const tablet = open.device('grace-tablet')
  await seen(async () => (await textOf(members(open, 'ada-laptop'))) === 'AAda | GGrace')
  await tablet.getByLabel('Message', { exact: true }).pressSequentially('Go?')
  await laptop.getByText('Grace is typing…').waitFor()
  await tablet.getByLabel('Message', { exact: true }).press('Enter')
  for (const name of ['ada-laptop', 'ada-phone', 'grace-tablet'] as const) await open.device(name).getByRole('log').getByText('Go?').waitFor()
  await laptop.getByText('Grace is typing…').waitFor({ state: 'detached' })
  await tablet.getByRole('button', { name: 'Leave mission control' }).click()
  await seen(async () => (await textOf(members(open, 'ada-laptop'))) === 'AAda')
})

test('what is sent wrongly is refused with what is wrong with it, and the timeline shows all of it', async () => {
  const open = await start()
  await open.device('grace-tablet').getByRole('button', { name: 'Bad payload' }).click()
  await open.device('grace-tablet').getByText('INVALID_PAYLOAD: notificationId: Invalid input: expected string, received number').waitFor()
  const rows = open.page.locator('.timeline tbody tr', { hasText: 'notification:mark_read' })
  const [request, reply] = await rows.evaluateAll((all) => all.map((row) => [...row.querySelectorAll('td')].slice(3).map((cell) => cell.textContent)))
  const frame = '420["notification:mark_read",{"notificationId":42}]' // one digit for the id of the reply, one more for each ten
  expect(Number.parseInt(request?.[0] ?? '', 10)).toBeGreaterThanOrEqual(frame.length)
  expect(Number.parseInt(request?.[0] ?? '', 10)).toBeLessThanOrEqual(frame.length + 1)
  expect(request?.[1]).toBe('')
  expect(reply?.[1]).toMatch(/^[\d.,]+ ms$/)
  expect(open.complaints).toEqual([])
})

test('a token is replaced on the live connection', async () => {
  const open = await start()
  const before = await open.socketId('ada-laptop')
  await open.device('ada-laptop').getByRole('button', { name: 'Expire token' }).click()
  await seen(async () => (await open.crossings('ada-laptop')).filter((crossing) => crossing === 'down $authenticate reply').length === 2)
  await open.device('ada-laptop').getByText('ends in 12 h').waitFor()
  expect(await open.socketId('ada-laptop')).toBe(before)
  expect(open.app.realtime.io.of('/').sockets.has(before ?? '')).toBe(true)
  expect((await open.crossings('ada-laptop')).filter((crossing) => crossing === 'up connect')).toHaveLength(1)
})

test('a connection that is dropped is shown as offline, and comes back with its room', async () => {
  const open = await start()
  const tablet = open.device('grace-tablet')
  const before = await open.socketId('grace-tablet')
  await tablet.getByRole('button', { name: 'Drop' }).click()
  await tablet.getByText('Offline. Trying again…').waitFor()
  await seen(async () => (await textOf(members(open, 'ada-laptop'))) === 'AAda')
  await allConnected(open)
  await seen(async () => (await textOf(members(open, 'ada-laptop'))) === 'AAda | GGrace')
  await seen(async () => (await members(open, 'grace-tablet').count()) === 2)
  expect(await open.socketId('grace-tablet')).not.toBe(before)
  expect(await open.layoutShift()).toBeLessThan(0.05)
})

test('the devices come back to a server that was restarted, with their room and who is online', async () => {
  const open = await start()
  await open.call('POST', '/users/ada/notifications', { title: 'Before', message: 'Of the first server' })
  await open.device('ada-phone').getByRole('button', { name: '1 unread notification' }).waitFor()
  await close(open.app)
  await seen(async () => (await open.page.locator('.status[data-status="reconnecting"]').count()) === 3)
  const second = await startExampleApp(built, open.port)
  await allConnected(open)
  for (const name of ['ada-laptop', 'ada-phone', 'grace-tablet'] as const) {
    await seen(async () => (await members(open, name).count()) === 2)
    await seen(async () => (await online(open, name).count()) === 2)
    await seen(async () => (await inbox(open, name).count()) === 0) // its store was in memory
  }
  expect([...(await second.app.realtime.presence.members('group', 'mission-control'))].sort()).toEqual(['ada', 'grace'])
  await second.call('POST', '/users/ada/notifications', { title: 'After', message: 'Of the second server' })
  for (const name of ['ada-laptop', 'ada-phone'] as const) await open.device(name).getByRole('button', { name: 'Mark “After” as read' }).waitFor()
})

test('each device has one connection, though StrictMode runs effects twice', async () => {
  const example = await startExampleApp(built)
  let connections = 0
  example.app.realtime.io.of('/').on('connection', () => connections++)
  const open = await openPage(browser, example.url)
  for (const name of ['ada-laptop', 'ada-phone', 'grace-tablet'] as const) {
    await seen(async () => (await open.crossings(name)).includes('down profile:get reply'))
    const crossings = await open.crossings(name)
    expect(crossings.filter((crossing) => crossing === 'up connect')).toHaveLength(1)
  }
  expect(connections).toBe(3)
  expect(await open.bundleType()).toBe(1) // of development: only there effects run twice
  expect(open.complaints).toEqual([])
})
