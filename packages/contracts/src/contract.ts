import type * as z from 'zod'
import { CompiledContract, CompiledEvents, type ContractCodec, compileSchema, type EventCodec, NO_DATA, type ValueCodec } from './codec.js'
import { isBuiltInErrorCode } from './errors.js'
import { toFingerprint } from './fingerprint.js'
import { isPlainObject, isSchema, isText, isVoid, readSchema, type Schema, toObjectSchema, typeOf, type WireModel } from './schema.js'

/** How an event is delivered. Only `'live'` (at most once, to who is connected) is supported so far. */
export type Delivery = 'volatile' | 'live' | 'durable'

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
  /** Not supported yet. */
  readonly limits?: { readonly perSecond?: number; readonly maxBytes?: number }
  /** @default 'live' */
  readonly delivery?: Delivery
  /** Not supported yet. @default false */
  readonly idempotent?: boolean
}

export type EventEntry = Schema | EventDefinition
export interface EventMap {
  readonly [event: string]: EventEntry
}
/** The schema of a room's id, by kind of room. An id is a string on the wire. */
export interface RoomMap {
  readonly [kind: string]: z.core.$ZodType<unknown, string>
}
export type SessionSchema = z.core.$ZodObject

/** Events and rooms that servers and clients share. Made by {@link defineContract} or {@link mergeContracts}. */
export interface Contract<
  ServerToClient extends EventMap = EventMap,
  ClientToServer extends EventMap = EventMap,
  Rooms extends RoomMap = RoomMap,
  Session extends SessionSchema | undefined = SessionSchema | undefined,
> {
  readonly name: string
  readonly version: string
  readonly serverToClient: ServerToClient
  readonly clientToServer: ClientToServer
  readonly rooms: Rooms
  readonly session: Session
  /** Names what crosses the wire: equal for two contracts that let the same through, whatever their descriptions. */
  readonly fingerprint: string
  /** The contract's schemas, compiled. */
  readonly codec: ContractCodec
  /** What crosses the wire, as plain JSON. */
  readonly model: ContractModel
}

export type ContractModel = Readonly<Record<'serverToClient' | 'clientToServer' | 'rooms', { [name: string]: WireModel }> & { session: WireModel }>

/** What a client needs of a contract at run time when it does not validate: some 100 bytes, and the contract's types. */
export interface Manifest<C extends Contract = Contract> {
  readonly name: string
  readonly version: string
  readonly fingerprint: string
  /** Never there at run time: it carries the contract's types. */
  readonly '~contract'?: C
}

/** Makes a key that an event cannot have a type error, also beside keys that it can. */
type KnownKeys<M extends EventMap> = {
  readonly [K in keyof M]: M[K] extends { _zod: unknown } ? unknown : { readonly [P in Exclude<keyof M[K], keyof EventDefinition>]: never }
}

type None = Record<never, never>

export interface ContractDefinition<
  ServerToClient extends EventMap,
  ClientToServer extends EventMap,
  Rooms extends RoomMap,
  Session extends SessionSchema | undefined,
