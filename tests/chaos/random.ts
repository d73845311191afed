/** Numbers that are the same each time for the same seed (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 up to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  one<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('there is none')
    return items[Math.floor(this.next() * items.length)] as T // within its length
  }

  /** Another source of numbers, which only depends on how many were made before. */
  fork(): Random {
    return new Random(Math.floor(this.next() * 4_294_967_296))
  }
}

/** All of them in some order, then all in another. */
export function* inTurns<T>(items: readonly T[], random: Random): Generator<T, never> {
  for (;;) {
    const left = [...items]
    while (left.length > 0) yield left.splice(Math.floor(random.next() * left.length), 1)[0] as T // within its length
  }
}
