import { meets, type Span, union, without } from './spans.js'

// Judges a run of a cluster by what was told, what clients did, and what is left. It knows nothing of how any of that came to be.

export interface Told {
  readonly atMs: number
  readonly change: 'online' | 'offline'
  readonly userId: string
}

/** What one process told, in its order. */
export interface Observer {
  readonly name: string
  /** It was there before the first user and was never disturbed: when it told what, and that it told all, is judged too. */
  readonly lasting: boolean
  readonly endedMs: number | undefined
  readonly told: readonly Told[]
}

/** A connection, as its client saw it. */
export interface Connected {
  readonly userId: string
  readonly deviceId: string
  /** The process it was dialled to. */
  readonly node: string
  readonly dialledMs: number
  /** Since when the client knows that it is in. */
  readonly connectedMs: number | undefined
  /** When the client began to leave, or its node was killed. */
  readonly endedMs: number | undefined
  readonly rooms: readonly string[]
}

export interface Away extends Span {
  /** A node; it did nothing meanwhile. */
  readonly node: string
}

export interface Snapshot {
  readonly atMs: number
  readonly online: readonly string[]
  readonly count: number
  /** The ids of the devices of every user there ever was. */
  readonly devices: ReadonlyMap<string, readonly string[]>
  readonly members: ReadonlyMap<string, readonly string[]>
}

export interface Run {
  readonly graceMs: number
  /** Within which a node that died is noticed and its users are told of: lease, grace and two sweeps, and what the machine may be late by. */
  readonly noticeMs: number
  /** What the machine may be late by. */
  readonly slackMs: number
  readonly endMs: number
  readonly observers: readonly Observer[]
  readonly connections: readonly Connected[]
  readonly aways: readonly Away[]
  /** When the store was not there, or not what it had been, until everything has had the time to be right again. */
  readonly disturbances: readonly Span[]
  /** Taken when nothing moves any more. */
  readonly snapshots: readonly Snapshot[]
  /** The names of keys, without what they all start with, when no client was there any more, and when no node was. */
  readonly keys: { readonly withoutClients: readonly string[]; readonly withoutNodes: readonly string[] }
  /** Processes that ended by themselves. */
  readonly crashes: readonly string[]
}

const CHECKS = [
  'alternation',
  'early offline',
  'online of nobody',
  'missed online',
  'late offline',
  'ghost',
  'missing user',
  'count',
  'devices',
  'members',
  'fold',
  'keys without clients',
  'keys without nodes',
  'crash',
] as const

type Check = (typeof CHECKS)[number]

export interface Violation {
  readonly check: Check
  readonly text: string
}

export interface Verdict {
  readonly violations: readonly Violation[]
  /** How often each check had something to judge, so that one that never had is seen. */
  readonly judged: Readonly<Record<Check, number>>
  /** How many transitions the lasting observers told. */
  readonly transitions: number
}

class Findings {
  readonly violations: Violation[] = []
  readonly judged = Object.fromEntries(CHECKS.map((check) => [check, 0])) as Record<Check, number> // all of them

  judge(check: Check, holds: boolean, text: () => string): void {
    this.judged[check]++
    if (!holds) this.violations.push({ check, text: text() })
  }
}

export function check(run: Run): Verdict {
  const findings = new Findings()
  for (const observer of run.observers) checkAlternation(observer, findings)
  const users = groupBy(run.connections, ({ userId }) => userId)
  for (const observer of run.observers.filter(({ lasting }) => lasting)) checkTimes(run, observer, users, findings)
  for (const snapshot of run.snapshots) {
    checkSnapshot(snapshot, run.connections, findings)
    for (const observer of run.observers) checkFold(observer, snapshot, findings)
  }
  checkKeys(run, findings)
  findings.judge('crash', run.crashes.length === 0, () => run.crashes.join('; '))
  const transitions = Math.max(0, ...run.observers.filter(({ lasting }) => lasting).map(({ told }) => told.length))
  return { violations: findings.violations, judged: findings.judged, transitions }
}

/** What a snapshot has that it should not, or lacks, on its own: for who waits until it has settled. */
export function flawsOf(snapshot: Snapshot, connections: readonly Connected[], observers: readonly Observer[]): readonly Violation[] {
  const findings = new Findings()
  checkSnapshot(snapshot, connections, findings)
  for (const observer of observers) checkFold(observer, snapshot, findings)
  return findings.violations
}

