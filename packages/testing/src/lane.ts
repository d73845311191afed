/** One direction of a connection: what is late holds up what comes after it, as on a real one. */
export class Lane {
  readonly #waiting: Array<{ dueMs: number; readonly run: () => void }> = []
  #timer: NodeJS.Timeout | undefined

  constructor(private readonly isStalled: () => boolean) {}

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  push(delayMs: number, run: () => void): void {
    if (this.isEmpty && delayMs === 0 && !this.isStalled()) {
      run()
      return
    }
    const lastMs = this.#waiting.at(-1)?.dueMs ?? 0
    this.#waiting.push({ dueMs: Math.max(performance.now() + delayMs, lastMs), run })
    this.#arm()
  }

  /** Lets go what waits, unless the line is stalled. */
  release(): void {
    for (const entry of this.#waiting) entry.dueMs = 0
    this.#arm()
  }

  /** Loses what waits. */
  end(): void {
    clearTimeout(this.#timer)
    this.#waiting.length = 0
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const [next] = this.#waiting
    if (next !== undefined && !this.isStalled()) this.#timer = setTimeout(() => this.#pass(), Math.max(next.dueMs - performance.now(), 0))
  }

  #pass(): void {
    while (!this.isEmpty && !this.isStalled() && this.#waiting[0]!.dueMs <= performance.now()) this.#waiting.shift()!.run()
    this.#arm()
  }
}
