import type * as z from 'zod'
import { hashText } from '../fingerprint.js'
import { ValueComparison } from './compare.js'
import { EVENT_RULES } from './eventrules.js'
import { omission } from './expand.js'
import type { LockModel, Model } from './model.js'
import { linkModel } from './model.js'
import { type Flow, type Obstacle, Place } from './obstacle.js'
import { RULES, type RuleId, type Verdict } from './rules.js'
import { sample } from './sample.js'
import type { Omission } from './shape.js'
import { type Judgement, judge, type Sides } from './verdict.js'

/** Which way a value travels. */
export type FlowName = 'serverToClient' | 'clientToServer'

/** One thing that a change does to somebody. */
export interface Finding {
  /** The same for the same change, whatever else has changed: to be acknowledged by. */
  readonly id: string
  /** Which rule found it; `realtime explain` tells of it. */
  readonly rule: RuleId
  /** How bad it is. */
  readonly verdict: Verdict
  /** In what kind of message it is found. */
  readonly flow: FlowName
  /** The event; left out where it is about the contract. */
  readonly event?: string
  /** Where in the event, as in `payload.items[].name`, `reply.id` or `errors.NOT_FOUND`; or `rooms.group`, `session.role`, `presence`. */
  readonly path: string
  /** What is wrong, in a sentence. */
  readonly message: string
  /** How to make the change safely. */
  readonly fix: string
  /** A value of the wire that shows it: one that may be sent, and is refused. `undefined` is an absent one. */
  readonly counterexample?: unknown
}

/** One value of two versions of a contract, on one of its ways. */
export interface Part {
  readonly flow: Flow
  readonly event?: string
  readonly path: string
}

/** One side of a part: its model, and its schema where the contract is at hand. */
export interface Side {
  /** `undefined` and `null` where there is no data. */
  readonly model: LockModel | null | undefined
  readonly schema?: z.core.$ZodType | undefined
}

/** The rules for a whole value that is there in one version alone. */
export interface PresenceRules {
  readonly added: RuleId
  readonly removed: RuleId
}

const VERDICTS: readonly Verdict[] = ['safe', 'risky', 'breaking']

export function worst(verdicts: Iterable<Verdict>): Verdict {
  return VERDICTS[Math.max(0, ...[...verdicts].map((verdict) => VERDICTS.indexOf(verdict)))]!
}

export function isWorse(verdict: Verdict, than: Verdict): boolean {
  return VERDICTS.indexOf(verdict) > VERDICTS.indexOf(than)
}

/** What a change of one value does: of a payload, an answer, the data of a failure, a room's id. */
export function compareValue(part: Part, sender: Side, receiver: Side, rules: PresenceRules): Finding[] {
  if (sender.model == null && receiver.model == null) return []
  if (receiver.model == null) return [compareUnread(part, rules)]
  const [sent, received] = [sender.model == null ? undefined : linkModel(sender.model), linkModel(receiver.model)]
  if (sent === undefined) return [compareUnsent(part, received, rules)]
  const sides: Sides = { flow: part.flow, sender: sent, receiver: received, senderSchema: sender.schema, receiverSchema: receiver.schema }
  const obstacles = new ValueComparison(part.flow).compare(sent, received, Place.root(part.path))
  return mergeAlike([...compareAbsence(part, sent, received), ...obstacles.map((obstacle) => toFinding(part, obstacle, judge(obstacle, sides)))])
}

/** A value that the receiver's version does not have is passed over. */
function compareUnread(part: Part, { added, removed }: PresenceRules): Finding {
  const isNewer = part.flow.newer === 'sender'
  return makeFinding(part, isNewer ? added : removed, { verdict: isNewer || RULES[removed].receives.verdict === 'safe' ? 'safe' : 'risky' })
}

function compareUnsent(part: Part, received: Model, { added, removed }: PresenceRules): Finding {
  const isNewer = part.flow.newer === 'sender'
  const accepted = omissionOf(received, 'receiver')
  const verdict = accepted === 'no' ? 'breaking' : accepted === 'caught' || isNewer ? 'risky' : 'safe'
  return makeFinding(part, isNewer ? removed : added, { verdict, ...(verdict === 'breaking' && { counterexample: { value: undefined } }) })
}

function compareAbsence(part: Part, sent: Model, received: Model): Finding[] {
  const accepted = omissionOf(received, 'receiver')
  if (omissionOf(sent, part.flow.sender) === 'no' || accepted === 'yes') return []
  const rule = part.flow.newer === 'sender' ? 'field-optional' : 'field-required'
  return [makeFinding(part, rule, accepted === 'caught' ? { verdict: 'risky' } : { verdict: 'breaking', counterexample: { value: undefined } })]
}

function omissionOf(model: Model, role: 'server' | 'client' | 'receiver'): Omission {
  return omission({ model, isEntry: true }, role)
}

function toFinding(part: Part, obstacle: Obstacle, judgement: Judgement): Finding {
  const doubt = obstacle.severity === 'failure' && judgement.verdict === 'risky' ? 'undecided' : obstacle.isReplaced === true ? 'replaced' : 'lost'
  return makeFinding({ ...part, path: obstacle.path }, obstacle.rule, { ...judgement, detail: obstacle.detail, doubt })
}

interface Facts extends Judgement {
  readonly detail?: string
  readonly doubt?: 'undecided' | 'replaced' | 'lost'
}

export function makeFinding(part: Part, rule: RuleId, { verdict, counterexample, detail = '', doubt = 'lost' }: Facts): Finding {
  const { title, why, fix } = RULES[rule]
  const flow: FlowName = part.flow.sender === 'server' ? 'serverToClient' : 'clientToServer'
  const { event, path } = part
  return {
    id: `${rule}:${hashText([rule, flow, event ?? '', path, detail].join('\n'))}`,
    rule,
    verdict,
    flow,
    ...(event !== undefined && { event }),
    path,
    message: `${title}${detail === '' ? '' : ` (${detail})`}: ${Object.hasOwn(EVENT_RULES, rule) ? why : describe(part.flow, verdict, doubt)}`,
    fix,
    ...(counterexample !== undefined && { counterexample: counterexample.value }),
  }
}

const DOUBTS = {
  undecided: 'may refuse what %s; the contract cannot tell',
  replaced: 'take another value for what %s',
  lost: 'may lose or misread what %s',
}

function describe({ sender, newer }: Flow, verdict: Verdict, doubt: keyof typeof DOUBTS): string {
  const [senders, receivers] = sender === 'server' ? ['servers', 'clients'] : ['clients', 'servers']
  const [sending, receiving] = newer === 'sender' ? [`newer ${senders} send`, `older ${receivers}`] : [`older ${senders} send`, `newer ${receivers}`]
  if (verdict === 'safe') return `${receiving} accept what ${sending}`
  return `${receiving} ${verdict === 'breaking' ? `refuse what ${sending}` : DOUBTS[doubt].replace('%s', sending)}`
}

/** The worst of each finding that is the same. */
export function mergeAlike(findings: readonly Finding[]): Finding[] {
  const byId = new Map<string, Finding>()
  for (const finding of findings) {
    const known = byId.get(finding.id)
    if (known === undefined || isWorse(finding.verdict, known.verdict)) byId.set(finding.id, finding)
  }
  return [...byId.values()]
}

/** A value that a side sends, to show what is refused as a whole. */
export function sampleOf(model: LockModel | null | undefined, role: 'server' | 'client'): { value: unknown } {
  return { value: model == null ? undefined : sample(linkModel(model), role, 0) }
}
