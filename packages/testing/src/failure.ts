/** Made where the test asks, for what is known only later: so that the stack points at the test. */
export class Failure {
  readonly #error = new Error()

  /** @param caller what the test has called. */
  // biome-ignore lint/complexity/noBannedTypes: as captureStackTrace takes it
  constructor(caller: Function) {
    Error.captureStackTrace(this.#error, caller)
  }

  as(message: string): Error {
    const error = this.#error
    const frames = String(error.stack).slice('Error'.length)
    return Object.assign(error, { message, stack: `Error: ${message}${frames}` })
  }
}
