export { type BuiltInErrorCode, type Issue, RealtimeError, type Result } from '@org/realtime-contracts/wire'
export {
  type AnswerContext,
  type ClientEvents,
  type ConnectOptions,
  createRealtimeClient,
  type EmitOptions,
  type RealtimeClient,
  type RealtimeClientOptions,
  type RequestOptions,
} from './client.js'
export type { ConnectionOptions, Status } from './connection.js'
export type { Room } from './room.js'
