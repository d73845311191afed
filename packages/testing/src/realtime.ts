import type { RealtimeClient } from '@org/realtime-client'
import type { Contract, ContractOf, Manifest, SessionFields, Side, SideOf } from '@org/realtime-contracts'
import { checkTimeout } from '@org/realtime-contracts/wire'
import { type BaseUser, createRealtimeServer, type RealtimeServer, type RealtimeServerOptions } from '@org/realtime-server'
import { createMember, type Member, type TestClient, type TestClientOptions } from './client.js'
import { Failure } from './failure.js'
import { Host } from './host.js'
import { type Recorder, Recording } from './recorder.js'
import { comeToRest, holds } from './rest.js'
import { KnownTokens, type TestTokens, type TokenUser } from './tokens.js'

/** What any server of a test takes. */
export interface TestOptions {
  /** How long `expectEvent` and the like wait, in milliseconds. @default 3_000 */
  readonly timeoutMs?: number
  /** What clients connect over, as in their own option. @default ['websocket'] */
  readonly transports?: ReadonlyArray<'polling' | 'websocket'>
}

/** The options of `createRealtimeServer`, and what makes it the application's. */
export interface OwnServerOptions<C extends Contract, User extends BaseUser & SessionFields<C>>
  extends TestOptions,
    Omit<RealtimeServerOptions<C, User>, 'authenticate' | 'transports'> {
  /** Registers the application's handlers and middleware; called again after `restart()`. */
  readonly setup?: (realtime: RealtimeServer<C, User>) => unknown
}

/** What `createTestRealtime.around` takes. */
export interface AroundOptions<Who, Tokens extends TestTokens<Who>> extends TestOptions {
  /** What clients show, such as `testTokens({ secret })`. @default each client is given its `token` */
  readonly tokens?: Tokens & TestTokens<Who>
  /** The server's option of the same name. @default '/' */
  readonly namespace?: string
  /** Whether `close()` closes the server, too. @default true */
  readonly closeServer?: boolean
}

/** How a user is named: by the id alone, where that is all a user must have. */
export type WhoOf<User extends BaseUser> = BaseUser extends User ? string | User : User

