import { RealtimeError } from '@org/realtime-contracts/wire'

export type Listener = (payload: unknown) => unknown

/** @throws TypeError where the listener is no function. @returns a function that takes it out again. */
export function addTo(listeners: Set<Listener>, listener: Listener, once?: boolean): () => void {
  if (typeof listener !== 'function') {
    throw new TypeError('Expected a function')
  }
  const off = (): void => {
    listeners.delete(entry)
  }
  // An entry of its own, since the same function may listen twice.
  const entry: Listener = (payload) => {
    if (once) off()
    return listener(payload)
  }
  listeners.add(entry)
  return off
}

/** The application's listeners, by event; where one fails, nobody else does. */
export function createListeners() {
  const byEvent = new Map<string, Set<Listener>>()
  const latest = new Map<string, unknown>()

  function on(event: string, listener: Listener, once?: boolean): () => void {
    const listeners = byEvent.get(event) ?? new Set()
    byEvent.set(event, listeners)
    return addTo(listeners, listener, once)
  }

  /** @returns once all listeners have finished, how many there were. */
  function tell(event: string, payload: unknown): Promise<number> {
    latest.set(event, payload)
    return callAll(byEvent.get(event), payload, event)
  }

  async function callAll(listeners: Set<Listener> = new Set(), payload?: unknown, event?: string): Promise<number> {
    const calls = [...listeners].map((listener) => listeners.has(listener) && guard(() => listener(payload), event))
    await Promise.all(calls)
    return calls.length
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
    const error = cause instanceof RealtimeError ? cause : new RealtimeError('INTERNAL', (cause as Error | undefined)?.message, { cause, event })
    if (event !== 'error' && byEvent.get('error')?.size) tell('error', error)
    else (globalThis.reportError ?? globalThis.process?.emitWarning)?.(error)
  }

  return { on, tell, callAll, broken, latest }
}

export type Listeners = ReturnType<typeof createListeners>
