export type { Coded, ContractCodec, EventBorder, EventCodec, EventCodecs, ValueCodec } from './codec.js'
export {
  type Contract,
  type ContractDefinition,
  type ContractModel,
  type Delivery,
  defineContract,
  type EventDefinition,
  type EventEntry,
  type EventLimits,
  type EventMap,
  eventNames,
  type Manifest,
  mergeContracts,
  type RoomMap,
  type SessionSchema,
  toManifest,
} from './contract.js'
export {
  type BuiltInError,
  type BuiltInErrorCode,
  type BuiltInErrorData,
  type ContractMismatch,
  type ErrorOrigin,
  type Issue,
  isBuiltInErrorCode,
  RealtimeError,
  type RealtimeErrorOptions,
} from './errors.js'
export { type Cast, type EventEvolution, type Evolution, type EvolutionCasts, evolve } from './evolve.js'
export type {
  Answered,
  ClientEvent,
  ClientToServerEvents,
  ContractOf,
  DeclaredError,
  ErrorsOf,
  PayloadArguments,
  PayloadOf,
  PresenceMeta,
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
export { OTHER, type OtherText, openEnum, openUnion } from './open.js'
export type { Schema, WireModel } from './schema.js'
export type {
  DisconnectNotice,
  ErrorNotice,
  JoinAnswer,
  MembersNotice,
  OutdatedNotice,
  PresenceNotice,
  PresentDevice,
  RoomAddress,
  SessionEvents,
  SessionFacts,
  UserPresence,
} from './session.js'
export { type EventMeta, type Handshake, PROTOCOL_VERSION, type Reply, type WireError } from './wire.js'
