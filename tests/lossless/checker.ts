import type { Entry } from './history.js'

// It knows nothing of the SDK: only what was sent, what was acknowledged, and what each device has heard.

export type Flaw = 'lost' | 'duplicated' | 'reordered' | 'invented' | 'strayed' | 'done again' | 'answered otherwise'

interface Violation {
  readonly flaw: Flaw
  /** Left out for a command, which is of no log and may be asked for by several. */
  readonly device?: string
  readonly log?: string
  readonly n: number
}

/** What was seen of one log. */
export interface Tally {
  sent: number
  stored: number
  /** By all devices together. */
  heard: number
  gaps: number
  /** What was acknowledged and not heard, and said to be missing. */
  covered: number
}

export interface Verdict {
  readonly violations: readonly Violation[]
  readonly logs: ReadonlyMap<string, Readonly<Tally>>
  /** Commands that were asked for, and those that were answered. */
  readonly asked: number
  readonly answered: number
}

type Of<K extends Entry['kind']> = Extract<Entry, { kind: K }>

/** What one device was told of one log. */
interface Membership {
  readonly sinceMs: number
  begin?: Of<'caughtUp'>
  readonly gaps: Array<Of<'gap'>>
}

interface Device {
  readonly memberships: Map<string, Membership>
  /** In the order in which it came. */
  readonly heard: number[]
  isConnected: boolean
}

/** All that is kept of a history, which may be larger than memory is. */
class Seen {
  readonly senders = new Map<number, string>()
  readonly acknowledged = new Set<number>()
  readonly stored = new Map<string, Array<Of<'stored'>>>()
  readonly devices = new Map<string, Device>()
  readonly tallies = new Map<string, Tally>()
  readonly asked = new Set<number>()
  readonly answers: Array<Of<'answered'>> = []
  readonly effects: Array<Of<'effect'>> = []

  take(entry: Entry): void {
    switch (entry.kind) {
      case 'member':
        this.#deviceOf(entry).memberships.set(entry.log, { sinceMs: entry.atMs, gaps: [] })
        break
      case 'sent':
        this.senders.set(entry.n, entry.log)
        this.tallyOf(entry.log).sent++
        break
      case 'stored':
        this.acknowledged.add(entry.n)
        open(this.stored, entry.log, () => []).push(entry)
        this.tallyOf(entry.log).stored++
        break
      case 'heard':
        this.#deviceOf(entry).heard.push(entry.n)
        break
      case 'caughtUp': {
        const membership = this.#deviceOf(entry).memberships.get(entry.log)
        if (membership !== undefined) membership.begin ??= entry
        break
      }
      case 'gap':
        this.#deviceOf(entry).memberships.get(entry.log)?.gaps.push(entry)
        this.tallyOf(entry.log).gaps++
        break
      case 'asked':
        this.asked.add(entry.n)
        break
      case 'answered':
        this.answers.push(entry)
        break
      case 'effect':
        this.effects.push(entry)
        break
      case 'ended':
        this.#deviceOf(entry).isConnected = entry.connected
    }
  }

  tallyOf(log: string): Tally {
    return open(this.tallies, log, () => ({ sent: 0, stored: 0, heard: 0, gaps: 0, covered: 0 }))
  }

  #deviceOf({ device }: { readonly device: string }): Device {
    return open(this.devices, device, () => ({ memberships: new Map(), heard: [], isConnected: false }))
  }
}

export function check(history: Iterable<Entry>): Verdict {
  const seen = new Seen()
  for (const entry of history) seen.take(entry)
  const violations = [...seen.devices].flatMap(([name, device]) => [...judgeHeard(name, device, seen), ...judgeMissing(name, device, seen)])
  return { violations: [...violations, ...judgeCommands(seen)], logs: seen.tallies, asked: seen.asked.size, answered: seen.answers.length }
}

/** No command takes effect more than once, and each is answered for itself. */
function judgeCommands({ asked, answers, effects }: Seen): Violation[] {
  const flaws = (n: number, times: number): Violation[] => [
    ...(times === 1 ? [] : [{ flaw: 'done again' as const, n }]),
    ...(asked.has(n) ? [] : [{ flaw: 'invented' as const, n }]),
  ]
  return [
    ...answers.flatMap(({ n, answer }) => [...(answer.n === n ? [] : [{ flaw: 'answered otherwise' as const, n }]), ...flaws(n, answer.times)]),
    ...effects.flatMap(({ n, times }) => flaws(n, times)),
  ]
}

/** Nothing twice, nothing out of the order of its log, nothing that nobody has sent to this device. */
function judgeHeard(device: string, { heard, memberships }: Device, seen: Seen): Violation[] {
  const { senders, acknowledged } = seen
  const violations: Violation[] = []
  const known = new Set<number>()
  const last = new Map<string, number>()
  for (const n of heard) {
    const log = senders.get(n)
    if (log === undefined) {
      violations.push({ flaw: 'invented', device, n })
      continue
    }
    seen.tallyOf(log).heard++
    const newest = last.get(log) ?? 0
    if (!memberships.has(log)) violations.push({ flaw: 'strayed', device, log, n })
    if (known.has(n)) violations.push({ flaw: 'duplicated', device, log, n })
    // When what was never acknowledged took effect nobody can say.
    else if (acknowledged.has(n) && n < newest) violations.push({ flaw: 'reordered', device, log, n })
    known.add(n)
    if (acknowledged.has(n)) last.set(log, Math.max(newest, n))
  }
  return violations
}

/** Everything that was acknowledged since the device began was heard, or said to be missing. */
function judgeMissing(device: string, { heard, memberships, isConnected }: Device, seen: Seen): Violation[] {
  if (!isConnected) return []
  const known = new Set(heard)
  return [...memberships].flatMap(([log, membership]) => {
    const missing = (seen.stored.get(log) ?? []).filter((each) => isAfter(each, membership) && !known.has(each.n))
    const silent = missing.filter((each) => !membership.gaps.some((gap) => covers(gap, each)))
    seen.tallyOf(log).covered += missing.length - silent.length
    return silent.map(({ n }): Violation => ({ flaw: 'lost', device, log, n }))
  })
}

/** A device that was never told where it begins is to hear everything. */
function isAfter({ place, atMs }: Of<'stored'>, { begin, sinceMs }: Membership): boolean {
  if (begin === undefined) return atMs > sinceMs
  return place !== undefined && place.epoch === begin.place.epoch ? place.sequence > begin.place.sequence : atMs > begin.atMs
}

function covers({ from, to, before, place, atMs }: Of<'gap'>, stored: Of<'stored'>): boolean {
  if (stored.place === undefined) return false
  const { epoch, sequence } = stored.place
  if (epoch === before) return sequence >= from && sequence <= (to ?? Number.POSITIVE_INFINITY) && (to !== undefined || stored.atMs <= atMs)
  // Of logs that came and went in between nothing is left.
  return epoch !== place.epoch && to === undefined && stored.atMs <= atMs
}

function open<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make()
  map.set(key, value)
  return value
}
