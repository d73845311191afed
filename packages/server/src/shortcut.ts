import type { Socket as TcpSocket } from 'node:net'
import type { Socket } from 'socket.io'
import { Slot } from './slot.js'
import type { Transport } from './transport.js'

// The one file that leans on what Socket.IO, Engine.IO and ws keep to themselves. What a shortcut leaves out are their layers between
// the TCP socket and a handler; what crosses the wire is the same. Whatever is not as expected here takes the usual way.

/** Set in the environment, everything takes the usual way: the tests run both. */
export const isOff = process.env['REALTIME_NO_SHORTCUTS'] !== undefined

/** What ws has, as far as it is used here; `_socket` is its own. */
interface WebSocket {
  readonly readyState: number
  readonly extensions: string
  readonly _socket: TcpSocket | null
  listeners(event: string): Listener[]
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
}

type Listener = (...args: never[]) => void
type MessageListener = (this: unknown, data: Buffer, isBinary: boolean) => void

const OPEN = 1
const PONG_LENGTH = 1 // of Engine.IO
// What is more waits in Engine.IO's buffer, where it is watched.
const MAX_UNSENT_BYTES = 64 * 1024

// Who lets go of the held frames first, and counts what waits for a slow reader.
const OWN_WATCHERS = 1

// What is written to a connection in one turn of the event loop leaves with one system call, which costs more than all else.
const corked: TcpSocket[] = []
const holding: Array<{ release(): void }> = []
let isEnding = false

function atEndOfTurn(): void {
  if (isEnding) return
  isEnding = true
  setImmediate(() => {
    isEnding = false
    releaseAll()
    for (const tcp of corked.splice(0)) tcp.uncork()
  })
}

/** Keeps back what Socket.IO writes until the end of the turn. */
export function cork(tcp: TcpSocket): void {
  if (tcp.writableCorked > 0) return
  tcp.cork()
  corked.push(tcp)
  atEndOfTurn()
}

/** What waits for the end of the turn goes before anything that takes the usual way. */
export function releaseAll(): void {
  if (holding.length > 0) for (const shortcut of holding.splice(0)) shortcut.release()
}

/** A packet of Socket.IO as one WebSocket frame. */
export type Frame = string | Buffer

const TEXT_FRAME = 0x81
const MESSAGE = '4' // of Engine.IO
const SHORT = 126
const MEDIUM = 65_536

/** @param packet as Socket.IO writes it, without what Engine.IO puts before. */
export function toFrame(packet: string): Frame {
  const bytes = Buffer.byteLength(packet)
  const length = bytes + MESSAGE.length
  if (bytes === packet.length && length < MEDIUM) {
    // All of it is ASCII: as latin1 the frame is what it is, with its header.
    const header = length < SHORT ? String.fromCharCode(TEXT_FRAME, length) : String.fromCharCode(TEXT_FRAME, SHORT, length >> 8, length & 0xff)
    return header + MESSAGE + packet
  }
  const headerLength = length < SHORT ? 2 : length < MEDIUM ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = TEXT_FRAME
  frame[1] = length < SHORT ? length : length < MEDIUM ? SHORT : SHORT + 1
  if (headerLength === 4) frame.writeUInt16BE(length, 2)
  if (headerLength === 10) frame.writeBigUInt64BE(BigInt(length), 2)
  frame.write(MESSAGE + packet, headerLength)
  return frame
}

/** The SDK's side of a shortcut, one for all sockets. */
export interface Inbound<Owner> {
  /** What is larger takes the usual way. */
  readonly maxBytes: number
  /** What an event starts with, in Engine.IO's and Socket.IO's words: `eventPrefix` of the namespace. */
  readonly prefix: string
  /** Whether the event is the SDK's; any other takes the usual way. */
  handles(event: unknown): boolean
  /** Takes an event as it came: its name and arguments, and what answers it where somebody waits. */
  receive(packet: unknown[], acknowledge: ((reply: unknown) => void) | undefined, owner: Owner): void
}

/** What each event in a namespace starts with. */
export function eventPrefix(namespace: string): string {
  return namespace === '/' ? '42' : `42${namespace},`
}

/** The short ways from and to one socket. */
export class Shortcut<Owner> {
  readonly #conn: Transport
  #webSocket: WebSocket | undefined
  #tcp: TcpSocket | undefined
  #held = ''
  /** What ws would call with a message. */
  #usual: MessageListener | undefined
  #upgraded: (() => void) | undefined

