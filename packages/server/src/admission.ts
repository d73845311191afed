import type { ValueCodec } from '@org/realtime-contracts'
import {
  findNonJson,
  type Handshake,
  isObject,
  MAX_DEPTH,
  type Position,
  parseHandshake,
  RealtimeError,
  type SessionFacts,
  toWireError,
} from '@org/realtime-contracts/wire'
import type { ExtendedError, Socket } from 'socket.io'
import type { Compatibility } from './compatibility.js'
import { Connection, REVOKED } from './connection.js'
import type { Connections } from './connections.js'
import type { Device, Report } from './context.js'
import type { Feeds } from './feeds.js'
import { type AuthenticationRequest, type Authenticator, type BaseUser, fault, identify, type Proof, refusal } from './identity.js'
import { type Limits, Rate, rateLimited } from './limits.js'
import type { PresenceStore } from './presence.js'
import type { Revocations } from './revocation.js'
import { deviceRoom, isContractRoom } from './rooms.js'
import { Slot } from './slot.js'

// On one transport, which a client mostly uses for one; a page that leaves and comes back uses it for a few.
const HANDSHAKES_PER_SECOND = 10
const HANDSHAKES_AT_ONCE = 50

const CHECKS_AT_ONCE = 100

/** Told of a client that was not let in: `error.cause` has the reason, which the client is not told. */
export type RefusalListener = (error: RealtimeError, client: { readonly address: string; readonly origin: string | undefined }) => void

/** A connection on its way in, and what is done where it goes on it. */
interface Admitted<User extends BaseUser> {
  readonly connection: Connection<User>
  remove(): void
}

/** Lets clients in, and lets those that are in prove again who they are. */
export class Admission<User extends BaseUser> {
  readonly #admitted = new Slot<Admitted<User>>()
  // Transports with a handshake under way: one that opens many at once would make each of them cost a check.
  readonly #busy = new Slot<boolean>()
  readonly #handshakes = new Slot<Rate | 'first'>()

  constructor(
    private readonly authenticator: Authenticator<User>,
    private readonly revocations: Revocations,
    private readonly connections: Connections<User>,
    private readonly presence: PresenceStore,
    private readonly feeds: Feeds<User>,
    private readonly compatibility: Compatibility,
    private readonly sessionCodec: ValueCodec | undefined,
    private readonly limits: Limits,
    private readonly rates: ReadonlyMap<string, number>,
    private readonly timeoutMs: number,
    private readonly report: Report,
    private readonly refused: RefusalListener,
  ) {}

  /**
   * Who passes is in the user's room, also for other nodes, before Socket.IO says CONNECT.
   * @returns what to refuse the client with; `undefined` lets it in.
   */
  async admit(socket: Socket): Promise<ExtendedError | undefined> {
    const transport = socket.conn
    if (this.#isTooFast(transport)) {
      const refusal = rateLimited('handshakes', `At most ${HANDSHAKES_PER_SECOND} handshakes in a second on a connection`)
      // Once for a transport: thousands may be in the frame that ended it.
      if (transport.readyState === 'open') this.#tell(refusal, socket)
      transport.close()
      return toConnectError(refusal)
    }
    if (this.#busy.get(transport) === true) {
      const refusal = rateLimited('handshakes', 'One handshake at a time on a connection')
      this.#tell(refusal, socket)
      return toConnectError(refusal)
    }
    this.#busy.set(transport, true)
    try {
      this.#admitted.set(socket, await this.#connect(socket))
      return undefined
    } catch (error) {
      const refusal = this.#toRefusal(error)
      this.#tell(refusal, socket)
      return toConnectError(refusal)
    } finally {
      this.#busy.set(transport, false)
    }
  }

  /** Who is in from now on; the first time that it is asked. */
  admitted(socket: Socket): Connection<User> | undefined {
    const admitted = this.#admitted.get(socket)
    if (admitted === undefined) return undefined
    this.#admitted.set(socket, undefined)
    socket.conn.off('close', admitted.remove)
    return admitted.connection
  }

