/** How bad a change is for those who are deployed already. */
export type Verdict = 'safe' | 'risky' | 'breaking'

/** What a change does where the newer version is on one side. */
export interface Effect {
  /** How bad it is. */
  readonly verdict: Verdict
  /** Where it is another. */
  readonly unless?: string
}

/** One way in which a contract can change. */
export interface Rule {
  /** What it is about, in a few words. */
  readonly title: string
  /** What happens to whom. */
  readonly why: string
  /** Where the newer version sends: what the server emits and answers. */
  readonly sends: Effect
  /** Where the newer version receives: what clients emit and answer. */
  readonly receives: Effect
  /** How to make the change without breaking who is deployed. */
  readonly fix: string
}

function effect(verdict: Verdict, unless?: string): Effect {
  return { verdict, ...(unless !== undefined && { unless }) }
}

const SAFE = effect('safe')
const RISKY = effect('risky')
const BREAKING = effect('breaking')
const CAUGHT = 'risky where the receiver has a `catch`'
const SHOWN = effect('risky', 'breaking where zod shows a value that is refused')
const REFUSED = effect('breaking', CAUGHT)

const GROW = 'Add a new event or an optional field that carries it, and emit both until the older versions are out of support.'
const ACCEPT_FIRST = 'Let the receiving side accept both first, and change what is sent when the versions before that are out of support.'

