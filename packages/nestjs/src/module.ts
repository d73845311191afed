import { type ConfigurableModuleAsyncOptions, ConfigurableModuleBuilder, type DynamicModule, Module, type Type } from '@nestjs/common'
import { DiscoveryModule, DiscoveryService, ExternalContextCreator, HttpAdapterHost } from '@nestjs/core'
import type { Contract, SessionFields } from '@org/realtime-contracts'
import { type BaseUser, createRealtimeServer, type RealtimeServer, type RealtimeServerOptions } from '@org/realtime-server'
import { createHandlerDecorator, type HandlerDecorator } from './handler.js'
import { type AnyServer, RealtimeLifecycle } from './lifecycle.js'

/** The options of `createRealtimeServer`, and what the module itself needs to know. */
export type RealtimeModuleOptions<C extends Contract, User extends BaseUser & SessionFields<C>> = RealtimeServerOptions<C, User> & {
  /** How long closing the application waits for handlers at work, in milliseconds. @default 5_000 */
  readonly drainMs?: number
}

interface Extras {
  /** Whether every module of the application can inject the server, without importing this one. @default true */
  isGlobal?: boolean
}

/** The module that serves a contract on the application's HTTP server. Import it once, in the root module. */
export interface RealtimeModuleClass<C extends Contract, User extends BaseUser & SessionFields<C>> extends Type<object> {
  /** The module with its server's options, for `imports`. */
  forRoot(options: RealtimeModuleOptions<C, User> & Extras): DynamicModule
  /** With options from elsewhere: `useFactory` with `inject` and `imports`, `useClass` or `useExisting`. */
  forRootAsync(options: ConfigurableModuleAsyncOptions<RealtimeModuleOptions<C, User>> & Extras): DynamicModule
}

/** A contract and a user's type, bound to Nest. */
export interface RealtimeNest<C extends Contract, User extends BaseUser & SessionFields<C>> {
  /** The module to import once, by `RealtimeModule.forRoot(...)`. */
  readonly RealtimeModule: RealtimeModuleClass<C, User>
  /**
   * Makes a method of a provider the handler of an event of the contract.
   * @throws TypeError, when the application starts, for a second handler of an event, or one that Nest cannot call.
   */
  readonly RealtimeHandler: HandlerDecorator<C, User>
  /** What the server is injected by; `InstanceType<typeof Realtime>` is its type. */
  readonly Realtime: abstract new () => RealtimeServer<C, User>
}

/** Binds a contract, and the type of its users, once for a Nest application: a module, a decorator for handlers, and the server to inject. */
export function createRealtimeNest<const C extends Contract, User extends BaseUser & SessionFields<C> = BaseUser & SessionFields<C>>(
  contract: C,
): RealtimeNest<C, User> {
  abstract class Realtime {}
  const { decorate, eventOf } = createHandlerDecorator()
  const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<RealtimeModuleOptions<C, User>>()
    .setClassMethodName('forRoot')
    .setExtras<Extras>({ isGlobal: true }, (definition, { isGlobal = true }) => ({ ...definition, global: isGlobal }))
    .build()

  class RealtimeServerModule extends ConfigurableModuleClass {}
  Module({
    providers: [
      { provide: Realtime, inject: [MODULE_OPTIONS_TOKEN], useFactory: (options: RealtimeModuleOptions<C, User>) => createServer(contract, options) },
    ],
    exports: [Realtime, MODULE_OPTIONS_TOKEN],
  })(RealtimeServerModule)

  // Nest ends global modules last, after the databases that handlers at work need: what closes the server is in a module that is not.
  class RealtimeModule {}
  const withLifecycle = (server: DynamicModule): DynamicModule => ({ module: RealtimeModule, imports: [server] })
  Object.assign(RealtimeModule, {
    forRoot: (options: RealtimeModuleOptions<C, User> & Extras) => withLifecycle(RealtimeServerModule.forRoot(options)),
    forRootAsync: (options: ConfigurableModuleAsyncOptions<RealtimeModuleOptions<C, User>> & Extras) =>
      withLifecycle(RealtimeServerModule.forRootAsync(options)),
  })
  Module({
    imports: [DiscoveryModule],
    providers: [
      {
        provide: RealtimeLifecycle,
        inject: [Realtime, MODULE_OPTIONS_TOKEN, DiscoveryService, ExternalContextCreator, HttpAdapterHost],
        useFactory: (
          realtime: AnyServer,
          { drainMs }: RealtimeModuleOptions<C, User>,
          discovery: DiscoveryService,
          contexts: ExternalContextCreator,
          adapterHost: HttpAdapterHost,
        ) => new RealtimeLifecycle(realtime, drainMs, eventOf, discovery, contexts, adapterHost),
      },
    ],
    exports: [RealtimeServerModule],
  })(RealtimeModule)

  // Nest is handed the names; the interface gives them the types of this contract.
  return { RealtimeModule, RealtimeHandler: decorate, Realtime } as unknown as RealtimeNest<C, User>
}

// A day. What close() itself would refuse has to be said before the application closes.
const MAX_DRAIN_MS = 86_400_000

function createServer<C extends Contract, User extends BaseUser & SessionFields<C>>(
  contract: C,
  { drainMs, ...options }: RealtimeModuleOptions<C, User>,
): RealtimeServer<C, User> {
  if (drainMs !== undefined && !(typeof drainMs === 'number' && drainMs >= 0 && drainMs <= MAX_DRAIN_MS)) {
    throw new TypeError(`RealtimeModule: drainMs must be a number of milliseconds from 0 to ${MAX_DRAIN_MS}; got ${String(drainMs)}`)
  }
  return createRealtimeServer<C, User>(contract, options)
}
