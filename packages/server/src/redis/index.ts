import { randomUUID } from 'node:crypto'
import type { Cluster as IoRedisCluster, Redis } from 'ioredis'
import type { Cluster, ClusterContext, ClusterLink, ClusterNode } from '../cluster.js'
import { RedisAdapter } from './adapter.js'
import { RedisBus } from './bus.js'
import type { RedisConnection } from './connection.js'
import { EMITTER_UID, Forwarding } from './events.js'
import { RedisIdempotencyStore } from './idempotency.js'
import { connectIoredis } from './ioredis.js'
import { RedisLogStore } from './log.js'
import { Channels, decode } from './message.js'
import { connectNodeRedis, type NodeRedisClient } from './node-redis.js'
import { RedisPresenceStore } from './presence.js'
import { Questions } from './questions.js'
import { RedisRevocationStore } from './revocation.js'

/** What `redisCluster` takes. */
export interface RedisClusterOptions {
  /** Where Redis 7 is, such as `redis://127.0.0.1:6379`, or `rediss://` for TLS; or give `client`. */
  readonly url?: string | undefined
  /**
   * A client of `ioredis`, also of a Redis Cluster, or of `redis` 5 or later: connections of the SDK's own are made as it is,
   * and it stays yours to close.
   */
  readonly client?: Redis | IoRedisCluster | NodeRedisClient
  /** What all keys and channels start with: two applications that share one Redis have different ones. @default 'realtime' */
  readonly prefix?: string
  /** How long a process that gives no sign of life is believed to be there, in milliseconds, from 1_000. @default 10_000 */
  readonly leaseMs?: number
}

/**
 * Makes any number of processes one server, over Redis 7: the `cluster` option of a server or an emitter.
 * @throws TypeError for options that are missing or wrong.
 */
export function redisCluster(options: RedisClusterOptions): Cluster {
  const { connect, prefix, leaseMs } = checkOptions(options)
  const baseOf = (namespace: string): string => `{${prefix}#${namespace}}:`

  const join = ({ namespace, graceMs, retention, report }: ClusterContext) => {
    const bus = new RedisBus(connect(), report)
    const base = baseOf(namespace)
    const presence = new RedisPresenceStore(bus, { base, graceMs, leaseMs }, (error) => report(error instanceof Error ? error : new Error(String(error))))
    const logs = new RedisLogStore(bus, new Channels(prefix, namespace), retention)
    return { bus, base, presence, logs }
  }

  return {
    open(context): ClusterNode {
      const { bus, base, presence, logs } = join(context)
      let own: RedisAdapter | undefined // of the namespace that is served
      return {
        presence,
        logs,
        revocations: new RedisRevocationStore(bus, base),
        idempotency: new RedisIdempotencyStore(bus, `${prefix}#${context.namespace}:`),
        adapter: function createAdapter(namespace) {
          const adapter = new RedisAdapter(namespace, bus, new Channels(prefix, namespace.name), context.written, (message) => logs.hear(message))
          if (namespace.name === context.namespace) own = adapter
          return adapter
        },
        get isUp() {
          return bus.isUp && presence.isUp
        },
        onUp: (listener) => bus.onUp(listener),
        forward: (audience, json, isVolatile, trace) => own?.forward(audience, json, isVolatile, trace),
        start(perform) {
          own?.answer(perform)
          presence.start()
        },
        ask: async (audience, task, timeoutMs, tell) => own?.ask(audience, task, timeoutMs, tell),
        async close() {
          await presence.close()
          bus.close()
        },
      }
    },

    link(context): ClusterLink {
      const { bus, presence, logs } = join(context)
      const channels = new Channels(prefix, context.namespace)
      const uid = randomUUID()
      const questions = new Questions(bus, channels, uid)
      const forwarding = new Forwarding(bus, channels, EMITTER_UID)
      bus.subscribe(channels.ofNode(uid), (raw) => questions.receive(decode(raw), async () => {}))?.catch(() => {}) // once Redis is there
      return {
        presence,
        logs,
        get isUp() {
          return bus.isUp && presence.isUp
        },
        ask(audience, task, timeoutMs, tell) {
          forwarding.flush()
          return questions.ask(audience, task, timeoutMs, tell)
        },
        emit: (audience, event, args, isVolatile, trace) => forwarding.forward(audience, JSON.stringify([event, ...args]), isVolatile, trace),
        async close() {
          forwarding.flush()
          await presence.close()
          bus.close()
        },
      }
    },
  }
}

const KNOWN = ['url', 'client', 'prefix', 'leaseMs']
const MIN_LEASE_MS = 1_000
const MAX_LEASE_MS = 3_600_000

function checkOptions(options: RedisClusterOptions): { connect: () => RedisConnection; prefix: string; leaseMs: number } {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError('redisCluster: expected { url } or { client }')
  }
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name))
  if (unknown !== undefined) {
    throw new TypeError(`redisCluster: unknown option ${JSON.stringify(unknown)}; known are ${KNOWN.join(', ')}`)
  }
  const { url, client, prefix = 'realtime', leaseMs = 10_000 } = options
  if (typeof prefix !== 'string' || !/^[A-Za-z0-9._:-]{1,64}$/.test(prefix)) {
    throw new TypeError(`redisCluster: prefix is 1–64 of [A-Za-z0-9._:-]; got ${JSON.stringify(prefix)}`)
  }
  if (typeof leaseMs !== 'number' || !(leaseMs >= MIN_LEASE_MS && leaseMs <= MAX_LEASE_MS)) {
    throw new TypeError(`redisCluster: leaseMs must be a number of milliseconds from ${MIN_LEASE_MS} to ${MAX_LEASE_MS}; got ${String(leaseMs)}`)
  }
  if ((url === undefined) === (client === undefined)) {
    throw new TypeError('redisCluster: give either url, such as redis://127.0.0.1:6379 (is REDIS_URL set?), or client')
  }
  return { connect: client === undefined ? checkUrl(url) : checkClient(client), prefix, leaseMs }
}

function checkUrl(url: unknown): () => RedisConnection {
  if (typeof url !== 'string' || !/^rediss?:\/\/[^\s]+$/.test(url) || !URL.canParse(url)) {
    throw new TypeError('redisCluster: url must be like redis://127.0.0.1:6379, or rediss:// for TLS') // not shown: it may hold a password
  }
  return () => connectIoredis(url)
}

/** By what they have: the application's copy may be another than the SDK's. */
function checkClient(client: RedisClusterOptions['client']): () => RedisConnection {
  if (typeof client === 'object' && client !== null && 'spublish' in client && 'duplicate' in client) return () => connectIoredis(client)
  if (typeof client === 'object' && client !== null && 'sSubscribe' in client && 'sendCommand' in client && !('slots' in client))
    return () => connectNodeRedis(client)
  throw new TypeError('redisCluster: client must be a client of ioredis (Redis or Cluster) or of redis 5 or later (createClient); or give url')
}