> {
  /** 1–64 of `[A-Za-z0-9@/._-]`. */
  readonly name: string
  /** Semantic, `major.minor.patch`. */
  readonly version: string
  readonly serverToClient?: ServerToClient
  readonly clientToServer?: ClientToServer
  readonly rooms?: Rooms
  /** What a client learns about itself on connecting, beside `userId` and `email`: fields of the authenticated user. */
  readonly session?: Session
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
>(
  definition: ContractDefinition<ServerToClient, ClientToServer, Rooms, Session> & {
    readonly serverToClient?: KnownKeys<ServerToClient>
    readonly clientToServer?: KnownKeys<ClientToServer>
  },
): Contract<ServerToClient, ClientToServer, Rooms, Session> {
  const where = checkHeader(definition)
  refuseUnknownKeys(definition, CONTRACT_KEYS, where)
  const { serverToClient, clientToServer, rooms, session } = definition
  for (const [name, value] of Object.entries({ serverToClient, clientToServer, rooms })) assertRecord(`${where}: ${name}`, value)
  const down = compileEvents(serverToClient ?? {}, `${where}: serverToClient`)
  const up = compileEvents(clientToServer ?? {}, `${where}: clientToServer`)
  const places = compileRooms(rooms ?? {}, where)
  const own = session === undefined ? undefined : compileSession(session, where)
  return assemble({
    name: definition.name,
    version: definition.version,
    serverToClient: (serverToClient ?? {}) as ServerToClient, // left out is the parameter's default
    clientToServer: (clientToServer ?? {}) as ClientToServer,
    rooms: (rooms ?? {}) as Rooms,
    session: session as Session,
    codec: toCodec(where, down.codecs, up.codecs, places.codecs, own?.codec),
    model: { serverToClient: down.models, clientToServer: up.models, rooms: places.models, session: own?.model ?? null },
  })
}

type Entries<T> = Iterable<readonly [string, T]>

function toCodec(
  where: string,
  serverToClient: Entries<EventCodec>,
  clientToServer: Entries<EventCodec>,
  rooms: Entries<ValueCodec>,
  session: ValueCodec | undefined,
): ContractCodec {
  return new CompiledContract(
    new CompiledEvents(`serverToClient of ${where}`, new Map(serverToClient)),
    new CompiledEvents(`clientToServer of ${where}`, new Map(clientToServer)),
    new Map(rooms),
    session,
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
  MergedSession<Parts>
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
  return assemble({
    name: header.name,
    version: header.version,
    serverToClient,
    clientToServer,
    rooms,
    session,
    codec: toCodec(
      where,
      parts.flatMap((part) => [...part.codec.serverToClient.entries()]),
      parts.flatMap((part) => [...part.codec.clientToServer.entries()]),
      parts.flatMap((part) => [...part.codec.rooms]),
      own?.codec,
    ),
    model: {
      serverToClient: Object.assign({}, ...parts.map((part) => part.model.serverToClient)),
      clientToServer: Object.assign({}, ...parts.map((part) => part.model.clientToServer)),
      rooms: Object.assign({}, ...parts.map((part) => part.model.rooms)),
      session: own?.model ?? null,
    },
    // The maps were put together by name; the type says the same of their keys.
  }) as never
}

/** The names of all events of a contract, each once, in the order they were declared: what the server sends, then what clients send. */
export function eventNames<C extends Contract>(contract: C): Array<(keyof C['serverToClient'] | keyof C['clientToServer']) & string> {
  return [...new Set([...Object.keys(contract.serverToClient), ...Object.keys(contract.clientToServer)])]
}

/** The manifest of a contract, for a client that takes its types and leaves the validating to the server. */
export function toManifest<C extends Contract>({ name, version, fingerprint }: C): Manifest<C> {
  return { name, version, fingerprint }
}

const CONTRACT_NAME = /^[A-Za-z0-9@][A-Za-z0-9@/._-]{0,63}$/
// https://semver.org, without build metadata
const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]{1,64})?$/
const EVENT_NAME = /^[A-Za-z][A-Za-z0-9_.:/-]{0,63}$/
const ROOM_KIND = /^[a-z][a-z0-9_-]{0,63}$/
const ERROR_CODE = /^[A-Z][A-Z0-9_]{0,63}$/

// Socket.IO's own names, and the SDK's; in lower case, since they are reserved whatever their case.
const RESERVED_EVENTS: ReadonlySet<string> = new Set(
  ['connect', 'connect_error', 'connection', 'disconnect', 'disconnecting', 'newListener', 'removeListener', 'authenticated', 'error'].map((name) =>
    name.toLowerCase(),
  ),
)
const RESERVED_ROOMS: ReadonlySet<string> = new Set(['user', 'device'])
const RESERVED_SESSION_FIELDS: ReadonlySet<string> = new Set(['success', 'userId', 'email', 'deviceId', 'expiresInMs'])

const CONTRACT_KEYS = ['name', 'version', 'serverToClient', 'clientToServer', 'rooms', 'session'] as const
const EVENT_KEYS = ['payload', 'reply', 'errors', 'deprecated', 'limits', 'delivery', 'idempotent'] as const satisfies ReadonlyArray<keyof EventDefinition>

