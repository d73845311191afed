import type { Socket } from 'socket.io'
import { releaseAll } from './shortcut.js'
import { Slot } from './slot.js'

/** The Engine.IO connection beneath a socket: one client, over whichever transport. */
export type Transport = Socket['conn']

/** How much may wait for one client, for two seconds, before its connection is closed with `SLOW_CONSUMER`; eight times as much closes it at once. */
export interface BufferLimits {
  /** In bytes; a character counts as one. @default 8 MiB */
  readonly bufferedBytes: number
  /** @default 50_000 */
  readonly bufferedPackets: number
}

// What is sent in one turn waits for its end, however fast the client reads.
const PATIENCE_MS = 2_000
const CEILING = 8

/** What has come for a client since its transport last took everything there was. */
interface Backlog {
  bytes: number
  packets: number
  /** From here on the client is behind. */
  readonly behindBytes: number
  patience: NodeJS.Timeout | undefined
  isTold: boolean
}

const backlogs = new Slot<Backlog>()

/**
 * Tells when more waits for a client than may, and goes on waiting for two seconds, or is eight times as much.
 * One for all transports: most have nothing to wait for, and what each keeps counts.
 */
export class BufferWatch {
  readonly #count: (this: Transport, packet: { data?: unknown }) => void

  constructor(
    private readonly limits: BufferLimits,
    private readonly exceeded: (transport: Transport) => void,
  ) {
    const countPacket = this.#countPacket.bind(this)
    this.#count = function ({ data }) {
      releaseAll()
      countPacket(this, sizeOf(data))
    }
  }

  /** Watches from now on, until the transport closes. */
  watch(transport: Transport): void {
    resetBacklog(transport)
    if (transport.listeners('packetCreate').includes(this.#count)) return
    transport.on('packetCreate', this.#count)
    transport.on('drain', forgetBacklog)
  }

  #countPacket(transport: Transport, bytes: number): void {
    const backlog = backlogs.get(transport) ?? this.#begin(transport)
    backlog.bytes += bytes
    backlog.packets++
    const over = Math.max(backlog.bytes / this.limits.bufferedBytes, backlog.packets / this.limits.bufferedPackets)
    if (over > CEILING) this.#tell(transport, backlog)
    else if (over > 1) backlog.patience ??= setTimeout(() => this.#tell(transport, backlog), PATIENCE_MS).unref()
  }

  #begin(transport: Transport): Backlog {
    const behindBytes = Math.min(BEHIND_BYTES, this.limits.bufferedBytes / BEHIND_PART)
    const backlog = { bytes: 0, packets: 0, behindBytes, patience: undefined, isTold: false }
    backlogs.set(transport, backlog)
    return backlog
  }

  #tell(transport: Transport, backlog: Backlog): void {
    clearTimeout(backlog.patience)
    if (backlog.isTold) return
    backlog.isTold = true
    this.exceeded(transport)
  }
}

function forgetBacklog(this: Transport): void {
  const backlog = backlogs.get(this)
  if (backlog?.isTold === false) resetBacklog(this)
}

/** What came so far is nobody's any more. */
export function resetBacklog(transport: Transport): void {
  clearTimeout(backlogs.get(transport)?.patience)
  backlogs.set(transport, undefined)
}

/** Of all that Socket.IO hands on. */
function sizeOf(data: unknown): number {
  if (typeof data === 'string') return data.length
  return data instanceof Blob ? data.size : data instanceof ArrayBuffer || ArrayBuffer.isView(data) ? data.byteLength : 0
}

// A client that has as much before it does not keep up; what it has to hear sooner or later is sent when it does.
const BEHIND_BYTES = 256 * 1024
const BEHIND_PART = 4 // of what ends the connection
const BEHIND_PACKETS = 1_000

/** Whether so much waits for a client that what can be left out, or be sent later, should be. */
export function isBehind(transport: Transport): boolean {
  const backlog = backlogs.get(transport)
  return backlog !== undefined && (backlog.bytes > backlog.behindBytes || backlog.packets > BEHIND_PACKETS)
}

/** Resolves once the transport has taken all there was, or is closed. */
export function drained(transport: Transport): Promise<void> {
  const { writeBuffer } = transport as unknown as { writeBuffer: unknown[] } // Engine.IO's own
  if (writeBuffer.length === 0 || transport.readyState !== 'open') return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      transport.off('drain', done)
      transport.off('close', done)
      resolve()
    }
    transport.on('drain', done)
    transport.on('close', done)
  })
}

const CLOSED = 3 // of a WebSocket
// How long a peer may take to agree that a connection is closed.
const END_MS = 1_000

/** Makes closing take no longer than a second, whatever the peer does. */
export function boundClosing(transport: Transport): void {
  // A polling transport that has no request open waits half a minute for one, to say in its answer that it closes.
  if (transport.transport.name === 'polling') Reflect.set(transport.transport, 'closeTimeout', END_MS)
  transport.on('close', endClosed) // one function for all connections: most are idle, and what each keeps counts
}

function endClosed(this: Transport): void {
  const webSocket: unknown = Reflect.get(this.transport, 'socket')
  const hasEnded = hasTerminate(webSocket) && Reflect.get(webSocket, 'readyState') === CLOSED
  if (!hasEnded) endWithin(END_MS, this) // a timer would keep all of a connection that is gone
}

/** Ends a transport that was told to close, if it has not come to it by then: a silent peer would hold its socket for half a minute. */
export function endWithin(ms: number, transport: Transport): void {
  const webSocket: unknown = Reflect.get(transport.transport, 'socket')
  setTimeout(() => {
    if (hasTerminate(webSocket)) webSocket.terminate()
    else transport.close(true)
  }, ms).unref()
}

/** Ends a transport that a client has left open, unless it connects to a namespace again in that time, as Socket.IO does after opening. */
export function endUnused(ms: number, { client, conn }: Socket): void {
  if (conn.readyState !== 'open') return
  setTimeout(() => {
    const namespaces: unknown = Reflect.get(client, 'nsps')
    if (namespaces instanceof Map && namespaces.size === 0) conn.close()
  }, ms).unref()
}

function hasTerminate(value: unknown): value is { terminate(): void } {
  return typeof value === 'object' && value !== null && 'terminate' in value && typeof value.terminate === 'function'
}
