import { Decoder, Encoder, type Packet, PacketType, protocol } from 'socket.io-parser'
import type { Limits } from './limits.js'

// Socket.IO passes the elements of an event, or of an acknowledgement, as arguments: 100,000 of them overflow the stack,
// where nothing could catch it. No event has as many as these.
const MAX_ARGUMENTS = 64
const ENVELOPE_BYTES = 256 // the event's name and all that is around the payload
const MAX_BYTES_PER_CHARACTER = 3 // of a UTF-16 code unit, in UTF-8

const oversized = new WeakSet<object>()

/** Whether an event, or an answer, came in a frame larger than a payload may be. */
export function isOversized(received: unknown): boolean {
  return typeof received === 'object' && received !== null && oversized.has(received)
}

interface SocketParser {
  readonly protocol: number
  readonly PacketType: typeof PacketType
  readonly Encoder: typeof Encoder
  readonly Decoder: new () => Decoder
}

/** For Socket.IO's option `parser`: the same wire format, and a look at every packet before Socket.IO hands it on. */
export function boundedParser({ payloadBytes, attachments }: Pick<Limits, 'payloadBytes' | 'attachments'>): SocketParser {
  class BoundedDecoder extends Decoder {
    #bytes = 0

    constructor() {
      super({ maxAttachments: attachments })
      this.on('decoded', BoundedDecoder.#bound) // the first listener: what it does to a packet is done before Socket.IO's
    }

    /** One for all decoders: each is kept as long as its connection. */
    static #bound(this: BoundedDecoder, packet: Packet): void {
      if (!Array.isArray(packet.data)) return
      if (packet.data.length > MAX_ARGUMENTS) packet.data.length = MAX_ARGUMENTS
      if (this.#bytes > payloadBytes + ENVELOPE_BYTES) {
        const [answer] = packet.data
        oversized.add(packet.type === PacketType.ACK && typeof answer === 'object' && answer !== null ? answer : packet.data)
      }
    }

    override add(chunk: unknown): void {
      if (typeof chunk === 'string') {
        this.#bytes = chunk.length * MAX_BYTES_PER_CHARACTER > payloadBytes ? Buffer.byteLength(chunk) : 0
      }
      super.add(chunk)
    }
  }
  return { protocol, PacketType, Encoder, Decoder: BoundedDecoder }
}
