import type { Server } from 'node:http'
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common'
import type { DiscoveryService, ExternalContextCreator, HttpAdapterHost } from '@nestjs/core'
import type { Contract } from '@org/realtime-contracts'
import type { MiddlewareContext, RealtimeServer } from '@org/realtime-server'
import { describe, type EventOf, type FoundHandler, findHandlers, toCall } from './handlers.js'

/** A server of whatever contract. */
export interface AnyServer extends Pick<RealtimeServer<Contract>, 'attach' | 'close'> {
  on(event: string, handler: (context: MiddlewareContext) => unknown): unknown
}

/** Starts and ends a server with the application. */
export class RealtimeLifecycle implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly realtime: AnyServer,
    private readonly drainMs: number | undefined,
    private readonly eventOf: EventOf,
    private readonly discovery: DiscoveryService,
    private readonly contexts: ExternalContextCreator,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  /** Once every provider is ready, and before the application listens. */
  onApplicationBootstrap(): void {
    this.#assertOnly()
    const server = this.#findHttpServer()
    const taken = new Map<string, FoundHandler>()
    for (const handler of findHandlers(this.discovery, this.eventOf)) {
      const other = taken.get(handler.event)
      if (other !== undefined) throw new TypeError(`${describe(handler)}: ${describe(other)} handles this event already, and an event has one handler`)
      taken.set(handler.event, handler)
      this.#bind(handler)
    }
    this.realtime.attach(server)
  }

  /** In the first phase of closing: the HTTP server is still there, and so is what is ended in the phases after it. */
  async onModuleDestroy(): Promise<void> {
    await this.realtime.close(this.drainMs === undefined ? {} : { drainMs: this.drainMs })
  }

  #bind(handler: FoundHandler): void {
    const call = toCall(handler, this.contexts)
    try {
      this.realtime.on(handler.event, call)
    } catch (cause) {
      throw new TypeError(`${describe(handler)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }

  #assertOnly(): void {
    const same = this.discovery.getProviders().filter(({ instance }) => instance instanceof RealtimeLifecycle && instance.eventOf === this.eventOf)
    if (same.length > 1) {
      throw new TypeError(
        'RealtimeModule: forRoot or forRootAsync was called more than once for this contract. Import it in the root module alone; the server can be injected everywhere',
      )
    }
  }

  #findHttpServer(): Server {
    const server = (this.adapterHost.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined)?.getHttpServer() as Server | undefined
    if (typeof server?.on !== 'function') {
      throw new TypeError(
        'RealtimeModule: the application has no HTTP server to attach to. Make it by NestFactory.create(); where nothing listens, as in a worker, use createRealtimeEmitter of @org/realtime-server instead of this module',
      )
    }
    return server
  }
}
