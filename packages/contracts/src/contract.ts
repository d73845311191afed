import type * as z from 'zod'
import { CompiledContract, CompiledEvents, type ContractCodec, type EventCodec, type ValueCodec } from './codec.js'
import {
  assertRecord,
  CONTRACT_KEYS,
  checkHeader,
  compileEvents,
  compilePresence,
  compileRooms,
  compileSession,
  mergeRecords,
  mergeSessions,
  refuseUnknownKeys,
} from './compile.js'
import { toFingerprint } from './fingerprint.js'
import type { Schema, WireModel } from './schema.js'

/**
 * How an event of the server is delivered.
 * - `volatile`: to who is connected, and to nobody who does not read fast enough.
 * - `live`: at most once, to who is connected.
 * - `durable`: stored first; every device gets it, also one that comes back later, in order and each once, or is told of a gap.
 */
export type Delivery = 'volatile' | 'live' | 'durable'

/** What one client may send of an event. */
export interface EventLimits {
  /** How many of it one connection may send in a second, and at once; 0.5 is one in two seconds. For events of clients. */
  readonly perSecond?: number
  /** How large the payload may be, in bytes of its JSON. A server's own limit for all events stands beside it. */
  readonly maxBytes?: number
}

/** The whole of an event. Where it is only a payload, the schema alone can stand for it. */
export interface EventDefinition {
  /** The event's one argument; left out for an event without a payload. */
  readonly payload?: Schema
  /** What the receiver answers; left out for an event that is not answered. `z.void()` is an answer without data. */
  readonly reply?: Schema
  /** Failures that the receiver may declare, by `UPPER_SNAKE` code; `null` for one without data. */
  readonly errors?: { readonly [code: string]: Schema | null }
  /** Why it should no longer be used, and what to use instead. */
  readonly deprecated?: string
  /** How much of it there may be; more is answered `RATE_LIMITED`, larger ones `INVALID_PAYLOAD`. */
  readonly limits?: EventLimits
  /** For events of the server. @default 'live' */
  readonly delivery?: Delivery
  /** Whether what is asked by it happens once, however often it is asked with the same key; for an event of clients that is answered. @default false */
  readonly idempotent?: boolean
}

/** An event as it is declared: the schema of its payload alone, or the whole of it. */
export type EventEntry = Schema | EventDefinition
/** Events by name. */
export interface EventMap {
  readonly [event: string]: EventEntry
}
/** The schema of a room's id, by kind of room. An id is a string on the wire. */
export interface RoomMap {
  readonly [kind: string]: z.core.$ZodType<unknown, string>
}
/** A session's fields: an object schema. */
export type SessionSchema = z.core.$ZodObject

/** Events and rooms that servers and clients share. Made by {@link defineContract} or {@link mergeContracts}. */
export interface Contract<
  ServerToClient extends EventMap = EventMap,
  ClientToServer extends EventMap = EventMap,
  Rooms extends RoomMap = RoomMap,
  Session extends SessionSchema | undefined = SessionSchema | undefined,
  Presence extends Schema | undefined = Schema | undefined,
> {
  /** Names the contract, in the handshake and in documents. */
  readonly name: string
  /** As in Semantic Versioning. */
  readonly version: string
  /** The events that the server sends, by name. */
  readonly serverToClient: ServerToClient
  /** The events that clients send, by name. */
  readonly clientToServer: ClientToServer
  /** The schemas of rooms' ids, by kind of room. */
  readonly rooms: Rooms
  /** What a client learns about itself, beside user, e-mail and device. */
  readonly session: Session
  /** What a device may say about itself. */
  readonly presence: Presence
  /** Names what crosses the wire: equal for two contracts that let the same through, whatever their descriptions. */
  readonly fingerprint: string
  /** The contract's schemas, compiled. */
  readonly codec: ContractCodec
  /** What crosses the wire, as plain JSON. */
  readonly model: ContractModel
  /** The names of the events of clients that are `idempotent`. */
  readonly idempotent: readonly string[]
  /** The contracts that it was merged of: a client of one of them talks to a server of the whole. */
  readonly parts: readonly Contract[]
}

/** What a contract lets cross the wire, for those who compare or document it. */
export type ContractModel = Readonly<
  Record<'serverToClient' | 'clientToServer' | 'rooms', { [name: string]: WireModel }> & { session: WireModel; presence?: WireModel }
>

/** What a client needs of a contract at run time when it does not validate: some 100 bytes, and the contract's types. */
export interface Manifest<C extends Contract = Contract> {
  /** The contract's name. */
  readonly name: string
  /** The contract's version. */
  readonly version: string
  /** The contract's fingerprint: names what crosses the wire. */
  readonly fingerprint: string
  /** The names of the events of clients that are `idempotent`, where there are any. */
  readonly idempotent?: readonly string[]
  /** Never there at run time: it carries the contract's types. */
  readonly '~contract'?: C
}

