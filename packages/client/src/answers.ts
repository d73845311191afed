import type { EventBorder } from '@org/realtime-contracts'
import { type DeliveryMeta, RealtimeError, type Reply, toWireError } from '@org/realtime-contracts/wire'
import type { Listeners } from './listeners.js'

type Handler = (payload: unknown, context: { fail(code: string, data?: unknown): RealtimeError }) => unknown

/** What comes from the server: told to listeners, and answered where it is a request. */
export function createAnswers(border: EventBorder, { tell, broken }: Listeners, take: (meta: DeliveryMeta, tell: () => Promise<number>) => void) {
  const handlers = new Map<string, Handler>()

  /** Never rejects: whoever asked gets an answer. */
  async function answer(event: string, payload: unknown): Promise<Reply> {
    const made = new Set<unknown>()
    const fail = (code: string, data?: unknown): RealtimeError => {
      const error = new RealtimeError(code, undefined, { data: border.encodeFailure(event, code, data) })
      made.add(error)
      return error
    }
    try {
      const handler = handlers.get(event)
      if (handler) return { ok: true, data: border.encodeReply(event, await handler(payload, { fail })) }
      return { ok: false, error: toWireError(new RealtimeError('UNKNOWN_EVENT')) }
    } catch (cause) {
      if (made.has(cause)) return { ok: false, error: toWireError(cause as RealtimeError) } // fail has made it
      return failed(cause, event)
    }
  }

  function failed(cause: unknown, event: string): Reply {
    broken(cause, event)
    return { ok: false, error: toWireError(new RealtimeError('INTERNAL')) }
  }

  return {
    receive(event: string, [wire, meta]: readonly unknown[], respond: ((reply: Reply) => void) | undefined): void {
      try {
        const payload = border.decodePayload(event, wire)
        if (meta)
          take(meta as DeliveryMeta, () => tell(event, payload)) // only the server of the SDK sends it
        else void tell(event, payload)
        if (respond) {
          answer(event, payload)
            .then(respond)
            .catch((cause: unknown) => respond(failed(cause, event))) // what was to be sent is no JSON
        }
      } catch (error) {
        // decodePayload throws nothing else, and listeners are guarded
        respond?.({ ok: false, error: toWireError(error as RealtimeError) })
        tell('error', error)
      }
    },

    /** @throws TypeError where there is a handler already. */
    handle(event: string, handler: Handler): () => void {
      if (typeof handler !== 'function' || handlers.has(event)) {
        throw new TypeError(`"${event}" takes one handler, a function`)
      }
      handlers.set(event, handler)
      return () => {
        if (handlers.get(event) === handler) handlers.delete(event)
      }
    },
  }
}
