import { createRealtimeClient, type RealtimeClient, type RealtimeClientOptions } from '@org/realtime-client'
import type { Contract, Manifest, Side } from '@org/realtime-contracts'
import { Failure } from './failure.js'
import { createFaults, type FaultEvent, type Faults } from './faults.js'
import { Line } from './line.js'
import type { Match } from './match.js'
import { type ExpectOptions, type Heard, type HeardPayload, type Recorder, Recording } from './recorder.js'

/** What a client shows for a token; `null` is none. */
export type Token = string | null

/** The client an application has, that remembers what it hears, and whose connection can be broken. */
export interface TestClient<C extends Contract, V extends Side = 'domain'> extends RealtimeClient<C, V>, Recorder<C, V> {
  /** What goes wrong between this client and the server. */
  readonly faults: Faults<FaultEvent<C>>
  /**
   * Resolves where no such event has come that nobody has expected, and none is on its way: what clients of the test have sent is handled,
   * and what the server has sent is received. What a handler leaves to timers is not waited for.
   * @throws Error with what has come; after the timeout, with what does not come to rest.
   */
  expectNoEvent<K extends Heard<C, V>>(event: K, match?: Match<HeardPayload<C, V, K>>, options?: ExpectOptions): Promise<void>
  /** What `getToken` gives from now on, at the next handshake or renewal; `undefined` for fresh ones again. */
  setToken(token: Token | Promise<Token> | undefined): void
}

/** How a client of a test connects. */
export interface TestClientOptions extends Partial<Omit<RealtimeClientOptions, 'url' | 'getToken'>> {
  /** What this client shows for a token; `null` for none. @default a fresh one for the user, every time */
  readonly token?: Token | Promise<Token>
}

/** What a client needs of the test around it. */
export interface Surroundings {
  readonly url: string
  readonly path: string
  readonly transports: ReadonlyArray<'polling' | 'websocket'>
  readonly timeoutMs: number
  readonly events: readonly string[]
  freshToken(): Promise<Token>
  gone(sids: readonly string[]): Promise<void>
  settled(timeoutMs: number): Promise<void>
}

/** A client, its line, and how both end. */
export interface Member {
  readonly client: TestClient<Contract, Side>
  readonly line: Line
  close(): void
}

// Dials again without making a test wait.
const RECONNECT_DELAY_MS = 20
const MAX_RECONNECT_DELAY_MS = 100

export function createMember(source: Contract | Manifest, { token, transports, ...options }: TestClientOptions, around: Surroundings): Member {
  const line = new Line()
  let own = token
  const client = createRealtimeClient(source as Contract, {
    path: around.path,
    reconnectDelayMs: RECONNECT_DELAY_MS,
    maxReconnectDelayMs: MAX_RECONNECT_DELAY_MS,
    ...options,
    url: around.url,
    // Socket.IO takes names or classes; the client's own options know only the names.
    transports: (transports ?? around.transports).map((name) => line.transports[name]) as never,
    getToken: async () => (own === undefined ? around.freshToken() : own),
  })
  const record = new Recording(client, around.events, around.timeoutMs)
  const { close } = client
  const extended: TestClient<Contract, Side> = Object.assign(client as RealtimeClient<Contract, Side>, {
    faults: createFaults<FaultEvent<Contract>>(line, around.gone),
    expectEvent: (event: string, match?: unknown, expected?: ExpectOptions) =>
      record.expectEvent(event, match, expected, new Failure(extended.expectEvent)) as never,
    received: (event: string) => record.received(event) as never,
    async expectNoEvent(event: string, match?: unknown, { timeoutMs = around.timeoutMs }: ExpectOptions = {}) {
      const failure = new Failure(extended.expectNoEvent)
      await around.settled(timeoutMs)
      record.expectNone(event, match, failure)
    },
    setToken(next: Token | Promise<Token> | undefined) {
      own = next
    },
  })
  return {
    client: extended,
    line,
    close() {
      line.clear()
      record.end()
      close()
    },
  }
}