/** Makes a key that an event cannot have a type error, also beside keys that it can. */
type KnownKeys<M extends EventMap> = {
  readonly [K in keyof M]: M[K] extends { _zod: unknown } ? unknown : { readonly [P in Exclude<keyof M[K], keyof EventDefinition>]: never }
}

/** Makes `idempotent` a type error where an event has no answer that could be repeated. */
type Repeatable<M extends EventMap> = {
  readonly [K in keyof M]: M[K] extends { idempotent: true } ? { readonly reply: Schema } : unknown
}

/** Makes `idempotent` a type error for what a server sends. */
type NeverIdempotent<M extends EventMap> = {
  readonly [K in keyof M]: M[K] extends { idempotent: true } ? { readonly idempotent: false } : unknown
}

type None = Record<never, never>

/** What `defineContract` takes. */
export interface ContractDefinition<
  ServerToClient extends EventMap,
  ClientToServer extends EventMap,
  Rooms extends RoomMap,
  Session extends SessionSchema | undefined,
  Presence extends Schema | undefined,
> {
  /** 1–64 of `[A-Za-z0-9@/._-]`. */
  readonly name: string
  /** Semantic, `major.minor.patch`. */
  readonly version: string
  /** The events that the server sends, by name. @default none */
  readonly serverToClient?: ServerToClient
  /** The events that clients send, by name. @default none */
  readonly clientToServer?: ClientToServer
  /** The schemas of rooms' ids, by kind of room. @default none */
  readonly rooms?: Rooms
  /** What a client learns about itself on connecting, beside `userId` and `email`: fields of the authenticated user. */
  readonly session?: Session
  /** What a device may say about itself to those who may see its user, such as `z.object({ status: z.enum(['active', 'away']) })`. */
  readonly presence?: Presence
}

/**
 * Defines the events of one domain, in both directions.
 * @throws TypeError naming event and path, for a reserved or malformed name, an unknown key, and a schema without a JSON form.
 */
export function defineContract<
  const ServerToClient extends EventMap = None,
  const ClientToServer extends EventMap = None,
  const Rooms extends RoomMap = None,
  const Session extends SessionSchema | undefined = undefined,
  const Presence extends Schema | undefined = undefined,
>(
  definition: ContractDefinition<ServerToClient, ClientToServer, Rooms, Session, Presence> & {
    readonly serverToClient?: KnownKeys<ServerToClient> & NeverIdempotent<ServerToClient>
    readonly clientToServer?: KnownKeys<ClientToServer> & Repeatable<ClientToServer>
  },
): Contract<ServerToClient, ClientToServer, Rooms, Session, Presence> {
  const where = checkHeader(definition)
  refuseUnknownKeys(definition, CONTRACT_KEYS, where)
  const { serverToClient, clientToServer, rooms, session, presence } = definition
  for (const [name, value] of Object.entries({ serverToClient, clientToServer, rooms })) assertRecord(`${where}: ${name}`, value)
  const down = compileEvents(serverToClient ?? {}, `${where}: serverToClient`, 'server')
  const up = compileEvents(clientToServer ?? {}, `${where}: clientToServer`, 'client')
  const places = compileRooms(rooms ?? {}, where)
  const own = session === undefined ? undefined : compileSession(session, where)
  const said = presence === undefined ? undefined : compilePresence(presence, where)
  return assemble({
    name: definition.name,
    version: definition.version,
    parts: [],
    serverToClient: (serverToClient ?? {}) as ServerToClient, // left out is the parameter's default
    clientToServer: (clientToServer ?? {}) as ClientToServer,
    rooms: (rooms ?? {}) as Rooms,
    session: session as Session,
    presence: presence as Presence,
    codec: toCodec(where, down.codecs, up.codecs, places.codecs, own?.codec, said?.codec),
    model: { serverToClient: down.models, clientToServer: up.models, rooms: places.models, ...toOwnModels(own, said) },
    idempotent: [...up.codecs].flatMap(([event, { idempotent }]) => (idempotent ? [event] : [])),
  })
}

/** A contract without presence has the fingerprint that it had before there was any. */
function toOwnModels(session: { model: WireModel } | undefined, presence: { model: WireModel } | undefined): Pick<ContractModel, 'session' | 'presence'> {
  return { session: session?.model ?? null, ...(presence !== undefined && { presence: presence.model }) }
}

type Entries<T> = Iterable<readonly [string, T]>

function toCodec(
  where: string,
  serverToClient: Entries<EventCodec>,
  clientToServer: Entries<EventCodec>,
  rooms: Entries<ValueCodec>,
  session: ValueCodec | undefined,
  presence: ValueCodec | undefined,
): ContractCodec {
  return new CompiledContract(
    new CompiledEvents(`serverToClient of ${where}`, new Map(serverToClient)),
    new CompiledEvents(`clientToServer of ${where}`, new Map(clientToServer)),
    new Map(rooms),
    session,
    presence,
  )
}

