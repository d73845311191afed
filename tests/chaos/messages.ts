import type { Told } from './checker.js'

// What the driver and its processes say to each other.

export interface Setup {
  readonly role: 'node' | 'observer'
  readonly url: string
  readonly prefix: string
  readonly leaseMs: number
  readonly graceMs: number
  /** The folder of the sources of the server package: its own, or a copy with a bug. */
  readonly source: string
}

export interface State {
  readonly online: readonly string[]
  readonly count: number
  readonly devices: ReadonlyArray<readonly [userId: string, deviceIds: readonly string[]]>
  readonly members: ReadonlyArray<readonly [room: string, userIds: readonly string[]]>
}

export type Order =
  | { readonly id: number; readonly ask: 'state'; readonly userIds: readonly string[]; readonly rooms: readonly string[] }
  | { readonly id: number; readonly ask: 'ready' | 'close' }

export type Report =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'told'; readonly told: readonly Told[] }
  /** The process stood still: the machine had no time for it, or it was stopped. */
  | { readonly kind: 'stalled'; readonly fromMs: number; readonly toMs: number }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
