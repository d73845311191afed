import { deserialize, serialize } from 'node:v8'
import { type ClusterMessage, type ClusterResponse, MessageType } from 'socket.io-adapter'

/** A message that says by rooms whom it is for. */
type AddressedMessage = Extract<ClusterMessage, { data: { opts: unknown } }>

/** The names of the channels of one namespace; user ids and encoded room ids hold neither `#` nor braces. */
export class Channels {
  readonly #base: string
  /** Every node with sockets listens to it. */
  readonly all: string

  constructor(prefix: string, namespace: string) {
    this.#base = `${prefix}#${namespace}#`
    this.all = `${this.#base}all`
  }

  ofRoom(room: string): string {
    return `${this.#base}room#${room}`
  }

  ofNode(uid: string): string {
    return `${this.#base}node#${uid}`
  }
}

const SOCKET_ID_LENGTH = 20

/**
 * Whether a room has a channel of its own. A socket's own room has none, nor has a device's: they serve to leave
 * someone out, and a channel for each connection would double the subscriptions. Every room of a contract holds a colon, no socket id does.
 */
export function hasChannel(room: string): boolean {
  return !room.startsWith('device:') && (room.includes(':') || room.length !== SOCKET_ID_LENGTH)
}

export const isUserRoom = (room: string): boolean => room.startsWith('user:')

/** One message on one channel: `undefined` is the one that all nodes listen to. */
interface Part {
  readonly channel: string | undefined
  readonly rooms: readonly string[]
  readonly except: readonly string[]
}

// Beyond this many rooms that may share sockets, what each part must leave out costs more than telling every node once.
const MAX_OVERLAPPING = 32

/**
 * Splits what is for several rooms so that each part goes to one channel, and no socket gets two.
 * A later part leaves out the rooms of the earlier ones; user rooms need not leave out each other, as a socket is of one user.
 */
export function toParts(rooms: readonly string[], except: readonly string[]): Part[] {
  const [room] = rooms
  if (room !== undefined && rooms.length === 1 && hasChannel(room)) return [{ channel: room, rooms, except }]
  const users = rooms.filter(isUserRoom)
  const others = rooms.filter((room) => !isUserRoom(room))
  const common = others.filter((room) => !hasChannel(room))
  const own = others.filter(hasChannel)
  if (rooms.length === 0 || own.length > MAX_OVERLAPPING) {
    return [{ channel: undefined, rooms, except }]
  }
  return [
    ...(common.length > 0 ? [{ channel: undefined, rooms: common, except }] : []),
    ...own.map((room, index) => ({ channel: room, rooms: [room], except: [...except, ...common, ...own.slice(0, index)] })),
    ...users.map((room) => ({ channel: room, rooms: [room], except: [...except, ...others] })),
  ]
}

/** Whether each node acts on the message by itself. What is answered is counted over all nodes, and goes to all. */
function isUnanswered(message: ClusterMessage): message is AddressedMessage {
  switch (message.type) {
    case MessageType.BROADCAST:
      return message.data.requestId === undefined
    case MessageType.SOCKETS_JOIN:
    case MessageType.SOCKETS_LEAVE:
    case MessageType.DISCONNECT_SOCKETS:
      return true
    default:
      return false
  }
}

/** What has to be published, and where. */
export function toPublications(message: ClusterMessage, channels: Channels): Array<{ channel: string; message: ClusterMessage }> {
  if (!isUnanswered(message)) {
    return [{ channel: channels.all, message }]
  }
  const { opts } = message.data
  return toParts(opts.rooms, opts.except).map(({ channel, rooms, except }) => ({
    channel: channel === undefined ? channels.all : channels.ofRoom(channel),
    // Only the addresses differ: the kind of the message stays what it is.
    message: { ...message, data: { ...message.data, opts: { ...opts, rooms: [...rooms], except: [...except] } } } as ClusterMessage,
  }))
}

const FIRST_OF_JSON = 0x7b // {

/** JSON, unless an application beside the SDK sends bytes. */
export function encode(message: ClusterMessage | ClusterResponse): string | Buffer {
  return 'data' in message && holdsBytes(message.data) ? serialize(message) : JSON.stringify(message)
}

/** @throws SyntaxError, or Error, for what no node has sent. */
export function decode(raw: Buffer): unknown {
  return raw[0] === FIRST_OF_JSON ? JSON.parse(raw.toString()) : deserialize(raw)
}

function holdsBytes(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return true
  for (const key in value) if (holdsBytes(value[key as keyof typeof value])) return true
  return false
}
