import 'reflect-metadata'
import { type INestApplication, Module, type ModuleMetadata, type Type } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import type { RealtimeClient } from '@org/realtime-client'
import { type ContextOf, createRealtimeNest, type RealtimeModuleOptions } from '@org/realtime-nestjs'
import { onTestFinished } from 'vitest'
import { contract, type TestContract } from './contract.js'
import { createTestClient, signToken, type TestUser, type Transport, testJwt } from './harness.js'

export const { RealtimeModule, RealtimeHandler, Realtime } = createRealtimeNest<TestContract, TestUser>(contract)
export type Realtime = InstanceType<typeof Realtime>
export type Context<K extends keyof TestContract['clientToServer'] & string> = ContextOf<TestContract, K, TestUser>

export const PLATFORMS = ['Express', 'Fastify'] as const
type Platform = (typeof PLATFORMS)[number]

export interface NestOptions {
  readonly platform?: Platform
  readonly options?: Partial<RealtimeModuleOptions<TestContract, TestUser>>
  /** What `main.ts` does before the application listens. */
  readonly prepare?: (app: INestApplication) => void
}

export interface TestApp {
  readonly app: INestApplication
  readonly realtime: Realtime
  readonly url: string
  /** What reached `onError`. */
  readonly errors: unknown[]
  client(userId: string, transport?: Transport): Promise<RealtimeClient<TestContract>>
}

export async function createNest(metadata: ModuleMetadata, { platform = 'Express', options = {}, prepare = () => {} }: NestOptions = {}) {
  const errors: unknown[] = []
  const realtimeModule = RealtimeModule.forRoot({
    authenticate: testJwt(),
    onError: (error) => errors.push(error),
    presence: { graceMs: 0 },
    ...options,
  })
  const root = toModule({ ...metadata, imports: [...(metadata.imports ?? []), realtimeModule] })
  const settings = { logger: false, abortOnError: false } as const
  const app = platform === 'Fastify' ? await NestFactory.create(root, new FastifyAdapter(), settings) : await NestFactory.create(root, settings)
  onTestFinished(() => app.close())
  prepare(app)
  return { app, errors }
}

/** A Nest application on a free port, closed with the test. */
export async function startNest(metadata: ModuleMetadata, options: NestOptions = {}): Promise<TestApp> {
  const { app, errors } = await createNest(metadata, options)
  await app.listen(0, '127.0.0.1')
  const url = await app.getUrl()
  return {
    app,
    realtime: app.get(Realtime),
    url,
    errors,
    client: async (userId, transport) => {
      const client = createTestClient(contract, { url, getToken: () => signToken(userId), ...(transport && { transports: [transport] }) })
      await client.connect()
      return client
    },
  }
}

export function toModule(metadata: ModuleMetadata): Type<unknown> {
  class TestModule {}
  Module(metadata)(TestModule)
  return TestModule
}
