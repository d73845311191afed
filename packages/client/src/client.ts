import type { Contract, ContractOf, Manifest, SideOf } from '@org/realtime-contracts'
import {
  CONTROL,
  type ContractMismatch,
  checkTimeout,
  type DeliveryMeta,
  type ErrorNotice,
  fromWireError,
  type MembersNotice,
  type OutdatedNotice,
  type PresenceNotice,
  RealtimeError,
  type Result,
  type RoomAddress,
  type SessionFacts,
} from '@org/realtime-contracts/wire'
import { createAnswers } from './answers.js'
import { type ClientBorder, wireBorder } from './border.js'
import { OUTBOX, type OutboxSeam, repeat } from './commands.js'
import { type Connection, createConnection, onAbort } from './connection.js'
import type { ConnectOptions, RealtimeClient, RealtimeClientOptions } from './interface.js'
import { addTo, createListeners, type Listener } from './listeners.js'
import { createPositions } from './positions.js'
import { createPresence } from './presence.js'
import { control, DEFAULT_TIMEOUT_MS, exchange, type RequestOptions } from './requests.js'
import { createRooms } from './rooms.js'
import { createState } from './state.js'
import { createStream } from './stream.js'

/**
 * Makes the client side of a contract, or of its manifest. It connects on `connect()`.
 * @throws TypeError for options that are missing or wrong.
 */
export function createRealtimeClient<const Source extends Contract | Manifest>(
  source: Source,
  options: RealtimeClientOptions,
): RealtimeClient<ContractOf<Source>, SideOf<Source>> {
  // The implementation knows names and values; the interface gives them the types of this contract.
  return createClient(source, options) as unknown as RealtimeClient<ContractOf<Source>, SideOf<Source>>
}

