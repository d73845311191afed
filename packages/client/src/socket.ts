import { fromWireError, RealtimeError } from '@org/realtime-contracts/wire'
import { Socket as Engine, type SocketOptions } from 'engine.io-client'

// The part of Socket.IO's protocol that the SDK speaks, over the Engine.IO client: https://socket.io/docs/v4/socket-io-protocol/
// It knows nothing of dialling again, of buffers and of several namespaces, which Socket.IO's own client adds.
const CONNECT = '0'
const DISCONNECT = '1'
const EVENT = '2'
const ACK = '3'
const CONNECT_ERROR = '4'
const BINARY_EVENT = '5'

// Type, number of attachments, namespace, id, data.
const PACKET = /^(\d)(?:\d+-)?(\/[^,]*,)?(\d*)(.*)$/s

/** Where a server is: what a URL says to Socket.IO. */
export interface Place {
  /** Such as `https://realtime.example.com`. */
  readonly server: string
  /** Goes along with the handshake. */
  readonly query: string
  /** What stands before the data of each packet; empty for the main namespace. */
  readonly namespace: string
}

/** Calls back with a reply, or where the connection ended before there was one. */
export type Acknowledge = (reply: unknown, isLost?: true) => void

export interface SocketEvents {
  /** @param respond is there where the server waits for an answer. */
  onEvent(packet: readonly [event: string, ...args: unknown[]], respond: ((...reply: unknown[]) => void) | undefined): void
  /** It is over, and why; not told after `close()`. */
  onEnd(error: RealtimeError): void
  onError(error: RealtimeError): void
}

/** One connection to one namespace, from dialling to its end. */
export interface Socket {
  /** @returns a function that forgets who waits for the reply; `undefined` where nothing could be sent. */
  send(packet: readonly unknown[], acknowledge?: Acknowledge): (() => void) | undefined
  close(): void
}

/** @throws TypeError for what is no URL. */
export function toPlace(url: string): Place {
  const hasHost = /^(\w+:)?\//.test(url) // else it starts with the host
  const { protocol, host, pathname, search } = new URL(hasHost ? url : `//${url}`, globalThis.location?.href ?? 'https://localhost')
  return { server: `${protocol}//${host}`, query: search, namespace: pathname === '/' ? '' : `${pathname},` }
}

export function openSocket(
  { server, query, namespace }: Place,
  options: Partial<SocketOptions>,
  auth: object,
  { onEvent, onEnd, onError }: SocketEvents,
): Socket {
  const engine = new Engine(`${server}/${query}`, { path: '/socket.io', ...options })
  const waiting = new Map<string, Acknowledge>()
  let ids = 0
  let isIn = false // the server has let this client into the namespace
  let isOver = false

  function write(type: string, data?: unknown, id = ''): void {
    engine.write(type + namespace + id + (data ? JSON.stringify(data) : ''))
  }

  /** @param error is told, where there is one. */
  function end(error?: RealtimeError): void {
    if (isOver) return
    isOver = true
    if (isIn) write(DISCONNECT)
    engine.close()
    if (error) onEnd(error)
    for (const acknowledge of waiting.values()) acknowledge(undefined, true)
  }

  function unavailable(reason: string, cause?: unknown): void {
    end(new RealtimeError('UNAVAILABLE', `${server}: ${reason}`, { cause }))
  }

  /** @throws Error for what is no packet. */
  function receive(text: string): void {
    const [, type, to = '', id = '', json] = PACKET.exec(text) ?? []
    if (to !== namespace) return
    const data = json && JSON.parse(json)
    if (type === CONNECT) isIn = true
    else if (type === CONNECT_ERROR) refused(data)
    else if (type === DISCONNECT) {
      isIn = false
      end(fromWireError({ code: 'DISCONNECTED', message: 'The server has ended the connection' }, ''))
    } else if (!Array.isArray(data)) throw new Error('Not a packet of Socket.IO')
    else if (type === EVENT) onEvent(data as [string], id ? (...reply) => isOver || write(ACK, reply, id) : undefined)
    else if (type === BINARY_EVENT) onError(new RealtimeError('INVALID_PAYLOAD', 'Binary payloads are not supported', { event: data[0] }))
    else {
      const acknowledge = waiting.get(id)
      waiting.delete(id)
      acknowledge?.(type === ACK && data[0]) // a binary one is no reply of a contract
    }
  }

  function refused({ message = 'refused', data }: { readonly message?: string; readonly data?: unknown }): void {
    if (data) end(fromWireError(data, 'UNAVAILABLE'))
    else unavailable(message)
  }

  engine.on('open', () => write(CONNECT, auth))
  engine.on('message', (data) => {
    if (isOver || typeof data !== 'string') return // attachments are of packets that were refused
    try {
      receive(data)
    } catch (cause) {
      unavailable('parse error', cause)
    }
  })
  engine.on('error', (cause) => unavailable(cause instanceof Error ? cause.message : cause, cause))
  engine.on('close', (reason) => unavailable(reason))
  return {
    send(packet, acknowledge) {
      if (engine.readyState !== 'open' || engine._hasPingExpired()) return undefined
      const id = acknowledge ? `${ids++}` : ''
      write(EVENT, packet, id)
      if (acknowledge) waiting.set(id, acknowledge)
      return () => waiting.delete(id)
    },
    close: () => end(),
  }
}