function checkHeader(header: { readonly name: string; readonly version: string }): string {
  const { name, version } = header ?? {}
  if (typeof name !== 'string' || !CONTRACT_NAME.test(name)) {
    throw new TypeError(`A contract needs a name of 1–64 of [A-Za-z0-9@/._-]; got ${quote(name)}`)
  }
  const where = `contract "${name}"`
  if (typeof version !== 'string' || !VERSION.test(version)) {
    throw new TypeError(`${where}: the version must be semantic, like 1.0.0; got ${quote(version)}`)
  }
  return where
}

function refuseUnknownKeys(value: object, known: readonly string[], where: string): void {
  for (const key of Object.keys(value)) {
    if (key === 'presence') {
      throw new TypeError(`${where}: presence is not supported yet; remove it`)
    }
    if (!known.includes(key)) {
      throw new TypeError(`${where}: unknown key ${quote(key)}; known are ${known.join(', ')}`)
    }
  }
}

function assertRecord(where: string, value: unknown): void {
  if (value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value) || isSchema(value))) {
    throw new TypeError(`${where}: expected an object, by name`)
  }
}

interface Compiled<Codec> {
  readonly codecs: Map<string, Codec>
  readonly models: { [name: string]: WireModel }
}

function compileEvents(events: EventMap, where: string): Compiled<EventCodec> {
  const compiled: Compiled<EventCodec> = { codecs: new Map(), models: {} }
  for (const [name, entry] of Object.entries(events)) {
    const { codec, model } = compileEvent(toDefinition(name, entry, `${where} ${quote(name)}`), `${where} ${quote(name)}`)
    compiled.codecs.set(name, codec)
    compiled.models[name] = model
  }
  return compiled
}

function toDefinition(name: string, entry: EventEntry, where: string): EventDefinition {
  if (RESERVED_EVENTS.has(name.toLowerCase()) || name.startsWith('$')) {
    throw new TypeError(`${where}: the name is reserved for Socket.IO or the SDK; choose another`)
  }
  if (!EVENT_NAME.test(name)) {
    throw new TypeError(`${where}: an event's name starts with a letter and is 1–64 of [A-Za-z0-9_.:/-]`)
  }
  if (isSchema(entry)) {
    return { payload: entry }
  }
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw new TypeError(`${where}: expected a zod schema, or an object with ${EVENT_KEYS.join(', ')}`)
  }
  refuseUnknownKeys(entry, EVENT_KEYS, where)
  refuseUnsupported(entry, where)
  return entry
}

function refuseUnsupported({ limits, delivery, idempotent, deprecated }: EventDefinition, where: string): void {
  if (deprecated !== undefined && typeof deprecated !== 'string') {
    throw new TypeError(`${where}: deprecated is a text that says what to use instead`)
  }
  if (delivery !== undefined && delivery !== 'live') {
    throw new TypeError(`${where}: delivery ${quote(delivery)} is not supported yet; only 'live' is`)
  }
  if (limits !== undefined) {
    throw new TypeError(`${where}: limits are not supported yet; remove them`)
  }
  if (idempotent !== undefined && idempotent !== false) {
    throw new TypeError(`${where}: idempotent is not supported yet; remove it`)
  }
}

interface Part {
  readonly codec: ValueCodec
  readonly model: WireModel
}

function compileValue(schema: unknown, where: string, path: string): Part {
  if (!isSchema(schema)) {
    throw new TypeError(`${where}, at ${path}: expected a zod schema (zod 4 or newer), got ${schema === null ? 'null' : typeof schema}`)
  }
  const facts = readSchema(schema, `${where}, at ${path}`)
  return { codec: compileSchema(schema, facts), model: facts.model }
}

