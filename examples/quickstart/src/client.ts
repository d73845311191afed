import { createRealtimeClient } from '@org/realtime-client'
import { contract } from './contract.js'

export function createChat(url: string, getToken: () => Promise<string>) {
  return createRealtimeClient(contract, { url, getToken })
}
