export { type BuiltInErrorCode, type Issue, type OutdatedNotice, RealtimeError, type Result } from '@org/realtime-contracts/wire'
export {
  type AnswerContext,
  type ClientEvents,
  type ConnectOptions,
  createRealtimeClient,
  type EmitOptions,
  type EventPayload,
  type RealtimeClient,
  type RealtimeClientOptions,
} from './client.js'
export type { CommandOptions, RequestOptionsOf } from './commands.js'
export type { ConnectionOptions, Status } from './connection.js'
export { type ReloadOptions, reloadOutdated } from './outdated.js'
export type { PositionStore } from './positions.js'
export type { PresenceWatch } from './presence.js'
export type { RequestOptions } from './requests.js'
export type { Room, RoomWatch } from './rooms.js'
export type { ConnectionState } from './state.js'
export { tabPositions } from './tab.js'
export type { ClientTracing, SentEvent } from './tracing.js'
