import type { Contract, Delivery, EventDefinition, EventLimits, EventMap } from '../contract.js'
import { isSchema, isVoid, type Schema } from '../schema.js'
import { findMalformed, isRecord } from './malformed.js'
import type { LockModel } from './model.js'
import { readModel } from './read.js'

/** Changes when a lock is written in other words, so that an older reader refuses it instead of misreading it. */
const FORMAT = 1

/** An event as it is written down. */
export interface EventLock {
  /** What crosses the wire; absent where there is no payload. */
  readonly payload?: LockModel
  /** `null` is an answer without data. */
  readonly reply?: LockModel | null
  /** The declared failures with their data; null has none. */
  readonly errors?: { readonly [code: string]: LockModel | null }
  /** Why it is deprecated, where it is. */
  readonly deprecated?: string
  /** How often it may be sent, and how large it may be. */
  readonly limits?: EventLimits
  /** Left out where it is `'live'`. */
  readonly delivery?: Delivery
  /** Whether it may be repeated with one key. */
  readonly idempotent?: true
}

export interface EventLocks {
  readonly [event: string]: EventLock
}

/** What of a contract crosses the wire, as plain JSON: what `contract.lock.json` holds. */
export interface ContractLock {
  /** The version of this format. */
  readonly format: typeof FORMAT
  /** The contract's name. */
  readonly name: string
  /** The contract's version. */
  readonly version: string
  /** Names what crosses the wire. */
  readonly fingerprint: string
  /** What the server sends. */
  readonly serverToClient: EventLocks
  /** What clients send. */
  readonly clientToServer: EventLocks
  /** The ids of rooms, by kind. */
  readonly rooms: { readonly [kind: string]: LockModel }
  /** What the contract adds to `authenticated`. */
  readonly session?: LockModel
  /** What a device may say about itself. */
  readonly presence?: LockModel
}

const locks = new WeakMap<Contract, ContractLock>()

/** Writes a contract down. */
export function toLock(contract: Contract): ContractLock {
  const lock = locks.get(contract) ?? writeDown(contract)
  locks.set(contract, lock)
  return lock
}

function writeDown(contract: Contract): ContractLock {
  const { name, version, fingerprint, serverToClient, clientToServer, rooms, session, presence } = contract
  return {
    format: FORMAT,
    name,
    version,
    fingerprint,
    serverToClient: toEventLocks(serverToClient),
    clientToServer: toEventLocks(clientToServer),
    rooms: mapRecord(rooms, readModel),
    ...(session !== undefined && { session: readModel(session) }),
    ...(presence !== undefined && { presence: readModel(presence) }),
  }
}

function toEventLocks(events: EventMap): EventLocks {
  return mapRecord(events, (entry) => toEventLock(isSchema(entry) ? { payload: entry } : (entry as EventDefinition)))
}

function toEventLock({ payload, reply, errors, deprecated, limits, delivery = 'live', idempotent }: EventDefinition): EventLock {
  return {
    ...(payload !== undefined && !isVoid(payload) && { payload: readModel(payload) }),
    ...(reply !== undefined && { reply: toData(reply) }),
    ...(errors !== undefined && Object.keys(errors).length > 0 && { errors: mapRecord(errors, toData) }),
    ...(deprecated !== undefined && { deprecated }),
    ...(limits !== undefined && Object.keys(limits).length > 0 && { limits }),
    ...(delivery !== 'live' && { delivery }),
    ...(idempotent === true && { idempotent }),
  }
}

function toData(schema: Schema | null): LockModel | null {
  return schema === null || isVoid(schema) ? null : readModel(schema)
}

function mapRecord<T, R>(record: { readonly [name: string]: T }, map: (value: T) => R): { [name: string]: R } {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]))
}

/** The text of a lock file: the same on every machine and with every patch of zod. */
export function formatLock(lock: ContractLock): string {
  return `${JSON.stringify(sortKeys(lock), null, 2)}\n`
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return Object.fromEntries(entries.map(([key, each]) => [key, sortKeys(each)]))
}

/**
 * Reads the text of a lock file, or what was parsed of it.
 * @throws TypeError for what is no lock, or one that a newer version of this package has written.
 */
export function readLock(source: unknown): ContractLock {
  const lock: unknown = typeof source === 'string' ? parse(source) : source
  if (!isRecord(lock) || typeof lock['name'] !== 'string' || typeof lock['version'] !== 'string') {
    throw new TypeError('This is no contract lock: expected an object with name and version')
  }
  const where = `The lock of ${JSON.stringify(lock['name'])} ${lock['version']}`
  if (lock['format'] !== FORMAT) {
    throw new TypeError(
      `${where} has format ${String(lock['format'])}, and this version of @org/realtime-contracts reads ${FORMAT}; use the one that wrote it, or a newer one`,
    )
  }
  for (const key of ['serverToClient', 'clientToServer', 'rooms'] as const) {
    if (!isRecord(lock[key])) throw new TypeError(`${where}: ${key} must be an object`)
  }
  checkLock(lock as unknown as ContractLock, where) // whose models are looked at now
  return lock as unknown as ContractLock
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TypeError('This is no contract lock: it is not JSON', { cause })
  }
}

function checkLock({ serverToClient, clientToServer, rooms, session, presence }: ContractLock, where: string): void {
  for (const [direction, events] of Object.entries({ serverToClient, clientToServer })) {
    for (const [event, entry] of Object.entries(events)) checkEvent(entry, `${where}: ${direction} ${JSON.stringify(event)}`)
  }
  for (const model of [...Object.values(rooms), session, presence]) checkModel(model, where)
}

function checkEvent(event: EventLock, where: string): void {
  if (!isRecord(event as unknown)) throw new TypeError(`${where} must be an object`)
  for (const model of [event.payload, event.reply, ...Object.values(event.errors ?? {})]) checkModel(model, where)
}

function checkModel(model: unknown, where: string): void {
  if (model === undefined || model === null) return
  const problem = findMalformed(model)
  if (problem !== undefined) throw new TypeError(`${where} holds ${problem}`)
}
