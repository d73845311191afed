import type { ClientEvent } from '@org/realtime-contracts'
import { contract } from '@org/realtime-contracts/events'
import { type ContextOf, createRealtimeNest } from '@org/realtime-nestjs'
import { type EnvironmentOptions, jwt } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'

/** The contract, bound to Nest once. */
export const { RealtimeModule, RealtimeHandler, Realtime } = createRealtimeNest(contract)
export type Realtime = InstanceType<typeof Realtime>
export type Context<K extends ClientEvent<typeof contract>> = ContextOf<typeof contract, K>

export function toRealtimeOptions({ path, cors, jwt: key, redisUrl }: EnvironmentOptions) {
  return {
    path,
    cors,
    authenticate: jwt(key),
    ...(redisUrl !== undefined && { cluster: redisCluster({ url: redisUrl }) }),
    drainMs: 10_000,
  }
}
