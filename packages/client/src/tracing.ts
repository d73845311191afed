/** What a client of the SDK does with what it sends, so that a trace goes on at the server: made by `openTelemetry()`. */
export interface ClientTracing {
  /** An event of the contract is about to be sent; of one that is repeated, each time. */
  start(event: string, isRequest: boolean): SentEvent
}

/** An event on its way. */
export interface SentEvent {
  /** The trace that it belongs to, as W3C's `traceparent`; sent along as `$meta.trace`. */
  readonly trace?: string | undefined
  /** It is over: answered, or not to be answered. @param code of the error, where it failed. */
  end(code?: string): void
}

/** The arguments of an event with its trace: in `$meta`, beside what is there. */
export function withTrace([payload = null, meta]: readonly unknown[], trace: string): unknown[] {
  return [payload, { ...(meta as object | undefined), trace }]
}
