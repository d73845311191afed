import { createCell } from './cell.js'

/** One line of the timeline. */
export interface Crossing {
  readonly id: number
  readonly atMs: number
  readonly device: string
  readonly direction: 'up' | 'down' | 'none'
  readonly name: string
  readonly detail: string
  readonly tone: 'event' | 'reply' | 'error' | 'link'
  /** Of the frame as it is sent: UTF-8, without the few bytes that WebSocket puts before it. */
  readonly bytes?: number
  /** From a request to this reply to it. */
  readonly tookMs?: number
}

const KEPT = 300

export const crossings = createCell<readonly Crossing[]>([])
let lastId = 0

export function record(crossing: Omit<Crossing, 'id' | 'atMs'>): void {
  crossings.set([...crossings.get(), { id: ++lastId, atMs: performance.now(), ...crossing }].slice(-KEPT))
}
