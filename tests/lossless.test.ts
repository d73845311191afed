import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { check, type Flaw } from './lossless/checker.js'
import { type Entry, HistoryFile } from './lossless/history.js'
import { runLossless } from './lossless/run.js'
import { INSTALL_MS } from './programs.js'

type Kind = Entry['kind']
type Change = (history: Entry[]) => Entry[]

/**
 * Two users of one device each, and a hall of both. Ada's device hears 1, 3 and 5, misses 7 and 9 and is told so, hears 11, finds its log replaced, and
 * hears 13. Grace's begins after 2, hears 4, and whether 6 was stored nobody knows. In the hall both hear 21 and 24; ada's misses 22 and 23 and is told so,
 * grace's hears them, and both hear the last one, 25.
 */
function history(): Entry[] {
  let atMs = 0
  const entries: Entry[] = []
  const add = (entry: Record<string, unknown>): void => void entries.push({ ...entry, atMs: ++atMs } as unknown as Entry) // what is made below
  const send = (log: string, n: number, place: { epoch: string; sequence: number }, ...devices: string[]): void => {
    add({ kind: 'sent', log, n })
    add({ kind: 'stored', log, n, place })
    for (const device of devices) add({ kind: 'heard', device, n })
  }
  const enter = (log: string, device: string): void => add({ kind: 'member', log, device })
  const begin = (log: string, device: string, epoch: string, sequence: number): void =>
    add({ kind: 'caughtUp', log, device, place: { epoch, sequence }, resumed: false })
  for (const [log, device] of [
    ['user:ada', 'a'],
    ['user:grace', 'g'],
    ['hall:1', 'a'],
    ['hall:1', 'g'],
  ] as const)
    enter(log, device)
  begin('user:ada', 'a', 'A', 0)
  for (const [index, n] of [1, 3, 5].entries()) send('user:ada', n, { epoch: 'A', sequence: index + 1 }, 'a')
  send('user:grace', 2, { epoch: 'G', sequence: 1 })
  begin('user:grace', 'g', 'G', 1)
  send('user:grace', 4, { epoch: 'G', sequence: 2 }, 'g')
  for (const [index, n] of [7, 9].entries()) send('user:ada', n, { epoch: 'A', sequence: index + 4 })
  add({ kind: 'gap', log: 'user:ada', device: 'a', from: 4, to: 5, before: 'A', place: { epoch: 'A', sequence: 5 }, reason: 'trimmed' })
  send('user:ada', 11, { epoch: 'A', sequence: 6 }, 'a')
  add({ kind: 'gap', log: 'user:ada', device: 'a', from: 7, to: undefined, before: 'A', place: { epoch: 'B', sequence: 0 }, reason: 'replaced' })
  send('user:ada', 13, { epoch: 'B', sequence: 1 }, 'a')
  add({ kind: 'sent', log: 'user:grace', n: 6 })
  add({ kind: 'unknown', log: 'user:grace', n: 6 })
  send('hall:1', 20, { epoch: 'H', sequence: 1 })
  begin('hall:1', 'a', 'H', 1)
  begin('hall:1', 'g', 'H', 1)
  send('hall:1', 21, { epoch: 'H', sequence: 2 }, 'a', 'g')
  send('hall:1', 22, { epoch: 'H', sequence: 3 }, 'g')
  send('hall:1', 23, { epoch: 'H', sequence: 4 }, 'g')
  add({ kind: 'gap', log: 'hall:1', device: 'a', from: 3, to: 4, before: 'H', place: { epoch: 'H', sequence: 4 }, reason: 'trimmed' })
  send('hall:1', 24, { epoch: 'H', sequence: 5 }, 'a', 'g')
  send('hall:1', 25, { epoch: 'H', sequence: 6 }, 'g', 'a')
  for (const device of ['a', 'g']) add({ kind: 'ended', device, connected: true })
  for (const n of [1, 2]) {
    add({ kind: 'asked', n })
    add({ kind: 'answered', n, answer: { n, times: 1 } })
    add({ kind: 'effect', n, times: 1 })
  }
  return entries
}

type Test = (entry: Entry) => boolean

const is =
  (kind: Kind, fields: object = {}): Test =>
  (entry) =>
    entry.kind === kind && Object.entries(fields).every(([name, value]) => entry[name as keyof Entry] === value)
const without =
  (test: Test): Change =>
  (entries) =>
    entries.filter((entry) => !test(entry))
const changed =
  (test: Test, change: object): Change =>
  (entries) =>
    entries.map((entry) => (test(entry) ? ({ ...entry, ...change } as Entry) : entry)) // of the same kind
const repeated =
  (test: Test, after: Test): Change =>
  (entries) => {
    const again = entries.find(test) as Entry // it is there
    return entries.flatMap((entry) => (after(entry) ? [entry, again] : [entry]))
  }
const swapped =
  (device: string, left: number, right: number): Change =>
  (entries) => {
    const to = (n: number): number => (n === left ? right : n === right ? left : n)
    return entries.map((entry) => (is('heard', { device })(entry) && 'n' in entry ? { ...entry, n: to(entry.n) } : entry))
  }
const added =
  (device: string, n: number): Change =>
  (entries) => [...entries, { kind: 'heard', device, n, atMs: 1_000 }]

test('the checker has nothing to say of a history in which all is well', () => {
  const { violations, logs, asked, answered } = check(history())
  expect({ violations, asked, answered }).toEqual({ violations: [], asked: 2, answered: 2 })
  expect(Object.fromEntries(logs)).toEqual({
    'user:ada': { sent: 7, stored: 7, heard: 5, gaps: 2, covered: 2 },
    'user:grace': { sent: 3, stored: 2, heard: 1, gaps: 0, covered: 0 },
    'hall:1': { sent: 6, stored: 6, heard: 8, gaps: 1, covered: 2 },
  })
})

