import type { ValueCodec } from '@org/realtime-contracts'
import { describeIssues, isObject, type PresenceNotice, RealtimeError, type UserPresence } from '@org/realtime-contracts/wire'
import type { Connection } from './connection.js'
import type { Report } from './context.js'
import { type BaseUser, isUserId } from './identity.js'
import { type Limits, rateLimited } from './limits.js'
import type { PresenceStore } from './presence.js'
import { withTimeout } from './time.js'

/** Whether a client may see where a user stands. Only `true` lets it. */
export type VisibleRule<User> = (request: { readonly user: User; readonly userId: string }) => boolean | Promise<boolean>

const FOLLOWING_MS = 1_000
const RETRY_MS = 1_000

interface Watcher {
  readonly userIds: Set<string>
  /** Whose changes are held back until the snapshot is out. */
  readonly changed: Set<string>
  asking: number
}

/** Clients that watch users: a snapshot, then what changes, and never a hole between. */
export class Watching<User extends BaseUser> {
  readonly #watchers = new Map<Connection<User>, Watcher>()
  readonly #byUser = new Map<string, Set<Connection<User>>>()
  /** Users whose state is being read for their watchers, and whether they changed meanwhile. */
  readonly #reading = new Map<string, boolean>()
  #following: Promise<void> | undefined

  constructor(
    private readonly store: PresenceStore,
    private readonly codec: ValueCodec | undefined,
    private readonly visible: VisibleRule<User> | undefined,
    private readonly limits: Limits,
    private readonly timeoutMs: number,
    private readonly report: Report,
  ) {}

