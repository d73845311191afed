import type { Socket } from 'socket.io'
import { forgetChunk, isOff } from './shortcut.js'
import type { Transport } from './transport.js'

// Most connections are idle most of the time. What Socket.IO, Engine.IO, ws and Node keep of one is made as small as it is,
// without being changed. Like shortcut.ts it looks at what they keep to themselves, and leaves alone what is not as expected.

/** Once a connection is in, and has its listeners; again where it changes over to a WebSocket. */
export function keepSmall(socket: Socket): void {
  if (isOff) return
  const { conn, handshake } = socket
  if (typeof handshake.time === 'string') handshake.time = intern(handshake.time)
  shrinkArray(socket, 'fns')
  shrinkDecoder(socket)
  shrinkListeners(socket)
  shrinkTransport(conn)
  if (conn.transport.name !== 'websocket' && !conn.listeners('upgrade').includes(upgraded)) conn.on('upgrade', upgraded)
}

function upgraded(this: Transport): void {
  shrinkTransport(this)
}

function shrinkTransport(conn: Transport): void {
  const { transport } = conn
  const webSocket: unknown = Reflect.get(transport, 'socket')
  if (transport.name === 'websocket' && isObject(webSocket)) {
    transport.removeAllListeners('headers') // of the HTTP response, which has been sent
    forgetUpgrade(webSocket)
    forgetChunk(webSocket)
    shrinkListeners(transport)
    shrinkListeners(webSocket)
  }
  shrinkArray(conn, 'cleanupFn')
  shrinkListeners(conn)
}

function shrinkDecoder({ client }: Socket): void {
  const { _callbacks: callbacks } = Object(Reflect.get(client, 'decoder'))
  if (isObject(callbacks)) shrinkArray(callbacks, '$decoded')
}

/** Engine.IO's listener for errors of the upgrade stays when that is over. */
function forgetUpgrade(webSocket: object): void {
  const { listeners, off } = webSocket as { listeners?: unknown; off?: unknown }
  if (typeof listeners !== 'function' || typeof off !== 'function') return
  const [first, ...others]: Array<{ name: string }> = listeners.call(webSocket, 'error')
  if (first?.name === 'onUpgradeError' && others.length > 0) off.call(webSocket, 'error', first)
}

/** What Node keeps listeners in: without a prototype, and so a hash table, which is several times as large as an object. */
class Listeners {}
Object.setPrototypeOf(Listeners.prototype, null)
Reflect.deleteProperty(Listeners.prototype, 'constructor')

function shrinkListeners(emitter: object): void {
  const events: unknown = Reflect.get(emitter, '_events')
  if (!isObject(events) || Object.getPrototypeOf(events) !== null) return
  const small = Object.assign(new Listeners(), events) as Record<string, unknown>
  for (const [event, listeners] of Object.entries(small)) if (Array.isArray(listeners)) small[event] = shrunk(listeners)
  Reflect.set(emitter, '_events', small)
}

function shrinkArray(owner: object, key: string): void {
  const array: unknown = Reflect.get(owner, key)
  if (Array.isArray(array)) Reflect.set(owner, key, shrunk(array))
}

/** An array that has grown has room for 16 more. */
function shrunk(array: readonly unknown[]): unknown[] {
  return Object.assign(array.slice(), 'warned' in array && { warned: array.warned }) // Node's mark for too many listeners
}

// Texts that come with each connection, and are the same for many.
const MAX_INTERNED = 1_000
const MAX_INTERNED_LENGTH = 256
const interned = new Map<string, string>()

/** The same text, kept once. */
export function intern(text: string): string {
  const known = interned.get(text)
  if (known !== undefined || text.length > MAX_INTERNED_LENGTH) return known ?? text
  if (interned.size >= MAX_INTERNED) interned.clear()
  interned.set(text, text)
  return text
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
