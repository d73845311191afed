import type { Contract, Idempotent, PayloadArguments, PayloadOf, ReplyOf, Side } from '@org/realtime-contracts'
import { canonicalJson, isKey, RealtimeError, type Result } from '@org/realtime-contracts/wire'
import { OUTBOX, type OutboxSeam } from '../commands.js'
import { randomId } from '../connection.js'
import type { RealtimeClient } from '../interface.js'
import { addTo, type Listener } from '../listeners.js'
import { memoryStore, type OutboxNews, type OutboxStore, type StoredCommand } from './store.js'

/** Whose commands an outbox keeps, and where. */
export interface OutboxOptions {
  /** Whose commands these are: they are sent while this user is connected, and to nobody else. */
  readonly userId: string
  /** @default `memoryStore()`, which a reload empties */
  readonly store?: OutboxStore
  /** How many commands may wait; one more is refused with `RATE_LIMITED`. @default 1_000 */
  readonly maxCommands?: number
  /** Told of each command that failed for good, also of one made before a reload: what it says is not asked again. */
  readonly onFailure?: (command: StoredCommand, error: RealtimeError) => unknown
}

/** What can be said of one command. */
export interface OutboxSendOptions {
  /** Names the command, 1–64 of `[A-Za-z0-9_-]`: the same one twice is one command. @default a random one */
  readonly key?: string
}

/** A command that is kept, and is sent when it can be. */
export interface OutboxHandle<Reply> {
  /** Names the command, for the server too. */
  readonly key: string
  /** The reply. Rejects with what it failed with for good; `ABORTED` after `clear()`, `CLOSED` after `close()`. Nobody need listen to it. */
  readonly result: Promise<Reply>
}

/** Keeps commands until they can be sent, and sends them one after the other. */
export interface Outbox<C extends Contract, V extends Side = 'domain'> {
  /** What waits, the oldest first: the same list until something changes. */
  readonly pending: readonly StoredCommand[]
  /**
   * Keeps a command, and resolves once it is kept, connected or not.
   * @throws RealtimeError `INVALID_PAYLOAD` (not with a manifest); `RATE_LIMITED` where the outbox is full; `CONFLICT` where the key waits with another payload;
   * `UNAVAILABLE` where the store fails; `CLOSED`. TypeError for an event that is not idempotent, and a key that is none.
   */
  send<K extends Idempotent<C['clientToServer']>>(
    event: K,
    ...args: PayloadArguments<PayloadOf<C['clientToServer'][K], V>, OutboxSendOptions>
  ): Promise<OutboxHandle<ReplyOf<C['clientToServer'][K], V>>>
  /** Calls the listener when `pending` changes. @returns a function that ends it. */
  subscribe(listener: () => void): () => void
  /** Takes out all that waits; what is under way may happen. @throws RealtimeError `UNAVAILABLE` where the store fails. */
  clear(): Promise<void>
  /** Sends nothing any more. What waits stays in its store, for the next outbox of this user. */
  close(): void
}

interface Waiting {
  readonly command: StoredCommand
  readonly result: Promise<unknown>
  settle(result: Result): void
}

// How long one command is asked for before it is seen whether it still can be.
const ASK_MS = 10_000
const PAUSE_MS = 1_000

/**
 * Makes the outbox of one user of a client.
 * @throws TypeError for options that are missing or wrong.
 */
export function createOutbox<C extends Contract, V extends Side>(client: RealtimeClient<C, V>, options: OutboxOptions): Outbox<C, V> {
  // The implementation knows names and values; the interface gives them the types of this client.
  return create(client as unknown as AnyClient, options) as unknown as Outbox<C, V>
}

type AnyClient = Pick<RealtimeClient<Contract>, 'status' | 'session' | 'subscribe'> & { readonly [OUTBOX]?: OutboxSeam }

