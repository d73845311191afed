// A repeatable source of chance, and what is drawn from it.

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** mulberry32 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  /** Some of them, at least `least`, in their order. */
  some<T>(values: readonly T[], least = 0): T[] {
    const wanted = least + this.below(values.length - least + 1)
    const kept = new Set<number>()
    while (kept.size < wanted) kept.add(this.below(values.length))
    return values.filter((_, index) => kept.has(index))
  }
}
