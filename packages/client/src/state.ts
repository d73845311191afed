import type { RealtimeError } from '@org/realtime-contracts/wire'
import type { Connection, Status } from './connection.js'

/** What a page shows of a connection: the same object until something changes. */
export interface ConnectionState {
  /** Where the connection stands now. */
  readonly status: Status
  /** When it came to that, in milliseconds since 1970. */
  readonly since: number
  /** Whether to say that there is no connection: from 2 s after it was lost or first asked for, so that blips do not flash, and at once when it is refused. */
  readonly showOffline: boolean
  /** Why it is not connected, where it failed to be. */
  readonly error: RealtimeError | undefined
}

const OFFLINE_AFTER_MS = 2_000

/** Makes one state of a connection's status, and tells when it is another. */
export function createState(changed: () => void) {
  let state: ConnectionState = { status: 'idle', since: Date.now(), showOffline: false, error: undefined }
  let timer: ReturnType<typeof setTimeout> | undefined

  function set(next: Partial<ConnectionState>): void {
    state = { ...state, ...next }
    changed()
  }

  return {
    get: (): ConnectionState => state,

    follow({ status: statusOf, error }: Connection): void {
      const status = statusOf()
      const dials = status === 'connecting' || status === 'reconnecting'
      if (dials) timer ??= setTimeout(() => set({ showOffline: true }), OFFLINE_AFTER_MS)
      else {
        clearTimeout(timer)
        timer = undefined
      }
      set({ status, since: Date.now(), showOffline: status === 'refused' || (dials && state.showOffline), error: error() })
    },
  }
}
