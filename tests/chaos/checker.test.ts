import { describe, expect, test } from 'vitest'
import { type Connected, check, type Run, type Snapshot, type Told } from './checker.js'

const NOBODY: Snapshot = { atMs: 19_000, online: [], count: 0, devices: new Map(), members: new Map() }

const told = (text: string): Told[] =>
  text.split(', ').map((event) => {
    const [userId = '', change, atMs] = event.split(' ')
    return { userId, change: change as Told['change'], atMs: Number(atMs) }
  })

const connected = (userId: string, fromMs: number, toMs: number | undefined, more: Partial<Connected> = {}): Connected => ({
  userId,
  deviceId: `${userId}-phone`,
  node: 'a',
  dialledMs: fromMs - 10,
  connectedMs: fromMs,
  endedMs: toMs,
  rooms: [],
  ...more,
})

/** Grace 200 ms, a node that dies is noticed within 3 s, and the machine is never late by more than 1 s. */
const run = (events: string, connections: readonly Connected[], more: Partial<Run> = {}): Run => ({
  graceMs: 200,
  noticeMs: 3_000,
  slackMs: 1_000,
  endMs: 20_000,
  observers: [{ name: 'observer', lasting: true, endedMs: undefined, told: told(events) }],
  connections,
  aways: [],
  disturbances: [],
  snapshots: [NOBODY],
  keys: { withoutClients: ['nodes', 'epoch', 'events'], withoutNodes: [] },
  crashes: [],
  ...more,
})

const found = (subject: Run): string[] => [...new Set(check(subject).violations.map((violation) => violation.check))]

const VISIT = 'ada online 1000, ada offline 2300'

describe('the judge of a chaos run', () => {
  test('has nothing to say of what is right', () => {
    const verdict = check(run(VISIT, [connected('ada', 1_000, 2_000)]))
    expect(verdict).toMatchObject({
      violations: [],
      transitions: 2,
      judged: { 'early offline': 1, 'online of nobody': 1, 'missed online': 1, 'late offline': 1 },
    })
  })

  test.each<[string, string, Run]>([
    ['a change told twice', 'alternation', run('ada online 1000, ada online 1100, ada offline 2300', [connected('ada', 1_000, 2_000)])],
    [
      'an offline for an absence shorter than the grace period',
      'early offline',
      run(`ada online 1000, ada offline 1300, ada online 1301, ada offline 2300`, [connected('ada', 1_000, 1_200), connected('ada', 1_300, 2_000)]),
    ],
    [
      'an offline of one who has another device',
      'early offline',
      run('ada online 1000, ada offline 1800, ada online 1900, ada offline 2300', [connected('ada', 1_000, 2_000), connected('ada', 1_100, 1_500)]),
    ],
    ['an online of one who is not there', 'online of nobody', run('eve online 1000, eve offline 1300', [])],
    ['an online that is not told', 'missed online', run('eve online 1000, eve offline 2300', [connected('ada', 1_000, 2_000), connected('eve', 1_000, 2_000)])],
    ['an offline that is told too late', 'late offline', run('ada online 1000, ada offline 6000', [connected('ada', 1_000, 2_000)])],
    ['one who is online and not there', 'ghost', run(VISIT, [connected('ada', 1_000, 2_000)], { snapshots: [{ ...NOBODY, online: ['eve'] }] })],
    ['one who is there and not online', 'missing user', run('ada online 1000', [connected('ada', 1_000, undefined)])],
    ['a wrong count', 'count', run(VISIT, [connected('ada', 1_000, 2_000)], { snapshots: [{ ...NOBODY, count: 1 }] })],
    [
      'a device that has gone',
      'devices',
      run(VISIT, [connected('ada', 1_000, 2_000)], { snapshots: [{ ...NOBODY, devices: new Map([['ada', ['ada-phone']]]) }] }),
    ],
    [
      'a member who has gone',
      'members',
      run(VISIT, [connected('ada', 1_000, 2_000, { rooms: ['red'] })], { snapshots: [{ ...NOBODY, members: new Map([['red', ['ada']]]) }] }),
    ],
    ['events that do not add up', 'fold', run('ada online 1000', [connected('ada', 1_000, 2_000)])],
    [
      'keys that clients leave',
      'keys without clients',
      run(VISIT, [connected('ada', 1_000, 2_000)], { keys: { withoutClients: ['user:ada'], withoutNodes: [] } }),
    ],
    ['keys that nodes leave', 'keys without nodes', run(VISIT, [connected('ada', 1_000, 2_000)], { keys: { withoutClients: [], withoutNodes: ['epoch'] } })],
    ['a process that ends by itself', 'crash', run(VISIT, [connected('ada', 1_000, 2_000)], { crashes: ['node 1'] })],
  ])('finds %s', (_what, expected, subject) => {
    expect(found(subject)).toContain(expected)
  })

  test('does not judge by its time what is told while Redis is away; that it alternates and adds up it does', () => {
    const disturbances = [{ fromMs: 1_500, toMs: 9_000 }]
    const connections = [connected('ada', 1_000, 8_000)]
    expect(found(run('ada online 1000, ada offline 2000, ada online 2500, ada offline 8500', connections, { disturbances }))).toEqual([])
    expect(found(run('ada online 1000, ada offline 2000, ada offline 8500', connections, { disturbances }))).toEqual(['alternation'])
  })

  test('takes those on a node that stood still for there or not', () => {
    const aways = [{ node: 'a', fromMs: 2_000, toMs: 4_000 }]
    const visit = [connected('ada', 1_000, 8_000)]
    expect(found(run('ada online 1000, ada offline 3200, ada online 4100, ada offline 8300', visit, { aways }))).toEqual([])
    expect(found(run('ada online 1000, ada offline 8300', visit, { aways }))).toEqual([])
    expect(found(run('ada online 1000, ada offline 3200, ada online 4100, ada offline 8300', visit))).toEqual(['early offline'])
  })

  test('accepts either as the first event of an observer that came later, and no end of one that was killed', () => {
    const late = { name: 'late', lasting: false, endedMs: 3_000, told: told('ada offline 2300, eve online 2400') }
    const subject = run(VISIT, [connected('ada', 1_000, 2_000)])
    expect(found({ ...subject, observers: [...subject.observers, late] })).toEqual([])
  })
})
