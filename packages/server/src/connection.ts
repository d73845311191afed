import type { ValueCodec } from '@org/realtime-contracts'
import { type DisconnectNotice, describeIssues, type Position, RealtimeError, type SessionFacts, type WireError } from '@org/realtime-contracts/wire'
import type { Socket } from 'socket.io'
import type { Compatible } from './compatibility.js'
import type { Device, Sender } from './context.js'
import type { BaseUser, Proof } from './identity.js'
import { Allowance, type Limits, rateLimited, roomChanges } from './limits.js'
import { type OlderVersion, olderVersions } from './older.js'
import type { PresentConnection } from './presence.js'
import { type Room, userRoom } from './rooms.js'
import { releaseAll } from './shortcut.js'
import { atMost } from './time.js'
import { endWithin } from './transport.js'

// Long enough for a slow client to read why; a silent one is not waited for.
const CLOSE_MS = 5_000
const ABUSE_RETRY_MS = 10_000
// For a client to confirm that it has been told; a stock client does not.
const CONFIRM_MS = 500
/** A connection whose proof does not count any more. */
export const REVOKED: CloseReason = { code: 'REVOKED', reason: 'What was proved at the handshake has been revoked' }
/** A connection whose device has connected again. */
export const REPLACED: CloseReason = { code: 'REPLACED', reason: 'The same device has connected again' }
const noop = (): void => {}

/** Why a connection ends, as the client is told. */
export interface CloseReason extends DisconnectNotice {
  /** Whether the client may dial again by itself; stock clients do so only where the transport breaks. */
  readonly mayReturn?: boolean
}

/** One client that was let in: who it is, the rooms it joined, and the requests it still owes an answer to. */
export class Connection<User extends BaseUser> implements Sender<User> {
  #proof: Proof<User>
  #candidate: Proof<User> | undefined
  #open = false
  /** Whether presence has it, so that it can be in rooms. */
  isPresent = false
  /** Whether the same device has an older connection to another node. */
  replaces = false
  /** Rooms that the server has put it into, or taken it out of, while it is on its way in. */
  moved: Set<string> | undefined
  #ended: CloseReason | undefined
  /** Where the device is in logs of durable events, by log; `undefined` for a client that does not keep such places. */
  since: Record<string, Position> | undefined
  /** It gets the answers it waits for, and no others. */
  isDraining = false
  /** As presence keeps it: this, until its device says something about itself. */
  present: PresentConnection = this
  /** What the client is told about itself, as it goes over the wire; until it is told. */
  #session: SessionFacts | undefined
  #lastTurn: Promise<void> | undefined
  #turns = 0
  // Most connections are idle: what they may never need is made when they do.
  #allowance: Allowance | undefined
  #rooms: Map<string, Room> | undefined
  #pending: Set<() => void> | undefined

  /** The room of its user, on every node. */
  readonly userRoom: string

  /** @throws TypeError where the user does not have the session fields that the contract promises. */
  constructor(
    readonly socket: Socket,
    readonly device: Device,
    proof: Proof<User>,
    private readonly sessionCodec: ValueCodec | undefined,
    private readonly limits: Limits,
    private readonly rates: ReadonlyMap<string, number>,
    private readonly compatible: Compatible,
  ) {
    const { older } = compatible
    if (older !== undefined) olderVersions.set(socket, older)
    this.#session = toSession(proof, device, sessionCodec, compatible)
    this.#proof = proof
    this.userRoom = userRoom(proof.user.userId)
  }