const heardOf = (n: number, device?: string): Test => is('heard', { n, ...(device !== undefined && { device }) })
const gapOf = (log: string): Test => is('gap', { log })
const [ADA, HALL] = ['user:ada', 'hall:1']

test.each<[string, Flaw, Change]>([
  ['an event is not heard', 'lost', without(heardOf(3))],
  ['the first event is not heard', 'lost', without(heardOf(1))],
  ['the last event is not heard', 'lost', without(heardOf(13))],
  ['a device hears nothing', 'lost', without(is('heard', { device: 'g' }))],
  [
    'a device is not told where it begins, and does not hear the first event',
    'lost',
    without((entry) => is('caughtUp', { log: ADA })(entry) || heardOf(1)(entry)),
  ],
  ['no gap is told', 'lost', without(gapOf(ADA))],
  ['a gap begins too late', 'lost', changed(gapOf(ADA), { from: 5 })],
  ['a gap ends too early', 'lost', changed(gapOf(ADA), { to: 4 })],
  ['a gap is told of another log', 'lost', changed(gapOf(ADA), { before: 'X', to: 5 })],
  ['an event after the gap is not heard', 'lost', without(heardOf(11))],
  ['an event from before a device began comes last', 'reordered', added('g', 2)],
  ['an event is heard twice in a row', 'duplicated', repeated(heardOf(3), heardOf(3))],
  ['an event is heard again later', 'duplicated', repeated(heardOf(1), heardOf(11))],
  ['an event is heard again in the next epoch', 'duplicated', repeated(heardOf(11), heardOf(13))],
  ['two events change places', 'reordered', swapped('a', 3, 5)],
  ['an old event comes after a newer one', 'reordered', swapped('a', 1, 11)],
  ['an event was never sent', 'invented', changed(heardOf(5), { n: 99 })],
  ['an event of another user is heard', 'strayed', changed(heardOf(5), { n: 4 })],
  ['an event of a room is not heard by one of its members', 'lost', without(heardOf(21, 'g'))],
  ['the last event of a room is not heard by one of its members', 'lost', without(heardOf(25, 'a'))],
  ['a member is told nothing of what it has missed in a room', 'lost', without(gapOf(HALL))],
  ["a gap in a room is told of the user's own events", 'lost', changed(gapOf(HALL), { log: ADA })],
  ['a gap is told to another member of the room', 'lost', changed(gapOf(HALL), { device: 'g' })],
  ['a gap in a room ends too early', 'lost', changed(gapOf(HALL), { to: 3 })],
  ['an event of a room is heard twice by one of its members', 'duplicated', repeated(heardOf(22, 'g'), heardOf(24, 'g'))],
  ['two events of a room change places for one of its members', 'reordered', swapped('g', 22, 24)],
  ['an event of a room comes after a gap that it is behind', 'reordered', swapped('a', 21, 25)],
  ['an event of a room is heard by who is not in it', 'strayed', without(is('member', { log: HALL, device: 'g' }))],
  ['a command was done twice by then', 'done again', changed(is('answered', { n: 2 }), { answer: { n: 2, times: 2 } })],
  ['a command was done again later', 'done again', changed(is('effect', { n: 1 }), { times: 2 })],
  ['a command is answered for another', 'answered otherwise', changed(is('answered', { n: 2 }), { answer: { n: 1, times: 1 } })],
  ['a command takes effect that nobody has asked for', 'invented', changed(is('effect', { n: 2 }), { n: 99 })],
])('the checker finds it where %s', (_name, flaw, change) => {
  expect(check(change(history())).violations.map((violation) => violation.flaw)).toContain(flaw)
})

test('events of a room and those of a user have no order between them', () => {
  const late = history().toSorted((left, right) => Number(heardOf(13)(left)) - Number(heardOf(13)(right)))
  expect(check(late).violations).toEqual([])
})

test('of a device that is away in the end it says only what it has heard', () => {
  const away = changed(is('ended'), { connected: false })(without(heardOf(13))(history()))
  expect(check(away).violations).toEqual([])
  expect(check(repeated(heardOf(1), heardOf(11))(away)).violations).toMatchObject([{ flaw: 'duplicated', n: 1 }])
})

test('a history is judged from a file as it is from memory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'realtime-history-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = new HistoryFile(join(folder, 'history.jsonl'))
  const flawed = [...history(), ...Array.from({ length: 30_000 }, (): Entry => ({ kind: 'heard', device: 'ä', n: 99, atMs: 1_000 }))]
  for (const entry of flawed) file.write(entry)
  expect([...file]).toEqual(flawed)
  expect(check(file)).toEqual(check(flawed))
})

test(
  'three nodes, killed, stopped and without their Redis, lose nothing in silence, tell nothing twice, and do nothing twice',
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const seen: Entry[] = []
    await runLossless({ seed, messages: 20_000, faults: 60, users: 8, halls: 4, event: 'kept', write: (entry) => void seen.push(entry) })
    const { violations, logs, answered } = check(seen)
    expect(violations, `seed ${seed}`).toEqual([])
    for (const [log, { stored, heard }] of logs) {
      expect(stored, log).toBeGreaterThan(100)
      expect(heard, log).toBeGreaterThan(stored)
    }
    expect(answered).toBeGreaterThan(500)
  },
  INSTALL_MS + 240_000,
)
