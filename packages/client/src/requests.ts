import { checkTimeout, RealtimeError, type Reply, readReply } from '@org/realtime-contracts/wire'
import { bounded, type Connection } from './connection.js'

/** What can be said of one request. */
export interface RequestOptions {
  /** How long all of it may take, waiting for a connection included, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
  /** Ends the wait with `ABORTED`; what has been sent is sent. */
  readonly signal?: AbortSignal
  /** Whether to fail with `NOT_CONNECTED` at once, rather than to wait for a connection. @default false */
  readonly failFast?: boolean
}

export const DEFAULT_TIMEOUT_MS = 10_000

/** Sends an event and resolves with what is answered. @throws RealtimeError a local one. */
export async function exchange(
  { status, ready, send, tracing }: Connection,
  event: string,
  args: readonly unknown[],
  { timeoutMs = DEFAULT_TIMEOUT_MS, signal, failFast }: RequestOptions = {},
): Promise<unknown> {
  const untilMs = Date.now() + checkTimeout(timeoutMs)
  // Nothing is waited for where it can be sent now, so that it keeps its place among what is emitted.
  if (status() !== 'connected') await ready(failFast ? 0 : timeoutMs, signal, 'NOT_CONNECTED', event)
  const failure = (code: string): RealtimeError => new RealtimeError(code, undefined, { event })
  const late = (): RealtimeError => failure('REPLY_TIMEOUT')
  const sent = event[0] === '$' ? undefined : tracing?.start(event, args, true)
  let forget: (() => void) | undefined
  try {
    const answer = await bounded(Math.max(untilMs - Date.now(), 1), signal, late, (resolve, reject) => {
      forget = send([event, ...(sent?.args ?? args)], (reply, isLost) => {
        if (isLost) reject(failure(status() === 'closed' ? 'CLOSED' : 'REPLY_LOST'))
        else resolve(reply)
      })
      if (!forget) reject(failure('NOT_CONNECTED'))
    })
    sent?.end((answer as Partial<Extract<Reply, { ok: false }>> | undefined)?.error?.code)
    return answer
  } catch (error) {
    sent?.end(error instanceof RealtimeError ? error.code : 'INTERNAL') // such as a payload that is no JSON
    throw error
  } finally {
    forget?.()
  }
}

/** Sends an event of the SDK's own. @throws RealtimeError a local one, or what is answered. */
export async function control(connection: Connection, event: string, payload: object, options?: RequestOptions): Promise<unknown> {
  return readReply(event, await exchange(connection, event, [payload], options))
}
