import type { Contract, EventEntry, Manifest } from './contract.js'
import type { BuiltInError, RealtimeError } from './errors.js'
import type { Schema } from './schema.js'
import type { SessionEvents, SessionFacts } from './session.js'
import type { Reply, WireError } from './wire.js'

/** Which values a side works with: the application's (`z.output`), or as they cross the wire (`z.input`). */
export type Side = 'domain' | 'wire'

/** The value of a schema on one side; `undefined` where there is no schema. */
export type ValueOf<S, V extends Side = 'domain'> = S extends { _zod: { output: infer Output; input: infer Input } }
  ? V extends 'domain'
    ? Output
    : Input
  : undefined

/** An event's payload; `undefined` for an event without one. */
export type PayloadOf<E, V extends Side = 'domain'> = E extends { _zod: unknown }
  ? VoidAsUndefined<ValueOf<E, V>>
  : E extends { payload: infer P }
    ? VoidAsUndefined<ValueOf<P, V>>
    : undefined
type VoidAsUndefined<T> = [T] extends [void] ? undefined : T

/** What an event answers; `void` for an answer without data. */
export type ReplyOf<E, V extends Side = 'domain'> = E extends { reply: infer R extends Schema } ? ValueOf<R, V> : never

/** The errors an event declares, by code, with their data. */
export type ErrorsOf<E, V extends Side = 'domain'> = E extends { errors: infer Errors }
  ? { readonly [Code in keyof Errors]: ValueOf<Errors[Code], V> }
  : Record<never, never>

/** The declared errors of an event as a union on `code`. */
export type DeclaredError<E, V extends Side = 'domain'> = { [Code in keyof ErrorsOf<E, V> & string]: RealtimeError<Code, ErrorsOf<E, V>[Code]> }[keyof ErrorsOf<
  E,
  V
> &
  string]

/** Everything a request of an event may fail with, as a union on `code`. */
export type RequestError<E, V extends Side = 'domain'> = DeclaredError<E, V> | BuiltInError

/** The arguments between an event's name and the options: none for an event without payload. */
export type PayloadArguments<Payload, Options> = [Payload] extends [undefined]
  ? [payload?: undefined, options?: Options]
  : undefined extends Payload
    ? [payload?: Payload, options?: Options]
    : [payload: Payload, options?: Options]

/** Whether an event is stored before it is sent. */
export type IsDurable<E> = E extends { delivery: 'durable' } ? true : false

/** The names of the events that the server sends. */
export type ServerEvent<C extends Contract> = keyof C['serverToClient'] & string
/** The names of the server's events that are stored before they are sent. */
export type DurableEvent<C extends Contract> = {
  [K in ServerEvent<C>]: C['serverToClient'][K] extends { delivery: 'durable' } ? K : never
}[ServerEvent<C>]
/** The names of the events that clients send. */
export type ClientEvent<C extends Contract> = keyof C['clientToServer'] & string
/** The kinds of rooms. */
export type RoomKind<C extends Contract> = keyof C['rooms'] & string
/** The id of a room of one kind. */
export type RoomId<C extends Contract, K extends RoomKind<C>, V extends Side = 'domain'> = ValueOf<C['rooms'][K], V>

/** The names of a map's events that are answered. */
export type Answered<M> = { [K in keyof M]: M[K] extends { reply: Schema } ? K : never }[keyof M] & string

/** The names of a map's events that are idempotent. */
export type Idempotent<M> = { [K in keyof M]: M[K] extends { idempotent: true } ? K : never }[keyof M] & string

/** The session fields that a contract declares. */
export type SessionFields<C extends Contract, V extends Side = 'domain'> = C['session'] extends Schema ? ValueOf<C['session'], V> : unknown

/** What a device may say about itself; `undefined` where the contract declares nothing. */
export type PresenceMeta<C extends Contract, V extends Side = 'domain'> = ValueOf<C['presence'], V>

/** What a client is told on connecting. */
export type Session<C extends Contract, V extends Side = 'domain'> = SessionFacts & SessionFields<C, V>

/** The contract behind a contract or a manifest. */
export type ContractOf<Source> = Source extends Contract ? Source : Source extends Manifest<infer C> ? C : never
/** The values that a client of a contract or a manifest works with. */
export type SideOf<Source> = Source extends Contract ? 'domain' : 'wire'

/** The envelope that answers an event, with its data and declared errors as they cross the wire. */
export type ReplyEnvelope<E extends EventEntry> = Reply<
  ReplyOf<E, 'wire'>,
  | { [Code in keyof ErrorsOf<E, 'wire'> & string]: WireError<Code, ErrorsOf<E, 'wire'>[Code]> }[keyof ErrorsOf<E, 'wire'> & string]
  | WireError<BuiltInError['code']>
>

/** One event as Socket.IO's own map types put it: wire values, and the acknowledgement where it is answered. */
type SocketEvent<E extends EventEntry> = E extends { reply: Schema }
  ? (...args: [...WirePayload<E>, acknowledge?: (reply: ReplyEnvelope<E>) => void]) => void
  : (...args: WirePayload<E>) => void
type WirePayload<E> = [PayloadOf<E, 'wire'>] extends [undefined] ? [] : [payload: PayloadOf<E, 'wire'>]

/** What the server sends, as Socket.IO's own map type, for a bare `Server<...>` or `Socket<...>`. */
export type ServerToClientEvents<C extends Contract> = { [K in ServerEvent<C>]: SocketEvent<C['serverToClient'][K]> } & SessionEvents
/** What clients send, as Socket.IO's own map type, for a bare `Server<...>` or `Socket<...>`. */
export type ClientToServerEvents<C extends Contract> = { [K in ClientEvent<C>]: SocketEvent<C['clientToServer'][K]> }
