import { fromWireError, RealtimeError, toWireError } from '@org/realtime-contracts/wire'
import { Socket as Engine, parse, type SocketOptions } from 'engine.io-client'

// The part of Socket.IO's protocol that the SDK speaks, over the Engine.IO client: https://socket.io/docs/v4/socket-io-protocol/
// It knows nothing of dialling again, of what is sent while there is no connection, and of several namespaces, as Socket.IO's own client does.
const CONNECT = '0'
const DISCONNECT = '1'
const EVENT = '2'
const ACK = '3'
const CONNECT_ERROR = '4'
const BINARY_EVENT = '5'
const BINARY_ACK = '6'

// Type, number of attachments, namespace, id, data.
const PACKET = /^(\d)(?:\d+-)?(?:(\/[^,]*),?)?(\d*)(.*)$/s

/** Where a server is: what a URL says to Socket.IO. */
export interface Place {
  /** With protocol and host. */
  readonly url: string
  /** The URL's path: `/` is the main one. */
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

/** Reads a URL as Socket.IO does: in a page it may leave out the protocol, or name only a path. @throws TypeError for what names no host. */
export function toPlace(given: string): Place {
  const { protocol, host } = globalThis.location ?? { protocol: 'https:', host: 'localhost' }
  const url = /^(http|ws)s?:\/\//.test(given) ? given : `${protocol}//${given.replace(/^\/\/|^(?=\/)/, (start) => (start ? '' : host))}`
  const place = parse(url)
  if (!place.host) throw new TypeError(`createRealtimeClient: url names no host: ${given}`)
  return { url, namespace: place.path || '/' }
}

export function openSocket({ url, namespace }: Place, options: Partial<SocketOptions>, auth: object, { onEvent, onEnd, onError }: SocketEvents): Socket {
  const engine = new Engine(url, { ...options, path: options.path || '/socket.io' })
  const waiting = new Map<string, Acknowledge>()
  const early: string[] = [] // what came before CONNECT
  let ids = 0
  let isIn = false // the server has let this client into the namespace
  let isOver = false
  let isUpgrading = false

  function write(type: string, data?: unknown, id = ''): void {
    engine.write(type + (namespace === '/' ? '' : `${namespace},`) + id + (data ? JSON.stringify(data) : ''))
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
    end(new RealtimeError('UNAVAILABLE', `${url.replace(/\?.*/, '')}: ${reason}`, { cause })) // the query may hold a secret
  }

  /** @throws Error for what is no packet. */
  function receive(text: string): void {
    const [, type, to = '/', id = '', json] = PACKET.exec(text) ?? []
    if (isOver || to !== namespace) return
    const data = json && JSON.parse(json)
    if (type === CONNECT) entered(data)
    else if (type === CONNECT_ERROR) refused(data)
    else if (type === DISCONNECT) {
      isIn = false
      end(fromWireError({ code: 'DISCONNECTED', message: 'The server has ended the connection' }, ''))
    } else if (!Array.isArray(data)) throw new Error('Not a packet of Socket.IO')
    else if (type === EVENT) {
      if (isIn) onEvent(data as [string], id ? (...reply) => isOver || write(ACK, reply, id) : undefined)
      else early.push(text)
    } else if (type === BINARY_EVENT) refuse(data[0], id)
    else if (type === ACK || type === BINARY_ACK) {
      const acknowledge = waiting.get(id)
      waiting.delete(id)
      acknowledge?.(type === ACK && data[0]) // a binary one is no reply of a contract
    } else throw new Error('Not a packet of Socket.IO')
  }

  function entered({ sid }: { readonly sid?: string }): void {
    if (!sid) throw new Error('It is no server of Socket.IO 3 or later')
    isIn = true
    for (const text of early.splice(0)) receive(text)
  }

  function refused({ message = 'refused', data }: { readonly message?: string; readonly data?: unknown }): void {
    if (data) end(fromWireError(data, 'UNAVAILABLE'))
    else unavailable(message)
  }

  /** A binary event, which no contract has. */
  function refuse(event: string, id: string): void {
    const error = new RealtimeError('INVALID_PAYLOAD', 'Binary payloads are not supported', { event })
    if (id) write(ACK, [{ ok: false, error: toWireError(error) }], id)
    onError(error)
  }

  engine.on('open', () => write(CONNECT, auth))
  engine.on('message', (data) => {
    if (typeof data !== 'string') return // attachments are of packets that were refused
    try {
      receive(data)
    } catch (cause) {
      unavailable((cause as Error).message, cause)
    }
  })
  engine.on('error', (cause) => unavailable(cause instanceof Error ? cause.message : cause, cause))
  engine.on('close', (reason) => unavailable(reason))
  engine.on('upgrading', () => {
    isUpgrading = true
  })
  engine.on('upgrade', () => {
    isUpgrading = false
  })
  engine.on('upgradeError', (cause) => {
    if (!isUpgrading) return // polling goes on
    unavailable('the upgrade broke off', cause)
    // Engine.IO has stopped polling, and its close() waits for the upgrade.
    engine['_onClose']?.('upgrade broke off')
  })

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
