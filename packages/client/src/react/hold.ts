import type { Contract, Side } from '@org/realtime-contracts'
import type { RealtimeClient, RealtimeError, RequestOptions } from '../index.js'

/** What a component holds while it is mounted, such as a room, or why it does not. */
export interface Held<T> {
  readonly handle?: T
  readonly error?: RealtimeError
}

const RETRY_MS = 1_000

/**
 * Acquires something and, where that fails, again: with the next connection, or a little later where that may help.
 * @returns a function that gives it up, also while it is being acquired.
 */
export function hold<T>(
  client: Pick<RealtimeClient<Contract, Side>, 'status' | 'subscribe'>,
  acquire: (options: RequestOptions) => Promise<T>,
  release: (handle: T) => Promise<void>,
  tell: (held: Held<T>) => void,
): () => void {
  const ended = new AbortController()
  const { signal } = ended
  let cleanUp = (): void => {}

  function attempt(): void {
    cleanUp = () => {}
    acquire({ signal }).then(acquired, failed)
  }

  function acquired(handle: T): void {
    cleanUp = () => {
      release(handle).catch(() => {}) // it is gone with the connection, or given up by the server
    }
    if (signal.aborted) cleanUp()
    else tell({ handle })
  }

  function failed(error: RealtimeError): void {
    if (signal.aborted) return
    tell({ error })
    if (error.retryable && client.status === 'connected') retryLater(error)
    else retryConnected()
  }

  function retryLater({ data }: RealtimeError): void {
    const { retryAfterMs } = Object(data) as { retryAfterMs?: number }
    const timer = setTimeout(attempt, retryAfterMs || RETRY_MS)
    cleanUp = () => clearTimeout(timer)
  }

  function retryConnected(): void {
    cleanUp = client.subscribe(() => {
      if (client.status !== 'connected') return
      cleanUp()
      attempt()
    })
  }

  attempt()
  return () => {
    ended.abort()
    cleanUp()
  }
}