// ---- what each observer told

/** Of a user that an observer may have found online, the first event may be either. */
function checkAlternation({ name, lasting, told }: Observer, findings: Findings): void {
  const last = new Map<string, Told['change']>()
  for (const { userId, change } of told) {
    const before = last.get(userId) ?? (lasting ? 'offline' : undefined)
    findings.judge('alternation', before !== change, () => `${name} told ${change} of ${userId} twice in a row`)
    last.set(userId, change)
  }
}

// ---- when the lasting observer told it

function checkTimes(run: Run, { name, told }: Observer, users: ReadonlyMap<string, Connected[]>, findings: Findings): void {
  const toldOf = groupBy(told, ({ userId }) => userId)
  for (const userId of new Set([...users.keys(), ...toldOf.keys()])) {
    const connections = users.get(userId) ?? []
    const judge = new UserTimes(run, `${name}, ${userId}`, toldOf.get(userId) ?? [], certainly(run, connections), possibly(run, connections), findings)
    judge.told()
    judge.done()
  }
}

/** When a user was connected for sure: a node that was away needs a while until what it holds is known again. */
function certainly({ aways, noticeMs }: Run, connections: readonly Connected[]): Span[] {
  const pieces = connections.flatMap(({ node, connectedMs, endedMs = Number.POSITIVE_INFINITY }) => {
    if (connectedMs === undefined) return []
    const holes = aways.filter((away) => away.node === node).map(({ fromMs, toMs }) => ({ fromMs, toMs: toMs + noticeMs }))
    return without({ fromMs: connectedMs, toMs: endedMs }, holes)
  })
  return union(pieces)
}

/** When a user may have been connected: a node that was away learns only then of who went meanwhile. */
function possibly({ aways, slackMs }: Run, connections: readonly Connected[]): Span[] {
  const pieces = connections.map(({ node, dialledMs, endedMs = Number.POSITIVE_INFINITY }) => {
    const during = aways.filter((away) => away.node === node && away.fromMs - slackMs <= endedMs && away.toMs >= endedMs)
    return { fromMs: dialledMs, toMs: Math.max(endedMs, ...during.map(({ toMs }) => toMs)) }
  })
  return union(pieces)
}

class UserTimes {
  constructor(
    private readonly run: Run,
    private readonly who: string,
    private readonly events: readonly Told[],
    private readonly certain: readonly Span[],
    private readonly possible: readonly Span[],
    private readonly findings: Findings,
  ) {}

  /** What was told had a reason. */
  told(): void {
    for (const [index, { change, atMs }] of this.events.entries()) {
      const before = { fromMs: atMs - this.run.noticeMs, toMs: atMs }
      if (meets(before, this.run.disturbances)) continue
      if (change === 'online') this.findings.judge('online of nobody', meets(before, this.possible), () => this.#text('online told of who was not there', atMs))
      else
        this.findings.judge('early offline', this.#wasAway(before, this.events[index - 1]?.atMs ?? 0), () =>
          this.#text('offline told without an absence as long as the grace period', atMs),
        )
    }
  }

  /** What was done was told in time. */
  done(): void {
    for (const { fromMs, toMs } of this.certain) {
      const within = { fromMs, toMs: fromMs + this.run.slackMs }
      if (within.toMs > this.run.endMs || meets({ fromMs: fromMs - this.run.slackMs, toMs: within.toMs }, this.run.disturbances)) continue
      this.findings.judge('missed online', this.#isOnline(fromMs) || this.#isTold('online', within), () =>
        this.#text(`not told online although connected, for ${Math.round(toMs - fromMs)} ms`, fromMs),
      )
    }
    for (const { fromMs, toMs } of without({ fromMs: 0, toMs: this.run.endMs }, this.possible)) {
      const dueMs = fromMs + this.run.noticeMs
      if (fromMs === 0 || dueMs > toMs || meets({ fromMs: fromMs - this.run.slackMs, toMs: dueMs }, this.run.disturbances)) continue
      this.findings.judge('late offline', !this.#isOnline(dueMs), () => this.#text('not told offline in time', fromMs))
    }
  }

  /** An absence before the connection that was told as online is no reason; which that was, only its time tells. */
  #wasAway({ fromMs, toMs }: Span, onlineMs: number): boolean {
    const starts = this.possible.map((span) => span.fromMs).filter((startMs) => startMs <= onlineMs)
    const sinceMs = starts.find((startMs) => startMs >= onlineMs - this.run.slackMs) ?? starts.at(-1) ?? 0
    const absences = without({ fromMs: sinceMs, toMs }, this.certain)
    return absences.some((absence) => absence.toMs >= fromMs && absence.toMs - absence.fromMs >= this.run.graceMs)
  }

  #isOnline(atMs: number): boolean {
    return this.events.findLast((event) => event.atMs <= atMs)?.change === 'online'
  }

