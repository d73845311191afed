import type {
  Answered,
  Contract,
  PayloadArguments,
  PayloadOf,
  PresenceMeta,
  ReplyOf,
  RequestError,
  RoomId,
  RoomKind,
  ServerEvent,
  Side,
  UserPresence,
} from '@org/realtime-contracts'
import {
  type Context,
  createContext,
  createElement,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useInsertionEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react'
import type {
  ClientEvents,
  ConnectionState,
  EventPayload,
  PresenceWatch,
  RealtimeClient,
  RealtimeError,
  RequestOptions,
  RequestOptionsOf,
  Result,
  Room,
} from '../index.js'
import { type Held, hold } from './hold.js'

/** What a provider takes. */
export interface RealtimeProviderProps<C extends Contract, V extends Side> {
  /** The client that the hooks are of, and no other. */
  readonly client: RealtimeClient<C, V>
  /**
   * Whether the provider connects a client that nobody has connected, and closes it when it unmounts.
   * @default true
   */
  readonly autoConnect?: boolean
  /** The components that use the hooks. */
  readonly children?: ReactNode
}

/** A request of a component: how to send it, and what has become of the last one. */
export interface RequestState<Args extends readonly unknown[], Reply, Failure> {
  /** Sends it. Never rejects: a failure is in what it resolves with, and in `error`. The same function on every render. */
  readonly run: (...args: Args) => Promise<Result<Reply, Failure>>
  /** Whether one is under way. */
  readonly isPending: boolean
  /** What the last one was answered with. */
  readonly data: Reply | undefined
  /** Why the last one failed. */
  readonly error: Failure | undefined
}

/** What `useRoom` gives. */
export interface RoomState {
  /** The ids of the users in the room; `undefined` where the server does not show them, or this client is not in it now. */
  readonly members: readonly string[] | undefined
  /** Whether this client is in the room now. */
  readonly joined: boolean
  /** Why it could not be joined; it is tried again by itself. */
  readonly error: RealtimeError | undefined
}

/** What `usePresence` gives. */
export interface UsersState<Meta> {
  /** Where the users stand, by id; empty until the server has said. */
  readonly users: ReadonlyMap<string, UserPresence<Meta>>
  /** Why they cannot be watched; it is tried again by itself. */
  readonly error: RealtimeError | undefined
}

type Heard<C extends Contract, V extends Side> = ServerEvent<C> | keyof ClientEvents<C, V>

/** The hooks of one client, typed by it. */
export interface RealtimeHooks<C extends Contract, V extends Side> {
  /** Gives the client to the hooks below it; connects it, and closes it at the end. */
  readonly RealtimeProvider: (props: RealtimeProviderProps<C, V>) => ReactNode
  /** The client itself, for what is no hook. */
  readonly useClient: () => RealtimeClient<C, V>
  /** What there is to show of the connection. Before the page is hydrated it is `idle`. */
  readonly useConnection: () => ConnectionState
  /** Calls the listener of the last render with every such event. */
  readonly useEvent: <K extends Heard<C, V>>(event: K, listener: (payload: EventPayload<C, V, K>) => unknown) => void
  /** The last such event since this user connected, also one from before the component was there. */
  readonly useLatest: <K extends Heard<C, V>>(event: K) => EventPayload<C, V, K> | undefined
  /** Sends an event that is answered, and follows what becomes of it. */
  readonly useRequest: <K extends Answered<C['clientToServer']>>(
    event: K,
  ) => RequestState<
    PayloadArguments<PayloadOf<C['clientToServer'][K], V>, RequestOptionsOf<C['clientToServer'][K]>>,
    ReplyOf<C['clientToServer'][K], V>,
    RequestError<C['clientToServer'][K], V>
  >
  /** Is in a room while the component is mounted; the last one to go leaves it. In none while `id` is `null` or `undefined`. */
  readonly useRoom: <K extends RoomKind<C>>(kind: K, id: RoomId<C, K, V> | null | undefined) => RoomState
  /** Watches where users stand while the component is mounted. */
  readonly usePresence: (userIds: readonly string[]) => UsersState<PresenceMeta<C, V>>
}

/**
 * Makes the hooks of one client's type, once, beside it: `createRealtimeHooks<typeof client>()`.
 * A client of another contract, or of the contract where this is of its manifest, does not fit its provider.
 */
export function createRealtimeHooks<Client>(): Client extends RealtimeClient<infer C, infer V> ? RealtimeHooks<C, V> : never {
  // The implementation knows names and values; the interface gives them the types of this client.
  return createHooks() as never
}

/** A client as the implementation sees it: names and values, whatever the contract. */
interface AnyClient extends Pick<RealtimeClient<Contract>, 'status' | 'state' | 'subscribe' | 'connect' | 'close'> {
  on(event: string, listener: Listener): () => void
  latest(event: string): unknown
  tryRequest(event: string, ...args: RequestArguments): Promise<Result<unknown, RealtimeError>>
  join(kind: string, id: unknown, options: RequestOptions): Promise<Room>
  readonly presence: { watch(userIds: readonly string[], options: RequestOptions): Promise<PresenceWatch> }
}

type Listener = (payload: unknown) => unknown
type RequestArguments = [payload?: unknown, options?: RequestOptions]

const NOBODY: ReadonlyMap<string, UserPresence> = new Map()
const ON_THE_SERVER: ConnectionState = { status: 'idle', since: 0, showOffline: false, error: undefined }

interface ProviderProps extends Omit<RealtimeProviderProps<Contract, Side>, 'client'> {
  readonly client: AnyClient
}

/** The context is of one call, so that hooks of two contracts, in one tree, find each its own client. */
function createHooks() {
  const ClientContext = createContext<AnyClient | undefined>(undefined)
  // biome-ignore lint/correctness/noComponentHookFactories: called once for a client, beside it, as createContext is
  const useClient = (): AnyClient => useClientOf(ClientContext)
  return {
    // biome-ignore lint/correctness/noComponentHookFactories: as above
    RealtimeProvider: ({ client, autoConnect = true, children }: ProviderProps): ReactNode => {
      useConnecting(client, autoConnect)
      return createElement(ClientContext.Provider, { value: client }, children)
    },
    useClient,
    useConnection: () => useConnection(useClient()),
    useEvent: (event: string, listener: Listener) => useEvent(useClient(), event, listener),
    useLatest: (event: string) => useLatest(useClient(), event),
    useRequest: (event: string) => useRequest(useClient(), event),
    useRoom: (kind: string, id: unknown) => useRoom(useClient(), kind, id),
    usePresence: (userIds: readonly string[]) => usePresence(useClient(), userIds),
  }
}

function useClientOf(context: Context<AnyClient | undefined>): AnyClient {
  const client = useContext(context)
  if (client === undefined) {
    throw new TypeError('There is no <RealtimeProvider client={…}> above this component, or it is of another createRealtimeHooks()')
  }
  return client
}

function useConnection(client: AnyClient): ConnectionState {
  return useSyncExternalStore(
    client.subscribe,
    () => client.state,
    () => ON_THE_SERVER,
  )
}

function useEvent(client: AnyClient, event: string, listener: Listener): void {
  const last = useLast(listener)
  useEffect(() => client.on(event, (payload) => last.current(payload)), [client, event, last])
}

function useLatest(client: AnyClient, event: string): unknown {
  const subscribe = useCallback(
    (changed: () => void) => {
      const offs = [client.on(event, changed), client.subscribe(changed)] // it is forgotten with the connection
      return () => {
        for (const off of offs) off()
      }
    },
    [client, event],
  )
  return useSyncExternalStore(subscribe, () => client.latest(event), nothing)
}

function useRequest(client: AnyClient, event: string): RequestState<RequestArguments, unknown, RealtimeError> {
  const [{ pending, data, error }, set] = useState<Requested>({ pending: 0 })
  const last = useRef(0)
  const run = useCallback(
    async (...args: RequestArguments) => {
      const mine = ++last.current
      let outcome: Omit<Requested, 'pending'> = {}
      set((state) => ({ ...state, pending: state.pending + 1 }))
      try {
        const result = await client.tryRequest(event, ...args)
        outcome = result.ok ? { data: result.data } : { error: result.error }
        return result
      } finally {
        set((state) => ({ ...(mine === last.current ? outcome : state), pending: state.pending - 1 }))
      }
    },
    [client, event],
  )
  return { run, isPending: pending > 0, data, error }
}

function useRoom(client: AnyClient, kind: string, id: unknown): RoomState {
  const { handle: room, error } = useHeld<Room>(
    client,
    id === null || id === undefined ? undefined : JSON.stringify([kind, id]),
    (options) => client.join(kind, id, options),
    (held) => held.leave(),
  )
  const subscribe = useSubscribe(room)
  const members = useSyncExternalStore(subscribe, () => room?.members, nothing)
  const joined = useSyncExternalStore(subscribe, () => room?.joined, nothing)
  return { members, joined: joined === true, error }
}

function usePresence(client: AnyClient, userIds: readonly string[]): UsersState<unknown> {
  const ids = [...new Set(userIds)].sort()
  const { handle: watch, error } = useHeld<PresenceWatch>(
    client,
    ids.length === 0 ? undefined : JSON.stringify(ids),
    (options) => client.presence.watch(ids, options),
    (held) => held.stop(),
  )
  const users = useSyncExternalStore(useSubscribe(watch), () => watch?.users, nothing)
  return { users: users ?? NOBODY, error }
}

function nothing(): undefined {}

interface Requested {
  readonly pending: number
  readonly data?: unknown
  readonly error?: RealtimeError
}

/** Connects a client that nobody has, and closes it again; not in between, where an effect is only run twice. */
function useConnecting(client: AnyClient, autoConnect: boolean): void {
  const closing = useRef<{ readonly client: AnyClient; readonly timer: ReturnType<typeof setTimeout> }>(undefined)
  useEffect(() => {
    if (!autoConnect) return
    const isOurs = closing.current?.client === client
    if (isOurs) clearTimeout(closing.current?.timer)
    else if (client.status === 'connecting' || client.status === 'connected' || client.status === 'reconnecting') return
    closing.current = undefined
    client.connect().catch(() => {}) // it is in the client's state
    return () => {
      closing.current = { client, timer: setTimeout(() => client.close()) }
    }
  }, [client, autoConnect])
}

/** What the last render was given, for what is called between renders. */
function useLast<T>(value: T): { readonly current: T } {
  const last = useRef(value)
  useInsertionEffect(() => {
    last.current = value
  })
  return last
}

/** Holds something while a component is mounted, and something else when the key changes; nothing without a key. */
function useHeld<T>(
  client: AnyClient,
  key: string | undefined,
  acquire: (options: RequestOptions) => Promise<T>,
  release: (handle: T) => Promise<void>,
): Held<T> {
  const [held, set] = useState<Held<T> & { readonly key?: string; readonly client?: AnyClient }>({})
  const last = useLast({ acquire, release })
  useEffect(() => {
    if (key === undefined) return
    const { acquire: acquireNow, release: releaseNow } = last.current
    return hold(client, acquireNow, releaseNow, (told) => set({ ...told, key, client }))
  }, [client, key, last])
  return key !== undefined && held.key === key && held.client === client ? held : NOT_HELD
}

const NOT_HELD = {}
const noSubscription = (): void => {}

function useSubscribe(handle: { subscribe(listener: () => void): () => void } | undefined): (listener: () => void) => () => void {
  return useCallback((listener: () => void) => handle?.subscribe(listener) ?? noSubscription, [handle])
}
