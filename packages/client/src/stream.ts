const MAX_KEPT = 1_000

/** Iterates over what is pushed: keeps what comes while nobody looks, the newest 1,000. */
export function createStream<T>(onEnd: () => void) {
  const kept: T[] = []
  let ended = false
  let wake: (() => void) | undefined

  function end(): void {
    ended = true
    onEnd()
    wake?.()
  }

  return {
    end,
    push(value: T): void {
      if (kept.push(value) > MAX_KEPT) kept.shift()
      wake?.()
    },
    iterator: (async function* () {
      try {
        while (!ended) {
          if (kept.length)
            yield kept.shift() as T // there is one
          else await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        end()
      }
    })(),
  }
}
