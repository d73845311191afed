export {
  defineContract,
  eventNames,
  mergeContracts,
  toManifest,
  type Contract,
  type ContractDefinition,
  type ContractModel,
  type Delivery,
  type EventDefinition,
  type EventEntry,
  type EventMap,
  type Manifest,
  type RoomMap,
  type SessionSchema,
} from './contract.js'
export type { Coded, ContractCodec, EventCodec, ValueCodec } from './codec.js'
export type { Schema, WireModel } from './schema.js'
export type {
  Answered,
  ClientEvent,
  ClientToServerEvents,
  ContractOf,
  DeclaredError,
  ErrorsOf,
  PayloadArguments,
  PayloadOf,
  ReplyEnvelope,
  ReplyOf,
  RequestError,
  RoomId,
  RoomKind,
  ServerEvent,
  ServerToClientEvents,
  Session,
  SessionFields,
  Side,
  SideOf,
  ValueOf,
} from './infer.js'
export {
  isBuiltInErrorCode,
  RealtimeError,
  type BuiltInError,
  type BuiltInErrorCode,
  type BuiltInErrorData,
  type ErrorOrigin,
  type Issue,
  type RealtimeErrorOptions,
} from './errors.js'
export type { DisconnectNotice, ErrorNotice, JoinAnswer, MembersNotice, RoomAddress, SessionEvents, SessionFacts } from './session.js'
export { PROTOCOL_VERSION, type EventMeta, type Handshake, type Reply, type WireError } from './wire.js'