/** The rules, by id: what `realtime explain` and docs/reference/compatibility.md say. */
export const RULES = {
  'field-added': {
    title: 'a field was added',
    why: 'A plain z.object() drops what it does not name, so older receivers pass it over; what older senders do not send is optional.',
    sends: effect('safe', 'breaking where the older receiver is strict'),
    receives: SAFE,
    fix: 'Receive with z.object() or z.looseObject(), never z.strictObject(), what others send.',
  },
  'field-added-required': {
    title: 'a required field was added',
    why: 'Older senders do not send it, so the newer receiver refuses all that they send.',
    sends: SAFE,
    receives: REFUSED,
    fix: 'Make it .optional() or give it a .default(); require it when the older versions are out of support.',
  },
  'field-removed': {
    title: 'a field was removed',
    why: 'Older receivers refuse what lacks a field that they require, and wait in vain for an optional one. What older senders still send is dropped.',
    sends: effect('breaking', 'risky where it was optional'),
    receives: effect('risky', 'breaking where the newer receiver is strict'),
    fix: 'Deprecate it, and go on sending it until the older versions are out of support.',
  },
  'field-renamed': {
    title: 'a field was renamed',
    why: 'For the other side one field is gone and an unknown one is there.',
    sends: effect('breaking', 'risky where it was optional'),
    receives: effect('breaking', 'risky where it is optional'),
    fix: 'Add the new name as an optional field and send both; remove the old one when the older versions are out of support.',
  },
  'field-optional': {
    title: 'a field may now be left out',
    why: 'Older receivers require it.',
    sends: REFUSED,
    receives: SAFE,
    fix: 'Go on sending it; make it optional for the receivers first.',
  },
  'field-required': {
    title: 'a field may no longer be left out',
    why: 'Older senders may leave it out, and the newer receiver refuses that.',
    sends: SAFE,
    receives: REFUSED,
    fix: 'Give it a .default() instead.',
  },
  'nullable-added': {
    title: 'a value may now be null',
    why: 'Older receivers refuse null.',
    sends: REFUSED,
    receives: SAFE,
    fix: 'Leave the field out where there is no value, if it is optional. Otherwise add another field.',
  },
  'nullable-removed': {
    title: 'a value may no longer be null',
    why: 'Older senders may send null, and the newer receiver refuses it.',
    sends: SAFE,
    receives: REFUSED,
    fix: 'Go on accepting null, with a codec that makes another value of it.',
  },
  'enum-value-added': {
    title: 'a value was added to an enum',
    why: 'Older receivers refuse a value that they do not know.',
    sends: REFUSED,
    receives: SAFE,
    fix: 'Use openEnum([...]), first with the values that there are: it accepts those that are added later. The new value is sent when the closed versions are out of support.',
  },
  'enum-value-removed': {
    title: 'a value was removed from an enum',
    why: 'Older senders may still send it, and the newer receiver refuses it.',
    sends: SAFE,
    receives: REFUSED,
    fix: 'Go on accepting it, or use openEnum([...]).',
  },
  'member-added': {
    title: 'a member was added to a union',
    why: 'Older receivers refuse a member that they do not know.',
    sends: REFUSED,
    receives: SAFE,
    fix: 'Use openUnion(discriminator, [...]), first with the members that there are: it accepts those that are added later.',
  },
  'member-removed': {
    title: 'a member was removed from a union',
    why: 'Older senders may still send it, and the newer receiver refuses it.',
    sends: SAFE,
    receives: REFUSED,
    fix: 'Go on accepting it, or use openUnion(discriminator, [...]).',
  },
  'discriminator-changed': {
    title: 'the members of a union are told apart by another field',
    why: 'For the other side the field that it looks at is gone.',
    sends: REFUSED,
    receives: REFUSED,
    fix: 'Give each member both fields until the older versions are out of support.',
  },
  'union-order': {
    title: 'another member of a union may now take a value',
    why: 'The first member that accepts a value takes it, and drops the fields that it does not name.',
    sends: RISKY,
    receives: RISKY,
    fix: 'Put the member with more fields first, or tell them apart with z.discriminatedUnion().',
  },
  'type-changed': {
    title: 'the type was changed',
    why: 'What is sent is nothing that the other side accepts.',
    sends: REFUSED,
    receives: REFUSED,
    fix: GROW,
  },
  'type-widened': {
    title: 'more types are allowed',
    why: 'Older receivers refuse those that are new.',
    sends: REFUSED,
    receives: SAFE,
    fix: ACCEPT_FIRST,
  },
  'type-narrowed': {
    title: 'fewer types are allowed',
    why: 'Older senders may send those that are gone, and the newer receiver refuses them.',
    sends: SAFE,
    receives: REFUSED,
    fix: 'Go on accepting what the older versions send.',
  },
  'bound-loosened': {
    title: 'a bound was loosened',
    why: 'Older receivers refuse what is beyond their own.',
    sends: REFUSED,
    receives: SAFE,
    fix: ACCEPT_FIRST,
  },
  'bound-tightened': {
    title: 'a bound was tightened',
    why: 'Older senders may send what is beyond it, and the newer receiver refuses that.',
    sends: SAFE,
    receives: REFUSED,
    fix: 'Go on accepting it, and cut or refuse it in the handler.',
  },
  'step-removed': {
    title: 'numbers between the steps are now allowed',
    why: 'Older receivers refuse them.',
    sends: REFUSED,
    receives: SAFE,
    fix: 'Round what is sent until the older versions are out of support.',
  },
  'step-added': {
    title: 'only whole numbers, or multiples, are allowed',
    why: 'Older senders may send others, and the newer receiver refuses them.',
    sends: SAFE,
    receives: REFUSED,
    fix: 'Go on accepting them, and round them in the handler.',
  },
  'format-added': {
    title: 'a text must have a format',
    why: 'Older senders may send others, and the newer receiver refuses them.',
    sends: SAFE,
    receives: REFUSED,
    fix: 'Go on accepting any text, and check it in the handler.',
  },
  'format-removed': {
    title: 'a text need no longer have a format',
    why: 'Older receivers refuse one without.',
    sends: REFUSED,
    receives: SAFE,
    fix: ACCEPT_FIRST,
  },
  'format-changed': {
    title: 'a text has another format',
    why: 'What has the one format need not have the other.',
    sends: REFUSED,
    receives: REFUSED,
    fix: GROW,
  },
  'pattern-changed': {
    title: 'a text has another pattern',
    why: 'What has the one pattern need not have the other. Where it cannot be decided, it is risky.',
    sends: effect('breaking', 'safe where every text still matches'),
    receives: effect('breaking', 'safe where every text still matches'),
    fix: ACCEPT_FIRST,
  },
  'refinement-added': {
    title: 'a refinement was added',
    why: 'What a function refuses cannot be told from the contract. One that is replaced by another is not noticed.',
    sends: SAFE,
    receives: SHOWN,
    fix: 'Check it in the handler, and declare an error for it; or say it with a check of zod.',
  },
  'refinement-removed': {
    title: 'a refinement was removed',
    why: 'Older receivers may refuse what it refused; that cannot be told from the contract.',
    sends: SHOWN,
    receives: SAFE,
    fix: ACCEPT_FIRST,
  },
  'refined-changed': {
    title: 'what a refinement looks at was changed',
    why: 'A field that is dropped, or one that a default fills in, is part of what the function is given; what it says to that cannot be told from the contract.',
    sends: SHOWN,
    receives: SHOWN,
    fix: 'Refine the fields that belong together in an object of their own, or acknowledge the change.',
  },
  'codec-changed': {
    title: 'a codec was added or makes another kind of value',
    why: 'What its decode refuses cannot be told from the contract. From a date or a datetime to a Date it refuses nothing.',
    sends: SHOWN,
    receives: SHOWN,
    fix: 'Let the input side of the codec say all that it refuses, and acknowledge the change.',
  },
  'meaning-changed': {
    title: 'a word stands for the other of true and false',
    why: 'It is accepted, and means the opposite.',
    sends: RISKY,
    receives: RISKY,
    fix: GROW,
  },
  'object-opened': {
    title: 'fields that the contract does not name are sent',
    why: 'Older receivers drop them, or refuse them where they are strict.',
    sends: effect('safe', 'breaking where the older receiver is strict'),
    receives: SAFE,
    fix: 'Receive with z.object() or z.looseObject(), never z.strictObject(), what others send.',
  },
  'object-closed': {
    title: 'fields that the contract does not name are dropped or refused',
    why: 'Older receivers wait for them in vain. Older senders may send them.',
    sends: RISKY,
    receives: effect('breaking', 'risky where they are dropped'),
    fix: 'Name the fields that are in use before the object is closed.',
  },
  undecidable: {
    title: 'a part was changed that cannot be compared',
    why: 'A pipe, a rewriting of texts, an exclusive union or a merged intersection does more than a contract can tell.',
    sends: SHOWN,
    receives: SHOWN,
    fix: 'Say it with the schemas that can be compared, or try it with messages of the older version and acknowledge the change.',
  },
  'payload-added': {
    title: 'the event has a payload now',
    why: 'Older receivers pass it over. Older senders send none, which the newer receiver refuses.',
    sends: SAFE,
    receives: effect('breaking', 'safe where it may be left out'),
    fix: 'Make the payload optional, or add a new event.',
  },
  'payload-removed': {
    title: 'the event has no payload any more',
    why: 'Older receivers refuse an event without. What older senders still send is dropped.',
    sends: effect('breaking', 'risky where it could be left out'),
    receives: RISKY,
    fix: 'Go on sending it until the older versions are out of support.',
  },
  'event-added': {
    title: 'an event was added',
    why: 'Older versions neither send it nor listen to it.',
    sends: SAFE,
    receives: effect('safe', 'breaking where newer clients meet older servers'),
    fix: 'Nothing to do.',
  },
  'event-removed': {
    title: 'an event was removed',
    why: 'Older clients listen in vain. What they send is answered UNKNOWN_EVENT.',
    sends: RISKY,
    receives: BREAKING,
    fix: 'Deprecate it, and go on emitting and handling it until the older versions are out of support.',
  },
  'event-renamed': {
    title: 'an event was renamed',
    why: 'For older clients the old name is gone, and the new one unknown.',
    sends: RISKY,
    receives: BREAKING,
    fix: 'Declare both, deprecate the old one, and emit and handle both until the older versions are out of support.',
  },
  'event-turned': {
    title: 'an event goes the other way',
    why: 'Older clients listen to what is no longer sent, or send what is no longer handled.',
    sends: RISKY,
    receives: BREAKING,
    fix: 'Give the other direction a name of its own.',
  },
  'reply-added': {
    title: 'the event is answered now',
    why: 'Older clients do not ask for an answer. Asked by a newer server, they give none.',
    sends: SAFE,
    receives: BREAKING,
    fix: 'Add a new event that is answered.',
  },
  'reply-removed': {
    title: 'the event is not answered any more',
    why: 'Older clients wait for the data of the answer, and get none. What they answer is dropped.',
    sends: effect('breaking', 'safe where the answer had no data'),
    receives: SAFE,
    fix: 'Go on answering until the older versions are out of support.',
  },
  'error-added': {
    title: 'a failure was declared',
    why: 'Older receivers get it as any failure with a code that they do not know.',
    sends: SAFE,
    receives: SAFE,
    fix: 'Nothing to do.',
  },
  'error-removed': {
    title: 'a declared failure was removed',
    why: 'Older senders may still answer with it, and its data is no longer checked.',
    sends: SAFE,
    receives: RISKY,
    fix: 'Keep it declared until the older versions are out of support.',
  },
  'deprecation-changed': {
    title: 'a deprecation was added, changed or taken back',
    why: 'Nothing on the wire changes.',
    sends: SAFE,
    receives: SAFE,
    fix: 'Nothing to do.',
  },
  'limit-lowered': {
    title: 'a limit was lowered',
    why: 'What older clients may send is refused by the newer server. A rate is enforced softly: RATE_LIMITED says when to try again.',
    sends: SAFE,
    receives: effect('breaking', 'risky for a rate, safe for a size that no payload reaches'),
    fix: 'Raise it again, or deprecate the event for one with the lower limit.',
  },
  'limit-raised': {
    title: 'a limit was raised',
    why: 'Older receivers refuse what is larger than their own limit.',
    sends: effect('breaking', 'safe for a size that no payload reaches'),
    receives: SAFE,
    fix: 'Go on sending within the lower limit until the older versions are out of support.',
  },
  'delivery-weakened': {
    title: 'the event is delivered less surely',
    why: 'Receivers rely on what durable events promise, and on live ones not being passed over.',
    sends: effect('breaking', 'risky from live to volatile'),
    receives: effect('breaking', 'risky from live to volatile'),
    fix: 'Add a new event that is delivered as you want.',
  },
  'delivery-strengthened': {
    title: 'the event is delivered more surely',
    why: 'Older versions lose nothing.',
    sends: SAFE,
    receives: SAFE,
    fix: 'Nothing to do.',
  },
  'idempotence-removed': {
    title: 'repeating the event is no longer harmless',
    why: 'Older clients repeat it where an answer is lost, and each repetition takes effect.',
    sends: BREAKING,
    receives: BREAKING,
    fix: 'Keep it idempotent until the older versions are out of support.',
  },
  'idempotence-added': {
    title: 'repeating the event is harmless now',
    why: 'Older versions lose nothing.',
    sends: SAFE,
    receives: SAFE,
    fix: 'Nothing to do.',
  },
  'room-added': {
    title: 'a kind of room was added',
    why: 'Older clients do not join it.',
    sends: SAFE,
    receives: effect('safe', 'breaking where newer clients meet older servers'),
    fix: 'Nothing to do.',
  },
  'room-removed': {
    title: 'a kind of room was removed',
    why: 'Older clients still join it, and are refused.',
    sends: BREAKING,
    receives: BREAKING,
    fix: 'Keep it, with a rule that lets nobody new in, until the older versions are out of support.',
  },
  'presence-added': {
    title: 'devices may say something about themselves now',
    why: 'Older clients say nothing.',
    sends: SAFE,
    receives: SAFE,
    fix: 'Nothing to do.',
  },
  'presence-removed': {
    title: 'devices may no longer say anything about themselves',
    why: 'What older clients say is refused.',
    sends: BREAKING,
    receives: BREAKING,
    fix: 'Keep the schema until the older versions are out of support.',
  },
  'contract-renamed': {
    title: 'the contract has another name',
    why: 'Older clients are refused as belonging to another contract.',
    sends: BREAKING,
    receives: BREAKING,
    fix: 'Keep the name; it is not shown to users.',
  },
} as const satisfies Record<string, Rule>

/** The name of a rule, as findings carry it. */
export type RuleId = keyof typeof RULES
