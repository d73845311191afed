import { CONTROL, type PresenceNotice, type RealtimeError, type UserPresence } from '@org/realtime-contracts/wire'
import type { ClientBorder } from './border.js'
import type { Connection } from './connection.js'
import { addTo, type Listener, type Listeners } from './listeners.js'
import { control, type RequestOptions } from './requests.js'

/** Users that this client watches, until `stop()`; watched again by itself after a reconnect. */
export interface PresenceWatch<Meta = unknown> {
  /** Where the users stand, by id, as last heard; kept up to date while connected. */
  readonly users: ReadonlyMap<string, UserPresence<Meta>>
  /** Calls the listener when `users` changes. @returns a function that ends it. */
  subscribe(listener: () => void): () => void
  /** Ends the watching, and resolves once the server knows. @throws RealtimeError as `request`. */
  stop(): Promise<void>
}

interface Watched {
  readonly userIds: readonly string[]
  readonly listeners: Set<Listener>
  users: ReadonlyMap<string, UserPresence>
}

/** Where users stand, for those who may see them, and what this device says about itself. */
export function createPresence(connection: Connection, border: ClientBorder, { callAll, tell }: Listeners) {
  const watches = new Set<Watched>()
  let said: { readonly value: unknown } | undefined

  function change({ users }: PresenceNotice): void {
    for (const watch of watches) {
      const own = users.filter(({ userId }) => watch.userIds.includes(userId))
      if (!own.length) continue
      watch.users = new Map([...watch.users, ...own.map((user) => [user.userId, decode(user)] as const)])
      callAll(watch.listeners)
    }
  }

  function decode(user: UserPresence): UserPresence {
    return {
      ...user,
      devices: user.devices.map((device) => (device.meta === undefined ? device : { ...device, meta: border.decodePresence(device.meta) })),
    }
  }

  async function ask(watch: Watched, options?: RequestOptions): Promise<void> {
    change((await control(connection, CONTROL.watch, { userIds: watch.userIds }, options)) as PresenceNotice) // only the server of the SDK answers it
  }

  async function stop(watch: Watched): Promise<void> {
    if (!watches.delete(watch)) return
    const userIds = watch.userIds.filter((userId) => ![...watches].some((other) => other.userIds.includes(userId)))
    if (userIds.length && connection.status() === 'connected') await control(connection, CONTROL.unwatch, { userIds })
  }

  const told = (error: unknown): unknown => tell('error', error as RealtimeError) // control() throws nothing else

  return {
    change,

    /** The connection has come: what was asked and said before is asked and said again. */
    connected(): void {
      for (const watch of watches) ask(watch).catch(told)
      if (said) control(connection, CONTROL.set, said).catch(told)
    },

    async watch(userIds: Iterable<string>, options?: RequestOptions): Promise<PresenceWatch> {
      const watch: Watched = { userIds: [...new Set(userIds)], listeners: new Set(), users: new Map() }
      watches.add(watch)
      try {
        await ask(watch, options)
      } catch (error) {
        watches.delete(watch)
        throw error
      }
      return {
        get users() {
          return watch.users
        },
        subscribe: (listener) => addTo(watch.listeners, listener),
        stop: () => stop(watch),
      }
    },

    async set(meta: unknown, options?: RequestOptions): Promise<void> {
      const own = { value: border.encodePresence(meta) }
      // While it waits for a connection it is on its way, and not to be said again by whoever connects.
      if (connection.status() === 'connected') said = own
      await control(connection, CONTROL.set, own, options)
      said = own
    },
  }
}
