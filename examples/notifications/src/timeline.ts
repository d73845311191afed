import { inspect } from 'node:util'

export type Direction = '→' | '←' | '·'

/** Prints what crosses the wire, as it does: when, on which device, which way, and what. */
export class Timeline {
  readonly #startMs = performance.now()

  constructor(private readonly print: (line: string) => void = console.log) {}

  add(device: string, direction: Direction, event: string, data?: unknown): void {
    const at = `${Math.round(performance.now() - this.#startMs)} ms`.padStart(7)
    const shown = data === undefined ? '' : inspect(data, { breakLength: Number.POSITIVE_INFINITY, compact: true, depth: 6 })
    this.print(`${at}  ${device.padEnd(12)} ${direction} ${event.padEnd(26)} ${shown}`.trimEnd())
  }
}
