import { setTimeout as delay } from 'node:timers/promises'
import { createRealtimeClient, type RealtimeClient, type Room } from '@org/realtime-client'
import { numbered, type Target, toLog } from './contract.js'
import type { Entry } from './history.js'

export interface DeviceOptions {
  readonly name: string
  readonly user: string
  /** The room that it holds for the whole run. */
  readonly hall: string
  readonly urls: readonly string[]
  readonly event: 'kept' | 'plain'
  write(entry: Entry): void
}

const RETRY_MS = 100

/** A page of a user, in one hall, which tells all that it is told. */
export class Device {
  client: RealtimeClient<typeof numbered>
  #room: Room | undefined
  #positions = ''
  /** The epoch of each log, as it was told. */
  readonly #epochs = new Map<string, string>()

  constructor(private readonly options: DeviceOptions) {
    for (const log of this.#logs) options.write({ kind: 'member', log, device: options.name, atMs: Date.now() })
    this.client = this.#open(0)
  }

  get name(): string {
    return this.options.name
  }

  /** Whether it was told where each of its logs begins. */
  get hasBegun(): boolean {
    return this.#logs.every((log) => this.#epochs.has(log))
  }

  /** Whether it is connected, and in its hall. */
  get isThere(): boolean {
    return this.client.status === 'connected' && this.#room?.joined === true
  }

  /** Whether it is to hear what is sent there. */
  isIn(target: Target): boolean {
    return this.#logs.includes(toLog(target))
  }

  /** The page is loaded again, and comes to another node: all that is left is what it has stored. */
  async reload(index: number, awayMs: number): Promise<void> {
    this.client.close()
    await delay(awayMs)
    this.client = this.#open(index)
  }

  get #logs(): string[] {
    const { user, hall } = this.options
    return [toLog({ kind: 'user', id: user }), toLog({ kind: 'hall', id: hall })]
  }

  #open(index: number): RealtimeClient<typeof numbered> {
    const { user, name, urls, event, write } = this.options
    const client = createRealtimeClient(numbered, {
      url: urls[index % urls.length] as string, // it is within its length
      getToken: () => user,
      deviceId: name,
      transports: ['websocket'],
      reconnectDelayMs: 50,
      maxReconnectDelayMs: 500,
      positions: {
        get: () => this.#positions,
        set: (text) => {
          if (this.client === client) this.#positions = text
        },
      },
    })
    const logOf = (room: { readonly id: string } | undefined): string => toLog(toTarget(user, room))
    client.on(event, ({ n }) => {
      if (this.client === client) write({ kind: 'heard', device: name, n, atMs: Date.now() })
    })
    client.on('$caughtUp', ({ room, epoch, sequence, resumed }) => {
      if (this.client !== client) return
      const log = logOf(room)
      this.#epochs.set(log, epoch)
      write({ kind: 'caughtUp', log, device: name, place: { epoch, sequence }, resumed, atMs: Date.now() })
    })
    client.on('$gap', ({ room, from, to, reason, epoch, sequence }) => {
      if (this.client !== client) return
      const log = logOf(room)
      write({ kind: 'gap', log, device: name, from, to, reason, before: this.#epochs.get(log) ?? '', place: { epoch, sequence }, atMs: Date.now() })
      this.#epochs.set(log, epoch)
    })
    client.on('error', () => {})
    client.connect().catch(() => {}) // it goes on dialling
    void this.#enter(client)
    return client
  }

  /** As a page does that must be in its room. */
  async #enter(client: RealtimeClient<typeof numbered>): Promise<void> {
    this.#room = undefined
    while (client.status !== 'closed') {
      try {
        this.#room = await client.join('hall', this.options.hall)
        return
      } catch {
        await delay(RETRY_MS)
      }
    }
  }
}

function toTarget(user: string, room: { readonly id: string } | undefined): Target {
  return room === undefined ? { kind: 'user', id: user } : { kind: 'hall', id: room.id }
}
