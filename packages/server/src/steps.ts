import { isKey } from '@org/realtime-contracts/wire'
import type { IdempotencyStore, RedisCommand } from './idempotency.js'

/**
 * Does a step of the handler once, also where the handler runs again, and resolves with what it came to the first time.
 * - A command of Redis, whose first argument is its one key, runs in the Redis of the cluster, together with the mark that it has: both or neither.
 * - A function is called, and what it resolves with is remembered, as JSON: where the process dies between the two, or the store fails, it is called again.
 *
 * The first argument names the step among those of its handler: 1–64 of `[A-Za-z0-9_-]`. Where the store cannot be asked, it throws what is answered as
 * `UNAVAILABLE`, so that the client asks again.
 * @throws TypeError for another name, and for a command of Redis where there is no cluster; what the function throws; what Redis says to a wrong command.
 */
export interface Once {
  <T>(step: string, effect: () => T | Promise<T>): Promise<T>
  (step: string, effect: RedisCommand): Promise<unknown>
}

/** Asks the store for something, as long as a handler may wait for it. */
export type AskStore = <T>(work: (store: IdempotencyStore) => Promise<T>) => Promise<T>

/** @param id of the command whose steps these are. */
export function createOnce(id: string, retentionMs: number, ask: AskStore): Once {
  async function call(step: string, effect: () => unknown): Promise<unknown> {
    const known = await ask((store) => store.recall(id, step))
    if (known !== undefined && known !== null) return fromText(known)
    const result = toText(step, await effect())
    return fromText(await ask((store) => store.remember(id, step, result, retentionMs)))
  }

  function apply(step: string, command: RedisCommand): Promise<unknown> {
    if (!Array.isArray(command) || command.length < 2) {
      throw new TypeError("once: an effect is a function, or a command of Redis with its key, such as ['INCR', 'orders']")
    }
    return ask(async (store) => {
      if (store.apply === undefined) throw new TypeError('once: a command of Redis needs the Redis of a cluster; without one, give a function')
      return fromText(await store.apply(id, step, command, retentionMs))
    })
  }

  async function once(step: string, effect: RedisCommand | (() => unknown)): Promise<unknown> {
    if (!isKey(step)) throw new TypeError(`once: the name of a step is 1–64 of [A-Za-z0-9_-]; got ${JSON.stringify(step)}`)
    return typeof effect === 'function' ? call(step, effect) : apply(step, effect)
  }
  return once as Once // which says what each effect comes to
}

// A step may come to nothing, which JSON has no word for.
const NOTHING = ''

function toText(step: string, result: unknown): string {
  const text = JSON.stringify(result) as string | undefined
  if (text === undefined && result !== undefined) throw new TypeError(`once: what ${JSON.stringify(step)} came to is no JSON`)
  return text ?? NOTHING
}

function fromText(text: string): unknown {
  return text === NOTHING ? undefined : JSON.parse(text)
}