  /** What it has left of its limits. */
  get allowance(): Allowance {
    this.#allowance ??= new Allowance(this.limits, this.older?.rates(this.rates) ?? this.rates, () =>
      this.close({ code: 'RATE_LIMITED', reason: 'It went on beyond the limits after having been told', retryAfterMs: ABUSE_RETRY_MS }),
    )
    return this.#allowance
  }

  get proof(): Proof<User> {
    return this.#proof
  }

  get older(): OlderVersion | undefined {
    return this.compatible.older
  }

  get user(): User {
    return this.#proof.user
  }

  get expiresAtMs(): number | undefined {
    return this.#proof.expiresAtMs
  }

  get id(): string {
    return this.socket.id
  }

  get userId(): string {
    return this.#proof.user.userId
  }

  /** What the client is told when it is in, which happens once. */
  takeSession(): SessionFacts | undefined {
    const session = this.#session
    this.#session = undefined
    return session
  }

  /** A new proof of the same user. @returns what the client is told. @throws TypeError as the constructor; then nothing is changed. */
  renew(proof: Proof<User>): SessionFacts {
    const session = toSession(proof, this.device, this.sessionCodec, this.compatible)
    this.#proof = proof
    return session
  }

  /** Whether that is what it was let in by, or is about to go on by. */
  isProvedBy(test: (proof: Proof<User>) => boolean): boolean {
    return test(this.#proof) || (this.#candidate !== undefined && test(this.#candidate))
  }

  /** A new proof is looked at: what is revoked meanwhile finds it. @returns a function that ends that. */
  consider(candidate: Proof<User>): () => void {
    this.#candidate = candidate
    return () => {
      this.#candidate = undefined
    }
  }

  /** Why it was closed; before the client was told that it is in, nobody lets it in then. */
  get ended(): CloseReason | undefined {
    return this.#ended
  }

  /** It is in, unless it was closed on its way. */
  open(): void {
    this.#open = true
    if (this.#ended !== undefined) this.close(this.#ended)
  }

  /**
   * Joining, leaving and proving who one is come one after the other, so that none is decided by what another has changed.
   * @throws RealtimeError `RATE_LIMITED` where too many wait already; `DISCONNECTED` for a turn that comes too late.
   */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const maxTurns = roomChanges(this.limits)
    if (this.#turns >= maxTurns) {
      throw rateLimited('pendingReplies', `At most ${maxTurns} of $join, $leave and $authenticate at a time`)
    }
    this.#turns++
    const before = this.#lastTurn ?? Promise.resolve()
    const turn = before.then(() => {
      if (!this.socket.connected) throw new RealtimeError('DISCONNECTED', 'The client has gone')
      return work()
    })
    this.#lastTurn = turn.then(noop, noop)
    return turn.finally(() => {
      this.#turns--
    })
  }

  joined(): Room[] {
    return [...(this.#rooms?.values() ?? [])]
  }

  isIn(room: Room): boolean {
    return this.#rooms?.has(room.name) === true
  }

  async join(room: Room): Promise<void> {
    this.#rooms ??= new Map()
    this.#rooms.set(room.name, room)
    await this.socket.join(room.name)
  }

  async leave(room: Room): Promise<void> {
    await this.leaveAs(room.name)
  }

  async leaveAs(name: string): Promise<void> {
    this.#rooms?.delete(name)
    await this.socket.leave(name)
  }

  sendError(error: WireError, event: string): void {
    this.socket.emit('error', { ...error, event })
  }

  /**
   * Tells the client why, and ends the connection once the client has had its answers, or the time is over. A client of the SDK
   * confirms what it is told, and sends nothing after that; of others nobody knows what is under way.
   */
  async drain(why: CloseReason, untilMs: number): Promise<void> {
    if (!this.#open || !this.socket.connected) return
    const { mayReturn: _, ...notice } = why
    await this.request('$disconnect', [notice], clamp(untilMs - Date.now(), CONFIRM_MS))
    this.isDraining = true
    await atMost(untilMs - Date.now(), this.allowance.idle())
    if (this.socket.connected) this.#end(why)
  }

  /** It has gone: nobody waits for its answers any more. */
  gone(): void {
    for (const settle of this.#pending ?? []) settle()
  }

  /** Tells the client why, and ends the connection. */
  close(why: CloseReason): void {
    if (!this.#open) {
      this.#ended = why
      return
    }
    const { mayReturn: _, ...notice } = why
    this.socket.emit('$disconnect', notice)
    this.#end(why)
  }

  #end(why: CloseReason): void {
    const { mayReturn = false } = why
    this.#ended ??= why
    releaseAll()
    endWithin(CLOSE_MS, this.socket.conn)
    if (mayReturn) {
      this.socket.conn.close() // to a client this is a broken transport, which it mends by dialling again
    } else {
      this.socket.disconnect(true)
    }
  }

  /** Sends a request and resolves with what the client answers; `undefined` where it stays silent, or goes. */
  request(event: string, args: readonly unknown[], timeoutMs: number): Promise<{ readonly answer: unknown } | undefined> {
    return new Promise((resolve) => {
      const acknowledge = (answer: unknown): void => settle({ answer })
      const goneAway = (): void => {
        forget(this.socket, id, acknowledge)
        settle()
      }
      const timer = setTimeout(goneAway, timeoutMs)
      const settle = (outcome?: { answer: unknown }): void => {
        clearTimeout(timer)
        this.#pending?.delete(goneAway)
        resolve(outcome)
      }
      this.#pending ??= new Set()
      this.#pending.add(goneAway)
      const id = this.socket.nsp._ids // the next acknowledgement's
      this.socket.emit(event, ...args, acknowledge)
    })
  }
}

function clamp(ms: number, mostMs: number): number {
  return Math.min(Math.max(ms, 1), mostMs)
}

/** Socket.IO keeps an acknowledgement until it is answered; one that nobody waits for is taken out. */
function forget(socket: Socket, id: number, acknowledge: unknown): void {
  const acknowledgements: unknown = Reflect.get(socket, 'acks')
  if (acknowledgements instanceof Map && acknowledgements.get(id) === acknowledge) acknowledgements.delete(id)
}

function toSession<User extends BaseUser>(
  { user, expiresAtMs }: Proof<User>,
  device: Device,
  codec: ValueCodec | undefined,
  { newerVersion, older }: Compatible,
): SessionFacts & { readonly success: true } {
  const fields = codec?.encode(user) ?? { ok: true, value: {} }
  if (!fields.ok) {
    throw new TypeError(`The authenticated user does not have the session fields of the contract: ${describeIssues(fields.issues)}`)
  }
  return {
    ...((older === undefined ? fields.value : older.session(fields.value)) as object), // a session is an object: the contract has made sure
    success: true,
    userId: user.userId,
    ...(typeof user.email === 'string' && { email: user.email }),
    deviceId: device.id,
    ...(expiresAtMs !== undefined && { expiresInMs: Math.max(0, Math.round(expiresAtMs - Date.now())) }),
    ...(newerVersion !== undefined && { $contract: { version: newerVersion } }),
  }
}