  constructor(
    private readonly socket: Socket,
    private readonly inbound: Inbound<Owner>,
    private readonly owner: Owner,
  ) {
    this.#conn = socket.conn
    shortcuts.set(socket, this)
    this.#enter()
    if (this.#webSocket !== undefined || isOff) return
    this.#upgraded = () => this.#enter()
    this.#conn.once('upgrade', this.#upgraded)
  }

  /** @returns whether it is on its way; else it has to be sent as usual. */
  send(frame: Frame): boolean {
    const tcp = this.#tcp
    if (tcp === undefined || tcp.writableLength + this.#held.length > MAX_UNSENT_BYTES || !this.#isIdle()) return false
    if (typeof frame === 'string') {
      // Joined to one text they are written in two thirds of the time that as many chunks take.
      if (this.#held === '') holding.push(this)
      this.#held += frame
      atEndOfTurn()
    } else {
      this.release()
      cork(tcp)
      tcp.write(frame)
    }
    return true
  }

  /** Writes what is held for the end of the turn; after a close frame nothing may come. */
  release(): void {
    const held = this.#held
    this.#held = ''
    if (held !== '' && this.#webSocket?.readyState === OPEN) this.#tcp?.write(held, 'latin1')
  }

  /** Sends an event to this socket alone. */
  emit(event: string, payload: unknown): void {
    if (this.socket.listenersAnyOutgoing().length > 0) {
      this.socket.emit(event, payload)
      return
    }
    const { name } = this.socket.nsp
    const packet = `2${name === '/' ? '' : `${name},`}${JSON.stringify([event, payload])}`
    if (!this.send(toFrame(packet))) this.#conn.write(packet)
  }

  #acknowledge(id: number, reply: unknown): void {
    const { name } = this.socket.nsp
    const packet = `3${name === '/' ? '' : `${name},`}${id}${JSON.stringify([reply])}`
    if (!this.send(toFrame(packet))) this.#conn.write(packet)
  }

  close(): void {
    shortcuts.set(this.socket, undefined)
    if (this.#upgraded !== undefined) this.#conn.off('upgrade', this.#upgraded)
    this.release()
    this.#tcp = undefined
    this.restore()
  }

  /** Nothing waits in Engine.IO's buffer that a frame would overtake, nobody is closing, and nobody else wants to see what goes out. */
  #isIdle(): boolean {
    const { readyState, writeBuffer } = this.#conn as unknown as { readyState: string; writeBuffer: unknown[] } // Engine.IO's own
    const isAlone = this.#conn.listenerCount('packetCreate') <= OWN_WATCHERS
    return readyState === 'open' && writeBuffer.length === 0 && this.#webSocket?.readyState === OPEN && isAlone
  }

  #enter(): void {
    const { transport, writeBuffer } = this.#conn as unknown as { transport: { name: string; socket?: WebSocket }; writeBuffer: unknown } // Engine.IO's own
    const webSocket = transport.name === 'websocket' ? transport.socket : undefined
    const tcp = webSocket?._socket
    if (
      isOff ||
      shortcuts.get(this.socket) === undefined ||
      webSocket === undefined ||
      webSocket.extensions !== '' ||
      !Array.isArray(writeBuffer) ||
      typeof tcp?.cork !== 'function'
    )
      return
    this.#webSocket = webSocket
    this.#tcp = tcp
    this.#takeMessages(webSocket)
  }

  #takeMessages(webSocket: WebSocket): void {
    readers.get(webSocket)?.restore() // of a socket that was on this transport before, or still is
    const [usual, ...others] = webSocket.listeners('message') as MessageListener[] // ws says so
    if (usual === undefined || others.length > 0) return
    webSocket.off('message', usual)
    webSocket.on('message', takeMessage)
    this.#usual = usual
    readers.set(webSocket, this)
  }

  /** Takes what has come, or leaves it to the usual way. */
  receive(data: Buffer, isBinary: boolean): void {
    const [webSocket, usual] = [this.#webSocket, this.#usual]
    if (webSocket !== undefined && data.length === PONG_LENGTH) process.nextTick(forgetChunk, webSocket) // on an idle connection nothing else comes
    // Between a packet and its attachments nothing else may come, and how many there are only the usual way knows: it stays.
    if (isBinary || holdsAttachments(data)) this.restore()
    else if (this.#take(data)) return
    usual?.call(webSocket, data, isBinary)
  }

  /** What comes is left to the usual way. */
  restore(): void {
    const [webSocket, usual] = [this.#webSocket, this.#usual]
    this.#usual = undefined
    if (webSocket === undefined || usual === undefined || readers.get(webSocket) !== this) return
    readers.set(webSocket, undefined)
    webSocket.off('message', takeMessage)
    webSocket.on('message', usual)
  }

  /** @returns whether it was an event that is the SDK's alone. */
  #take(data: Buffer): boolean {
    if (data.length > this.inbound.maxBytes || !this.#isUnobserved()) return false
    const text = data.toString()
    const { prefix } = this.inbound
    if (!text.startsWith(prefix)) return false
    const start = text.indexOf('[', prefix.length)
    const id = toId(text, prefix.length, start)
    if (id === false) return false
    const packet = parseArray(text, start)
    if (packet === undefined || !this.inbound.handles(packet[0])) return false
    process.nextTick(receive<Owner>, this.inbound, packet, id === undefined ? undefined : (reply: unknown) => this.#acknowledge(id, reply), this.owner)
    return true
  }

  /** Nobody else wants to see what comes in, and no pong is waited for, in whose place Engine.IO takes any packet. */
  #isUnobserved(): boolean {
    const { socket } = this
    const conn = this.#conn as unknown as { readyState: string; pingTimeoutTimer: unknown; listenerCount(event: string): number } // Engine.IO's own
    const { fns } = socket as unknown as { fns: unknown[] } // Socket.IO's own
    return (
      conn.readyState === 'open' &&
      conn.pingTimeoutTimer === null &&
      socket.connected &&
      fns.length === 1 &&
      socket.listenersAny().length === 0 &&
      conn.listenerCount('packet') === 0 &&
      conn.listenerCount('message') === 0 &&
      conn.listenerCount('data') === 1
    )
  }
}

/** In the next tick, as Socket.IO does: behind what came before. */
function receive<Owner>(inbound: Inbound<Owner>, packet: unknown[], acknowledge: ((reply: unknown) => void) | undefined, owner: Owner): void {
  inbound.receive(packet, acknowledge, owner)
}

const BETWEEN_FRAMES = 0 // the receiver's state in ws

/** ws keeps the mask of the last frame, and with it all that came in the same chunk; of one that is half here it needs it. */
export function forgetChunk(webSocket: object): void {
  const { _receiver: receiver } = webSocket as { _receiver?: { _state?: unknown; _mask?: unknown } | null } // ws's own
  if (receiver?._state === BETWEEN_FRAMES && receiver._mask instanceof Buffer) receiver._mask = undefined
}

const shortcuts = new Slot<Pick<Shortcut<unknown>, 'send' | 'close'>>()
/** Who takes what comes on a WebSocket. */
const readers = new Slot<Pick<Shortcut<unknown>, 'receive' | 'restore'>>()

/** One listener for all WebSockets: most are idle, and what each keeps counts. */
function takeMessage(this: WebSocket, data: Buffer, isBinary: boolean): void {
  readers.get(this)?.receive(data, isBinary)
}

/** From now on what is for the socket, and comes from it, takes the usual way. */
export function endShortcut(socket: Socket): void {
  shortcuts.get(socket)?.close()
}

/** Sends a frame to a socket. @returns whether it is on its way; else it has to be sent as usual. */
export function sendShort(socket: Socket, frame: Frame): boolean {
  return shortcuts.get(socket)?.send(frame) === true
}

const [BINARY_EVENT, BINARY_ACKNOWLEDGEMENT] = [0x35, 0x36]

function holdsAttachments(data: Buffer): boolean {
  return data[1] === BINARY_EVENT || data[1] === BINARY_ACKNOWLEDGEMENT
}

const MAX_ID_LENGTH = 15

/** The number between the prefix and the list; `undefined` where there is none, `false` for what is no number. */
function toId(text: string, from: number, to: number): number | undefined | false {
  if (to === from) return undefined
  if (to < from || to - from > MAX_ID_LENGTH) return false
  let id = 0
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - 0x30
    if (!(digit >= 0 && digit <= 9)) return false
    id = id * 10 + digit
  }
  return id
}

function parseArray(text: string, start: number): unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text.slice(start))
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined // what is wrong with it is said on the usual way
  }
}
