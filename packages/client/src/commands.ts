import { checkTimeout, isKey, RealtimeError } from '@org/realtime-contracts/wire'
import { type Connection, randomId } from './connection.js'
import { DEFAULT_TIMEOUT_MS, exchange, type RequestOptions } from './requests.js'

/** What can be said of one request of an idempotent event. */
export interface CommandOptions extends RequestOptions {
  /**
   * Names what is asked, 1–64 of `[A-Za-z0-9_-]`: with the same key it happens once, also asked again by another page or later.
   * @default a random one, for this call and its own repeats
   */
  readonly key?: string
}

/** What can be said of a request of an event: of an idempotent one, its key. */
export type RequestOptionsOf<E> = E extends { idempotent: true } ? CommandOptions : RequestOptions

/** Where `createOutbox` finds what it needs of a client beside its interface. */
export const OUTBOX = Symbol.for('@org/realtime-client outbox')

export interface OutboxSeam {
  readonly idempotent: readonly string[] | undefined
  encode(event: string, payload?: unknown): unknown[]
  /** Asks what is encoded already, as its owner. @throws RealtimeError as {@link repeat}. */
  ask(event: string, args: readonly unknown[], options?: CommandOptions, owner?: string): Promise<unknown>
}

const MIN_TRY_MS = 1_000
const MAX_TRY_MS = 10_000
const FIRST_WAIT_MS = 100
const MAX_WAIT_MS = 5_000

/**
 * Asks with one key until there is an answer that counts, or the time is over.
 * @param userId who is connected. @param owner who asks; without, who is connected first. What one user has asked is not repeated as another.
 * @throws RealtimeError `REPLY_TIMEOUT` where it may have happened; else what came of the last try.
 */
export async function repeat(
  connection: Connection,
  event: string,
  [payload = null]: readonly unknown[],
  decode: (answer: unknown) => unknown,
  userId: () => string | undefined,
  options: CommandOptions = {},
  owner?: string,
): Promise<unknown> {
  const { key = randomId(), timeoutMs = DEFAULT_TIMEOUT_MS, signal, failFast } = options
  if (!isKey(key)) throw new TypeError('key must be 1–64 of [A-Za-z0-9_-]')
  const untilMs = Date.now() + checkTimeout(timeoutMs)
  const left = (): number => Math.max(untilMs - Date.now(), 1)
  // Several tries fit in the time; what takes longer is waited for by the next one.
  const tryMs = Math.min(Math.max(timeoutMs / 4, MIN_TRY_MS), MAX_TRY_MS)
  let unknown = false // whether it may have happened
  for (let tries = 0; ; tries++) {
    try {
      if (connection.status() !== 'connected') await connection.ready(failFast && !unknown ? 0 : left(), signal, 'NOT_CONNECTED', event)
      owner ??= userId()
      if (owner === userId())
        return decode(await exchange(connection, event, [payload, { key }], { ...options, timeoutMs: Math.min(left(), tryMs), failFast: true }))
    } catch (error) {
      const { code = '', retryable, data } = error as Partial<RealtimeError>
      const lost = code.startsWith('REPLY_')
      unknown ||= lost
      if (!(lost || retryable) || (failFast && !unknown && code === 'NOT_CONNECTED')) throw error
      const askedMs = Number((data as { retryAfterMs?: number } | undefined)?.retryAfterMs) || 0
      const waitMs = Math.max(askedMs, Math.min(FIRST_WAIT_MS * 2 ** tries, MAX_WAIT_MS)) * (1 + Math.random() / 2)
      if (waitMs >= left()) throw unknown ? new RealtimeError('REPLY_TIMEOUT', undefined, { cause: error, event }) : error
      await connection.pause(waitMs, signal)
      continue
    }
    throw new RealtimeError(unknown ? 'REPLY_LOST' : 'NOT_CONNECTED', 'Another user is connected', { event })
  }
}
