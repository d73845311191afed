import { randomUUID } from 'node:crypto'
import { type IdempotencyOptions, MemoryIdempotencyStore, type RealtimeServer } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { createTestRealtime, type OwnTestRealtime } from '@org/realtime-testing'
import { onTestFinished } from 'vitest'
import { type Shop, shop } from './contract.js'

type User = { readonly userId: string }
type ShopServer = RealtimeServer<Shop, User>
export type ShopNode = OwnTestRealtime<Shop, User, string | User>

export interface NodeOptions {
  readonly idempotency?: IdempotencyOptions
  readonly setup: (realtime: ShopServer, node: number) => void
}

/** Several servers that remember the same commands; closed with the test. */
export type StartNodes = (count: number, options: NodeOptions) => Promise<ShopNode[]>

async function start(count: number, options: NodeOptions, more: (index: number) => object): Promise<ShopNode[]> {
  const nodes: ShopNode[] = []
  onTestFinished(async () => void (await Promise.all(nodes.map((node) => node.close()))))
  for (let index = 0; index < count; index++) {
    const { setup } = options
    nodes.push(
      await createTestRealtime(shop, {
        user: (userId: string): User => ({ userId }),
        onError() {},
        setup: (realtime: ShopServer) => setup(realtime, index),
        ...more(index),
      }),
    )
  }
  return nodes
}

/** In one process, by one store. */
export const startInMemory: StartNodes = (count, options) => {
  const store = options.idempotency?.store ?? new MemoryIdempotencyStore()
  return start(count, options, () => ({ idempotency: { ...options.idempotency, store } }))
}

/** Joined by a Redis. */
export function startOnRedis(url: () => string): StartNodes {
  return (count, options) => {
    const prefix = randomUUID()
    return start(count, options, () => ({ ...(options.idempotency && { idempotency: options.idempotency }), cluster: redisCluster({ url: url(), prefix }) }))
  }
}

/** Is opened once, for all who wait. */
export function gate() {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}
