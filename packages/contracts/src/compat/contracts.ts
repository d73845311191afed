import type { Contract } from '../contract.js'
import { canonicalJson } from '../fingerprint.js'

import { compareValue, type Finding, isWorse, makeFinding, mergeAlike, worst } from './change.js'
import { compareEvents, type Version } from './events.js'
import { type ContractLock, toLock } from './lock.js'
import type { LockModel } from './model.js'
import type { Flow } from './obstacle.js'
import type { Verdict } from './rules.js'

/**
 * Which versions may meet.
 * - `server-first`: the server is the newer one, or of the same version.
 * - `full`: also newer clients meet older servers, as while nodes are replaced one at a time.
 */
export type Skew = 'server-first' | 'full'

/** How two contracts are compared. */
export interface CompareOptions {
  /** @default 'server-first' */
  readonly skew?: Skew
}

/** What a change of a contract does to who is deployed. */
export interface Comparison {
  /** The worst of the findings. */
  readonly verdict: Verdict
  /** The version that the change needs. A risky one is a minor that somebody has acknowledged. */
  readonly bump: 'patch' | 'minor' | 'major'
  /** Also what is safe, for a list of what has changed; the worst first. */
  readonly findings: readonly Finding[]
}

/**
 * Says what a change of a contract does to who is deployed: whether all that either side sends is accepted by the other, and nothing lost.
 * Both may be a contract, or the lock of one. Where a contract is at hand, its own schemas confirm what breaks.
 */
export function compareContracts(before: Contract | ContractLock, after: Contract | ContractLock, { skew = 'server-first' }: CompareOptions = {}): Comparison {
  const [older, newer] = [toVersion(before), toVersion(after)]
  const findings = mergeAlike([
    ...compareNames(older.lock, newer.lock),
    ...FLOWS.filter((flow) => skew === 'full' || isServerNewer(flow)).flatMap((flow) => [
      ...compareEvents(older, newer, flow),
      ...compareOwn(older, newer, flow),
    ]),
  ])
  return summarize(findings, toWire(older.lock) !== toWire(newer.lock))
}

/** A finding, and the versions against which it is one. */
export interface HistoryFinding extends Finding {
  /** The versions that it breaks, or puts at risk. */
  readonly against: readonly string[]
}

/** Compares a contract with every version that is still in use: what is safe for the last of them may break an older one. */
export function compareHistory(
  versions: ReadonlyArray<Contract | ContractLock>,
  after: Contract | ContractLock,
  options: CompareOptions = {},
): Comparison & { readonly findings: readonly HistoryFinding[] } {
  const merged = new Map<string, HistoryFinding>()
  const comparisons = versions.map((version) => ({ version: version.version, ...compareContracts(version, after, options) }))
  for (const { version, findings } of comparisons) {
    for (const finding of findings) {
      const known = merged.get(finding.id)
      const worse = known === undefined || isWorse(finding.verdict, known.verdict) ? finding : known
      merged.set(finding.id, { ...worse, against: [...(known?.against ?? []), version] })
    }
  }
  const isChanged = comparisons.some(({ bump }) => bump !== 'patch')
  return summarize([...merged.values()], isChanged)
}

/** A contract, and those that it was merged of, in turn. */
export function contractsOf(contract: Contract): Contract[] {
  return [contract, ...contract.parts.flatMap(contractsOf)]
}

function summarize<F extends Finding>(findings: readonly F[], isChanged: boolean): Comparison & { readonly findings: readonly F[] } {
  const verdict = worst(findings.map((finding) => finding.verdict))
  const sorted = [...findings].sort((left, right) => Number(isWorse(right.verdict, left.verdict)) - Number(isWorse(left.verdict, right.verdict)))
  return { verdict, bump: verdict === 'breaking' ? 'major' : isChanged ? 'minor' : 'patch', findings: sorted }
}

const FLOWS: readonly Flow[] = [
  { sender: 'server', newer: 'sender' },
  { sender: 'client', newer: 'receiver' },
  { sender: 'server', newer: 'receiver' },
  { sender: 'client', newer: 'sender' },
]

function isServerNewer({ sender, newer }: Flow): boolean {
  return (sender === 'server') === (newer === 'sender')
}

function toVersion(source: Contract | ContractLock): Version {
  return 'codec' in source ? { lock: toLock(source), contract: source } : { lock: source, contract: undefined }
}

/** What makes a version of its own: all but the names of it. */
function toWire({ name, version, fingerprint, ...wire }: ContractLock): string {
  return canonicalJson(wire)
}

function compareNames(before: ContractLock, after: ContractLock): Finding[] {
  if (before.name === after.name) return []
  const flow = FLOWS[1]!
  return [makeFinding({ flow, path: 'name' }, 'contract-renamed', { verdict: 'breaking', detail: `${before.name} to ${after.name}` })]
}

const NO_FIELDS: LockModel = { type: 'object', fields: {} }

/** What belongs to no event: rooms, the session, and what devices say about themselves. */
function compareOwn(older: Version, newer: Version, flow: Flow): Finding[] {
  const [sender, receiver] = flow.newer === 'sender' ? [newer, older] : [older, newer]
  const session = (version: Version) => ({ model: version.lock.session ?? NO_FIELDS, schema: version.contract?.session })
  const fields = { added: 'field-added', removed: 'field-removed' } as const
  return [
    ...(flow.sender === 'server' ? compareValue({ flow, path: 'session' }, session(sender), session(receiver), fields) : compareRooms(sender, receiver, flow)),
    ...comparePresence(sender, receiver, flow),
  ]
}

function compareRooms(sender: Version, receiver: Version, flow: Flow): Finding[] {
  const kinds = [...new Set([...Object.keys(sender.lock.rooms), ...Object.keys(receiver.lock.rooms)])].sort()
  return kinds.flatMap((kind) => {
    const part = { flow, path: `rooms.${kind}` }
    const [sent, received] = [sender.lock.rooms[kind], receiver.lock.rooms[kind]]
    if (sent === undefined || received === undefined) return [compareRoom(part, sent !== undefined)]
    const side = (version: Version, model: LockModel) => ({ model, schema: version.contract?.rooms[kind] })
    return compareValue(part, side(sender, sent), side(receiver, received), { added: 'room-added', removed: 'room-removed' })
  })
}

/** A kind of room that one side alone knows: a client that joins one which the server does not know is refused. */
function compareRoom(part: { flow: Flow; path: string }, isSent: boolean): Finding {
  const isAdded = (part.flow.newer === 'sender') === isSent
  return makeFinding(part, isAdded ? 'room-added' : 'room-removed', { verdict: isSent ? 'breaking' : 'safe' })
}

function comparePresence(sender: Version, receiver: Version, flow: Flow): Finding[] {
  const part = { flow, path: 'presence' }
  const side = (version: Version) => ({ model: version.lock.presence, schema: version.contract?.presence })
  const [sent, received] = [sender.lock.presence, receiver.lock.presence]
  if (sent !== undefined && received !== undefined)
    return compareValue(part, side(sender), side(receiver), { added: 'presence-added', removed: 'presence-removed' })
  if (sent === received) return []
  const isAdded = (flow.newer === 'sender') === (sent !== undefined)
  const isRefused = sent !== undefined && flow.sender === 'client'
  return [makeFinding(part, isAdded ? 'presence-added' : 'presence-removed', { verdict: isRefused ? 'breaking' : 'safe' })]
}