  /** @throws RealtimeError `FORBIDDEN` where one of the users may not be seen; `INVALID_PAYLOAD`; `UNAVAILABLE`. */
  async watch(payload: unknown, connection: Connection<User>): Promise<PresenceNotice> {
    const userIds = readUserIds(payload)
    await Promise.all(userIds.map((userId) => this.#authorize(userId, connection)))
    const known = new Set(this.#watchers.get(connection)?.userIds)
    const watcher = this.#register(userIds, connection)
    watcher.asking++
    try {
      this.#following ??= this.store.follow((told) => {
        if (told.change === 'missed') for (const userId of [...this.#byUser.keys()]) this.#changed(userId)
        else this.#changed(told.userId)
      })
      await withTimeout(FOLLOWING_MS, this.#following, () => new RealtimeError('UNAVAILABLE', 'Presence cannot be reached now'))
      return { users: await Promise.all(userIds.map((userId) => this.#read(userId))) }
    } catch (error) {
      this.#unregister(
        userIds.filter((userId) => !known.has(userId)),
        connection,
      )
      throw error
    } finally {
      setImmediate(() => this.#answered(watcher, connection)) // once the answer is out
    }
  }

  async unwatch(payload: unknown, connection: Connection<User>): Promise<void> {
    this.#unregister(readUserIds(payload), connection)
  }

  /** What a device says about itself. @throws RealtimeError `INVALID_PAYLOAD` for what the contract does not allow; `UNAVAILABLE`. */
  async set(payload: unknown, connection: Connection<User>): Promise<void> {
    const value = isObject(payload) ? payload['value'] : undefined
    connection.present = { id: connection.id, userId: connection.userId, device: { id: connection.device.id, ...this.#toMeta(value) } }
    this.store.update(connection.present)
    await this.store.settled(connection.present)
  }

  /** A token was renewed: who may no longer be seen is not. */
  async authorizeAgain(connection: Connection<User>): Promise<void> {
    for (const userId of this.#watchers.get(connection)?.userIds ?? []) {
      try {
        await this.#authorize(userId, connection)
      } catch (error) {
        this.#unregister([userId], connection)
        const { code, message } = error instanceof RealtimeError ? error : new RealtimeError('INTERNAL')
        connection.sendError({ code, message, data: { userIds: [userId] } }, '$watch')
      }
    }
  }

  forget(connection: Connection<User>): void {
    this.#unregister([...(this.#watchers.get(connection)?.userIds ?? [])], connection)
  }

  async #authorize(userId: string, { user }: Connection<User>): Promise<void> {
    const { visible } = this
    if (visible === undefined || !(await this.#ask(async () => visible({ user, userId }), user))) {
      throw new RealtimeError('FORBIDDEN', 'Not allowed to see where this user stands')
    }
  }

  async #ask(answer: () => Promise<boolean>, { userId }: User): Promise<boolean> {
    try {
      return (await withTimeout(this.timeoutMs, answer(), () => new Error(`presence.visible took longer than ${this.timeoutMs} ms`))) === true
    } catch (error) {
      this.report(error, { event: '$watch', userId })
      throw new RealtimeError('INTERNAL', 'The server failed to authorize this')
    }
  }

  #register(userIds: readonly string[], connection: Connection<User>): Watcher {
    const watcher = this.#watchers.get(connection) ?? { userIds: new Set(), changed: new Set(), asking: 0 }
    const { watchedUsers } = this.limits
    if (new Set([...watcher.userIds, ...userIds]).size > watchedUsers) {
      throw rateLimited('watchedUsers', `A connection may watch at most ${watchedUsers} users; stop watching some first`)
    }
    if (!connection.socket.connected) throw new RealtimeError('DISCONNECTED', 'The client has gone')
    this.#watchers.set(connection, watcher)
    for (const userId of userIds) {
      watcher.userIds.add(userId)
      this.#byUser.set(userId, (this.#byUser.get(userId) ?? new Set()).add(connection))
    }
    return watcher
  }

  #unregister(userIds: readonly string[], connection: Connection<User>): void {
    const watcher = this.#watchers.get(connection)
    for (const userId of userIds) {
      watcher?.userIds.delete(userId)
      const connections = this.#byUser.get(userId)
      connections?.delete(connection)
      if (connections?.size === 0) this.#byUser.delete(userId)
    }
    if (watcher?.userIds.size === 0) this.#watchers.delete(connection)
  }

  async #read(userId: string): Promise<UserPresence> {
    const [[online], devices] = await Promise.all([this.store.online([userId]), this.store.devices(userId)])
    return { userId, online: online === true, devices }
  }

  /** One reading at a time for a user, however many changes. */
  #changed(userId: string): void {
    if (!this.#byUser.has(userId)) return
    const isReading = this.#reading.has(userId)
    this.#reading.set(userId, isReading)
    if (isReading) return
    this.#tell(userId).catch((error: unknown) => {
      this.report(error, { userId })
      setTimeout(() => this.#changed(userId), RETRY_MS).unref() // nobody tells of it again
    })
  }

  async #tell(userId: string): Promise<void> {
    try {
      do {
        this.#reading.set(userId, false)
        const state = await this.#read(userId)
        for (const connection of this.#byUser.get(userId) ?? []) this.#send(connection, state)
      } while (this.#reading.get(userId) === true)
    } finally {
      this.#reading.delete(userId)
    }
  }

  #send(connection: Connection<User>, state: UserPresence): void {
    const watcher = this.#watchers.get(connection)
    if (watcher !== undefined && watcher.asking > 0) {
      watcher.changed.add(state.userId)
      return
    }
    const notice: PresenceNotice = { users: [state] }
    connection.socket.emit('$presence', notice)
  }

  #answered(watcher: Watcher, connection: Connection<User>): void {
    if (--watcher.asking > 0) return
    const changed = [...watcher.changed]
    watcher.changed.clear()
    for (const userId of changed) if (this.#byUser.get(userId)?.has(connection)) this.#changed(userId)
  }

  #toMeta(value: unknown): { readonly meta?: unknown } {
    if (this.codec === undefined) throw new RealtimeError('INVALID_PAYLOAD', 'The contract declares no presence')
    if (value === undefined || value === null) return {}
    const decoded = this.codec.decode(value)
    const encoded = decoded.ok ? this.codec.encode(decoded.value) : decoded // without what the contract does not know
    if (!encoded.ok) throw new RealtimeError('INVALID_PAYLOAD', describeIssues(encoded.issues), { data: { issues: encoded.issues } })
    return { meta: encoded.value }
  }
}

const MAX_AT_ONCE = 256

/** @throws RealtimeError `INVALID_PAYLOAD` */
function readUserIds(payload: unknown): string[] {
  const userIds = isObject(payload) ? payload['userIds'] : undefined
  if (!Array.isArray(userIds) || userIds.length > MAX_AT_ONCE || !userIds.every(isUserId)) {
    const message = `userIds is a list of at most ${MAX_AT_ONCE} user ids`
    throw new RealtimeError('INVALID_PAYLOAD', message, { data: { issues: [{ path: ['userIds'], message }] } })
  }
  return [...new Set(userIds)]
}
