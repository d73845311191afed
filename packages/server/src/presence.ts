import type { Device } from './context.js'
import { isUserId } from './identity.js'

export interface PresenceEvents {
  /** A user's first device has connected. */
  readonly online: { readonly userId: string }
  /** A user's last device has been gone for the grace period. */
  readonly offline: { readonly userId: string }
}

/** Who is online. A user is, from the first device that connects until the grace period after the last one has gone. */
export interface PresenceReader {
  isOnline(userId: string): Promise<boolean>
  /** @returns those of `userIds` that are online, in their order. */
  online(userIds: Iterable<string> & object): Promise<string[]>
  /** The devices of a user that are connected now. */
  devices(userId: string): Promise<Device[]>
  /** @returns a function that ends the listening. */
  on<E extends keyof PresenceEvents>(event: E, listener: (change: PresenceEvents[E]) => void): () => void
}

interface Presence {
  readonly devices: Map<string, Device>
  leaving: NodeJS.Timeout | undefined
}

/** Presence of one process, in memory. */
export class MemoryPresence implements PresenceReader {
  readonly #users = new Map<string, Presence>()
  readonly #listeners = { online: new Set<(change: { userId: string }) => void>(), offline: new Set<(change: { userId: string }) => void>() }

  constructor(
    private readonly graceMs: number,
    private readonly report: (error: unknown) => void,
  ) {}

  /** A connection has come; `connectionId` tells two of one device apart while one replaces the other. */
  add(userId: string, connectionId: string, device: Device): void {
    const known = this.#users.get(userId)
    if (known !== undefined) {
      clearTimeout(known.leaving)
      known.leaving = undefined
      known.devices.set(connectionId, device)
      return
    }
    this.#users.set(userId, { devices: new Map([[connectionId, device]]), leaving: undefined })
    this.#emit('online', userId)
  }

  remove(userId: string, connectionId: string): void {
    const known = this.#users.get(userId)
    if (known?.devices.delete(connectionId) !== true || known.devices.size > 0) {
      return
    }
    known.leaving = setTimeout(() => {
      this.#users.delete(userId)
      this.#emit('offline', userId)
    }, this.graceMs).unref()
  }

  async isOnline(userId: string): Promise<boolean> {
    return this.#users.has(checkUserId(userId))
  }

  async online(userIds: Iterable<string> & object): Promise<string[]> {
    return [...new Set(checkUserIds(userIds))].filter((userId) => this.#users.has(userId))
  }

  async devices(userId: string): Promise<Device[]> {
    return [...(this.#users.get(checkUserId(userId))?.devices.values() ?? [])]
  }

  on<E extends keyof PresenceEvents>(event: E, listener: (change: PresenceEvents[E]) => void): () => void {
    const listeners = this.#listeners[event]
    if (listeners === undefined || typeof listener !== 'function') {
      throw new TypeError("presence.on: expected 'online' or 'offline', and a function")
    }
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** Forgets everybody, without telling anyone: the process ends, its users do not leave. */
  close(): void {
    for (const { leaving } of this.#users.values()) clearTimeout(leaving)
    this.#users.clear()
  }

  #emit(event: keyof PresenceEvents, userId: string): void {
    for (const listener of this.#listeners[event]) {
      try {
        const result: unknown = listener({ userId })
        if (result instanceof Promise) result.catch(this.report)
      } catch (error) {
        this.report(error)
      }
    }
  }
}

/** A text is iterable, too, and would be taken for the users of its letters. */
export function checkUserIds(userIds: Iterable<string> & object): string[] {
  if (typeof userIds !== 'object' || userIds === null) {
    throw new TypeError('Expected a list of user ids; for one user, say so: [userId]')
  }
  return [...userIds].map(checkUserId)
}

function checkUserId(userId: string): string {
  if (!isUserId(userId)) {
    throw new TypeError(`A user id is 1–128 of [A-Za-z0-9._@|-]; got ${JSON.stringify(String(userId).slice(0, 40))}`)
  }
  return userId
}
