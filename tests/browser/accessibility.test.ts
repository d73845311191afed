import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Page as BuiltPage } from '../../examples/notifications/src/page.js'
import { INSTALL_MS } from '../programs.js'
import { launchChromium } from './chromium.js'
import { buildExample, type OpenPage, openPage, seen, startExampleApp } from './page.js'

// A browser with three clients, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000 })

let browser: Browser
let built: BuiltPage

beforeAll(async () => {
  ;[browser, built] = await Promise.all([launchChromium(), buildExample()])
}, INSTALL_MS)
afterAll(() => browser?.close())

/** What axe finds wrong, with where; of the many rows of the timeline, in the first ones. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations: found } = await page.evaluate(() =>
    (window as unknown as { axe: typeof axe }).axe.run({ exclude: '.timeline tr:nth-child(n + 12)' }, { resultTypes: ['violations'] }),
  )
  return found.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary}`))
}

/** Something in every part: notifications, toasts, a question, an open menu, a refusal, a device that is signed out. */
async function fill(open: OpenPage, call: (method: string, path: string, body?: unknown) => Promise<unknown>): Promise<void> {
  await call('POST', '/users/ada/notifications', { title: 'Build finished', message: 'All green' })
  await call('POST', '/users/ada/achievements', { achievementId: 'ach-002', title: 'Night owl' })
  await call('POST', '/users/katherine/notifications', { title: 'Welcome back', message: 'A mission waits' })
  void call('POST', '/users/ada/confirm', { question: 'Sign in in Berlin?' }).catch(() => {}) // the test does not wait for it
  await open.device('ada-laptop').getByText('Sign in in Berlin?').waitFor({ state: 'attached' })
  await open.device('ada-laptop').getByRole('list', { name: 'Achievements', includeHidden: true }).getByText('Night owl').waitFor({ state: 'attached' })
}

describe.each(['light', 'dark'] as const)('in the %s scheme', (colorScheme) => {
  test('axe finds nothing wrong with a page that shows all it can', async () => {
    const example = await startExampleApp(built)
    const open = await openPage(browser, example.url, { colorScheme, reducedMotion: 'reduce' })
    await fill(open, example.call)
    await open.device('grace-tablet').getByRole('button', { name: 'Bad payload' }).click()
    await open.device('ada-laptop').getByRole('button', { name: 'Ada’s account' }).click()
    await open.device('grace-tablet').getByRole('button', { name: 'Log out' }).click()
    await open.device('grace-tablet').getByRole('button', { name: 'Sign in' }).waitFor()
    expect(await violations(open.page)).toEqual([])
    expect(open.complaints).toEqual([])
  })
})

test('each scheme has colours of its own', async () => {
  const { url } = await startExampleApp(built)
  const { page } = await openPage(browser, url)
  const colours = () =>
    page.evaluate(() => [document.documentElement, document.querySelector('.device')!].map((each) => getComputedStyle(each).backgroundColor))
  expect(await colours()).toEqual(['rgb(244, 245, 247)', 'rgb(255, 255, 255)'])
  await page.emulateMedia({ colorScheme: 'dark' })
  expect(await colours()).toEqual(['rgb(14, 17, 22)', 'rgb(22, 26, 33)'])
})

test('a phone shows one view at a time, none wider than it, and axe finds nothing wrong', async () => {
  const example = await startExampleApp(built)
  const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
  const open = await openPage(browser, example.url, { reducedMotion: 'reduce', ...phone })
  expect(await violations(open.page), 'a device').toEqual([])
  await fill(open, example.call)
  for (const view of ['phone Ada', 'tablet Grace', 'server', 'wire', 'laptop Ada']) {
    await open.page.getByRole('button', { name: view, exact: true }).tap()
    expect(await open.page.locator('.view:visible').count(), view).toBe(1)
    expect(await open.page.evaluate(() => document.documentElement.scrollWidth), view).toBe(390)
    if (view === 'server' || view === 'wire') expect(await violations(open.page), view).toEqual([])
  }
})

