import type { Contract } from '../contract.js'
import type { Cast, EventEvolution, Evolution } from '../evolve.js'
import { canonicalJson } from '../fingerprint.js'
import { isSchema, isVoid, type Schema } from '../schema.js'
import type { Finding } from './change.js'
import { compareContracts } from './contracts.js'
import { linkModel } from './model.js'
import { readModel } from './read.js'
import { sample } from './sample.js'
import { isAccepted, isSent } from './verdict.js'

/** What is wrong with the casts between two versions. */
export interface CastProblem {
  /**
   * - `missing`: a change breaks older clients, and nothing is cast.
   * - `refused`: a cast makes something that the other version refuses.
   * - `failed`: a cast throws.
   * - `impure`: a cast changes what it is given, or makes something else the second time.
   */
  readonly problem: 'missing' | 'refused' | 'failed' | 'impure'
  /** The event; left out where it is about the session. */
  readonly event?: string
  /** As in {@link Finding}. */
  readonly path: string
  /** What is wrong, in a sentence. */
  readonly message: string
  /** What the cast was given. */
  readonly value?: unknown
}

type Direction = 'serverToClient' | 'clientToServer'
type Way = 'up' | 'down'

// Enough for each member of a union, and for both what is there and what is left out.
const VARIANTS = 24

/**
 * Whether the casts of an evolution let the two versions talk: each change that breaks somebody is cast, and what a cast makes of a value
 * of the one version is one of the other's. Values are sampled from the schemas.
 */
export function checkEvolution(evolution: Evolution): CastProblem[] {
  return [...findMissing(evolution), ...findWrong(evolution)]
}

function findMissing(evolution: Evolution): CastProblem[] {
  const { findings } = compareContracts(evolution.from, evolution.to)
  return findings
    .filter((finding) => finding.verdict === 'breaking' && !isCast(finding, evolution))
    .map(({ event, path, message }) => ({ problem: 'missing', ...(event !== undefined && { event }), path, message }))
}

function isCast({ event, flow, path }: Finding, { serverToClient, clientToServer, session }: Evolution): boolean {
  if (event === undefined) return path.split('.')[0] === 'session' && session !== undefined
  // What the server sends is a payload of its own events, and an answer to those of clients; and the other way round.
  const isReply = /^(reply|errors)\b/.test(path)
  const isOfServer = (flow === 'serverToClient') !== isReply
  const evolved = isOfServer ? serverToClient.get(event) : clientToServer.get(event)
  if (path === '') return evolved !== undefined || [...serverToClient.values()].some(({ name }) => isOfServer && name === event)
  return evolved?.[flow === 'serverToClient' ? 'down' : 'up'] !== undefined && !path.startsWith('errors')
}

/** A cast, and the schemas that it is between. */
interface Between {
  readonly cast: Cast
  readonly sender: 'server' | 'client'
  readonly from: Schema | undefined
  readonly to: Schema | undefined
  readonly event?: string
  readonly path: string
}

function findWrong({ from, to, serverToClient, clientToServer, session }: Evolution): CastProblem[] {
  const events = (direction: Direction, of: ReadonlyMap<string, EventEvolution>) =>
    [...of].flatMap(([event, evolved]) => {
      const [was, is] = direction === 'serverToClient' ? [evolved.name, event] : [event, evolved.name]
      return (['up', 'down'] as const).flatMap((way) => toBetween(way, evolved[way], direction, event, from[direction][was], to[direction][is]))
    })
  const own: Between[] = session === undefined ? [] : [{ cast: session, sender: 'server', from: to.session, to: from.session, path: 'session' }]
  return [...events('serverToClient', serverToClient), ...events('clientToServer', clientToServer), ...own].flatMap(findWrongOf)
}

type Entry = Contract[Direction][string] | undefined

function toBetween(way: Way, cast: Cast | undefined, direction: Direction, event: string, was: Entry, is: Entry): Between[] {
  if (cast === undefined) return []
  const path = (direction === 'serverToClient') === (way === 'down') ? 'payload' : 'reply'
  const [older, newer] = [was, is].map((entry) => schemaOf(entry, path))
  return [{ cast, sender: way === 'down' ? 'server' : 'client', from: way === 'down' ? newer : older, to: way === 'down' ? older : newer, event, path }]
}

function schemaOf(entry: Entry, path: 'payload' | 'reply'): Schema | undefined {
  if (entry === undefined) return undefined
  const schema = isSchema(entry) ? (path === 'payload' ? entry : undefined) : entry[path]
  return schema === undefined || isVoid(schema) ? undefined : schema
}

function findWrongOf({ cast, sender, from, to, event, path }: Between): CastProblem[] {
  for (const value of samplesOf(from, sender)) {
    const found = tryCast(cast, value, to)
    if (found !== undefined) return [{ ...found, ...(event !== undefined && { event }), path, value }]
  }
  return []
}

function samplesOf(schema: Schema | undefined, sender: 'server' | 'client'): unknown[] {
  if (schema === undefined) return [undefined]
  const model = linkModel(readModel(schema))
  const values = Array.from({ length: VARIANTS }, (_, variant) => sample(model, sender, variant)).filter((value) => isSent(schema, value, sender))
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()]
}

function tryCast(cast: Cast, value: unknown, to: Schema | undefined): Pick<CastProblem, 'problem' | 'message'> | undefined {
  try {
    const given = structuredClone(value)
    const [made, again] = [cast(given as never), cast(structuredClone(value) as never)]
    if (!isSame(given, value) || !isSame(made, again))
      return { problem: 'impure', message: 'the cast changes what it is given, or makes something else each time' }
    if (to === undefined ? made === undefined : isAccepted(to, made)) return undefined
    return { problem: 'refused', message: `the cast makes ${JSON.stringify(made)}, which the other version refuses` }
  } catch (error) {
    return { problem: 'failed', message: `the cast throws ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}` }
  }
}

function isSame(left: unknown, right: unknown): boolean {
  return left === right || (left !== undefined && right !== undefined && canonicalJson(left) === canonicalJson(right))
}
