import type { PositionStore } from './positions.js'

/**
 * Keeps places in durable events as long as the tab is there, for `createRealtimeClient(…, { positions: tabPositions() })`: each tab has its own,
 * and one that is loaded again goes on where it was.
 * @param name tells the clients of a page apart, where it has several.
 */
export function tabPositions(name = 'realtime'): PositionStore {
  const key = `${name}.positions`
  return {
    get: () => globalThis.sessionStorage?.getItem(key),
    set(positions) {
      try {
        globalThis.sessionStorage?.setItem(key, positions)
      } catch {
        // Where nothing may be stored a page that is loaded again begins anew.
      }
    },
  }
}
