import { RealtimeError } from '@org/realtime-contracts/wire'

export type Listener = (payload: unknown) => unknown

/** @throws TypeError where the listener is no function. @returns a function that takes it out again. */
export function addTo<T>(listeners: Set<T>, listener: T): () => void {
  if (typeof listener !== 'function') {
    throw new TypeError('Expected a function')
  }
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** The application's listeners, by event; where one fails, nobody else does. */
export function createListeners() {
  const byEvent = new Map<string, Set<Listener>>()

  function on(event: string, listener: Listener): () => void {
    const listeners = byEvent.get(event) ?? new Set()
    byEvent.set(event, listeners)
    return addTo(listeners, listener)
  }

  function tell(event: string, payload: unknown): void {
    callAll(byEvent.get(event), payload, event)
  }

  function callAll(listeners: Iterable<Listener> = [], payload?: unknown, event?: string): void {
    for (const listener of [...listeners]) void guard(() => listener(payload), event)
  }

  /** Calls what is the application's, at once. */
  async function guard(call: () => unknown, event?: string): Promise<void> {
    try {
      await call()
    } catch (cause) {
      broken(cause, event)
    }
  }

  /** A mistake that nobody listens for must still be seen: as an uncaught one in a browser, as a warning in Node.js. */
  function broken(cause: unknown, event?: string): void {
    const error = cause instanceof RealtimeError ? cause : new RealtimeError('INTERNAL', String(cause), { cause, event })
    if (event !== 'error' && byEvent.get('error')?.size) tell('error', error)
    else (globalThis.reportError ?? globalThis.process?.emitWarning)?.(error)
  }

  return { on, tell, callAll, guard, broken }
}

export type Listeners = ReturnType<typeof createListeners>
