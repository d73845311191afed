import type { Cast, EventCodec, EventEvolution, Evolution } from '@org/realtime-contracts'
import { findNonJson, isObject, MAX_DEPTH } from '@org/realtime-contracts/wire'
import type { Report } from './context.js'
import { Slot } from './slot.js'

/** An event of clients, as their version has it and as the server's does. */
export interface OlderEvent extends EventEvolution {
  /** The older version's own. */
  readonly codec: EventCodec
}

/** An older version of the contract, as the server talks it to clients that have it. */
export class OlderVersion {
  readonly #events: ReadonlyMap<string, OlderEvent>

  constructor(
    readonly evolution: Evolution,
    private readonly report: Report,
  ) {
    const codecs = evolution.from.codec.clientToServer
    this.#events = new Map([...evolution.clientToServer].map(([was, event]) => [was, { ...event, codec: codecs.get(was) as EventCodec }])) // evolve has made sure
  }

  /** An event of clients that differs. */
  event(was: string): OlderEvent | undefined {
    return this.#events.get(was)
  }

  /** The rates of events, also by the names that this version has for them. */
  rates(rates: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    const renamed = [...this.#events].flatMap(([was, { name }]) => (rates.has(name) ? [[was, rates.get(name) as number] as const] : []))
    return new Map([...rates, ...renamed])
  }

  /** The session's fields of the contract. @throws whatever the cast throws. */
  session(fields: unknown): unknown {
    const { session } = this.evolution
    return session === undefined ? fields : apply(session, fields)
  }

  /** An event of the server; `undefined`, and reported, where it cannot be cast. */
  lower(event: string, args: readonly unknown[]): { readonly event: string; readonly args: readonly unknown[] } | undefined {
    const evolved = this.evolution.serverToClient.get(event)
    if (evolved === undefined) return { event, args }
    const { name, down } = evolved
    if (down === undefined) return { event: name, args }
    try {
      const [payload, ...rest] = args
      const lowered = apply(down, payload)
      return { event: name, args: lowered === undefined && rest.length === 0 ? [] : [lowered ?? null, ...rest] }
    } catch (error) {
      this.report(error, { event })
      return undefined
    }
  }

  /** What a client answers to an event of the server; what its own version would refuse stays as it is, and is refused. */
  raise(event: string, answer: unknown): unknown {
    const evolved = this.evolution.serverToClient.get(event)
    if (evolved?.up === undefined) return answer
    const { ok, data } = isObject(answer) ? answer : {}
    const isOwn = ok === true && this.evolution.from.codec.serverToClient.get(evolved.name)?.reply?.decode(data).ok === true
    try {
      return isOwn ? { ok, data: apply(evolved.up, data) } : answer
    } catch (error) {
      this.report(error, { event })
      return answer
    }
  }
}

/** @throws whatever the application's cast throws, and TypeError for what it makes that cannot be sent. */
export function apply(cast: Cast, value: unknown): unknown {
  const made = cast(value as never) // by the event that it is kept with
  const problem = findNonJson(made, MAX_DEPTH)
  if (problem !== undefined) throw new TypeError(`A cast of evolve has made ${problem}`)
  return made
}

/** The sockets of clients with an older version. */
export const olderVersions = new Slot<OlderVersion>()
