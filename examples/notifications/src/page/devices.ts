import { createRealtimeClient } from '@org/realtime-client'
import { createRealtimeHooks } from '@org/realtime-client/react'
import { logIn, manifest, path } from './server.js'
import { type Cell, createCell } from './wire/cell.js'
import { cutConnection } from './wire/tap.js'

type Kind = 'laptop' | 'phone' | 'tablet'

/** How long a network that was dropped stays away. */
export const AWAY_MS = 3_000
/** Of the token that is put in place of a good one: the client replaces it before it ends. */
export const SHORT_LIFETIME_S = 6

function createDevice(userId: string, userName: string, kind: Kind) {
  const id = `${userId}-${kind}`
  const tokenEndsAtMs: Cell<number | undefined> = createCell<number | undefined>(undefined)
  let lifetimeS: number | undefined
  let awayUntilMs = 0

  const client = createRealtimeClient(manifest, {
    url: `${location.origin}/?device=${id}`, // for the timeline; the SDK and the server do without
    path,
    reconnectDelayMs: 500,
    maxReconnectDelayMs: 1_000, // so that the page shows what happens while somebody looks
    transports: ['websocket'], // its frames are what the timeline shows
    async getToken() {
      if (Date.now() < awayUntilMs) throw new Error('There is no network')
      const { token, expiresAtMs } = await logIn(userId, lifetimeS)
      lifetimeS = undefined
      tokenEndsAtMs.set(expiresAtMs)
      return token
    },
  })

  return {
    id,
    userId,
    userName,
    kind,
    client,
    tokenEndsAtMs,
    /** Drops the connection, and lets no new one come for a while. */
    drop(): void {
      awayUntilMs = Date.now() + AWAY_MS
      cutConnection(id)
    },
    /** Puts a token in use that ends soon, on the live connection. */
    expireToken() {
      lifetimeS = SHORT_LIFETIME_S
      return client.reauthenticate()
    },
  }
}

export type Device = ReturnType<typeof createDevice>
export type Client = Device['client']

/** Two devices of one user, and one of another, in one page. */
export const DEVICES: readonly Device[] = [createDevice('ada', 'Ada', 'laptop'), createDevice('ada', 'Ada', 'phone'), createDevice('grace', 'Grace', 'tablet')]

// The client is of the manifest: what is sent is checked by the server, so that what is wrong is seen to cross the wire.
export const { RealtimeProvider, useClient, useConnection, useEvent, useLatest, useRequest, useRoom, usePresence } = createRealtimeHooks<Client>()
