import type { Namespace, Socket } from 'socket.io'
import type { Audience } from './cluster.js'
import { type OlderVersion, olderVersions } from './older.js'
import { type Frame, sendShort, toFrame } from './shortcut.js'

/** An event as it goes over the wire, made once for all who get it. */
export interface EncodedEvent {
  readonly event: string
  readonly args: readonly unknown[]
  /** The name and the arguments, as one list. */
  readonly json: string
  /** As Socket.IO writes it. */
  readonly packet: string
}

export function encodeEvent({ name }: Namespace, event: string, args: readonly unknown[]): EncodedEvent {
  const json = JSON.stringify([event, ...args])
  return { event, args, json, packet: `2${name === '/' ? '' : `${name},`}${json}` }
}

/** Sends an event to those of the audience that are connected to this process, to each once. @returns how many they are. */
export function sendLocally(namespace: Namespace, { rooms, except }: Audience, encoded: EncodedEvent): number {
  const { adapter, sockets } = namespace
  const ids = rooms.length === 0 ? adapter.sids.keys() : rooms.length === 1 ? adapter.rooms.get(rooms[0] as string) : idsIn(namespace, rooms)
  if (ids === undefined) return 0 // nobody of them is here
  const excluded = except.length === 0 ? undefined : idsIn(namespace, except)
  const frame = toFrame(encoded.packet)
  let lowered: Lowered | undefined
  let count = 0
  for (const id of ids) {
    const socket = sockets.get(id) // one on its way in is in rooms, and not yet here
    if (socket === undefined || excluded?.has(id) === true) continue
    const older = olderVersions.get(socket)
    if (older === undefined) {
      send(socket, encoded, frame)
    } else {
      lowered ??= new Lowered(namespace, encoded)
      lowered.send(socket, older)
    }
    count++
  }
  return count
}

/** An event as older versions of the contract have it, made once for each. */
class Lowered {
  readonly #made = new Map<OlderVersion, EncodedEvent | undefined>()

  constructor(
    private readonly namespace: Namespace,
    private readonly encoded: EncodedEvent,
  ) {}

  send(socket: Socket, older: OlderVersion): void {
    if (!this.#made.has(older)) this.#made.set(older, this.#lower(older))
    const lowered = this.#made.get(older)
    if (lowered !== undefined) send(socket, lowered, toFrame(lowered.packet))
  }

  #lower(older: OlderVersion): EncodedEvent | undefined {
    const { event, args } = this.encoded
    const lowered = older.lower(event, args)
    return lowered && encodeEvent(this.namespace, lowered.event, lowered.args)
  }
}

function idsIn({ adapter }: Namespace, rooms: readonly string[]): Set<string> {
  return new Set(rooms.flatMap((room) => [...(adapter.rooms.get(room) ?? [])]))
}

function send(socket: Socket, { event, args, packet }: EncodedEvent, frame: Frame): void {
  if (socket.listenersAnyOutgoing().length > 0) socket.emit(event, ...args)
  else if (!sendShort(socket, frame)) socket.conn.write(packet)
}
