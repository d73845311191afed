export type { RefusalListener } from './admission.js'
export { type Claims, type JwtChecks, type JwtKey, type JwtOptions, jwt, type RegisteredClaims } from './auth.js'
export type { Audience, Cluster, ClusterContext, ClusterLink, ClusterNode } from './cluster.js'
export type { CommandContext, IdempotencyOptions } from './commands.js'
export type { Device, Fail, Handler, HandlerContext, Middleware, MiddlewareContext, Report } from './context.js'
export type {
  AllEmitTarget,
  AllTarget,
  DeviceAnswer,
  DurableEmitOptions,
  EmitOptions,
  EmitTarget,
  Receipt,
  RequestOptions,
  Target,
  UserEmitTarget,
  UserTarget,
} from './delivery.js'
export { createRealtimeEmitter, type RealtimeEmitter, type RealtimeEmitterOptions } from './emitter.js'
export { type EnvironmentOptions, optionsFromEnv } from './env.js'
export {
  type Claim,
  type Claimant,
  type IdempotencyStore,
  MemoryIdempotencyStore,
  type MemoryIdempotencyStoreOptions,
  type RedisCommand,
} from './idempotency.js'
export type { AuthenticateFunction, Authentication, AuthenticationRequest, Authenticator, BaseUser } from './identity.js'
export type { Inbox, InboxEntry, InboxPage } from './inbox.js'
export type { Presence, RealtimeServer } from './interface.js'
export type { Limits } from './limits.js'
export type { Appended, LogEntry, LogPage, LogRecord, LogStore, PageSize } from './log.js'
export type {
  ObservedClient,
  ObservedEmit,
  ObservedEvent,
  ObservedLimit,
  ObservedName,
  ObservedRefusal,
  ObservedReply,
  RealtimeObserver,
} from './observe.js'
export type { RealtimeServerOptions } from './options.js'
export type { CorsOptions } from './origin.js'
export type { MemberChange, PresenceEvents, PresenceReader, PresenceStore, PresentConnection, UserChange } from './presence.js'
export type { DurableOptions, Retention } from './retention.js'
export { MemoryRevocationStore, type Revocation, type RevocationStore } from './revocation.js'
export type { RoomRule } from './rooms.js'
export { createRealtimeServer } from './server.js'
export type { Once } from './steps.js'
export type { BufferLimits } from './transport.js'
