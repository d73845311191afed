import { checkTimeout, RealtimeError, readReply } from '@org/realtime-contracts/wire'
import { abortable, type Connection } from './connection.js'

export interface RequestOptions {
  /** How long all of it may take, waiting for a connection included, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** Whether to fail with `NOT_CONNECTED` at once, rather than to wait for a connection. @default false */
  readonly failFast?: boolean
}

/** Sends an event and resolves with what is answered. @throws RealtimeError a local one. */
export async function exchange(
  { status, ready, socket }: Connection,
  event: string,
  args: readonly unknown[],
  { timeoutMs = 10_000, signal, failFast }: RequestOptions = {},
): Promise<unknown> {
  const untilMs = Date.now() + checkTimeout(timeoutMs)
  // Nothing is waited for where it can be sent now, so that it keeps its place among what is emitted.
  if (status() !== 'connected' || signal?.aborted) await ready(failFast ? 0 : timeoutMs, signal, 'NOT_CONNECTED', event)
  return abortable(signal, (resolve, reject) => {
    socket.timeout(Math.max(untilMs - Date.now(), 1)).emit(event, ...args, (failure: Error | null, answer: unknown) => {
      // Socket.IO tells of a timeout and of a lost connection alike; the status tells them apart.
      const code = status() === 'closed' ? 'CLOSED' : status() === 'connected' ? 'REPLY_TIMEOUT' : 'REPLY_LOST'
      if (failure) reject(new RealtimeError(code, undefined, { event }))
      else resolve(answer)
    })
  })
}

/** Sends an event of the SDK's own. @throws RealtimeError a local one, or what is answered. */
export async function control(connection: Connection, event: string, payload: object, options?: RequestOptions): Promise<unknown> {
  return readReply(event, await exchange(connection, event, [payload], options))
}
