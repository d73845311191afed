// What the snippets of the documents use and do not import; scripts/check-snippets.ts reads it. Names of the SDK are what they
// are there; the others are the application's own.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RealtimeClient } from '@org/realtime-client'
import type { AuthenticateFunction, BaseUser, RealtimeServer } from '@org/realtime-server'
import type { Express } from 'express'
import type { FastifyInstance } from 'fastify'

type Contracts = typeof import('@org/realtime-contracts')
type Events = typeof import('@org/realtime-contracts/events').contract

declare global {
  const createRealtimeServer: typeof import('@org/realtime-server').createRealtimeServer
  const createRealtimeEmitter: typeof import('@org/realtime-server').createRealtimeEmitter
  const createRealtimeClient: typeof import('@org/realtime-client').createRealtimeClient
  const jwt: typeof import('@org/realtime-server').jwt
  const optionsFromEnv: typeof import('@org/realtime-server').optionsFromEnv
  const redisCluster: typeof import('@org/realtime-server/redis').redisCluster
  const reloadOutdated: typeof import('@org/realtime-client').reloadOutdated
  const defineContract: Contracts['defineContract']
  const createServer: typeof import('node:http').createServer
  const z: typeof import('zod')

  const contract: Events
  const realtime: RealtimeServer<Events, BaseUser>
  const client: RealtimeClient<Events>

  const authenticate: AuthenticateFunction<BaseUser>
  const app: Express
  const fastify: FastifyInstance
  const logger: Record<'info' | 'error', (entry: Record<string, unknown>) => void>
  const userIds: string[]
  const before: Events
  const after: Events
  const passwordChangedAt: Date
  const claims: { jti: string }
  const sessions: { find(cookie: string | undefined): Promise<{ id: string; userId: string; createdAtMs: number; endsAtMs: number } | undefined> }
  function next(options: { dev: boolean }): {
    prepare(): Promise<void>
    getRequestHandler(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
  }
  function showBanner(text: string): void
}