  /** A new proof of the same user on a live connection. @throws RealtimeError the refusal; `REVOKED` for another user. */
  async renew(payload: unknown, connection: Connection<User>): Promise<SessionFacts> {
    const token = isObject(payload) ? toToken(payload['token']) : undefined
    const proof = await this.#identify(connection.socket, token).catch((error: unknown) => {
      throw this.#toRefusal(error)
    })
    if (proof.user.userId !== connection.user.userId) {
      const reason = 'The new token is for another user'
      setImmediate(() => connection.close({ code: 'REVOKED', reason })) // once the answer is out
      throw new RealtimeError('REVOKED', reason)
    }
    const settle = connection.consider(proof)
    try {
      await this.#refuseRevoked(proof)
    } catch (error) {
      throw this.#toRefusal(error)
    } finally {
      settle()
    }
    return connection.renew(proof)
  }

  /** Closes what was revoked while this node did not hear of the others. */
  async recheckAll(): Promise<void> {
    const connections = this.connections.all()
    const check = async (): Promise<void> => {
      for (let connection = connections.pop(); connection !== undefined; connection = connections.pop()) {
        if (await this.revocations.isRevoked(connection.proof)) connection.close(REVOKED)
      }
    }
    await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, check)).catch((error: unknown) => this.report(error, {}))
  }

  async #connect(socket: Socket): Promise<Admitted<User>> {
    const auth = socket.handshake.auth
    const handshake = parseHandshake(auth['realtime'])
    const proof = await this.#identify(socket, toToken(auth['token']) ?? bearerToken(socket.handshake.headers.authorization))
    const compatible = this.compatibility.check(handshake?.contract) // once it is known who asks
    refuseGone(socket)
    const device: Device = { id: handshake?.device ?? socket.id }
    const connection = new Connection(socket, device, proof, this.sessionCodec, this.limits, this.rates, compatible)
    if (handshake?.features?.includes('meta') === true) connection.since = toOwn(handshake.since, proof)
    this.connections.expect(connection)
    const remove = (): void => {
      this.connections.remove(connection)
      this.presence.remove(connection.present)
    }
    socket.conn.on('close', remove) // one that goes before it is in is not heard to disconnect
    try {
      // Asked once it can be found: what is revoked from here on closes it.
      await this.#refuseRevoked(proof)
      await this.#enter(connection)
      refuseOver(connection)
      return { connection, remove }
    } catch (error) {
      remove()
      socket.conn.off('close', remove)
      throw error
    }
  }

  /** From here on it can be reached from every node. */
  async #enter(connection: Connection<User>): Promise<void> {
    const { socket, device, present } = connection
    try {
      await socket.join(device.id === socket.id ? connection.userRoom : [connection.userRoom, deviceRoom(device.id)])
      refuseOver(connection)
      const [{ standing, replaces }] = await Promise.all([this.presence.add(present), this.feeds.enter(connection, connection.userRoom)])
      connection.isPresent = true
      connection.replaces = replaces
      // What was said of a room meanwhile is newer than what was read.
      const missing = standing.filter((room) => !connection.moved?.has(room))
      if (missing.length > 0) await socket.join(missing)
      const rooms = [...socket.rooms].filter(isContractRoom)
      for (const room of rooms) this.presence.enter(room, present)
      await Promise.all(rooms.map((room) => this.feeds.enter(connection, room)))
      if (rooms.length > 0) await this.presence.settled(present)
    } catch (cause) {
      throw cause instanceof RealtimeError ? cause : new RealtimeError('UNAVAILABLE', 'The server cannot let anybody in now', { cause })
    }
  }

  async #refuseRevoked(proof: Proof<User>): Promise<void> {
    const revoked = await this.revocations.isRevoked(proof).catch((error: unknown) => {
      throw fault(error)
    })
    if (revoked) throw refusal('the token, or all of the user, is revoked')
  }

  #tell(refusal: RealtimeError, { handshake }: Socket): void {
    this.refused(refusal, { address: handshake.address, origin: handshake.headers.origin })
  }

  /** Each handshake costs a check; a transport that goes on asking is ended. Most ask once, and are not counted. */
  #isTooFast(transport: Socket['conn']): boolean {
    const rate = this.#handshakes.get(transport)
    if (rate instanceof Rate) return rate.take() > 0
    this.#handshakes.set(transport, rate === undefined ? 'first' : new Rate(HANDSHAKES_PER_SECOND, HANDSHAKES_AT_ONCE))
    return false
  }

  #identify(socket: Socket, token: string | undefined): Promise<Proof<User>> {
    const { headers, address } = socket.handshake
    const request: AuthenticationRequest = { headers, address, ...(token !== undefined && { token }) }
    return identify(this.authenticator, request, this.timeoutMs)
  }

  /** What the client may know of it; what is a fault of the server is reported. */
  #toRefusal(error: unknown): RealtimeError {
    if (!(error instanceof RealtimeError)) {
      this.report(error, {})
      return new RealtimeError('INTERNAL', 'The server failed to authenticate this')
    }
    if (error.code === 'UNAVAILABLE' || error.cause instanceof TypeError) {
      this.report(error.cause ?? error, {})
    }
    return error
  }
}

/** Positions of who was connected before on the same device are not this user's. */
function toOwn(since: Handshake['since'] = {}, { user }: Proof<BaseUser>): Record<string, Position> {
  return Object.hasOwn(since, `user:${user.userId}`) ? { ...since } : {}
}

/** @throws RealtimeError where it was closed on its way in, or has gone. */
function refuseOver({ ended, socket }: { readonly ended: { readonly code: string; readonly reason: string } | undefined; readonly socket: Socket }): void {
  if (ended !== undefined) throw new RealtimeError(ended.code, ended.reason)
  refuseGone(socket)
}

/** One that is kept after it has gone is kept for ever: its end has been told already. @throws RealtimeError */
function refuseGone(socket: Socket): void {
  if (socket.conn.readyState !== 'open') throw new RealtimeError('DISCONNECTED', 'The client has gone')
}

/** What a client is refused with while the server closes. */
export function unavailable(): ExtendedError {
  return toConnectError(new RealtimeError('UNAVAILABLE', 'The server is closing'))
}

function toConnectError(error: RealtimeError): ExtendedError {
  const { code, message, data } = toWireError(error)
  // Socket.IO encodes it where nothing catches what an application put in there.
  const sendable = data !== undefined && findNonJson(data, MAX_DEPTH) === undefined
  return Object.assign(new Error(message), { data: { code, message, ...(sendable && { data }) } })
}

/** @throws RealtimeError `UNAUTHENTICATED` for what is no text. */
function toToken(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') {
    return undefined
  }
  if (typeof value !== 'string') {
    throw refusal('the token is no text')
  }
  return value
}

function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1]
}
