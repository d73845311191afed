import { compileSchema, type EventCodec, limitBytes, NO_DATA, type ValueCodec } from './codec.js'
import type { Delivery, EventDefinition, EventEntry, EventLimits, EventMap, RoomMap, SessionSchema } from './contract.js'
import { isBuiltInErrorCode } from './errors.js'
import { isPlainObject, isSchema, isText, isVoid, readSchema, type Schema, toObjectSchema, typeOf, type WireModel } from './schema.js'

// Every definition of a contract passes here once: what is wrong with it is said here, and what is right is compiled.

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

export const CONTRACT_KEYS = ['name', 'version', 'serverToClient', 'clientToServer', 'rooms', 'session', 'presence'] as const
const EVENT_KEYS = ['payload', 'reply', 'errors', 'deprecated', 'limits', 'delivery', 'idempotent'] as const satisfies ReadonlyArray<keyof EventDefinition>

export function checkHeader(header: { readonly name: string; readonly version: string }): string {
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

export function refuseUnknownKeys(value: object, known: readonly string[], where: string): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      throw new TypeError(`${where}: unknown key ${quote(key)}; known are ${known.join(', ')}`)
    }
  }
}

export function assertRecord(where: string, value: unknown): void {
  if (value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value) || isSchema(value))) {
    throw new TypeError(`${where}: expected an object, by name`)
  }
}

interface Compiled<Codec> {
  readonly codecs: Map<string, Codec>
  readonly models: { [name: string]: WireModel }
}

export function compileEvents(events: EventMap, where: string, sender: 'server' | 'client'): Compiled<EventCodec> {
  const compiled: Compiled<EventCodec> = { codecs: new Map(), models: {} }
  for (const [name, entry] of Object.entries(events)) {
    const place = `${where} ${quote(name)}`
    const definition = toDefinition(name, entry, place)
    checkLimits(definition, place, sender)
    checkIdempotent(definition, place, sender)
    checkDelivery(definition, place, sender)
    const { codec, model } = compileEvent(definition, place)
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
  checkDeprecated(entry, where)
  return entry
}

function checkDeprecated({ deprecated }: EventDefinition, where: string): void {
  if (deprecated !== undefined && typeof deprecated !== 'string') {
    throw new TypeError(`${where}: deprecated is a text that says what to use instead`)
  }
}

function checkIdempotent({ idempotent, reply }: EventDefinition, where: string, sender: 'server' | 'client'): void {
  if (idempotent !== undefined && typeof idempotent !== 'boolean') {
    throw new TypeError(`${where}: idempotent is true or false; got ${quote(idempotent)}`)
  }
  if (idempotent && sender === 'server') {
    throw new TypeError(`${where}: idempotent holds for what clients ask; what the server sends is told by delivery`)
  }
  if (idempotent && reply === undefined) {
    throw new TypeError(`${where}: an idempotent event is answered, so that its sender knows when to stop; add reply, z.void() where it has no data`)
  }
}

const DELIVERIES: readonly Delivery[] = ['volatile', 'live', 'durable']

function checkDelivery({ delivery, reply }: EventDefinition, where: string, sender: 'server' | 'client'): void {
  if (delivery === undefined) return
  if (!DELIVERIES.includes(delivery)) {
    throw new TypeError(`${where}: delivery is one of ${DELIVERIES.join(', ')}; got ${quote(delivery)}`)
  }
  if (sender === 'client') {
    throw new TypeError(`${where}: delivery is said of what the server sends; a client asks again where its request was lost`)
  }
  if (delivery === 'durable' && reply !== undefined) {
    throw new TypeError(`${where}: a durable event is not answered: who gets it later has nobody to answer to; leave out reply, or delivery`)
  }
}

function checkLimits({ limits, payload }: EventDefinition, where: string, sender: 'server' | 'client'): void {
  if (limits === undefined) {
    return
  }
  assertRecord(`${where}: limits`, limits)
  refuseUnknownKeys(limits, ['perSecond', 'maxBytes'] satisfies Array<keyof EventLimits>, `${where}: limits`)
  const { perSecond, maxBytes } = limits
  if (perSecond !== undefined && sender === 'server') {
    throw new TypeError(`${where}: limits.perSecond holds for what clients send; how often it sends is a server's own affair`)
  }
  if (perSecond !== undefined && !(Number.isFinite(perSecond) && perSecond > 0)) {
    throw new TypeError(`${where}: limits.perSecond must be a number above 0; got ${quote(perSecond)}`)
  }
  if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0)) {
    throw new TypeError(`${where}: limits.maxBytes must be a whole number above 0; got ${quote(maxBytes)}`)
  }
  if (maxBytes !== undefined && payload === undefined) {
    throw new TypeError(`${where}: limits.maxBytes limits a payload, and this event has none`)
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

function compileEvent(
  { payload, reply, errors, limits = {}, delivery = 'live', idempotent = false }: EventDefinition,
  where: string,
): { codec: EventCodec; model: WireModel } {
  const sent = payload === undefined || (isSchema(payload) && isVoid(payload)) ? undefined : compileValue(payload, where, 'payload')
  const answered = reply === undefined ? undefined : compileReply(reply, where)
  assertRecord(`${where}: errors`, errors)
  const failures = Object.entries(errors ?? {}).map(([code, data]) => [code, compileFailure(code, data, where)] as const)
  if (failures.length > 0 && answered === undefined) {
    throw new TypeError(`${where}: errors are part of an answer, and this event has none; add reply, z.void() where it has no data`)
  }
  const { perSecond, maxBytes } = limits
  return {
    codec: {
      payload: sent && maxBytes !== undefined ? limitBytes(sent.codec, maxBytes) : sent?.codec,
      perSecond,
      idempotent,
      delivery,
      reply: answered?.codec,
      errors: new Map(failures.map(([code, part]) => [code, part?.codec])),
    },
    model: {
      ...(sent && { payload: sent.model }),
      ...(answered && { reply: answered.model }),
      ...(idempotent && { idempotent }),
      ...((perSecond ?? maxBytes) !== undefined && { limits: { ...(perSecond !== undefined && { perSecond }), ...(maxBytes !== undefined && { maxBytes }) } }),
      ...(delivery !== 'live' && { delivery }),
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

export function compileRooms(rooms: RoomMap, where: string): Compiled<ValueCodec> {
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

export function compileSession(session: SessionSchema, where: string): Part {
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

export function compilePresence(presence: Schema, where: string): Part {
  if (!isSchema(presence)) {
    throw new TypeError(`${where}: presence must be a zod schema of what a device may say about itself`)
  }
  return compileValue(presence, where, 'presence')
}

function pick(value: unknown, fields: readonly string[]): unknown {
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(fields.filter((field) => field in value).map((field) => [field, Reflect.get(value, field)]))
    : value
}

export function mergeSessions(sessions: readonly SessionSchema[], where: string): SessionSchema {
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

export function mergeRecords<T>(records: ReadonlyArray<{ readonly [key: string]: T }>, where: string, what: string): { [key: string]: T } {
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
