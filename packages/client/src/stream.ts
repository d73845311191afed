const MAX_KEPT = 1_000

/** Turns a listener into an iterable that keeps what comes while nobody looks, the newest 1,000. */
export async function* stream<T>(subscribe: (listener: (value: T) => void) => () => void, onEnd: (end: () => void) => () => void): AsyncGenerator<T, void, undefined> {
  const kept: T[] = []
  let ended = false
  let wake = (): void => {}
  const off = subscribe((value) => {
    if (kept.push(value) > MAX_KEPT) kept.shift()
    wake()
  })
  const offEnd = onEnd(() => {
    ended = true
    wake()
  })
  try {
    while (!ended) {
      while (kept.length > 0) yield kept.shift() as T // it is not empty
      if (!ended) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    off()
    offEnd()
  }
}
