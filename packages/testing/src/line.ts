import { NodeWebSocket, NodeXHR } from 'engine.io-client'
import { Lane } from './lane.js'
import { type Direction, type Packet, type Rule, Rules, type Verdict } from './rules.js'

/** How many messages have gone each way over one session of Engine.IO, as one side sees it. */
export interface Traffic {
  toServer: number
  toClient: number
}

/** Engine.IO's client, which writes to one transport after another. */
interface Engine {
  readonly id?: string
  on(event: 'packetCreate', listener: (packet: Packet) => void): unknown
}

/** What engine.io-client's transports are made of; most of it they keep to themselves and their subclasses. */
interface Inner {
  writable: boolean
  readonly query: { readonly sid?: string }
  readonly socket: Engine
  readonly ws?: { terminate(): void } | null
  doOpen(): void
  close(): unknown
  pause(paused: () => void): void
  write(packets: readonly Packet[]): void
  onPacket(packet: Packet): void
  onError(reason: string, ...details: readonly unknown[]): unknown
  onClose(details?: unknown): void
  emitReserved(event: 'drain'): void
}

interface Tap {
  readonly sid: () => string | undefined
  readonly isQuiet: (stalled: (direction: Direction) => boolean) => boolean
  release(): void
  cut(): void
}

/** One client's way to the server: Socket.IO's own transports, with faults between them and what they connect. */
export class Line {
  readonly #rules = new Rules()
  readonly #taps = new Set<Tap>()
  readonly #traffic = new Map<string, Traffic>()
  readonly #engines = new WeakSet<Engine>()

  /** Socket.IO's transports, by name. */
  readonly transports: { readonly polling: typeof NodeXHR; readonly websocket: typeof NodeWebSocket }

  constructor() {
    const tap = (transport: unknown): void => this.#tap(transport as Inner) // what its subclasses may do
    class Polling extends NodeXHR {
      constructor(options: unknown) {
        super(options)
        tap(this)
      }
    }
    class WebSocket extends NodeWebSocket {
      constructor(options: unknown) {
        super(options)
        tap(this)
      }
    }
    this.transports = { polling: Polling, websocket: WebSocket }
  }

  add(rule: Rule): void {
    this.#rules.add(rule)
  }

  lift(rule: Rule): void {
    this.#rules.delete(rule)
    for (const tap of this.#taps) tap.release()
  }

  clear(): void {
    this.#rules.clear()
    for (const tap of this.#taps) tap.release()
  }

  isStalled(direction: Direction): boolean {
    return this.#rules.isStalled(direction)
  }

  /** Breaks what is connected. @returns the sessions that had. */
  cut(): string[] {
    const sids = this.sids()
    for (const tap of this.#taps) tap.cut()
    return sids
  }

  /** The sessions that this side takes for open. */
  sids(): string[] {
    return [...new Set([...this.#taps].flatMap((tap) => tap.sid() ?? []))]
  }

  traffic(sid: string): Traffic {
    const traffic = this.#traffic.get(sid) ?? { toServer: 0, toClient: 0 }
    this.#traffic.set(sid, traffic)
    return traffic
  }

  /** Whether no packet is held up on its way, but for those on a stalled line. */
  isQuiet(): boolean {
    return [...this.#taps].every((tap) => tap.isQuiet((direction) => this.isStalled(direction)))
  }

  #count(sid: string | undefined, direction: Direction, messages: number): void {
    if (sid !== undefined) this.traffic(sid)[direction] += messages
  }

  /** What an engine has to send counts from when it has it: it may wait for the transport. */
  #countSent(engine: Engine): void {
    if (this.#engines.has(engine)) return
    this.#engines.add(engine)
    engine.on('packetCreate', (packet) => this.#count(engine.id, 'toServer', countMessages([packet])))
  }

  /** Puts itself between a transport and the engine above it. */
  #tap(inner: Inner): void {
    this.#countSent(inner.socket)
    const own = bindAll(inner)
    const incoming = new Lane(() => this.isStalled('toClient'))
    const outgoing = new Lane(() => this.isStalled('toServer'))
    let isLeaving = false
    let isCut = false
    const finish = (): void => {
      incoming.end()
      outgoing.end()
      this.#taps.delete(tap)
      const { sid } = inner.query
      if (sid !== undefined && !this.sids().includes(sid)) this.#traffic.delete(sid)
    }
    const tap: Tap = {
      sid: () => inner.query.sid,
      isQuiet: (stalled) => (incoming.isEmpty || stalled('toClient')) && (outgoing.isEmpty || stalled('toServer')),
      release() {
        incoming.release()
        outgoing.release()
      },
      cut() {
        isCut = true
        inner.ws?.terminate()
        finish()
        own.onError('the test has killed the connection')
      },
    }

    inner.doOpen = () => {
      this.#taps.add(tap)
      const refused = this.#rules.refusal()
      // The engine listens to it only after it has been told to open.
      if (refused !== undefined) setImmediate(() => own.onError(refused))
      else own.doOpen()
    }
    inner.write = (packets) => {
      if (isCut) return
      if (isLeaving) {
        own.write(packets) // that it closes
        return
      }
      inner.writable = false
      const judged = packets.map((packet) => ({ packet, ...this.#rules.judge('toServer', packet) }))
      const passing = judged.flatMap(({ packet, copies }) => Array<Packet>(copies).fill(packet))
      this.#count(inner.query.sid, 'toServer', countMessages(passing) - countMessages(packets))
      outgoing.push(longest(judged), () => {
        if (passing.length > 0) own.write(passing)
        else setImmediate(drained)
      })
    }
    const drained = (): void => {
      inner.writable = true
      inner.emitReserved('drain')
    }
    inner.onPacket = (packet) => {
      if (isCut) return
      if (packet.type === 'open') {
        own.onPacket(packet) // polling would open a second session while this one waits
        return
      }
      const { copies, delayMs } = this.#rules.judge('toClient', packet)
      this.#count(inner.query.sid, 'toClient', countMessages([packet]))
      incoming.push(delayMs, () => {
        for (let copy = 0; copy < copies; copy++) own.onPacket(packet)
      })
    }
    inner.close = () => {
      isLeaving = true
      return own.close()
    }
    inner.onClose = (details) => {
      if (isCut) return
      const closed = (): void => {
        finish()
        own.onClose(details)
      }
      // What was sent before the server closed comes before that.
      if (isLeaving) closed()
      else incoming.push(0, closed)
    }
    inner.onError = (reason, ...details) => {
      if (!isCut) incoming.push(0, () => void own.onError(reason, ...details))
    }
    inner.pause = (paused) =>
      own.pause(() =>
        incoming.push(0, () => {
          this.#taps.delete(tap) // another takes over
          paused()
        }),
      )
  }
}

function bindAll(inner: Inner): Pick<Inner, 'doOpen' | 'close' | 'pause' | 'write' | 'onPacket' | 'onError' | 'onClose'> {
  const { doOpen, close, pause, write, onPacket, onError, onClose } = inner
  return {
    doOpen: doOpen.bind(inner),
    close: close.bind(inner),
    pause: pause.bind(inner),
    write: write.bind(inner),
    onPacket: onPacket.bind(inner),
    onError: onError.bind(inner),
    onClose: onClose.bind(inner),
  }
}

export function countMessages(packets: readonly Packet[]): number {
  return packets.filter(({ type }) => type === 'message').length
}

function longest(verdicts: readonly Verdict[]): number {
  return Math.max(0, ...verdicts.map(({ delayMs }) => delayMs))
}