/** A server on a free port of this machine, and clients of it, until it is closed. */
export interface TestRealtime<C extends Contract, User extends BaseUser, Who, Tokens = TestTokens<Who>> {
  /** Where the server is, for clients of your own. */
  readonly url: string
  /** The server. @throws Error while it is stopped. */
  readonly realtime: RealtimeServer<C, User>
  /** Makes the tokens of clients, good ones and others. */
  readonly tokens: Tokens
  /**
   * A connected client for a user; each call is another device.
   * @throws RealtimeError what the server refuses it with.
   */
  connect<const Source extends Contract | Manifest = C>(
    who: Who,
    options?: TestClientOptions & { readonly source?: Source },
  ): Promise<TestClient<ContractOf<Source>, SideOf<Source>>>
  /** As `connect`, but not connected yet. `source`: the manifest, or the contract of an older version. @default the contract of the test */
  client<const Source extends Contract | Manifest = C>(
    who: Who,
    options?: TestClientOptions & { readonly source?: Source },
  ): TestClient<ContractOf<Source>, SideOf<Source>>
  /** Records what a client hears from now on that the application has made itself. */
  record<Of extends Contract, V extends Side>(client: RealtimeClient<Of, V>): Recorder<Of, V>
  /** Resolves once no handler is at work, and nothing on its way to or from the clients of this test. @throws Error after the timeout. */
  settled(options?: { readonly timeoutMs?: number }): Promise<void>
  /**
   * Ends a client's token now: the server closes the connection with `TOKEN_EXPIRED`, as it does once the time has come. Resolves when the client
   * knows; it asks for another token and dials again, for which `await client.connect()` waits.
   */
  expire(client: Pick<RealtimeClient<Contract, Side>, 'status' | 'session' | 'deviceId' | 'subscribe'>): Promise<void>
  /** Stops the server. Clients are told, unless it is to `crash`, and dial until it is up again. Resolves when they know. */
  stop(options?: { readonly crash?: boolean }): Promise<void>
  /** Makes a new server, set up as the first one, at the same address. What the last one kept in memory is gone. */
  start(): Promise<void>
  /** `stop` and `start`. */
  restart(options?: { readonly crash?: boolean }): Promise<void>
  /** Ends the clients and the server; it can be called again. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

interface Fault {
  readonly error: unknown
  readonly event?: string
  readonly userId?: string
}

/** With what reached the server's `onError`. */
export interface OwnTestRealtime<C extends Contract, User extends BaseUser, Who, Tokens = TestTokens<Who>> extends TestRealtime<C, User, Who, Tokens> {
  /** What went wrong in the server, as `onError` is told; also a process warning, where there is no `onError`. */
  readonly errors: readonly Fault[]
}

const DEFAULT_TIMEOUT_MS = 3_000
const END_MS = 1_000

/**
 * A server of the contract with the application's handlers, on a free port, and clients for anybody.
 * Users go offline at once (`presence.graceMs` is 0), unless the options say otherwise.
 * @throws TypeError for options that are missing or wrong; what `setup` throws.
 */
function create<const C extends Contract, User extends BaseUser & SessionFields<C> = BaseUser & SessionFields<C>>(
  contract: C,
  options: OwnServerOptions<C, User> & {
    /** Makes a user of an id, so that clients can be made for ids where a user must have more. */
    readonly user: (userId: string) => User
  },
): Promise<OwnTestRealtime<C, User, string | User>>
/** As above, with the application's own way to authenticate, and tokens that it takes. */
function create<const C extends Contract, User extends BaseUser & SessionFields<C>, Who, Tokens extends TestTokens<Who>>(
  contract: C,
  options: OwnServerOptions<C, User> & {
    /** The application's own, such as `jwt({ secret, … })`, with `tokens` that it takes. */
    readonly authenticate: RealtimeServerOptions<C, User>['authenticate']
    readonly tokens: Tokens & TestTokens<Who>
  },
): Promise<OwnTestRealtime<C, User, Who, Tokens>>
/** As above, for users who are named as a whole, or by an id where they need no more. */
function create<const C extends Contract, User extends BaseUser & SessionFields<C> = BaseUser & SessionFields<C>>(
  contract: C,
  options?: OwnServerOptions<C, User>,
): Promise<OwnTestRealtime<C, User, WhoOf<User>>>
async function create(contract: Contract, options: AnyOwnOptions = {}): Promise<OwnTestRealtime<Contract, BaseUser, never>> {
  const { setup, user, tokens, authenticate, timeoutMs, transports, onError = warn, presence, ...rest } = options
  if ((tokens === undefined) !== (authenticate === undefined)) {
    throw new TypeError('createTestRealtime: authenticate and tokens belong together: give both, or neither')
  }
  const known = new KnownTokens(user ?? ((userId): BaseUser => ({ userId })))
  const errors: Fault[] = []
  async function make(): Promise<RealtimeServer<Contract>> {
    const realtime = createRealtimeServer<Contract, BaseUser>(contract, {
      authenticate: authenticate ?? known.authenticate,
      presence: { graceMs: 0, ...presence },
      ...(transports && { transports }),
      ...rest,
      onError(error, context) {
        errors.push({ error, ...context })
        return onError(error, context)
      },
    })
    try {
      await setup?.(realtime)
    } catch (error) {
      await realtime.close({ drainMs: 0 })
      throw error
    }
    return realtime
  }
  const host = new Host(make, { namespace: rest.namespace ?? '/', isFactory: true, closes: true })
  return Object.assign(await open(host, { ...(timeoutMs !== undefined && { timeoutMs }), ...(transports && { transports }), tokens: tokens ?? known }), {
    errors,
  })
}

/**
 * Clients for anybody of a server that the application has made, which listens on a free port unless it does already.
 * Given a function that makes the server, the test can also stop and restart it.
 * @throws TypeError for what is no server of `createRealtimeServer`.
 */
async function around<C extends Contract, User extends BaseUser, Who = TokenUser, Tokens extends TestTokens<Who> = TestTokens<Who>>(
  server: RealtimeServer<C, User> | (() => RealtimeServer<C, User> | Promise<RealtimeServer<C, User>>),
  { namespace = '/', closeServer = true, ...options }: AroundOptions<Who, Tokens> = {},
): Promise<TestRealtime<C, User, Who, Tokens>> {
  const isFactory = typeof server === 'function'
  const host = new Host(isFactory ? server : () => server, { namespace, isFactory, closes: closeServer })
  // What it is typed by are its contract and its tokens.
  return (await open(host as never, options)) as unknown as TestRealtime<C, User, Who, Tokens>
}

/** A realtime server and clients of it, over real sockets, for one test or several. */
export const createTestRealtime = Object.assign(create, { around })

type AnyOwnOptions = OwnServerOptions<Contract, BaseUser> & {
  readonly user?: (userId: string) => BaseUser
  readonly authenticate?: RealtimeServerOptions<Contract, BaseUser>['authenticate']
  readonly tokens?: TestTokens<never>
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? (error.stack ?? error.message) : String(error), { type: 'RealtimeServerError' })
}

interface OpenOptions extends TestOptions {
  readonly tokens?: TestTokens<never>
}

