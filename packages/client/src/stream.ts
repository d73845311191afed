const MAX_KEPT = 1_000

/** Iterates over what is pushed: keeps what comes while nobody looks, the newest 1,000. */
export function createStream<T>(onEnd: () => void) {
  const kept: T[] = []
  const waiting: Array<() => void> = []
  let ended = false

  function wake(): void {
    for (const resolve of waiting.splice(0)) resolve()
  }

  function end(): void {
    ended = true
    onEnd()
    wake()
  }

  const iterator: AsyncIterableIterator<T, void, undefined> = {
    async next() {
      while (!kept.length && !ended) await new Promise<void>((resolve) => waiting.push(resolve))
      return ended ? { done: true, value: undefined } : { done: false, value: kept.shift() as T } // there is one
    },
    async return() {
      end()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => iterator,
  }

  return {
    iterator,
    end,
    push(value: T): void {
      if (kept.push(value) > MAX_KEPT) kept.shift()
      wake()
    },
  }
}
