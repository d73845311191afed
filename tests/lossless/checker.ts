import type { Entry, Place } from './history.js'

// It knows nothing of the SDK: only what was sent, what was acknowledged, and what each device has heard.

export type Flaw = 'lost' | 'duplicated' | 'reordered' | 'invented' | 'strayed' | 'done again' | 'answered otherwise'

interface Violation {
  readonly flaw: Flaw
  /** Left out for a command, which may be asked for by several. */
  readonly device?: string
  readonly n: number
}

export interface Verdict {
  readonly violations: readonly Violation[]
  readonly sent: number
  readonly stored: number
  readonly heard: number
  readonly gaps: number
  /** What was acknowledged and not heard, and said to be missing. */
  readonly covered: number
  /** Commands that were asked for, and those that were answered. */
  readonly asked: number
  readonly answered: number
}

type Of<K extends Entry['kind']> = Extract<Entry, { kind: K }>

const isOf =
  <K extends Entry['kind']>(kind: K) =>
  (entry: Entry): entry is Of<K> =>
    entry.kind === kind

export function check(history: readonly Entry[]): Verdict {
  const sent = history.filter(isOf('sent'))
  const stored = history.filter(isOf('stored'))
  const heard = history.filter(isOf('heard'))
  const senders = new Map(sent.map(({ n, user }) => [n, user]))
  const storedBy = groupBy(stored, ({ user }) => user)
  const acknowledged = new Set(stored.map(({ n }) => n))
  const devices = groupBy(history, (entry) => ('device' in entry ? entry.device : ''))
  const judged = history.filter(isOf('ended')).map(({ user, device, connected }) => {
    const own = devices.get(device) ?? []
    return [
      judgeHeard(device, user, own.filter(isOf('heard')), senders, acknowledged),
      connected ? judgeMissing(device, storedBy.get(user) ?? [], own) : { violations: [], covered: 0 },
    ] as const
  })
  return {
    violations: [...judged.flatMap(([told, missing]) => [...told, ...missing.violations]), ...judgeCommands(history)],
    sent: sent.length,
    stored: stored.length,
    heard: heard.length,
    gaps: history.filter(isOf('gap')).length,
    covered: judged.reduce((sum, [, { covered }]) => sum + covered, 0),
    asked: history.filter(isOf('asked')).length,
    answered: history.filter(isOf('answered')).length,
  }
}

/** No command takes effect more than once, and each is answered for itself. */
function judgeCommands(history: readonly Entry[]): Violation[] {
  const asked = new Set(history.filter(isOf('asked')).map(({ n }) => n))
  const answers = history
    .filter(isOf('answered'))
    .flatMap(({ n, answer }): Violation[] => [
      ...(answer.n === n ? [] : [{ flaw: 'answered otherwise' as const, n }]),
      ...(answer.times === 1 ? [] : [{ flaw: 'done again' as const, n }]),
      ...(asked.has(n) ? [] : [{ flaw: 'invented' as const, n }]),
    ])
  const effects = history
    .filter(isOf('effect'))
    .flatMap(({ n, times }): Violation[] => [
      ...(times === 1 ? [] : [{ flaw: 'done again' as const, n }]),
      ...(asked.has(n) ? [] : [{ flaw: 'invented' as const, n }]),
    ])
  return [...answers, ...effects]
}

/** Nothing twice, nothing out of order, nothing that nobody has sent to this user. */
function judgeHeard(device: string, user: string, heard: ReadonlyArray<Of<'heard'>>, senders: Map<number, string>, stored: Set<number>): Violation[] {
  const violations: Violation[] = []
  const seen = new Set<number>()
  let last = 0
  for (const { n } of heard) {
    const sender = senders.get(n)
    if (sender === undefined) violations.push({ flaw: 'invented', device, n })
    else if (sender !== user) violations.push({ flaw: 'strayed', device, n })
    if (seen.has(n)) violations.push({ flaw: 'duplicated', device, n })
    // When what was never acknowledged took effect nobody can say.
    else if (stored.has(n) && n < last) violations.push({ flaw: 'reordered', device, n })
    seen.add(n)
    if (stored.has(n)) last = Math.max(last, n)
  }
  return violations
}

/** Everything that was acknowledged since the device began was heard, or said to be missing. */
function judgeMissing(device: string, stored: ReadonlyArray<Of<'stored'>>, own: readonly Entry[]): { violations: Violation[]; covered: number } {
  const begin = own.find(isOf('caughtUp'))
  const heard = new Set(own.filter(isOf('heard')).map(({ n }) => n))
  const gaps = own.filter(isOf('gap'))
  const missing = begin === undefined ? [] : stored.filter((each) => isAfter(each, begin) && !heard.has(each.n))
  const silent = missing.filter((each) => !gaps.some((gap) => covers(gap, each)))
  return { violations: silent.map(({ n }) => ({ flaw: 'lost', device, n })), covered: missing.length - silent.length }
}

function isAfter({ place, atMs }: Of<'stored'>, begin: Of<'caughtUp'>): boolean {
  return place !== undefined && place.epoch === begin.place.epoch ? place.sequence > begin.place.sequence : atMs > begin.atMs
}

function covers({ from, to, before, place, atMs }: Of<'gap'>, stored: Of<'stored'>): boolean {
  if (stored.place === undefined) return false
  const { epoch, sequence }: Place = stored.place
  if (epoch === before) return sequence >= from && sequence <= (to ?? Number.POSITIVE_INFINITY) && (to !== undefined || stored.atMs <= atMs)
  // Of logs that came and went in between nothing is left.
  return epoch !== place.epoch && to === undefined && stored.atMs <= atMs
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
