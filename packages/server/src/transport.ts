import type { Socket } from 'socket.io'

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

/**
 * Tells when more waits for a client than may, and goes on waiting for two seconds, or is eight times as much.
 * What waits is what came since the transport last took everything there was.
 * @returns a function that ends the watching.
 */
export function watchBuffer(transport: Transport, { bufferedBytes, bufferedPackets }: BufferLimits, exceeded: () => void): () => void {
  let bytes = 0
  let packets = 0
  let patience: NodeJS.Timeout | undefined
  const isOver = (times: number): boolean => bytes > bufferedBytes * times || packets > bufferedPackets * times

  function count({ data }: { data?: string | Buffer }): void {
    bytes += data?.length ?? 0
    packets++
    if (isOver(CEILING)) giveUp()
    else if (isOver(1)) patience ??= setTimeout(giveUp, PATIENCE_MS).unref()
  }

  function empty(): void {
    bytes = 0
    packets = 0
    clearTimeout(patience)
    patience = undefined
  }

  function stop(): void {
    clearTimeout(patience)
    transport.off('packetCreate', count)
    transport.off('drain', empty)
  }

  function giveUp(): void {
    stop()
    exceeded()
  }

  transport.on('packetCreate', count)
  transport.on('drain', empty)
  return stop
}

/** Makes closing take no longer than that, whatever the peer does. */
export function boundClosing(ms: number, transport: Transport): void {
  // A polling transport that has no request open waits half a minute for one, to say in its answer that it closes.
  Reflect.set(transport.transport, 'closeTimeout', ms)
  transport.once('close', () => endWithin(ms, transport))
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