function assemble<C extends Omit<Contract, 'fingerprint'>>(parts: C): C & { readonly fingerprint: string } {
  let fingerprint: string | undefined
  return Object.freeze({
    ...parts,
    get fingerprint() {
      fingerprint ??= toFingerprint(parts.model)
      return fingerprint
    },
  })
}

type UnionToIntersection<U> = (U extends unknown ? (value: U) => void : never) extends (value: infer I) => void ? I : never

type MergedMap<Parts extends readonly Contract[], D extends Direction, Bound> =
  Flat<UnionToIntersection<Parts[number][D]>> extends infer M extends Bound ? M : never
type Flat<T> = { readonly [K in keyof T]: T[K] }

type MergedSession<Parts extends readonly Contract[]> =
  Exclude<Parts[number]['session'], undefined> extends infer S
    ? [S] extends [never]
      ? undefined
      : UnionToIntersection<S extends z.core.$ZodObject<infer Shape> ? Shape : never> extends infer Shape extends z.core.$ZodShape
        ? z.ZodObject<Flat<Shape>>
        : never
    : never

type Direction = 'serverToClient' | 'clientToServer' | 'rooms'
type NamesIn<C extends Contract, D extends Direction> = C extends Contract ? keyof C[D] : never // of each member of a union

/** The names that more than one part declares in one direction. */
type Shared<Parts extends readonly Contract[]> = Parts extends readonly [infer First extends Contract, ...infer Rest extends readonly Contract[]]
  ? { [D in Direction]: Extract<keyof First[D], NamesIn<Rest[number], D>> }[Direction] | Shared<Rest>
  : never

/** A type error that names the event where two parts declare the same one. */
type Disjoint<Parts extends readonly Contract[]> = [Shared<Parts>] extends [never] ? unknown : { 'declared by more than one contract': Shared<Parts> }

/**
 * Puts the contracts of several teams together into one.
 * @throws TypeError where two of them declare the same event in the same direction, room kind or session field.
 */
export function mergeContracts<const Parts extends readonly Contract[]>(
  header: { readonly name: string; readonly version: string } & Disjoint<Parts>,
  ...parts: Parts
): Contract<
  MergedMap<Parts, 'serverToClient', EventMap>,
  MergedMap<Parts, 'clientToServer', EventMap>,
  MergedMap<Parts, 'rooms', RoomMap>,
  MergedSession<Parts>,
  Parts[number]['presence']
> {
  const where = checkHeader(header)
  refuseUnknownKeys(header, ['name', 'version'], where)
  if (!parts.every((part) => part?.codec !== undefined)) {
    throw new TypeError(`${where}: mergeContracts takes contracts from defineContract or mergeContracts; a manifest is for clients`)
  }
  const serverToClient = mergeRecords(
    parts.map((part) => part.serverToClient),
    where,
    'the serverToClient event',
  )
  const clientToServer = mergeRecords(
    parts.map((part) => part.clientToServer),
    where,
    'the clientToServer event',
  )
  const rooms = mergeRecords(
    parts.map((part) => part.rooms),
    where,
    'the room kind',
  )
  const sessions = parts.flatMap((part) => (part.session === undefined ? [] : [part.session]))
  const session = sessions.length > 1 ? mergeSessions(sessions, where) : sessions[0]
  const own = session === undefined ? undefined : compileSession(session, where)
  const [presence, ...more] = parts.flatMap((part) => (part.presence === undefined ? [] : [part.presence]))
  if (more.length > 0) throw new TypeError(`${where}: presence is declared by more than one contract`)
  const said = presence === undefined ? undefined : compilePresence(presence, where)
  return assemble({
    name: header.name,
    version: header.version,
    parts,
    serverToClient,
    clientToServer,
    rooms,
    session,
    presence,
    codec: toCodec(
      where,
      parts.flatMap((part) => [...part.codec.serverToClient.entries()]),
      parts.flatMap((part) => [...part.codec.clientToServer.entries()]),
      parts.flatMap((part) => [...part.codec.rooms]),
      own?.codec,
      said?.codec,
    ),
    model: {
      serverToClient: Object.assign({}, ...parts.map((part) => part.model.serverToClient)),
      clientToServer: Object.assign({}, ...parts.map((part) => part.model.clientToServer)),
      rooms: Object.assign({}, ...parts.map((part) => part.model.rooms)),
      ...toOwnModels(own, said),
    },
    idempotent: parts.flatMap((part) => part.idempotent),
    // The maps were put together by name; the type says the same of their keys.
  }) as never
}

/** The names of all events of a contract, each once, in the order they were declared: what the server sends, then what clients send. */
export function eventNames<C extends Contract>(contract: C): Array<(keyof C['serverToClient'] | keyof C['clientToServer']) & string> {
  return [...new Set([...Object.keys(contract.serverToClient), ...Object.keys(contract.clientToServer)])]
}

/** The manifest of a contract, for a client that takes its types and leaves the validating to the server. */
export function toManifest<C extends Contract>({ name, version, fingerprint, idempotent }: C): Manifest<C> {
  return { name, version, fingerprint, ...(idempotent.length > 0 && { idempotent }) }
}
