const MAX_KEPT = 1_000

/** What {@link stream} is fed by; each call returns what ends it. */
export interface StreamSource<T> {
  subscribe(listener: (value: T) => void): () => void
  onEnd(end: () => void): () => void
}

/** Turns a listener into an iterable that keeps what comes while nobody looks, the newest 1,000. */
export function stream<T>({ subscribe, onEnd }: StreamSource<T>): AsyncIterableIterator<T, void, undefined> {
  const kept: T[] = []
  const waiting: Array<(result: IteratorResult<T, void>) => void> = []
  let ended = false
  const off = subscribe((value) => {
    const next = waiting.shift()
    if (next !== undefined) next({ done: false, value })
    else if (kept.push(value) > MAX_KEPT) kept.shift()
  })
  const offEnd = onEnd(end)

  function end(): void {
    ended = true
    kept.length = 0
    off()
    for (const next of waiting.splice(0)) next({ done: true, value: undefined })
  }

  async function finish(): Promise<IteratorResult<T, void>> {
    end()
    offEnd()
    return { done: true, value: undefined }
  }

  return {
    next() {
      if (ended) return finish()
      return kept.length > 0 ? Promise.resolve({ done: false, value: kept.shift() as T }) : new Promise((resolve) => waiting.push(resolve))
    },
    return: finish,
    async throw(error) {
      await finish()
      throw error
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