test('nothing moves while the page fills and events come', async () => {
  const example = await startExampleApp(built)
  const open = await openPage(browser, example.url)
  await fill(open, example.call)
  for (let count = 0; count < 8; count++) await example.call('POST', '/users/grace/notifications', { title: `No ${count}`, message: 'One of many' })
  await open.device('grace-tablet').getByRole('button', { name: '8 unread notifications' }).waitFor()
  expect(await open.layoutShift()).toBeLessThan(0.05)
})

test('whoever asks for less motion gets none', async () => {
  const example = await startExampleApp(built)
  const open = await openPage(browser, example.url, { reducedMotion: 'reduce' })
  await example.call('POST', '/users/ada/notifications', { title: 'Build finished', message: 'All green' })
  await open.device('ada-laptop').locator('.toast').waitFor()
  expect(await open.page.evaluate(() => document.getAnimations().length)).toBe(0)
  expect(
    await open
      .device('ada-laptop')
      .locator('.toast')
      .evaluate((toast) => getComputedStyle(toast).animationName),
  ).toBe('none')
})

test('all of it works with a keyboard, in the order in which it is read, and shows where one is', async () => {
  const example = await startExampleApp(built)
  const open = await openPage(browser, example.url)
  const { page } = open
  const laptop = open.device('ada-laptop')
  await example.call('POST', '/users/ada/notifications', { title: 'Build finished', message: 'All green' })
  await laptop.getByRole('button', { name: 'Mark “Build finished” as read' }).waitFor()
  await laptop.locator('.toast').waitFor({ state: 'detached' })

  const focused = () =>
    page.evaluate(() => {
      const { activeElement: at } = document
      const shown = at instanceof HTMLInputElement && at.type === 'radio' ? at.parentElement : at
      return {
        name: at?.getAttribute('aria-label') ?? (at instanceof HTMLInputElement ? at.labels?.[0]?.textContent : at?.textContent) ?? '',
        outlined: shown !== null && getComputedStyle(shown).outlineStyle !== 'none',
      }
    })
  const walk: string[] = []
  while (!walk.includes('Log out')) {
    await page.keyboard.press('Tab')
    const { name, outlined } = await focused()
    expect(outlined, `${name} shows that it has the focus`).toBe(true)
    walk.push(name)
    expect(walk.length).toBeLessThan(40)
  }
  expect(walk).toEqual([
    'Notify Ada',
    'The request, as a curl command',
    'Run',
    'Copy',
    'Answer',
    '1 unread notification',
    'Ada’s account',
    'Notifications',
    'Mark “Build finished” as read',
    'Delete “Build finished”',
    'Leave mission control',
    'Messages',
    'Message',
    'Send',
    'Drop',
    'Expire token',
    'Bad payload',
    'Log out',
  ])

  await laptop.getByRole('button', { name: 'Ada’s account' }).focus()
  await page.keyboard.press('Enter')
  await laptop.getByRole('heading', { name: 'Signed in on' }).waitFor()
  await laptop.getByRole('button', { name: 'Log out laptop' }).focus()
  await page.keyboard.press('Escape')
  await laptop.getByRole('heading', { name: 'Signed in on' }).waitFor({ state: 'hidden' })
  expect((await focused()).name).toBe('Ada’s account')

  await laptop.getByRole('button', { name: '1 unread notification' }).focus()
  await page.keyboard.press('Enter')
  expect((await focused()).name).toBe('Inbox')
  await laptop.getByRole('button', { name: 'Mark “Build finished” as read' }).focus()
  await page.keyboard.press('Space')
  await open.device('ada-phone').getByRole('button', { name: 'No unread notifications' }).waitFor()
  await seen(async () => (await focused()).name === 'Inbox') // not lost with the button
})
