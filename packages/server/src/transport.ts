import type { Socket } from 'socket.io'

/** The Engine.IO connection beneath a socket: one client, over whichever transport. */
export type Transport = Socket['conn']

/** How much may wait for one client that reads too slowly, before its connection is closed with `SLOW_CONSUMER`. */
export interface BufferLimits {
  /** In bytes. @default 8 MiB */
  readonly bufferedBytes: number
  /** @default 50_000 */
  readonly bufferedPackets: number
}

/**
 * Tells, once, when more waits for a client than may. What waits is what came since the transport last took
 * everything there was; nothing waits in a transport that is read.
 */
export function watchBuffer(transport: Transport, { bufferedBytes, bufferedPackets }: BufferLimits, exceeded: () => void): void {
  let bytes = 0
  let packets = 0
  const count = ({ data }: { data?: string | Buffer }): void => {
    bytes += data?.length ?? 0
    packets++
    if (bytes > bufferedBytes || packets > bufferedPackets) {
      transport.off('packetCreate', count)
      transport.off('drain', empty)
      exceeded()
    }
  }
  const empty = (): void => {
    bytes = 0
    packets = 0
  }
  transport.on('packetCreate', count)
  transport.on('drain', empty)
}

/** Ends a transport that was told to close, if it has not come to it by then: a silent peer would hold its socket for half a minute. */
export function endWithin(ms: number, transport: Transport): void {
  const webSocket: unknown = Reflect.get(transport.transport, 'socket')
  setTimeout(() => {
    if (hasTerminate(webSocket)) webSocket.terminate()
    else transport.close(true)
  }, ms).unref()
}

function hasTerminate(value: unknown): value is { terminate(): void } {
  return typeof value === 'object' && value !== null && 'terminate' in value && typeof value.terminate === 'function'
}
