import type { Socket as TcpSocket } from 'node:net'
import { openRaw, toFrame } from './frames.js'

// The process of one server's clients: raw frames over TCP. It asks, counts what comes, and takes times.

export type Protocol = 'socket.io' | 'ws'

export type LoadOrder =
  | {
      readonly do: 'connect'
      readonly port: number
      readonly protocol: Protocol
      readonly waitFor: string
      readonly tokens: readonly string[]
      readonly features?: readonly string[]
    }
  /** Sends requests until so many are answered. */
  | { readonly do: 'request'; readonly times: number; readonly inFlight: number; readonly payload: unknown; readonly answer: 'ok' | 'refused' }
  /** Answers once so many events have come, all together. */
  | { readonly do: 'await events'; readonly total: number }
  /** Connects and leaves so many times. */
  | { readonly do: 'cycle'; readonly port: number; readonly times: number; readonly waitFor: string; readonly tokens: readonly string[] }
  | { readonly do: 'latencies' }
  | { readonly do: 'forget latencies' }

export type LoadAnswer = { readonly ms: number } | Latencies

/** Of a request, in milliseconds. */
export interface Latencies {
  readonly p50: number
  readonly p99: number
}

const CONNECTING_AT_ONCE = 50
const CYCLING_AT_ONCE = 20
const MAX_LATENCIES = 200_000
const SOCKET_IO_PATH = '/socket.io/?EIO=4&transport=websocket'
const PONG = toFrame('3')

interface Client {
  readonly tcp: TcpSocket
  /** When each request was sent, the oldest first. */
  readonly sentAtMs: number[]
}

const clients: Client[] = []
let latencies: number[] = []
let protocol: Protocol = 'socket.io'
let events = 0
let awaited: { readonly total: number; done(): void } | undefined
let asking: { left: number; unanswered: number; readonly frame: Buffer; readonly marks: Buffer; done(): void } | undefined

const [ACKNOWLEDGEMENT, SDK_EVENT] = [Buffer.from('430'), Buffer.from('42["n')]

/** Whether what came starts with that. */
function startsWith(chunk: Buffer, start: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index++) if (chunk[start + index] !== text[index]) return false
  return true
}

function toRequest(payload: unknown): Buffer {
  return toFrame(protocol === 'ws' ? JSON.stringify({ id: 0, event: 'notify', data: payload }) : `420${JSON.stringify(['notify', payload])}`)
}

function answered(client: Client, chunk: Buffer, start: number, end: number): void {
  if (asking === undefined) throw new Error(`nobody has asked for ${chunk.toString('utf8', start, end)}`)
  if (!chunk.subarray(start, end).includes(asking.marks)) throw new Error(`another answer than expected: ${chunk.toString('utf8', start, end)}`)
  if (latencies.length < MAX_LATENCIES) latencies.push(performance.now() - (client.sentAtMs.shift() ?? Number.NaN))
  else client.sentAtMs.shift()
  asking.unanswered--
  if (asking.left > 0) {
    asking.left--
    send(client, asking.frame)
  }
}

const SENT: Client[] = []

/** All that a client sends in one turn goes out at once, as a browser's would. */
function send(client: Client, frame: Buffer): void {
  if (client.tcp.writableCorked === 0) {
    client.tcp.cork()
    SENT.push(client)
  }
  client.sentAtMs.push(performance.now())
  client.tcp.write(frame)
}

function flush(): void {
  for (const { tcp } of SENT.splice(0)) tcp.uncork()
  if (asking?.unanswered === 0) asking.done()
}

function onFrame(client: Client, chunk: Buffer, start: number, end: number): void {
  if (protocol === 'ws' || startsWith(chunk, start, ACKNOWLEDGEMENT)) answered(client, chunk, start, end)
  else if (startsWith(chunk, start, SDK_EVENT)) {
    events++
    if (events === awaited?.total) awaited.done()
  } else if (end - start === 1 && chunk[start] === 0x32) client.tcp.write(PONG)
}

/** A connection of Socket.IO, in its namespace, and told what it waits for. */
async function open(
  port: number,
  token: string,
  waitFor: string,
  frame: (socket: TcpSocket, chunk: Buffer, start: number, end: number) => void,
  features?: readonly string[],
): Promise<TcpSocket> {
  let ready = (): void => {}
  const entered = new Promise<void>((resolve) => {
    ready = resolve
  })
  let isIn = false
  const tcp: TcpSocket = await openRaw({
    port,
    path: SOCKET_IO_PATH,
    onFrame(chunk, start, end) {
      if (isIn) return frame(tcp, chunk, start, end)
      const text = chunk.toString('utf8', start, end)
      if (text.startsWith('44')) throw new Error(`refused: ${text}`)
      if (text.startsWith(waitFor)) {
        isIn = true
        ready()
      }
    },
    onTurn: flush,
  })
  const realtime = features && { protocol: 1, features } // as a client of the SDK says of itself
  tcp.write(toFrame(`40${JSON.stringify({ token, realtime })}`))
  await entered
  return tcp
}

async function connectOne({ port, waitFor, features }: Extract<LoadOrder, { do: 'connect' }>, token: string): Promise<void> {
  const client = { sentAtMs: [] as number[] } as { tcp: TcpSocket; sentAtMs: number[] } // its socket comes with the next line
  client.tcp =
    protocol === 'ws'
      ? await openRaw({ port, path: '/', onFrame: (chunk, start, end) => onFrame(client, chunk, start, end), onTurn: flush })
      : await open(port, token, waitFor, (_tcp, chunk, start, end) => onFrame(client, chunk, start, end), features)
  clients.push(client)
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: width }, worker))
}

async function request({ times, inFlight, payload, answer }: Extract<LoadOrder, { do: 'request' }>): Promise<void> {
  const frame = toRequest(payload)
  await new Promise<void>((done) => {
    asking = { left: times, unanswered: times, frame, marks: Buffer.from(answer === 'ok' ? '"ok":true' : '"ok":false'), done }
    for (const client of clients)
      for (let index = 0; index < inFlight && asking.left > 0; index++) {
        asking.left--
        send(client, frame)
      }
    flush()
  })
  asking = undefined
}

async function cycle({ port, times, waitFor, tokens }: Extract<LoadOrder, { do: 'cycle' }>): Promise<void> {
  const turns = Array.from({ length: times }, (_, index) => tokens[index % tokens.length] ?? '')
  await inParallel(turns, CYCLING_AT_ONCE, async (token) => {
    const tcp = await open(port, token, waitFor, () => {})
    const closed = new Promise((resolve) => tcp.once('close', resolve))
    tcp.destroy()
    await closed
  })
}

function quantile(values: readonly number[], part: number): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length * part)] ?? Number.NaN
}

async function obey(order: LoadOrder): Promise<void> {
  const startMs = performance.now()
  switch (order.do) {
    case 'connect':
      protocol = order.protocol
      await inParallel(order.tokens, CONNECTING_AT_ONCE, (token) => connectOne(order, token))
      break
    case 'request':
      await request(order)
      break
    case 'await events':
      await new Promise<void>((done) => {
        if (events >= order.total) done()
        else awaited = { total: order.total, done }
      })
      break
    case 'cycle':
      await cycle(order)
      break
    case 'latencies':
      process.send?.({ p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) } satisfies LoadAnswer)
      return
    case 'forget latencies':
      latencies = []
  }
  process.send?.({ ms: performance.now() - startMs } satisfies LoadAnswer)
}

process.on('message', (order: LoadOrder) => void obey(order))
process.on('disconnect', () => process.exit())
