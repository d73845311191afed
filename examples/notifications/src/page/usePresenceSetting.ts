import { useEffect } from 'react'
import { type Device, useClient } from './devices.js'

/** Tells those who watch this user what the device is, and whether somebody is there. */
export function usePresenceSetting(kind: Device['kind'], away: boolean): void {
  const client = useClient()
  useEffect(() => {
    client.presence.set({ kind, away }).catch(() => {}) // said again with the next connection
  }, [client, kind, away])
}
