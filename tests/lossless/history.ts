/** A place in a log, as receipts and notices name it. */
export interface Place {
  readonly epoch: string
  readonly sequence: number
}

/** What happened, in the order in which the driver saw it. Times are the driver's. */
export type Entry =
  /** The producer is about to send. Numbers are unique, and grow for each user. */
  | { readonly kind: 'sent'; readonly user: string; readonly n: number; readonly atMs: number }
  /** The producer was told that it is stored. */
  | { readonly kind: 'stored'; readonly user: string; readonly n: number; readonly place: Place | undefined; readonly atMs: number }
  /** Nobody knows whether it is stored. */
  | { readonly kind: 'unknown'; readonly user: string; readonly n: number; readonly atMs: number }
  | { readonly kind: 'heard'; readonly user: string; readonly device: string; readonly n: number; readonly atMs: number }
  /** The device was told that it has everything up to a place; `resumed` where it went on from an earlier one. */
  | { readonly kind: 'caughtUp'; readonly user: string; readonly device: string; readonly place: Place; readonly resumed: boolean; readonly atMs: number }
  /** The device was told that it has missed something. */
  | {
      readonly kind: 'gap'
      readonly user: string
      readonly device: string
      readonly from: number
      readonly to: number | undefined
      readonly before: string
      readonly place: Place
      readonly reason: string
      readonly atMs: number
    }
  /** A device is about to ask for a command, whose numbers are unique. */
  | { readonly kind: 'asked'; readonly user: string; readonly n: number; readonly atMs: number }
  /** It was told what came of it, and how often it had taken effect by then. */
  | {
      readonly kind: 'answered'
      readonly user: string
      readonly n: number
      readonly answer: { readonly n: number; readonly times: number }
      readonly atMs: number
    }
  /** The store says how often a command has taken effect. */
  | { readonly kind: 'effect'; readonly n: number; readonly times: number; readonly atMs: number }
  /** The run is over: whether the device was connected for long enough at the end. */
  | { readonly kind: 'ended'; readonly user: string; readonly device: string; readonly connected: boolean; readonly atMs: number }
