import { expect, test } from 'vitest'
import { check, type Flaw } from './lossless/checker.js'
import type { Entry } from './lossless/history.js'
import { runLossless } from './lossless/run.js'
import { INSTALL_MS } from './programs.js'

type Kind = Entry['kind']
type Change = (history: Entry[]) => Entry[]

/**
 * Two users of one device each. Ada's device hears 1, 3 and 5, misses 7 and 9 and is told so, hears 11, finds its log replaced, and hears 13.
 * Grace's begins after 2, hears 4, and whether 6 was stored nobody knows.
 */
function history(): Entry[] {
  let atMs = 0
  const entries: Entry[] = []
  const add = (entry: Record<string, unknown>): void => void entries.push({ ...entry, atMs: ++atMs } as unknown as Entry) // what is made below
  const send = (user: string, n: number, place: { epoch: string; sequence: number }, ...devices: string[]): void => {
    add({ kind: 'sent', user, n })
    add({ kind: 'stored', user, n, place })
    for (const device of devices) add({ kind: 'heard', user, device, n })
  }
  add({ kind: 'caughtUp', user: 'ada', device: 'a', place: { epoch: 'A', sequence: 0 }, resumed: false })
  for (const [index, n] of [1, 3, 5].entries()) send('ada', n, { epoch: 'A', sequence: index + 1 }, 'a')
  send('grace', 2, { epoch: 'G', sequence: 1 })
  add({ kind: 'caughtUp', user: 'grace', device: 'g', place: { epoch: 'G', sequence: 1 }, resumed: false })
  send('grace', 4, { epoch: 'G', sequence: 2 }, 'g')
  for (const [index, n] of [7, 9].entries()) send('ada', n, { epoch: 'A', sequence: index + 4 })
  add({ kind: 'gap', user: 'ada', device: 'a', from: 4, to: 5, before: 'A', place: { epoch: 'A', sequence: 5 }, reason: 'trimmed' })
  send('ada', 11, { epoch: 'A', sequence: 6 }, 'a')
  add({ kind: 'gap', user: 'ada', device: 'a', from: 7, to: undefined, before: 'A', place: { epoch: 'B', sequence: 0 }, reason: 'replaced' })
  send('ada', 13, { epoch: 'B', sequence: 1 }, 'a')
  add({ kind: 'sent', user: 'grace', n: 6 })
  add({ kind: 'unknown', user: 'grace', n: 6 })
  for (const [user, device] of [
    ['ada', 'a'],
    ['grace', 'g'],
  ])
    add({ kind: 'ended', user, device, connected: true })
  for (const n of [1, 2]) {
    add({ kind: 'asked', user: 'ada', n })
    add({ kind: 'answered', user: 'ada', n, answer: { n, times: 1 } })
    add({ kind: 'effect', n, times: 1 })
  }
  return entries
}

const is = (kind: Kind, n?: number) => (entry: Entry) => entry.kind === kind && (n === undefined || ('n' in entry && entry.n === n))
const without =
  (kind: Kind, n?: number): Change =>
  (entries) =>
    entries.filter((entry) => !is(kind, n)(entry))
const changed =
  (kind: Kind, n: number | undefined, change: object): Change =>
  (entries) =>
    entries.map((entry) => (is(kind, n)(entry) ? ({ ...entry, ...change } as Entry) : entry)) // of the same kind
const repeated =
  (n: number, after: number): Change =>
  (entries) => {
    const again = entries.find(is('heard', n)) as Entry // it is there
    return entries.flatMap((entry) => (is('heard', after)(entry) ? [entry, again] : [entry]))
  }

test('the checker has nothing to say of a history in which all is well', () => {
  expect(check(history())).toMatchObject({ violations: [], sent: 10, stored: 9, heard: 6, gaps: 2, covered: 2, asked: 2, answered: 2 })
})

test.each<[string, Flaw, Change]>([
  ['an event is not heard', 'lost', without('heard', 3)],
  ['the first event is not heard', 'lost', without('heard', 1)],
  ['the last event is not heard', 'lost', without('heard', 13)],
  ['a device hears nothing', 'lost', (entries) => entries.filter((entry) => !(entry.kind === 'heard' && entry.device === 'g'))],
  ['no gap is told', 'lost', without('gap')],
  ['a gap begins too late', 'lost', changed('gap', undefined, { from: 5 })],
  ['a gap ends too early', 'lost', changed('gap', undefined, { to: 4 })],
  ['a gap is told of another log', 'lost', changed('gap', undefined, { before: 'X', to: 5 })],
  ['an event after the gap is not heard', 'lost', without('heard', 11)],
  ['an event from before a device began comes last', 'reordered', (entries) => [...entries, toHeard('grace', 'g', 2)]],
  ['an event is heard twice in a row', 'duplicated', repeated(3, 3)],
  ['an event is heard again later', 'duplicated', repeated(1, 11)],
  ['an event is heard again in the next epoch', 'duplicated', repeated(11, 13)],
  ['two events change places', 'reordered', (entries) => swap(entries, 3, 5)],
  ['an old event comes after a newer one', 'reordered', (entries) => swap(entries, 1, 11)],
  ['an event was never sent', 'invented', changed('heard', 5, { n: 99 })],
  ['an event of another user is heard', 'strayed', changed('heard', 5, { n: 4 })],
  ['a command was done twice by then', 'done again', changed('answered', 2, { answer: { n: 2, times: 2 } })],
  ['a command was done again later', 'done again', changed('effect', 1, { times: 2 })],
  ['a command is answered for another', 'answered otherwise', changed('answered', 1, { answer: { n: 2, times: 1 } })],
  ['a command takes effect that nobody has asked for', 'invented', changed('effect', 2, { n: 99 })],
])('the checker finds it where %s', (_name, flaw, change) => {
  expect(check(change(history())).violations.map((violation) => violation.flaw)).toContain(flaw)
})

test('of a device that is away in the end it says only what it has heard', () => {
  const away = changed('ended', undefined, { connected: false })(without('heard', 13)(history()))
  expect(check(away).violations).toEqual([])
  expect(check(repeated(1, 11)(away)).violations).toMatchObject([{ flaw: 'duplicated', n: 1 }])
})

test(
  'three nodes, killed, stopped and without their Redis, lose nothing in silence, tell nothing twice, and do nothing twice',
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const { history: seen } = await runLossless({ seed, messages: 2_000, faults: 20, event: 'kept' })
    const { violations, heard, stored, answered } = check(seen)
    expect(violations, `seed ${seed}`).toEqual([])
    expect(stored).toBeGreaterThan(1_000)
    expect(heard).toBeGreaterThan(stored)
    expect(answered).toBeGreaterThan(500)
  },
  INSTALL_MS + 240_000,
)

function toHeard(user: string, device: string, n: number): Entry {
  return { kind: 'heard', user, device, n, atMs: 1_000 }
}

function swap(entries: readonly Entry[], left: number, right: number): Entry[] {
  const to = (n: number): number => (n === left ? right : n === right ? left : n)
  return entries.map((entry) => (entry.kind === 'heard' ? { ...entry, n: to(entry.n) } : entry))
}
