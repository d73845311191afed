import { createRealtimeClient, tabPositions } from '@org/realtime-client'
import { kept } from './positions-contract.js'

// A page that keeps its place in its tab: the server is the page's own.
const heard: number[] = []
const begun: boolean[] = []
const client = createRealtimeClient(kept, { url: location.origin, getToken: () => 'ada', positions: tabPositions(), transports: ['websocket'] })
client.on('told', ({ n }) => heard.push(n))
client.on('$caughtUp', ({ resumed }) => begun.push(resumed))
client.connect().catch(() => {})

export interface PositionsPage {
  readonly heard: readonly number[]
  /** Whether it went on from a place, each time that it had caught up. */
  readonly begun: readonly boolean[]
  readonly close: () => void
}

const page: PositionsPage = { heard, begun, close: () => client.close() }
Object.assign(window, { page })
