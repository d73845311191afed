import { findNonJson, MAX_DEPTH } from '@org/realtime-contracts/wire'
import type { Namespace } from 'socket.io'
import type { Audience, ClusterNode } from './cluster.js'
import type { Connection, Connections } from './connection.js'
import type { BaseUser } from './identity.js'
import { isOversized } from './parser.js'
import type { PresenceStore } from './presence.js'
import { isMeant, type Revoked } from './revocation.js'
import { deviceRoom, userRoom } from './rooms.js'

/** What one device made of a request, as nodes tell each other; without `answer`, it was silent. */
export interface DeviceOutcome {
  readonly deviceId: string
  readonly answered: boolean
  readonly answer?: unknown
}

/** What is done on every node that it concerns. */
type Task =
  | { readonly kind: 'request'; readonly event: string; readonly args: readonly unknown[]; readonly timeoutMs: number }
  | { readonly kind: 'join' | 'leave'; readonly room: string; readonly userIds: readonly string[] }
  | { readonly kind: 'disconnect'; readonly userId: string; readonly deviceId?: string | undefined; readonly reason: string }
  | { readonly kind: 'revoke'; readonly revoked: Revoked }

const EVERYBODY: Audience = { rooms: [], except: [] }
export const TASK_MS = 1_000
// An answer from another node must be here before the caller gives up.
const WAY_MS = 20
const REVOKED = { code: 'REVOKED', reason: 'What was proved at the handshake has been revoked' }

/** Does things to the connections of all nodes: here, and on the others where there are any. */
export class Peers<User extends BaseUser> {
  constructor(
    private readonly namespace: Namespace,
    private readonly connections: Connections<User>,
    private readonly presence: PresenceStore,
    private readonly node: ClusterNode | undefined,
    private readonly report: (error: unknown) => void,
  ) {
    node?.start((audience, task) => this.#perform(audience, task as Task).catch(report)) // only nodes ask
  }

  emit({ rooms, except }: Audience, event: string, args: readonly unknown[]): void {
    this.namespace
      .to([...rooms])
      .except([...except])
      .emit(event, ...args)
  }

  /** Asks every device of the audience. */
  async request(audience: Audience, event: string, args: readonly unknown[], timeoutMs: number): Promise<DeviceOutcome[]> {
    const task: Task = { kind: 'request', event, args, timeoutMs }
    const elsewhere = { ...task, timeoutMs: Math.max(timeoutMs - WAY_MS, timeoutMs / 2) }
    const [own, others] = await Promise.all([
      this.#perform(audience, task),
      this.node?.ask(audience, elsewhere, timeoutMs).catch((error: unknown) => {
        this.report(error) // those here are asked all the same
        return []
      }),
    ])
    return [own, ...(others ?? [])].flat() as DeviceOutcome[] // what #perform gives for a request
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

  async #everywhere(audience: Audience, task: Task): Promise<void> {
    await Promise.all([this.#perform(audience, task), this.node?.ask(audience, task, TASK_MS)])
  }

  async #perform(audience: Audience, task: Task): Promise<unknown> {
    switch (task.kind) {
      case 'request':
        return this.#request(audience, task.event, task.args, task.timeoutMs)
      case 'join':
      case 'leave':
        return this.#move(audience, task.kind, task.room, task.userIds)
      case 'disconnect':
        for (const connection of this.connections.of(task.userId, task.deviceId)) connection.close({ code: 'DISCONNECTED', reason: task.reason })
        return undefined
      case 'revoke':
        for (const connection of this.connections.those((each) => each.isProvedBy((proof) => isMeant(task.revoked, proof)))) connection.close(REVOKED)
        return undefined
    }
  }

  async #request({ rooms, except }: Audience, event: string, args: readonly unknown[], timeoutMs: number): Promise<DeviceOutcome[]> {
    const sockets = await this.namespace.local
      .to([...rooms])
      .except([...except])
      .fetchSockets()
    const connections = sockets.flatMap(({ id }) => this.connections.get(id) ?? [])
    return Promise.all(connections.map(async (connection) => toOutcome(connection.device.id, await connection.request(event, args, timeoutMs))))
  }

  /** Also those on their way in. */
  async #move({ rooms, except }: Audience, kind: 'join' | 'leave', room: string, userIds: readonly string[]): Promise<void> {
    const meant = userIds.filter((userId) => rooms.includes(userRoom(userId))).flatMap((userId) => this.connections.of(userId))
    const kept = meant.filter(({ user, device }) => !except.includes(userRoom(user.userId)) && !except.includes(deviceRoom(device.id)))
    await Promise.all(kept.map((connection) => this.#moveOne(connection, kind, room)))
  }

  async #moveOne(connection: Connection<User>, kind: 'join' | 'leave', room: string): Promise<void> {
    if (kind === 'leave') {
      await connection.leaveAs(room)
    } else {
      await connection.socket.join(room)
      this.presence.enter(room, connection.present)
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
  if (userIds.length === 0) return
  if (except.length === 0) await (kind === 'join' ? presence.stand(room, userIds) : presence.unstand(room, userIds))
  await everywhere({ rooms: userIds.map(userRoom), except }, { kind, room, userIds })
}

/** What a client answers is as little trusted as what it sends. */
function toOutcome(deviceId: string, outcome: { readonly answer: unknown } | undefined): DeviceOutcome {
  if (outcome === undefined) return { deviceId, answered: false }
  const isReadable = !isOversized(outcome.answer) && findNonJson(outcome.answer, MAX_DEPTH) === undefined
  return { deviceId, answered: true, ...(isReadable && { answer: outcome.answer }) }
}
