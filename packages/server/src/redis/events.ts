import type { Audience } from '../cluster.js'
import type { RedisBus } from './bus.js'
import type { Publication } from './connection.js'
import { type Channels, isUserRoom, toParts } from './message.js'

// Events for those in any of some rooms are lines of JSON, so that an event crosses as the text that it is and is parsed by nobody
// between its sender and its client: first a list, of whom they are and for which rooms; then the events in their order, each as it
// goes to clients. What else is to be said of one is an object on the line before it.

/** An event of another node. */
export interface ForwardedEvent {
  /** The event's name and its arguments, as a list. */
  readonly json: string
  /** Names of rooms whose sockets are left out. */
  readonly except: readonly string[]
  readonly isVolatile: boolean
  readonly trace: string | undefined
}

/** What is only sometimes said of an event. */
interface Note {
  readonly except?: readonly string[] | undefined
  readonly volatile?: true | undefined
  readonly trace?: string | undefined
}

export const EMITTER_UID = 'emitter' // of no node: every node takes what it says

// Where much is sent in one turn, the first of it does not wait for the last.
const MAX_WAITING = 256 * 1024

/**
 * Events on their way to other nodes. What is for one user in one turn of the event loop is one publication. Users share no
 * sockets, so that it does not matter whose goes first; all else goes in its order, after what waits.
 */
export class Forwarding {
  readonly #waiting = new Map<string, string>()
  #length = 0

  constructor(
    private readonly bus: RedisBus,
    private readonly channels: Channels,
    private readonly uid: string,
  ) {}

  /** @param json the event's name and its arguments, as a list. @param trace goes along with it. */
  forward({ rooms, except }: Audience, json: string, isVolatile: boolean, trace?: string): void {
    for (const part of toParts(rooms, except)) {
      const lines = toLines(json, part.except, isVolatile, trace)
      if (part.channel !== undefined && isUserRoom(part.channel)) {
        this.#wait(part.channel, lines)
      } else {
        this.flush()
        void this.bus.publish(...this.#toPublication(part.channel, part.rooms, lines))
      }
    }
  }

  /** Publishes what waits; whatever else is published goes after it. */
  flush(): void {
    if (this.#waiting.size === 0) return
    this.bus.publishAll(Array.from(this.#waiting, ([room, lines]) => this.#toPublication(room, [room], lines)))
    this.#waiting.clear()
    this.#length = 0
  }

  #wait(room: string, lines: string): void {
    if (this.#waiting.size === 0) setImmediate(() => this.flush())
    this.#waiting.set(room, (this.#waiting.get(room) ?? '') + lines)
    this.#length += lines.length
    if (this.#length > MAX_WAITING) this.flush()
  }

  #toPublication(room: string | undefined, rooms: readonly string[], lines: string): Publication {
    return [room === undefined ? this.channels.all : this.channels.ofRoom(room), JSON.stringify([this.uid, ...rooms]) + lines]
  }
}

function toLines(json: string, except: readonly string[], isVolatile: boolean, trace: string | undefined): string {
  if (except.length === 0 && !isVolatile && trace === undefined) return `\n${json}`
  const note: Note = { except: except.length > 0 ? except : undefined, volatile: isVolatile || undefined, trace }
  return `\n${JSON.stringify(note)}\n${json}`
}

const FIRST_OF_EVENTS = 0x5b // [

export function holdsEvents(raw: Buffer): boolean {
  return raw[0] === FIRST_OF_EVENTS
}

/** Whether they are of a node, without a look at them: each node also hears what it has sent itself. */
export function areOf(uid: string, raw: Buffer): boolean {
  const begin = '["'.length
  return raw.toString('latin1', begin, begin + uid.length) === uid
}

/** @throws SyntaxError, or TypeError, for what no node has sent. */
export function decodeEvents(raw: Buffer): { rooms: readonly string[]; events: readonly ForwardedEvent[] } {
  const [head = '', ...lines] = raw.toString().split('\n')
  const [, ...rooms] = JSON.parse(head) as string[] // a node has written it
  const events: ForwardedEvent[] = []
  let note: Note = {}
  for (const line of lines) {
    if (line.startsWith('{')) {
      note = JSON.parse(line) as Note // as above
    } else {
      assertEvent(line)
      events.push({ json: line, except: note.except ?? [], isVolatile: note.volatile === true, trace: note.trace })
      note = {}
    }
  }
  return { rooms, events }
}

/** The name of an event, which never holds a quotation mark. */
export function nameOf({ json }: ForwardedEvent): string {
  return json.slice('["'.length, json.indexOf('"', '["'.length))
}

// A client that is sent what it cannot parse ends its connection. The rest is what a node has said: who else can publish could say anything.
function assertEvent(line: string): void {
  if (!line.startsWith('["') || !line.endsWith(']')) throw new SyntaxError('Redis told of an event that is none')
}
