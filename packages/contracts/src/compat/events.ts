import type { Contract, Delivery } from '../contract.js'
import { isSchema, type Schema } from '../schema.js'
import { compareValue, type Finding, makeFinding, type Part, type Side, sampleOf } from './change.js'
import { areIdentical } from './identical.js'
import type { ContractLock, EventLock, EventLocks } from './lock.js'
import { linkModel } from './model.js'
import type { Flow } from './obstacle.js'
import { largestSize } from './size.js'

/** A version of a contract: what is written down of it, and the contract itself where it is at hand. */
export interface Version {
  readonly lock: ContractLock
  readonly contract: Contract | undefined
}

type Direction = 'serverToClient' | 'clientToServer'

/** What a change of the events does to the values that travel one way: payloads of one direction, and answers of the other. */
export function compareEvents(older: Version, newer: Version, flow: Flow): Finding[] {
  const [own, answered]: [Direction, Direction] = flow.sender === 'server' ? ['serverToClient', 'clientToServer'] : ['clientToServer', 'serverToClient']
  return [
    ...compareNames(older.lock, newer.lock, own, flow),
    ...shared(older.lock[own], newer.lock[own]).flatMap((event) => comparePayloads(older, newer, own, event, flow)),
    ...shared(older.lock[answered], newer.lock[answered]).flatMap((event) => compareAnswers(older, newer, answered, event, flow)),
  ]
}

function shared(before: EventLocks, after: EventLocks): string[] {
  return Object.keys(before)
    .filter((event) => Object.hasOwn(after, event))
    .sort()
}

function opposite(direction: Direction): Direction {
  return direction === 'serverToClient' ? 'clientToServer' : 'serverToClient'
}

/** Events that one of the versions alone has in this direction. */
function compareNames(before: ContractLock, after: ContractLock, direction: Direction, flow: Flow): Finding[] {
  const [older, newer] = [before[direction], after[direction]]
  const removed = Object.keys(older).filter((event) => !Object.hasOwn(newer, event))
  const added = Object.keys(newer).filter((event) => !Object.hasOwn(older, event))
  const isServer = flow.sender === 'server'
  const isSenderNewer = flow.newer === 'sender'
  const gone = removed.sort().map((event) => {
    const renamed = findRenamed(older, newer, removed, added, event)
    const rule = Object.hasOwn(after[opposite(direction)], event) ? 'event-turned' : renamed === undefined ? 'event-removed' : 'event-renamed'
    // Only the server answers for an event that it does not know; a client listens or does not.
    const verdict = isServer ? (isSenderNewer ? 'risky' : 'safe') : isSenderNewer ? 'safe' : 'breaking'
    const counterexample = verdict === 'breaking' ? sampleOf(older[event]!.payload, flow.sender) : undefined
    return makeFinding({ flow, event, path: '' }, rule, {
      verdict,
      detail: renamed === undefined ? '' : `to ${renamed}`,
      ...(counterexample && { counterexample }),
    })
  })
  const come = added.sort().map((event) => {
    const verdict = !isServer && isSenderNewer ? 'breaking' : 'safe'
    return makeFinding({ flow, event, path: '' }, 'event-added', {
      verdict,
      ...(verdict === 'breaking' && { counterexample: sampleOf(newer[event]!.payload, flow.sender) }),
    })
  })
  return [...gone, ...come]
}

/** The only event of the same shape that has come where this one has gone. */
function findRenamed(older: EventLocks, newer: EventLocks, removed: readonly string[], added: readonly string[], event: string): string | undefined {
  const { payload } = older[event]!
  if (payload === undefined) return undefined
  const isSame = (other: EventLock | undefined): boolean => areIdentical(other?.payload, payload) && areIdentical(other?.reply, older[event]!.reply)
  const [candidate, ...more] = added.filter((name) => isSame(newer[name]))
  return more.length === 0 && removed.filter((name) => isSame(older[name])).length === 1 ? candidate : undefined
}

function comparePayloads(older: Version, newer: Version, direction: Direction, event: string, flow: Flow): Finding[] {
  const [before, after] = [older.lock[direction][event]!, newer.lock[direction][event]!]
  const [sender, receiver] = inOrder(flow, older, newer)
  const side = (version: Version): Side => ({ model: version.lock[direction][event]!.payload, schema: payloadOf(version.contract, direction, event) })
  const part: Part = { flow, event, path: 'payload' }
  return [
    ...compareValue(part, side(sender), side(receiver), { added: 'payload-added', removed: 'payload-removed' }),
    ...compareLimits(part, sender.lock[direction][event]!, receiver.lock[direction][event]!),
    ...compareMarks({ flow, event, path: '' }, before, after),
    ...compareIdempotence({ flow, event, path: '' }, sender.lock[direction][event]!, receiver.lock[direction][event]!),
  ]
}

function inOrder(flow: Flow, older: Version, newer: Version): [Version, Version] {
  return flow.newer === 'sender' ? [newer, older] : [older, newer]
}

function definitionOf(contract: Contract | undefined, direction: Direction, event: string) {
  const entry = contract?.[direction][event]
  return isSchema(entry) ? { payload: entry } : entry
}

function payloadOf(contract: Contract | undefined, direction: Direction, event: string): Schema | undefined {
  return definitionOf(contract, direction, event)?.payload
}

