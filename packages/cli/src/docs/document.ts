import type { Contract, EventDefinition, EventEntry, Schema } from '@org/realtime-contracts'
import { type Definitions, type JsonSchema, toJsonSchema } from './json-schema.js'
import { controlEvents, sessionEvents } from './sdk-events.js'

/** Who sends an event. */
export type Direction = 'serverToClient' | 'clientToServer'

/** An event, as people and tools are told of it. */
export interface EventDocument {
  /** Its name, as on the wire. */
  readonly name: string
  /** Who sends it. */
  readonly direction: Direction
  /** A name of letters, digits, dots, hyphens and underscores, different for each event. */
  readonly id: string
  /** What its payload's schema says of it. */
  readonly description: string | undefined
  /** Why, and what to use instead, where it is deprecated. */
  readonly deprecated: string | undefined
  /** `undefined` for an event without a payload. */
  readonly payload: JsonSchema | undefined
  /** `undefined` for an event that is not answered; without `data` for an answer that has none. */
  readonly reply: { readonly data?: JsonSchema } | undefined
  /** The failures that its handler may declare, with the schema of their data. */
  readonly errors: ReadonlyArray<{ readonly code: string; readonly data: JsonSchema | undefined }>
  /** How often it may be sent, and how large it may be. */
  readonly limits: EventDefinition['limits']
  /** Whether a repeat with the same key happens once. */
  readonly idempotent: boolean
  /** What becomes of it for who is not there. */
  readonly delivery: NonNullable<EventDefinition['delivery']>
  /** Whether it is the SDK's own. */
  readonly isReserved: boolean
}

/** A contract, as people and tools are told of it. */
export interface ContractDocument {
  /** The contract's name. */
  readonly name: string
  /** The contract's version. */
  readonly version: string
  /** Names what crosses the wire. */
  readonly fingerprint: string
  /** Every event, of both directions, those of the SDK included. */
  readonly events: readonly EventDocument[]
  /** The kinds of rooms, with the schema of their ids. */
  readonly rooms: ReadonlyArray<{ readonly kind: string; readonly id: JsonSchema }>
  /** What a device may say about itself. */
  readonly presence: JsonSchema | undefined
  /** Schemas that others refer to, by name. */
  readonly definitions: Definitions
}

/** Describes a contract, as the `realtime docs` command shows it. */
export function toDocument(contract: Contract): ContractDocument {
  const definitions: Definitions = {}
  const ids = new Set<string>()
  const own = (['serverToClient', 'clientToServer'] as const).flatMap((direction) =>
    Object.entries(contract[direction]).map(([name, entry]) => toEvent(name, direction, toId(name, ids), entry, definitions)),
  )
  const session = contract.session === undefined ? undefined : toJsonSchema(contract.session, 'session', definitions)
  const presence = contract.presence === undefined ? undefined : toJsonSchema(contract.presence, 'presence', definitions)
  return {
    name: contract.name,
    version: contract.version,
    fingerprint: contract.fingerprint,
    events: [
      ...own,
      ...reserved(sessionEvents(session, presence), 'serverToClient', ids),
      ...reserved(controlEvents(session, presence), 'clientToServer', ids),
    ],
    rooms: Object.entries(contract.rooms).map(([kind, id]) => ({ kind, id: toJsonSchema(id, `room.${kind}`, definitions) })),
    presence,
    definitions,
  }
}

function toEvent(name: string, direction: Direction, id: string, entry: EventEntry, definitions: Definitions): EventDocument {
  const {
    payload,
    reply,
    errors = {},
    deprecated,
    limits,
    idempotent = false,
    delivery = 'live',
  } = isSchema(entry) ? ({ payload: entry } as EventDefinition) : entry
  return {
    name,
    direction,
    id,
    description: payload && descriptionOf(payload),
    deprecated,
    payload: payload && toJsonSchema(payload, `${id}.payload`, definitions),
    reply: reply && (isVoid(reply) ? {} : { data: toJsonSchema(reply, `${id}.reply`, definitions) }),
    errors: Object.entries(errors).map(([code, data]) => ({ code, data: data === null ? undefined : toJsonSchema(data, `${id}.error.${code}`, definitions) })),
    limits,
    idempotent,
    delivery,
    isReserved: false,
  }
}

/** What the SDK itself says, as far as documents tell of it. */
export interface ReservedEvent {
  readonly name: string
  readonly description: string
  readonly payload?: JsonSchema
  readonly reply?: { readonly data?: JsonSchema }
}

function reserved(events: readonly ReservedEvent[], direction: Direction, ids: Set<string>): EventDocument[] {
  return events.map((event) => ({
    direction,
    id: toId(event.name, ids),
    deprecated: undefined,
    errors: [],
    limits: undefined,
    idempotent: false,
    delivery: 'live',
    isReserved: true,
    payload: undefined,
    reply: undefined,
    ...event,
  }))
}

function isSchema(entry: EventEntry): entry is Schema {
  return '_zod' in entry
}

function isVoid(schema: Schema): boolean {
  return schema._zod.def.type === 'void'
}

function descriptionOf(schema: Schema): string | undefined {
  const description: unknown = Reflect.get(schema, 'description')
  return typeof description === 'string' ? description : undefined
}

function toId(name: string, taken: Set<string>): string {
  const plain = name.replaceAll(/[^\w.-]+/g, '.').replace(/^\.+/, '')
  let id = plain
  for (let number = 2; taken.has(id.toLowerCase()); number++) id = `${plain}.${number}`
  taken.add(id.toLowerCase()) // files of one name may be one file
  return id
}

const DELIVERIES = {
  volatile: 'Volatile: left out for who does not read fast enough.',
  live: undefined, // what nobody expects otherwise
  durable: 'Durable: it is stored first, and also reaches devices that come back later.',
}

/** What a reader has to know of how an event is delivered. */
export function describeDelivery(delivery: EventDocument['delivery']): string | undefined {
  return DELIVERIES[delivery]
}
