import { findNonJson, MAX_DEPTH } from '@org/realtime-contracts/wire'
import type { Namespace } from 'socket.io'
import type { Audience, ClusterNode } from './cluster.js'
import { type Connection, REPLACED, REVOKED } from './connection.js'
import type { Connections } from './connections.js'
import type { Feeds } from './feeds.js'
import type { BaseUser } from './identity.js'
import { encodeEvent, sendLocally } from './local.js'
import type { Observation } from './observe.js'
import { isOversized } from './parser.js'
import type { PresenceStore } from './presence.js'
import { isMeant, type Revoked } from './revocation.js'
import { deviceRoom, userRoom } from './rooms.js'

/** What one device made of a request, as nodes tell each other: first that it was asked, then what it answered. */
export interface DeviceOutcome {
  readonly connectionId: string
  readonly deviceId: string
  readonly answered: boolean
  readonly answer?: unknown
}

/** What is done on every node that it concerns. */
type Task =
  | { readonly kind: 'request'; readonly event: string; readonly args: readonly unknown[]; readonly timeoutMs: number }
  | { readonly kind: 'join' | 'leave'; readonly room: string }
  | { readonly kind: 'replace'; readonly userId: string; readonly deviceId: string; readonly connectionId: string }
  | { readonly kind: 'disconnect'; readonly userId: string; readonly deviceId?: string | undefined; readonly reason: string }
  | { readonly kind: 'revoke'; readonly revoked: Revoked }

const EVERYBODY: Audience = { rooms: [], except: [] }
export const TASK_MS = 1_000
const USERS_AT_ONCE = 500 // each is a command and a publication
// For the last answers of other nodes, so that they are here before the caller gives up.
const WAY_MS = 20

/** Does things to the connections of all nodes: here, and on the others where there are any. */
export class Peers<User extends BaseUser> {
  constructor(
    private readonly namespace: Namespace,
    private readonly connections: Connections<User>,
    private readonly presence: PresenceStore,
    private readonly feeds: Feeds<User>,
    private readonly node: ClusterNode | undefined,
    private readonly report: (error: unknown) => void,
    private readonly observation: Observation | undefined,
  ) {
    node?.start((audience, task, tell) => this.#perform(audience, task as Task, tell).catch(report)) // only nodes ask
  }

  emit(audience: Audience, event: string, args: readonly unknown[], isVolatile: boolean): void {
    const encoded = encodeEvent(this.namespace, event, args)
    const recipients = sendLocally(this.namespace, audience, encoded, isVolatile)
    const trace = this.observation?.sent({ event, origin: 'local', isRequest: false, recipients, length: encoded.json.length })
    this.node?.forward(audience, encoded.json, isVolatile, trace)
  }

  /** Asks every device of the audience. */
  async request(audience: Audience, event: string, args: readonly unknown[], timeoutMs: number): Promise<DeviceOutcome[]> {
    this.observation?.sent({ event, origin: 'local', isRequest: true, recipients: undefined, length: undefined })
    const elsewhere: Task = { kind: 'request', event, args, timeoutMs: Math.max(timeoutMs - WAY_MS, timeoutMs / 2) }
    const outcomes = new Map<string, DeviceOutcome>()
    const keep = (outcome: unknown): void => {
      const { connectionId } = outcome as DeviceOutcome // what #request tells
      outcomes.set(connectionId, outcome as DeviceOutcome)
    }
    await Promise.all([
      this.#request(audience, event, args, timeoutMs, keep),
      this.node?.ask(audience, elsewhere, timeoutMs, keep).catch(this.report), // those here are asked all the same
    ])
    return [...outcomes.values()]
  }

  /** Every device of the users, also those to come, unless some are left out. @throws RealtimeError `UNAVAILABLE` */
  async move(kind: 'join' | 'leave', room: string, userIds: readonly string[], except: readonly string[]): Promise<void> {
    await move(kind, room, userIds, except, this.presence, (audience, task) => this.#everywhere(audience, task))
  }

  /** @throws RealtimeError `UNAVAILABLE` where other nodes could not be told. */
  disconnect(userId: string, reason: string, deviceId?: string): Promise<void> {
    return this.#everywhere(EVERYBODY, { kind: 'disconnect', userId, reason, deviceId })
  }

  /** @throws RealtimeError `UNAVAILABLE` where other nodes could not be told. */
  revoke(revoked: Revoked): Promise<void> {
    return this.#everywhere(EVERYBODY, { kind: 'revoke', revoked })
  }

  /** The same device has connected here: its older connections elsewhere end. */
  replace({ user, device, socket }: Connection<User>): void {
    const task: Task = { kind: 'replace', userId: user.userId, deviceId: device.id, connectionId: socket.id }
    this.node?.ask({ rooms: [userRoom(user.userId)], except: [] }, task, TASK_MS, noop).catch(this.report)
  }

  async #everywhere(audience: Audience, task: Task): Promise<void> {
    await Promise.all([this.#perform(audience, task, noop), this.node?.ask(audience, task, TASK_MS, noop)])
  }

  /** @param tell hears what comes of it, piece by piece. */
  async #perform(audience: Audience, task: Task, tell: (answer: unknown) => void): Promise<void> {
    switch (task.kind) {
      case 'request':
        return this.#request(audience, task.event, task.args, task.timeoutMs, tell)
      case 'join':
      case 'leave':
        return this.#move(audience, task.kind, task.room)
      case 'replace':
        for (const connection of this.connections.of(task.userId, task.deviceId)) if (connection.socket.id !== task.connectionId) connection.close(REPLACED)
        return
      case 'disconnect':
        for (const connection of this.connections.of(task.userId, task.deviceId)) connection.close({ code: 'DISCONNECTED', reason: task.reason })
        return
      case 'revoke':
        for (const connection of this.connections.those((each) => each.isProvedBy((proof) => isMeant(task.revoked, proof)))) connection.close(REVOKED)
    }
  }

  async #request(
    { rooms, except }: Audience,
    event: string,
    args: readonly unknown[],
    timeoutMs: number,
    tell: (outcome: DeviceOutcome) => void,
  ): Promise<void> {
    const sockets = await this.namespace.local
      .to([...rooms])
      .except([...except])
      .fetchSockets()
    const connections = sockets.flatMap(({ id }) => this.connections.get(id) ?? [])
    await Promise.all(
      connections.map(async (connection) => {
        const asked = { connectionId: connection.socket.id, deviceId: connection.device.id, answered: false }
        tell(asked) // it is silent unless it answers
        const answered = await this.#requestOne(connection, event, args, timeoutMs)
        if (answered !== undefined) tell({ ...asked, answered: true, ...answered })
      }),
    )
  }

  async #requestOne(connection: Connection<User>, event: string, args: readonly unknown[], timeoutMs: number): Promise<{ answer?: unknown } | undefined> {
    const { older } = connection
    const asked = older === undefined ? { event, args } : older.lower(event, args)
    const outcome = asked && (await connection.request(asked.event, asked.args, timeoutMs))
    if (outcome === undefined) return undefined
    const readable = toReadable(outcome.answer)
    return older === undefined ? readable : { answer: older.raise(event, readable.answer) }
  }

