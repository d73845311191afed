import type { ClientEvent } from '@org/realtime-contracts'
import { type ContextOf, createRealtimeNest } from '@org/realtime-nestjs'
import { contract } from './contract.js'

export interface AppUser {
  readonly userId: string
  readonly role: 'member' | 'admin'
}

export const { RealtimeModule, RealtimeHandler, Realtime } = createRealtimeNest<typeof contract, AppUser>(contract)
export type Realtime = InstanceType<typeof Realtime>
export type Context<K extends ClientEvent<typeof contract>> = ContextOf<typeof contract, K, AppUser>
