export {
  createRealtimeClient,
  type AnswerContext,
  type ClientEvents,
  type ConnectOptions,
  type EmitOptions,
  type RealtimeClient,
  type RealtimeClientOptions,
  type RequestOptions,
} from './client.js'
export type { ConnectionOptions, Status } from './connection.js'
export type { Room } from './room.js'
export { RealtimeError, type BuiltInErrorCode, type Issue, type Result } from '@org/realtime-contracts/wire'
