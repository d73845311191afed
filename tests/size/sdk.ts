// A page that has the SDK's client, with everything in it.
import { createRealtimeClient } from '@org/realtime-client'
import { manifest } from '@org/realtime-contracts/events/manifest'

Object.assign(globalThis, { client: createRealtimeClient(manifest, { url: '/' }) })
