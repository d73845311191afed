import { WebSocket } from 'ws'
import type { Connected } from './checker.js'

const GIVE_UP_MS = 4_000
const LINGER_MS = 1_000

/** What the driver writes down of a connection while it goes on. */
export interface Record extends Connected {
  connectedMs: number | undefined
  endedMs: number | undefined
  readonly rooms: string[]
}

export type Parting = 'closes' | 'breaks off' | 'says so'
export const PARTINGS: readonly Parting[] = ['closes', 'breaks off', 'says so']

/** A client of plain Socket.IO over a WebSocket, that knows of nothing else; it never dials again. */
export class Client {
  readonly #socket: WebSocket
  readonly #answers = new Map<number, (answer: string | undefined) => void>()
  #number = 0
  readonly #gone: Promise<void>
  /** Whether it was let in. */
  readonly connected: Promise<boolean>

  constructor(
    url: string,
    readonly record: Record,
  ) {
    this.#socket = new WebSocket(`${url}/socket.io/?EIO=4&transport=websocket`)
    this.#socket.on('error', () => {}) // told by `close`
    this.#gone = new Promise((resolve) => this.#socket.once('close', () => resolve()))
    this.connected = this.#connect()
    void this.#gone.then(() => this.#end())
  }

  get isLive(): boolean {
    return this.record.connectedMs !== undefined && this.record.endedMs === undefined
  }

  /** @returns whether the server has said that it is in. */
  async join(room: string): Promise<boolean> {
    return (await this.ask('$join', { kind: 'group', id: room }, () => this.record.rooms.push(room)))?.includes('"ok":true') ?? false
  }

  /** Its end is written down before the server can know of it. */
  leave(parting: Parting = 'closes'): void {
    this.record.endedMs ??= Date.now()
    if (parting === 'breaks off' || this.#socket.readyState !== WebSocket.OPEN) {
      this.#socket.terminate()
      return
    }
    if (parting === 'says so') this.#socket.send('41')
    this.#socket.close()
    const timer = setTimeout(() => this.#socket.terminate(), LINGER_MS) // one that is stopped does not close
    void this.#gone.then(() => clearTimeout(timer))
  }

  /** @param succeed called at once when the answer is in, before anything else happens */
  ask(event: string, payload: object, succeed: () => void): Promise<string | undefined> {
    if (!this.isLive) return Promise.resolve(undefined)
    const id = this.#number++
    return new Promise((resolve) => {
      this.#answers.set(id, (answer) => {
        if (answer?.includes('"ok":true')) succeed()
        resolve(answer)
      })
      this.#socket.send(`42${id}${JSON.stringify([event, payload])}`)
    })
  }

  #connect(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#socket.terminate(), GIVE_UP_MS)
      this.#socket.on('message', (data) => {
        const frame = String(data)
        if (frame.startsWith('42["authenticated"')) {
          clearTimeout(timer)
          this.record.connectedMs ??= Date.now()
          resolve(true)
        } else this.#hear(frame)
      })
      void this.#gone.then(() => {
        clearTimeout(timer)
        resolve(false)
      })
    })
  }

  #hear(frame: string): void {
    const { userId, deviceId } = this.record
    if (frame.startsWith('0')) this.#socket.send(`40${JSON.stringify({ token: userId, realtime: { protocol: 1, device: deviceId } })}`)
    else if (frame === '2') this.#socket.send('3')
    else if (frame.startsWith('44')) this.#socket.terminate()
    else if (frame.startsWith('43')) this.#settle(Number.parseInt(frame.slice(2), 10), frame)
  }

  #settle(id: number, answer: string | undefined): void {
    this.#answers.get(id)?.(answer)
    this.#answers.delete(id)
  }

  #end(): void {
    this.record.endedMs ??= Date.now()
    for (const id of [...this.#answers.keys()]) this.#settle(id, undefined)
  }
}
