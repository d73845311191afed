import type { Namespace, Socket } from 'socket.io'
import type { Audience } from './cluster.js'
import { type OlderVersion, olderVersions } from './older.js'
import { type Frame, sendShort, toFrame } from './shortcut.js'
import { isBehind } from './transport.js'

/** An event as it goes over the wire, made once for all who get it. */
export interface EncodedEvent {
  /** The name and the arguments, as one list. */
  readonly json: string
  /** As Socket.IO writes it. */
  readonly packet: string
  /** As older versions of the contract have it, made once for each; `undefined` where it cannot be cast. */
  lowered?: Map<OlderVersion, EncodedEvent | undefined>
}

export function encodeEvent({ name }: Namespace, event: string, args: readonly unknown[]): EncodedEvent {
  return toEncoded(name, JSON.stringify([event, ...args]))
}

/** @param json the name and the arguments, as one list. */
export function toEncoded(namespace: string, json: string): EncodedEvent {
  return { json, packet: `2${namespace === '/' ? '' : `${namespace},`}${json}` }
}

/** Sends an event to those of the audience that are connected to this process, to each once. @returns how many they are. */
export function sendLocally(namespace: Namespace, { rooms, except }: Audience, encoded: EncodedEvent, isVolatile = false): number {
  const { adapter, sockets } = namespace
  const ids = rooms.length === 0 ? adapter.sids.keys() : rooms.length === 1 ? adapter.rooms.get(rooms[0] as string) : idsIn(namespace, rooms)
  if (ids === undefined) return 0 // nobody of them is here
  const excluded = except.length === 0 ? undefined : idsIn(namespace, except)
  const frame = toFrame(encoded.packet)
  let count = 0
  for (const id of ids) {
    const socket = sockets.get(id) // one on its way in is in rooms, and not yet here
    if (socket === undefined || excluded?.has(id) === true || (isVolatile && isBehind(socket.conn))) continue
    send(socket, encoded, frame)
    count++
  }
  return count
}

function idsIn({ adapter }: Namespace, rooms: readonly string[]): Set<string> {
  return new Set(rooms.flatMap((room) => [...(adapter.rooms.get(room) ?? [])]))
}

/** Sends an event to one socket, by the version of the contract that its client has. */
export function send(socket: Socket, encoded: EncodedEvent, frame?: Frame): void {
  const older = olderVersions.get(socket)
  if (older === undefined) {
    write(socket, encoded, frame)
    return
  }
  encoded.lowered ??= new Map()
  if (!encoded.lowered.has(older)) encoded.lowered.set(older, lower(older, encoded, socket.nsp.name))
  const lowered = encoded.lowered.get(older)
  if (lowered !== undefined) write(socket, lowered)
}

function write(socket: Socket, { json, packet }: EncodedEvent, frame: Frame = toFrame(packet)): void {
  if (socket.listenersAnyOutgoing().length > 0) socket.emit(...parse(json))
  else if (!sendShort(socket, frame)) socket.conn.write(packet)
}

function lower(older: OlderVersion, { json }: EncodedEvent, namespace: string): EncodedEvent | undefined {
  const [event, ...args] = parse(json)
  const lowered = older.lower(event, args)
  return lowered && toEncoded(namespace, JSON.stringify([lowered.event, ...lowered.args]))
}

function parse(json: string): [event: string, ...args: unknown[]] {
  return JSON.parse(json) as [event: string, ...args: unknown[]] // as encodeEvent has written it
}
