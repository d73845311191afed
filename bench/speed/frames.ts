import { connect, type Socket as TcpSocket } from 'node:net'

// The least of a WebSocket client, so that the load costs little beside the server.

const CONTINUE = 125
const LONG = 126
const OPEN_FRAME = 0x81

/** A text as a client sends it; the mask is zero, which is as good as any. */
export function toFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const { length } = payload
  const header =
    length <= CONTINUE ? Buffer.from([OPEN_FRAME, 0x80 | length, 0, 0, 0, 0]) : Buffer.from([OPEN_FRAME, 0x80 | LONG, length >> 8, length & 0xff, 0, 0, 0, 0])
  return Buffer.concat([header, payload])
}

export interface RawOptions {
  readonly port: number
  readonly path: string
  /** Called with each frame's place in what has come. */
  onFrame(chunk: Buffer, start: number, end: number): void
  /** Called when all frames that came at once have been seen. */
  onTurn?(): void
}

/** Opens a WebSocket over TCP. It rejects where the server refuses it; a connection that breaks later ends the process. */
export function openRaw({ port, path, onFrame, onTurn = () => {} }: RawOptions): Promise<TcpSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let upgraded = false
    let kept: Buffer | undefined
    socket.on('error', reject)
    socket.on('data', (data) => {
      let chunk = kept === undefined ? data : Buffer.concat([kept, data])
      kept = undefined
      if (!upgraded) {
        const end = chunk.indexOf('\r\n\r\n')
        if (end < 0) {
          kept = chunk
          return
        }
        if (!chunk.subarray(0, end).includes('HTTP/1.1 101')) return reject(new Error(chunk.toString()))
        upgraded = true
        resolve(socket)
        chunk = chunk.subarray(end + 4)
      }
      let at = 0
      while (at + 2 <= chunk.length) {
        const short = (chunk[at + 1] ?? 0) & 0x7f
        const headerLength = short <= CONTINUE ? 2 : short === LONG ? 4 : 10
        if (at + headerLength > chunk.length) break
        const length = short <= CONTINUE ? short : short === LONG ? chunk.readUInt16BE(at + 2) : Number(chunk.readBigUInt64BE(at + 2))
        const start = at + headerLength
        if (start + length > chunk.length) break
        onFrame(chunk, start, start + length)
        at = start + length
      }
      if (at < chunk.length) kept = chunk.subarray(at)
      onTurn()
    })
    socket.write(toUpgrade(port, path))
  })
}

/** As a browser asks for it. */
function toUpgrade(port: number, path: string): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Pragma: no-cache',
    'Cache-Control: no-cache',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36',
    'Upgrade: websocket',
    `Origin: http://127.0.0.1:${port}`,
    'Sec-WebSocket-Version: 13',
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: en-GB,en-US;q=0.9,en;q=0.8',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    '\r\n',
  ].join('\r\n')
}
