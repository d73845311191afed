import { connect, type Socket as TcpSocket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A WebSocket by hand: it answers nothing by itself, not even a close. */
export interface BareWebSocket {
  readonly tcp: TcpSocket
  /** All that has come so far. */
  received(): string
}

/** Dials a server on this machine, over a WebSocket at once. */
export function dialWebSocket(port: number): BareWebSocket {
  const tcp = connect(port, '127.0.0.1')
  onTestFinished(() => void tcp.destroy())
  tcp.on('error', () => {}) // the server may be the first to go
  let received = ''
  tcp.on('data', (data) => {
    received += data.toString('latin1')
  })
  tcp.write(
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  return { tcp, received: () => received }
}

/** A short text frame as a client writes it. */
export function toFrame(text: string): Buffer {
  const mask = Buffer.from([1, 2, 3, 4])
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | bytes.length]), mask, bytes.map((byte, index) => byte ^ (mask[index % 4] as number))])
}