  #isTold(change: Told['change'], span: Span): boolean {
    return this.events.some((event) => event.change === change && meets({ fromMs: event.atMs, toMs: event.atMs }, [span]))
  }

  #text(what: string, atMs: number): string {
    const near = ({ fromMs, toMs }: Span): boolean => toMs > atMs - 10_000 && fromMs < atMs + 10_000
    const relative = (ms: number): string => (Number.isFinite(ms) ? String(Math.round(ms - atMs)) : '…')
    const spans = (list: readonly Span[]): string =>
      list
        .filter(near)
        .map(({ fromMs, toMs }) => `${relative(fromMs)}–${relative(toMs)}`)
        .join(', ')
    const events = this.events.filter((event) => near({ fromMs: event.atMs, toMs: event.atMs })).map((event) => `${event.change} ${relative(event.atMs)}`)
    return `${this.who}: ${what} (ms around it: certainly connected ${spans(this.certain)}; possibly ${spans(this.possible)}; told ${events.join(', ')})`
  }
}

// ---- what is so when nothing moves any more

function checkSnapshot(snapshot: Snapshot, connections: readonly Connected[], findings: Findings): void {
  const { atMs, online, count, devices, members } = snapshot
  const live = connections.filter(({ connectedMs, endedMs }) => connectedMs !== undefined && connectedMs <= atMs && (endedMs ?? atMs) >= atMs)
  const present = new Set(live.map(({ userId }) => userId))
  for (const userId of online) findings.judge('ghost', present.has(userId), () => `${userId} is online without a connection`)
  for (const userId of present) findings.judge('missing user', online.includes(userId), () => `${userId} is connected and not online`)
  findings.judge('count', count === present.size, () => `count() is ${count}; ${present.size} users are connected`)
  const liveOf = groupBy(live, ({ userId }) => userId)
  for (const [userId, ids] of devices) {
    const expected = toText((liveOf.get(userId) ?? []).map(({ deviceId }) => deviceId))
    findings.judge('devices', toText(ids) === expected, () => `${userId} has the devices [${toText(ids)}]; connected are [${expected}]`)
  }
  for (const [room, userIds] of members) {
    const expected = toText(new Set(live.filter(({ rooms }) => rooms.includes(room)).map(({ userId }) => userId)))
    findings.judge('members', toText(userIds) === expected, () => `${room} has the members [${toText(userIds)}]; in it are [${expected}]`)
  }
}

/** What was told adds up to what is so. Of whom an observer without the beginning has told nothing, it may know without a word. */
function checkFold({ name, lasting, endedMs, told }: Observer, { atMs, online }: Snapshot, findings: Findings): void {
  if (endedMs !== undefined && endedMs <= atMs) return
  const state = new Map<string, Told['change']>()
  for (const { userId, change, atMs: toldMs } of told) if (toldMs <= atMs) state.set(userId, change)
  const isOnline = new Set(online)
  for (const [userId, change] of state)
    findings.judge('fold', isOnline.has(userId) === (change === 'online'), () => `${name} told ${change} of ${userId} last, which is not so`)
  if (lasting) for (const userId of isOnline) findings.judge('fold', state.has(userId), () => `${name} told nothing of ${userId}, who is online`)
}

// What nodes keep of themselves and of what happened.
const BOOKKEEPING = new Set(['nodes', 'epoch', 'events'])

function checkKeys({ keys }: Run, findings: Findings): void {
  const left = keys.withoutClients.filter((key) => !BOOKKEEPING.has(key))
  findings.judge('keys without clients', left.length === 0, () => `left when no client is there: ${left.join(', ')}`)
  findings.judge('keys without nodes', keys.withoutNodes.length === 0, () => `left when no node is there: ${keys.withoutNodes.join(', ')}`)
}

function toText(ids: Iterable<string>): string {
  return [...ids].toSorted().join(' ')
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups
}