  /** Also those on their way in. */
  async #move({ rooms, except }: Audience, kind: 'join' | 'leave', room: string): Promise<void> {
    const meant = rooms.flatMap((name) => this.connections.inRoomOf(name))
    const kept = meant.filter(({ user, device }) => !except.includes(userRoom(user.userId)) && !except.includes(deviceRoom(device.id)))
    await Promise.all(kept.map((connection) => this.#moveOne(connection, kind, room)))
  }

  async #moveOne(connection: Connection<User>, kind: 'join' | 'leave', room: string): Promise<void> {
    if (!connection.isPresent) connection.moved = new Set(connection.moved).add(room)
    if (kind === 'leave') {
      await connection.leaveAs(room)
      this.presence.exit(room, connection.present)
    } else {
      await connection.socket.join(room)
      await this.feeds.enter(connection, room)
      if (connection.isPresent) this.presence.enter(room, connection.present) // else it enters when it is
    }
    await this.presence.settled(connection.present)
  }
}

/** Every device of the users, also those to come, unless some are left out. @param everywhere has all nodes do it. */
export async function move(
  kind: 'join' | 'leave',
  room: string,
  userIds: readonly string[],
  except: readonly string[],
  presence: PresenceStore,
  everywhere: (audience: Audience, task: Task) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < userIds.length; start += USERS_AT_ONCE) {
    const some = userIds.slice(start, start + USERS_AT_ONCE)
    if (except.length === 0) await (kind === 'join' ? presence.stand(room, some) : presence.unstand(room, some))
    await everywhere({ rooms: some.map(userRoom), except }, { kind, room })
  }
}

/** What a client answers is as little trusted as what it sends. */
function toReadable(answer: unknown): { readonly answer?: unknown } {
  return isOversized(answer) || findNonJson(answer, MAX_DEPTH) !== undefined ? {} : { answer }
}

function noop(): void {}
