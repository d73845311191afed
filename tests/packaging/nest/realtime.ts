import { type ContextOf, createRealtimeNest } from '@org/realtime-nestjs'
import { contract } from './contract.js'

export const { RealtimeModule, RealtimeHandler, Realtime } = createRealtimeNest(contract)
export type Realtime = InstanceType<typeof Realtime>
export type Context<K extends keyof typeof contract.clientToServer & string> = ContextOf<typeof contract, K>
