/** How a run of the command ends. */
export const EXIT = { fine: 0, violation: 1, usage: 2, stale: 3 } as const
export type Exit = (typeof EXIT)[keyof typeof EXIT]

/** A mistake of who runs the command, or a contract that cannot be loaded: told without a stack, with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Where a command writes. */
export interface Output {
  readonly out: (text: string) => void
  readonly error: (text: string) => void
}