function compareLimits({ flow, event }: Part, sender: EventLock, receiver: EventLock): Finding[] {
  const rule = flow.newer === 'sender' ? 'limit-raised' : 'limit-lowered'
  const [rate, size] = (['perSecond', 'maxBytes'] as const).map((key) => ({
    sent: sender.limits?.[key] ?? Number.POSITIVE_INFINITY,
    accepted: receiver.limits?.[key],
  }))
  const found: Finding[] = []
  if (rate!.accepted !== undefined && rate!.sent > rate!.accepted) {
    found.push(
      makeFinding({ flow, event: event!, path: 'limits.perSecond' }, rule, {
        verdict: 'risky',
        detail: `${rate!.sent} to ${rate!.accepted}`,
        doubt: 'undecided',
      }),
    )
  }
  if (size!.accepted !== undefined && size!.sent > size!.accepted && sender.payload !== undefined) {
    const largest = largestSize(linkModel(sender.payload))
    const verdict = largest <= size!.accepted ? 'safe' : largest === Number.POSITIVE_INFINITY ? 'breaking' : 'risky'
    found.push(
      makeFinding({ flow, event: event!, path: 'limits.maxBytes' }, rule, { verdict, detail: `${size!.sent} to ${size!.accepted}`, doubt: 'undecided' }),
    )
  }
  return found
}

const DELIVERIES: readonly Delivery[] = ['volatile', 'live', 'durable']

/** What is said of an event beside its values. */
function compareMarks(part: Part, before: EventLock, after: EventLock): Finding[] {
  const found: Finding[] = []
  if (before.deprecated !== after.deprecated) found.push(makeFinding(part, 'deprecation-changed', { verdict: 'safe', detail: after.deprecated ?? '' }))
  const [was, is] = [before.delivery ?? 'live', after.delivery ?? 'live']
  if (DELIVERIES.indexOf(is) > DELIVERIES.indexOf(was)) found.push(makeFinding(part, 'delivery-strengthened', { verdict: 'safe', detail: is }))
  if (DELIVERIES.indexOf(is) < DELIVERIES.indexOf(was)) {
    found.push(makeFinding(part, 'delivery-weakened', { verdict: was === 'durable' ? 'breaking' : 'risky', detail: is }))
  }
  return found
}

/** Who sends it repeats it where it is idempotent to them; who receives it then must know. */
function compareIdempotence(part: Part, sender: EventLock, receiver: EventLock): Finding[] {
  if (sender.idempotent === receiver.idempotent) return []
  const newer = part.flow.newer === 'sender' ? sender : receiver
  return [makeFinding(part, newer.idempotent ? 'idempotence-added' : 'idempotence-removed', { verdict: sender.idempotent ? 'breaking' : 'safe' })]
}

/** What a change of the answers to an event does to who asks. */
function compareAnswers(older: Version, newer: Version, direction: Direction, event: string, flow: Flow): Finding[] {
  const [sender, receiver] = inOrder(flow, older, newer)
  const [answering, asking] = [sender.lock[direction][event]!, receiver.lock[direction][event]!]
  const part: Part = { flow, event, path: 'reply' }
  const rules = { added: 'reply-added', removed: 'reply-removed' } as const
  if (asking.reply === undefined) return answering.reply === undefined ? [] : compareValue(part, { model: { type: 'unknown' } }, { model: undefined }, rules)
  // A server answers what is not answered in its contract without data; a client does not know what to answer with.
  if (answering.reply === undefined && flow.sender === 'client') {
    return [makeFinding(part, flow.newer === 'sender' ? 'reply-removed' : 'reply-added', { verdict: 'breaking' })]
  }
  if (answering.reply === undefined && asking.reply === null) {
    return [makeFinding(part, flow.newer === 'sender' ? 'reply-removed' : 'reply-added', { verdict: 'safe' })]
  }
  const side = (version: Version, lock: EventLock): Side => ({ model: lock.reply, schema: definitionOf(version.contract, direction, event)?.reply })
  return [...compareValue(part, side(sender, answering), side(receiver, asking), rules), ...compareErrors(sender, receiver, direction, event, flow)]
}

function compareErrors(sender: Version, receiver: Version, direction: Direction, event: string, flow: Flow): Finding[] {
  const errorsOf = (version: Version) => version.lock[direction][event]!.errors ?? {}
  const [sent, received] = [errorsOf(sender), errorsOf(receiver)]
  const isSenderNewer = flow.newer === 'sender'
  return [...new Set([...Object.keys(sent), ...Object.keys(received)])].sort().flatMap((code) => {
    const part: Part = { flow, event, path: `errors.${code}` }
    if (!Object.hasOwn(received, code))
      return [makeFinding(part, isSenderNewer ? 'error-added' : 'error-removed', { verdict: isSenderNewer ? 'safe' : 'risky' })]
    if (!Object.hasOwn(sent, code)) return [makeFinding(part, isSenderNewer ? 'error-removed' : 'error-added', { verdict: 'safe' })]
    const side = (version: Version): Side => ({
      model: errorsOf(version)[code],
      schema: definitionOf(version.contract, direction, event)?.errors?.[code] ?? undefined,
    })
    return compareValue(part, side(sender), side(receiver), { added: 'field-added-required', removed: 'field-removed' })
  })
}