function createClient(source: Contract | Manifest, options: RealtimeClientOptions) {
  if (!source?.fingerprint) {
    throw new TypeError('createRealtimeClient: expected a contract, or its manifest')
  }
  const border: ClientBorder = 'codec' in source ? source.codec : wireBorder
  const { clientToServer } = border
  const subscribers = new Set<Listener>()
  let session: SessionFacts | undefined

  const listeners = createListeners()
  const { on, tell, callAll, latest } = listeners
  const state = createState(() => callAll(subscribers))
  const positions = createPositions(options?.positions, () => connection)
  const connection: Connection = createConnection(options ?? {}, source, {
    onAuthenticated(wire) {
      if (session?.userId !== wire.userId) latest.clear() // it was another user's
      adopt(wire)
      positions.connected(wire.userId)
      rooms.connected(true)
      watchedRooms.connected(true)
      presence.connected()
      tell('authenticated', session)
    },
    onEvent(event, args, respond) {
      const payload = args[0]
      if (event === 'error') {
        const error = fromWireError(payload, 'INTERNAL', (payload as ErrorNotice | undefined)?.event)
        // The server took this client out.
        if (error.event === CONTROL.join) rooms.forget(error.data as RoomAddress)
        if (error.event === CONTROL.watch) watchedRooms.forget(error.data as RoomAddress)
        tell(event, error)
      } else if (event === '$presence') {
        if ('users' in (payload as object)) presence.change(payload as PresenceNotice)
        else {
          rooms.change(payload as MembersNotice)
          watchedRooms.change(payload as MembersNotice)
        }
      } else if (event === '$gap' || event === '$caughtUp') positions.hold(payload as DeliveryMeta, () => tell(event, payload))
      else if (event[0] === '$') tell(event, payload)
      else answers.receive(event, args, respond)
    },
    since: () => positions.since(),
    onError: (error) => tell('error', error),
    onStatus() {
      if (status() !== 'connected') {
        rooms.connected(false)
        watchedRooms.connected(false)
      }
      if (status() === 'closed') latest.clear()
      const { reason, server } = Object(connection.error()?.data) as Partial<ContractMismatch>
      if (status() === 'refused' && reason === 'too_old') outdated(server, true)
      state.follow(connection)
    },
  })
  const { status, close, deviceId } = connection
  const rooms = createRooms(connection, border, listeners, CONTROL.join, CONTROL.leave, positions.forget)
  const watchedRooms = createRooms(connection, border, listeners, CONTROL.watch, CONTROL.unwatch)
  const presence = createPresence(connection, border, listeners)
  const answers = createAnswers(border.serverToClient, listeners, positions.take)

  function outdated(server: { readonly version: string } | undefined, urgent = false): void {
    const notice: OutdatedNotice = { urgent, clientVersion: source.version, serverVersion: String(server?.version) }
    tell('$outdated', notice)
  }

  /** Only the server of the SDK says it. @throws RealtimeError `INVALID_PAYLOAD` where it does not match the contract. */
  function adopt(wire: unknown): SessionFacts {
    const { success: _, $contract, ...facts } = wire as SessionFacts & { success: true }
    if ($contract) outdated($contract)
    session = border.decodeSession(facts)
    // Where it fails, the server ends the connection in time, and the next one asks for a token again.
    connection.renewBefore(session.expiresInMs, () => {
      reauthenticate().catch((error: unknown) => {
        if (status() === 'connected') tell('error', error)
      })
    })
    return session
  }

  async function reauthenticate(options: RequestOptions = {}): Promise<SessionFacts> {
    const untilMs = Date.now() + checkTimeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS)
    const left = (): number => Math.max(untilMs - Date.now(), 1)
    const token = await connection.token(left(), options.signal)
    return adopt(await control(connection, CONTROL.authenticate, { token }, { ...options, timeoutMs: left() }))
  }

  const encode = (event: string, payload?: unknown): unknown[] => clientToServer.encodeArguments(event, payload)
  const decode = (event: string, answer: unknown): unknown => clientToServer.decodeReply(event, answer)

  const ask: OutboxSeam['ask'] = (event, args, options, owner) =>
    repeat(
      connection,
      event,
      args,
      (answer) => decode(event, answer),
      () => session?.userId,
      options,
      owner,
    )

  async function request(event: string, payload?: unknown, options?: RequestOptions): Promise<unknown> {
    clientToServer.assertAnswered(event)
    const args = encode(event, payload)
    return source.idempotent?.includes(event) ? ask(event, args, options) : decode(event, await exchange(connection, event, args, options))
  }

  const subscribe = (listener: () => void): (() => void) => addTo(subscribers, listener)

  return {
    get status() {
      return status()
    },
    get state() {
      return state.get()
    },
    get session() {
      return session
    },
    deviceId,
    on: (event: string, listener: Listener) => on(event, listener),
    subscribe,
    request,
    reauthenticate,
    join: rooms.join,
    leave: rooms.leave,
    presence: { watch: presence.watch, watchRoom: watchedRooms.join, set: presence.set },
    handle: answers.handle,
    close,
    [OUTBOX]: { idempotent: source.idempotent, encode, ask } satisfies OutboxSeam,

    async connect({ timeoutMs = 20_000, signal }: ConnectOptions = {}) {
      checkTimeout(timeoutMs)
      if (!signal?.aborted) connection.open()
      await connection.ready(timeoutMs, signal, 'UNAVAILABLE')
      return session
    },

    once: (event: string, listener: Listener) => on(event, listener, true),
    latest: (event: string) => latest.get(event),

    events(event: string, { signal }: { signal?: AbortSignal } = {}) {
      const offs: Array<() => void> = []
      const { push, end, iterator } = createStream<unknown>(() => {
        for (const off of offs) off()
      })
      const endClosed = (): void => {
        if (status() === 'closed') end()
      }
      offs.push(on(event, push), subscribe(endClosed))
      offs.push(onAbort(signal, end)) // which ends what is above, where it has aborted already
      endClosed()
      return iterator
    },

    emit(event: string, payload?: unknown) {
      const args = encode(event, payload)
      const sent = options.tracing?.start(event, args, false)
      let failure: string | undefined = 'INTERNAL' // such as a payload that is no JSON
      try {
        failure = connection.send([event, ...(sent?.args ?? args)]) ? undefined : 'NOT_CONNECTED'
      } finally {
        sent?.end(failure)
      }
      if (failure) tell('error', new RealtimeError(failure, undefined, { event }))
    },

    async tryRequest(event: string, payload?: unknown, options?: RequestOptions): Promise<Result> {
      try {
        return { ok: true, data: await request(event, payload, options) }
      } catch (error) {
        if (error instanceof RealtimeError) return { ok: false, error }
        throw error
      }
    },
  }
}
