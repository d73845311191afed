import type { Audience } from '../cluster.js'
import type { RedisBus } from './bus.js'
import { type Channels, isUserRoom, toParts } from './message.js'

/** Beyond the message types of Socket.IO's cluster adapter, and those of questions. */
const EVENTS = 102

/** Events for those in any of the rooms, in their order, each with who is left out, and a 1 where it is volatile. */
interface EventsMessage {
  readonly type: typeof EVENTS
  readonly uid: string
  readonly rooms: readonly string[]
  readonly events: ReadonlyArray<readonly [except: readonly string[], data: readonly [event: string, ...args: unknown[]], isVolatile?: 0 | 1, trace?: string]>
}

export const EMITTER_UID = 'emitter' // of no node: every node takes what it says

// Where much is sent in one turn, the first of it does not wait for the last.
const MAX_WAITING = 256 * 1024

/**
 * Events on their way to other nodes. What is for one user in one turn of the event loop is one publication. Users share no
 * sockets, so that it does not matter whose goes first; all else goes in its order, after what waits.
 */
export class Forwarding {
  readonly #waiting = new Map<string, string[]>()
  #length = 0

  constructor(
    private readonly bus: RedisBus,
    private readonly channels: Channels,
    private readonly uid: string,
  ) {}

  /** @param json the event's name and its arguments, as a list. @param trace goes along with it. */
  forward({ rooms, except }: Audience, json: string, isVolatile: boolean, trace?: string): void {
    const rest = toRest(json, isVolatile, trace)
    for (const part of toParts(rooms, except)) {
      const event = `[${JSON.stringify(part.except)},${rest}]`
      if (part.channel !== undefined && isUserRoom(part.channel)) {
        this.#wait(part.channel, event)
      } else {
        this.flush()
        this.#publish(part.channel, part.rooms, event)
      }
    }
  }

  /** Publishes what waits; whatever else is published goes after it. */
  flush(): void {
    for (const [room, events] of this.#waiting) this.#publish(room, [room], events.join(','))
    this.#waiting.clear()
    this.#length = 0
  }

  #wait(room: string, event: string): void {
    if (this.#waiting.size === 0) setImmediate(() => this.flush())
    const events = this.#waiting.get(room)
    if (events === undefined) this.#waiting.set(room, [event])
    else events.push(event)
    this.#length += event.length
    if (this.#length > MAX_WAITING) this.flush()
  }

  #publish(room: string | undefined, rooms: readonly string[], events: string): void {
    const head = JSON.stringify({ type: EVENTS, uid: this.uid, rooms }).slice(0, -1)
    void this.bus.publish(room === undefined ? this.channels.all : this.channels.ofRoom(room), `${head},"events":[${events}]}`)
  }
}

/** What is only sometimes said of an event comes last, and is left out. */
function toRest(json: string, isVolatile: boolean, trace: string | undefined): string {
  if (trace !== undefined) return `${json},${isVolatile ? 1 : 0},${JSON.stringify(trace)}`
  return isVolatile ? `${json},1` : json
}

export function isEvents(message: unknown): message is EventsMessage {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === EVENTS
}
