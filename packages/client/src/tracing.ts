/** What a client of the SDK does with what it sends, so that a trace goes on at the server: made by `openTelemetry()`. */
export interface ClientTracing {
  /** An event of the contract is about to be sent; of one that is repeated, each time. */
  start(event: string, args: readonly unknown[], isRequest: boolean): SentEvent
}

/** An event on its way. */
export interface SentEvent {
  /** What is sent: its arguments, with the trace in `$meta`. */
  readonly args: readonly unknown[]
  /** It is over: answered, or not to be answered. @param code of the error, where it failed. */
  end(code?: string): void
}