async function open(
  host: Host<Contract, BaseUser>,
  { timeoutMs = DEFAULT_TIMEOUT_MS, transports = ['websocket'], tokens }: OpenOptions,
): Promise<TestRealtime<Contract, BaseUser, never>> {
  checkTimeout(timeoutMs)
  try {
    await host.start()
  } catch (error) {
    await host.close()
    throw error
  }
  // The implementation knows names and values; the interface gives them the types of this contract.
  return new Kit(host, timeoutMs, transports, tokens) as unknown as TestRealtime<Contract, BaseUser, never>
}

type AnyClient = Pick<RealtimeClient<Contract, Side>, 'status' | 'session' | 'deviceId' | 'subscribe'>

class Kit {
  readonly #members = new Set<Member>()
  readonly #records = new Set<Recording>()
  #closing: Promise<void> | undefined

  constructor(
    private readonly host: Host<Contract, BaseUser>,
    private readonly timeoutMs: number,
    private readonly transports: ReadonlyArray<'polling' | 'websocket'>,
    private readonly issuer: TestTokens<never> | undefined,
  ) {}

  get url(): string {
    return this.host.url
  }

  get realtime(): RealtimeServer<Contract, BaseUser> {
    return this.host.realtime
  }

  get tokens(): TestTokens<never> {
    if (this.issuer === undefined) {
      throw new TypeError('createTestRealtime.around was given no tokens: testTokens({ secret }) signs those of jwt(); or give each client its token')
    }
    return this.issuer
  }

  async connect(who: never, options?: TestClientOptions): Promise<TestClient<Contract, Side>> {
    const client = this.client(who, options)
    try {
      await client.connect()
    } catch (error) {
      client.close() // it would go on dialling, out of reach
      throw error
    }
    return client
  }

  client(
    who: never,
    { source = this.host.contract, ...options }: TestClientOptions & { readonly source?: Contract | Manifest } = {},
  ): TestClient<Contract, Side> {
    if (this.#closing !== undefined) throw new Error('This test realtime is closed')
    if (options.token === undefined) void this.tokens // says what is missing before anything is dialled
    const member = createMember(source, options, {
      url: this.url,
      path: this.host.path,
      transports: this.transports,
      timeoutMs: this.timeoutMs,
      events: this.#eventsOf(source),
      freshToken: () => this.tokens.for(who),
      gone: (sids) => this.host.gone(sids),
      settled: (timeoutMs) => this.settled({ timeoutMs }),
    })
    this.#members.add(member)
    return member.client
  }

  record(client: RealtimeClient<Contract, Side>): Pick<Recording, 'expectEvent' | 'received'> {
    const record = new Recording(client, this.#eventsOf(this.host.contract), this.timeoutMs)
    this.#records.add(record)
    const recorder: Pick<Recording, 'expectEvent' | 'received'> = {
      expectEvent: (event, match, options) => record.expectEvent(event, match, options, new Failure(recorder.expectEvent)),
      received: (event) => record.received(event),
    }
    return recorder
  }

  async settled({ timeoutMs = this.timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<void> {
    const lines = (): Member['line'][] => [...this.#members].map(({ line }) => line)
    await comeToRest(this.host, lines, checkTimeout(timeoutMs))
  }

  async expire(client: AnyClient): Promise<void> {
    const { session, deviceId } = client
    if (client.status !== 'connected' || session === undefined) {
      throw new Error(`expire: the client is ${client.status}, so that it has no token that the server could end; await client.connect() first`)
    }
    const told = statusChange(client, this.timeoutMs)
    this.host.expire(session.userId, deviceId)
    await told
  }

  async stop({ crash = false }: { readonly crash?: boolean } = {}): Promise<void> {
    await this.host.stop(crash)
    const isConnected = ({ client, line }: Member): boolean => client.status === 'connected' && !line.isStalled('toClient')
    await holds(() => ![...this.#members].some(isConnected), this.timeoutMs)
  }

  start(): Promise<void> {
    return this.host.start()
  }

  async restart(options?: { readonly crash?: boolean }): Promise<void> {
    await this.stop(options)
    await this.start()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    for (const record of this.#records) record.end()
    const members = [...this.#members]
    const sids = members.flatMap(({ line }) => line.sids())
    for (const member of members) member.close()
    await holds(() => !sids.some((sid) => this.host.traffic(sid)), END_MS)
    await this.host.close()
    for (const { line } of members) line.cut() // what did not end by itself
  }

  #eventsOf(source: Contract | Manifest): string[] {
    return Object.keys(('serverToClient' in source ? source : this.host.contract).serverToClient)
  }
}

/** Resolves at the next change of a client's status. @throws Error where there is none in that time. */
function statusChange({ subscribe, deviceId }: AnyClient, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      off()
      reject(new Error(`expire: the client of device ${deviceId} has not learned of it within ${timeoutMs} ms; is its line stalled, or delayed?`))
    }, timeoutMs)
    const off = subscribe(() => {
      clearTimeout(timer)
      off()
      resolve()
    })
  })
}