function create(client: AnyClient, { userId, store = memoryStore(), maxCommands = 1_000, onFailure = () => {} }: OutboxOptions) {
  const seam = checkClient(client)
  if (typeof userId !== 'string' || userId === '') throw new TypeError('createOutbox: userId is required, so that nobody sends what another has made')
  if (!(Number.isSafeInteger(maxCommands) && maxCommands > 0)) throw new TypeError('createOutbox: maxCommands must be a whole number above 0')

  const listeners = new Set<Listener>()
  const waiting = new Map<string, Waiting>()
  const elsewhere = new Set<string>() // the keys that others who share the store have sent
  let pending: readonly StoredCommand[] = []
  let closed = false
  let stop = new AbortController() // ends what is under way
  let isSending = false
  let again = false
  let lastTurn: Promise<unknown> = refresh().catch(() => {}) // who needs the store is told

  const shared = store.share?.(userId, (news) => void hear(news))
  const unsubscribe = client.subscribe(wake)
  lastTurn.then(wake)

  function isConnected(): boolean {
    return !closed && client.status === 'connected' && client.session?.userId === userId
  }

  function show(commands: readonly StoredCommand[]): void {
    pending = commands
    for (const listener of [...listeners]) listener(undefined)
  }

  async function refresh(): Promise<void> {
    const commands = await store.load(userId)
    if (keysOf(commands).join() !== keysOf(pending).join()) show(commands)
  }

  /** What changes the list comes one after the other. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = lastTurn.then(work)
    lastTurn = turn.catch(() => {})
    return turn
  }

  function wake(): void {
    again = true
    if (!isSending) void sendWhileConnected()
  }

  async function sendWhileConnected(): Promise<void> {
    isSending = true
    while ((again || elsewhere.size > 0) && isConnected()) {
      again = false
      await replay()
      try {
        await (store.exclusively ? store.exclusively(userId, sendAll, stop.signal) : sendAll())
      } catch {
        // The store cannot be read, or this was stopped; whatever happens next wakes it.
      }
    }
    isSending = false
  }

  async function sendAll(): Promise<void> {
    await inTurn(refresh) // others who share the store have sent meanwhile
    for (let command = pending[0]; command !== undefined && isConnected(); command = pending[0]) {
      const result = await ask(command)
      if (result !== undefined) await settle(command, result)
    }
  }

  /** @returns `undefined` where it is to be asked again. */
  async function ask({ event, payload, key }: StoredCommand): Promise<Result | undefined> {
    const { signal } = stop
    try {
      return { ok: true, data: await seam.ask(event, [payload], { key, timeoutMs: ASK_MS, signal }, userId) }
    } catch (thrown) {
      const error = thrown instanceof RealtimeError ? thrown : new RealtimeError('INTERNAL', undefined, { cause: thrown, event })
      // Of what ends a connection nothing is known of the command.
      if (isConnected() && !signal.aborted && !error.retryable && !error.code.startsWith('REPLY_')) return { ok: false, error }
      if (isConnected()) await pause(error, signal)
      return undefined
    }
  }

  async function settle(command: StoredCommand, result: Result): Promise<void> {
    const { key } = command
    // Where it stays in the store it is asked again some time, and answered as it was.
    await inTurn(async () => {
      await store.remove(userId, [key]).catch(() => {})
      show(pending.filter((other) => other.key !== key))
    })
    shared?.tell({ kind: 'settled', key })
    waiting.get(key)?.settle(result)
    if (!result.ok) tellFailure(command, result.error)
  }

  function tellFailure(command: StoredCommand, error: RealtimeError): void {
    try {
      onFailure(command, error)
    } catch (thrown) {
      ;(globalThis.reportError ?? globalThis.process?.emitWarning)?.(thrown as Error) // as an uncaught one; the next command is sent all the same
    }
  }

  async function hear(news: OutboxNews): Promise<void> {
    await inTurn(refresh).catch(() => {})
    if (news.kind === 'cleared') abandon('ABORTED')
    if (news.kind === 'settled') elsewhere.add(news.key)
    wake()
  }

  /** What another tab has sent: asked with the same key, the server says again what came of it. */
  async function replay(): Promise<void> {
    for (const key of elsewhere) {
      const mine = waiting.get(key)
      const result = mine && (await ask(mine.command))
      if (mine !== undefined && result === undefined) return // again, when it can be asked
      elsewhere.delete(key)
      if (result !== undefined) mine?.settle(result)
    }
  }

  function abandon(code: string): void {
    stop.abort()
    stop = new AbortController()
    for (const { settle: settleOne, command } of [...waiting.values()]) {
      settleOne({ ok: false, error: new RealtimeError(code, undefined, { event: command.event }) })
    }
  }

  function wait(command: StoredCommand): Waiting {
    const known = waiting.get(command.key)
    if (known !== undefined) return known
    let settleResult: (result: Result) => void = () => {}
    const result = new Promise((resolve, reject) => {
      settleResult = (outcome) => (outcome.ok ? resolve(outcome.data) : reject(outcome.error))
    })
    result.catch(() => {}) // nobody need listen
    const made: Waiting = {
      command,
      result,
      settle(outcome) {
        waiting.delete(command.key)
        settleResult(outcome)
      },
    }
    waiting.set(command.key, made)
    return made
  }

  async function keep(command: StoredCommand): Promise<Waiting> {
    const same = pending.find(({ key }) => key === command.key)
    if (same !== undefined) {
      if (same.event !== command.event || canonicalJson([same.payload]) !== canonicalJson([command.payload])) throw new RealtimeError('CONFLICT')
      return wait(same)
    }
    if (pending.length >= maxCommands) {
      throw new RealtimeError('RATE_LIMITED', `The outbox is full: ${maxCommands} commands wait`, { data: { retryAfterMs: PAUSE_MS, limit: 'maxCommands' } })
    }
    await stored(store.add(command))
    const made = wait(command) // before anybody can send it
    show([...pending, command])
    return made
  }

  return {
    get pending() {
      return pending
    },

    async send(event: string, payload?: unknown, { key = randomId() }: OutboxSendOptions = {}) {
      if (closed) throw new RealtimeError('CLOSED', undefined, { event })
      if (!seam.idempotent?.includes(event)) throw new TypeError(`An outbox keeps events that are idempotent in the contract; "${event}" is not`)
      if (!isKey(key)) throw new TypeError('key must be 1–64 of [A-Za-z0-9_-]')
      const [encoded] = seam.encode(event, payload)
      const { result } = await inTurn(async () => keep({ key, userId, event, payload: encoded, madeAtMs: Date.now() }))
      shared?.tell({ kind: 'added' })
      wake()
      return { key, result }
    },

    subscribe: (listener: () => void) => addTo(listeners, listener),

    async clear() {
      await inTurn(async () => {
        await stored(store.remove(userId, keysOf(pending)))
        show([])
      })
      abandon('ABORTED')
      shared?.tell({ kind: 'cleared' })
    },

    close() {
      closed = true
      unsubscribe()
      shared?.close()
      abandon('CLOSED')
    },
  }
}

function checkClient(client: AnyClient): OutboxSeam {
  const seam = client?.[OUTBOX]
  if (seam === undefined) throw new TypeError('createOutbox: expected a client of createRealtimeClient, of the same version')
  return seam
}

function keysOf(commands: readonly StoredCommand[]): string[] {
  return commands.map(({ key }) => key)
}

async function stored(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (cause) {
    throw new RealtimeError('UNAVAILABLE', 'The store of the outbox failed', { cause })
  }
}

/** As long as the server has asked for, if it has. */
function pause({ data }: RealtimeError, signal: AbortSignal): Promise<void> {
  const askedMs = Number((data as { retryAfterMs?: number } | undefined)?.retryAfterMs) || 0
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, Math.max(askedMs, PAUSE_MS) * (1 + Math.random() / 2))
    signal.addEventListener('abort', end)
  })
}