function compileEvent({ payload, reply, errors }: EventDefinition, where: string): { codec: EventCodec; model: WireModel } {
  const sent = payload === undefined || (isSchema(payload) && isVoid(payload)) ? undefined : compileValue(payload, where, 'payload')
  const answered = reply === undefined ? undefined : compileReply(reply, where)
  assertRecord(`${where}: errors`, errors)
  const failures = Object.entries(errors ?? {}).map(([code, data]) => [code, compileFailure(code, data, where)] as const)
  if (failures.length > 0 && answered === undefined) {
    throw new TypeError(`${where}: errors are part of an answer, and this event has none; add reply, z.void() where it has no data`)
  }
  return {
    codec: { payload: sent?.codec, reply: answered?.codec, errors: new Map(failures.map(([code, part]) => [code, part?.codec])) },
    model: {
      ...(sent && { payload: sent.model }),
      ...(answered && { reply: answered.model }),
      ...(failures.length > 0 && { errors: Object.fromEntries(failures.map(([code, part]): [string, WireModel] => [code, part?.model ?? null]).sort(byName)) }),
    },
  }
}

function compileReply(reply: unknown, where: string): Part {
  return isSchema(reply) && isVoid(reply) ? { codec: NO_DATA, model: 'void' } : compileValue(reply, where, 'reply')
}

function compileFailure(code: string, data: unknown, where: string): Part | undefined {
  if (!ERROR_CODE.test(code)) {
    throw new TypeError(`${where}: the error code ${quote(code)} must be UPPER_SNAKE, 1–64 of [A-Z0-9_]`)
  }
  if (isBuiltInErrorCode(code)) {
    throw new TypeError(`${where}: the error code ${code} is the SDK's own and needs no declaring; choose another name`)
  }
  return data === null ? undefined : compileValue(data, where, `errors.${code}`)
}

function compileRooms(rooms: RoomMap, where: string): Compiled<ValueCodec> {
  const compiled: Compiled<ValueCodec> = { codecs: new Map(), models: {} }
  for (const [kind, id] of Object.entries(rooms)) {
    if (RESERVED_ROOMS.has(kind.toLowerCase())) {
      throw new TypeError(`${where}: the room kind ${quote(kind)} is the SDK's own; choose another`)
    }
    if (!ROOM_KIND.test(kind)) {
      throw new TypeError(`${where}: the room kind ${quote(kind)} must start with a-z and be 1–64 of [a-z0-9_-]`)
    }
    const { codec, model } = compileValue(id, `${where}: room kind ${quote(kind)}`, 'id')
    if (!isText(model)) {
      throw new TypeError(`${where}: room kind ${quote(kind)}: an id must be a text on the wire, such as z.string(), z.uuid() or z.enum([...])`)
    }
    compiled.codecs.set(kind, codec)
    compiled.models[kind] = model
  }
  return compiled
}

function compileSession(session: SessionSchema, where: string): Part {
  if (!isSchema(session) || typeOf(session) !== 'object') {
    throw new TypeError(`${where}: session must be a z.object() of fields of the user`)
  }
  const fields = Object.keys(session._zod.def.shape)
  const reserved = fields.find((field) => RESERVED_SESSION_FIELDS.has(field))
  if (reserved !== undefined) {
    throw new TypeError(`${where}: the session field ${quote(reserved)} is the SDK's own; leave it out`)
  }
  const { codec, model } = compileValue(session, where, 'session')
  return { codec: { ...codec, encode: (user) => codec.encode(pick(user, fields)) }, model }
}

function pick(value: unknown, fields: readonly string[]): unknown {
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(fields.filter((field) => field in value).map((field) => [field, Reflect.get(value, field)]))
    : value
}

function mergeSessions(sessions: readonly SessionSchema[], where: string): SessionSchema {
  if (!sessions.every(isPlainObject)) {
    throw new TypeError(`${where}: a session that is strict, loose or refined as a whole cannot be merged; use plain z.object()`)
  }
  return toObjectSchema(
    mergeRecords(
      sessions.map((session) => session._zod.def.shape),
      where,
      'the session field',
    ),
  )
}

function mergeRecords<T>(records: ReadonlyArray<{ readonly [key: string]: T }>, where: string, what: string): { [key: string]: T } {
  const merged: { [key: string]: T } = {}
  for (const [key, value] of records.flatMap((record) => Object.entries(record))) {
    if (Object.hasOwn(merged, key)) {
      throw new TypeError(`${where}: ${what} ${quote(key)} is declared by more than one contract`)
    }
    merged[key] = value
  }
  return merged
}

function byName([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1
}

function quote(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
}
