import type { Namespace, Socket } from 'socket.io'
import type { Audience } from './cluster.js'
import { type Frame, sendShort, toFrame } from './shortcut.js'
import { isBehind } from './transport.js'

/** An event as it goes over the wire, made once for all who get it. */
export interface EncodedEvent {
  /** The name and the arguments, as one list. */
  readonly json: string
  /** As Socket.IO writes it. */
  readonly packet: string
}

export function encodeEvent({ name }: Namespace, event: string, args: readonly unknown[]): EncodedEvent {
  return toEncoded(name, JSON.stringify([event, ...args]))
}

/** @param json the name and the arguments, as one list. */
export function toEncoded(namespace: string, json: string): EncodedEvent {
  return { json, packet: `2${namespace === '/' ? '' : `${namespace},`}${json}` }
}

/** Sends an event to those of the audience that are connected to this process, to each once. */
export function sendLocally(namespace: Namespace, { rooms, except }: Audience, encoded: EncodedEvent, isVolatile = false): void {
  const { adapter, sockets } = namespace
  const ids = rooms.length === 0 ? adapter.sids.keys() : rooms.length === 1 ? adapter.rooms.get(rooms[0] as string) : idsIn(namespace, rooms)
  if (ids === undefined) return // nobody of them is here
  const excluded = except.length === 0 ? undefined : idsIn(namespace, except)
  const frame = toFrame(encoded.packet)
  for (const id of ids) {
    const socket = sockets.get(id) // one on its way in is in rooms, and not yet here
    if (socket === undefined || excluded?.has(id) === true || (isVolatile && isBehind(socket.conn))) continue
    send(socket, encoded, frame)
  }
}

function idsIn({ adapter }: Namespace, rooms: readonly string[]): Set<string> {
  return new Set(rooms.flatMap((room) => [...(adapter.rooms.get(room) ?? [])]))
}

export function send(socket: Socket, { json, packet }: EncodedEvent, frame: Frame = toFrame(packet)): void {
  if (socket.listenersAnyOutgoing().length > 0) socket.emit(...(JSON.parse(json) as [event: string, ...args: unknown[]]))
  else if (!sendShort(socket, frame)) socket.conn.write(packet)
}
