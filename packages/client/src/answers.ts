import type { EventBorder } from '@org/realtime-contracts'
import { RealtimeError, type Reply, toWireError } from '@org/realtime-contracts/wire'
import type { Listeners } from './listeners.js'

type Handler = (payload: unknown, context: { fail(code: string, data?: unknown): RealtimeError }) => unknown

/** What comes from the server: told to listeners, and answered where it is a request. */
export function createAnswers(border: EventBorder, { tell, broken }: Listeners) {
  const handlers = new Map<string, Handler>()

  /** Never rejects: whoever asked gets an answer. */
  async function answer(event: string, payload: unknown): Promise<Reply> {
    let made: RealtimeError | undefined
    const fail = (code: string, data?: unknown): RealtimeError => {
      made = new RealtimeError(code, undefined, { data: border.encodeFailure(event, code, data) })
      return made
    }
    try {
      const handler = handlers.get(event)
      if (handler) return { ok: true, data: border.encodeReply(event, await handler(payload, { fail })) }
      made = new RealtimeError('UNKNOWN_EVENT')
      throw made
    } catch (cause) {
      if (!made || cause !== made) {
        broken(cause, event)
        made = new RealtimeError('INTERNAL')
      }
      return { ok: false, error: toWireError(made) }
    }
  }

  return {
    /** @param args the payload, and last a function where the server waits for an answer. */
    receive(event: string, args: unknown[]): void {
      const respond = typeof args.at(-1) === 'function' ? (args.pop() as (reply: Reply) => void) : undefined
      try {
        const payload = border.decodePayload(event, args[0])
        tell(event, payload)
        if (respond) void answer(event, payload).then(respond)
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
