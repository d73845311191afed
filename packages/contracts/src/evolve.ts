import type { Contract } from './contract.js'
import type { ClientEvent, PayloadOf, ReplyOf, ServerEvent, SessionFields } from './infer.js'

/** Makes a wire value of one version into the other's: pure, and of a value that its sender's version lets through. */
export type Cast<From = never, To = unknown> = (value: From) => To

/** What the server sends: its payload goes down to the older version, and the answer of a client comes up. */
interface ServerCasts<Old, New> {
  readonly down?: Cast<PayloadOf<New, 'wire'>, PayloadOf<Old, 'wire'>>
  readonly up?: Cast<ReplyOf<Old, 'wire'>, ReplyOf<New, 'wire'>>
}

/** What clients send: its payload comes up from the older version, and the answer of the server goes down. */
interface ClientCasts<Old, New> {
  readonly up?: Cast<PayloadOf<Old, 'wire'>, PayloadOf<New, 'wire'>>
  readonly down?: Cast<ReplyOf<New, 'wire'>, ReplyOf<Old, 'wire'>>
}

/** By the newer version's names. An event that the older version calls otherwise says so with `was`. */
export interface EvolutionCasts<Old extends Contract, New extends Contract> {
  /** What the server sends. */
  readonly serverToClient?: {
    readonly [K in ServerEvent<New>]?: K extends ServerEvent<Old>
      ? ServerCasts<Old['serverToClient'][K], New['serverToClient'][K]>
      : { [O in ServerEvent<Old>]: { readonly was: O } & ServerCasts<Old['serverToClient'][O], New['serverToClient'][K]> }[ServerEvent<Old>]
  }
  /** What clients send. */
  readonly clientToServer?: {
    readonly [K in ClientEvent<New>]?: K extends ClientEvent<Old>
      ? ClientCasts<Old['clientToServer'][K], New['clientToServer'][K]>
      : { [O in ClientEvent<Old>]: { readonly was: O } & ClientCasts<Old['clientToServer'][O], New['clientToServer'][K]> }[ClientEvent<Old>]
  }
  /** The session fields that a client is told. */
  readonly session?: Cast<SessionFields<New, 'wire'>, SessionFields<Old, 'wire'>>
}

/** How one event changes between two versions. A cast that is left out leaves the value as it is. */
export interface EventEvolution {
  /** What the other version calls it. */
  readonly name: string
  /** Makes the older version's value into the newer one's. */
  readonly up?: Cast
  /** Makes the newer version's value into the older one's. */
  readonly down?: Cast
}

/** How a server of one version of a contract talks to clients of an older one. Made by {@link evolve}. */
export interface Evolution {
  /** The older version. */
  readonly from: Contract
  /** The newer version, which the server has. */
  readonly to: Contract
  /** By the newer version's names. */
  readonly serverToClient: ReadonlyMap<string, EventEvolution>
  /** By the older version's names. */
  readonly clientToServer: ReadonlyMap<string, EventEvolution>
  /** Makes the newer version's session fields into the older one's. */
  readonly session: Cast | undefined
}

type Direction = 'serverToClient' | 'clientToServer'
const DIRECTIONS = ['serverToClient', 'clientToServer'] as const

/**
 * Lets a server of a contract's newer version talk to clients of an older one, which could not read what it sends, or send what it reads:
 * pure casts of wire values, for the events that need them. `realtime check` holds each cast against both versions' schemas.
 * @throws TypeError for an event that a version does not have, a cast that is no function, and two versions that are the same.
 */
export function evolve<const Old extends Contract, const New extends Contract>(from: Old, to: New, casts: EvolutionCasts<Old, New>): Evolution {
  for (const contract of [from, to]) {
    if (contract?.codec === undefined) throw new TypeError('evolve: expected the contracts of two versions, from defineContract or mergeContracts')
  }
  if (from.fingerprint === to.fingerprint)
    throw new TypeError(`evolve: ${from.name} ${from.version} and ${to.version} let the same through; nothing is to cast`)
  refuseUnknown('evolve', casts, [...DIRECTIONS, 'session'])
  assertCast('evolve: session', casts.session)
  const [sent, received] = DIRECTIONS.map((direction) => readEvents(from, to, direction, casts[direction] ?? {}))
  return Object.freeze({
    from,
    to,
    serverToClient: new Map(sent),
    clientToServer: new Map(received?.map(([name, { name: was, ...event }]) => [was, { name, ...event }])),
    session: casts.session as Cast | undefined, // by the contracts that it is kept with
  })
}

type Given = { readonly [event: string]: unknown }

function readEvents(from: Contract, to: Contract, direction: Direction, casts: Given): Array<[name: string, event: EventEvolution]> {
  return Object.entries(casts).map(([name, given]) => {
    const where = `evolve: ${direction} ${JSON.stringify(name)}`
    refuseUnknown(where, given, ['was', 'up', 'down'])
    const { was = name, up, down } = given as { was?: unknown; up?: unknown; down?: unknown }
    assertEvent(where, to, direction, name)
    assertEvent(where, from, direction, was)
    assertCast(`${where}: up`, up)
    assertCast(`${where}: down`, down)
    return [name, { name: was, ...(up !== undefined && { up }), ...(down !== undefined && { down }) }]
  })
}

function refuseUnknown(where: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null) throw new TypeError(`${where}: expected an object of ${known.join(', ')}`)
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) throw new TypeError(`${where}: unknown key ${JSON.stringify(unknown)}; known are ${known.join(', ')}`)
}

function assertEvent(where: string, { version, codec }: Contract, direction: Direction, name: unknown): asserts name is string {
  if (typeof name !== 'string' || codec[direction].get(name) === undefined) {
    throw new TypeError(
      `${where}: version ${version} has no event ${JSON.stringify(name)} in ${direction}; an event that has another name there says so with was`,
    )
  }
}

function assertCast(where: string, cast: unknown): asserts cast is Cast | undefined {
  if (cast !== undefined && typeof cast !== 'function') throw new TypeError(`${where} must be a function`)
}
