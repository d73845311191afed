import type { ContractDocument, EventDocument } from './document.js'
import { type JsonSchema, mapRefs } from './json-schema.js'

/** Where the server is, as far as the document tells. */
export interface ServerPlace {
  /** @default 'localhost:3000' */
  readonly host?: string
  /** @default '/socket.io/' */
  readonly path?: string
  /** @default '/' */
  readonly namespace?: string
}

const JSON_SCHEMA = 'application/schema+json;version=draft-07'

/**
 * The contract as AsyncAPI 3.1, from the server's point of view: it sends what goes to clients, and receives what comes from them.
 * AsyncAPI has no binding for Socket.IO, so what concerns it is under `x-socketio`.
 */
export function toAsyncApi(document: ContractDocument, { host = 'localhost:3000', path = '/socket.io/', namespace = '/' }: ServerPlace = {}): object {
  const { name, version, fingerprint, events, rooms, definitions } = document
  return {
    asyncapi: '3.1.0',
    id: `urn:realtime:${name}`,
    info: {
      title: name,
      version,
      description: 'Events between servers and clients over Socket.IO: the name of an event is the address of its channel.',
      'x-socketio': { protocol: 5, fingerprint, rooms: Object.fromEntries(rooms.map(({ kind, id }) => [kind, toComponents(id)])) },
    },
    defaultContentType: 'application/json',
    servers: {
      realtime: {
        host,
        protocol: 'wss',
        description: 'Also over HTTP long-polling, as in Socket.IO',
        security: [{ $ref: '#/components/securitySchemes/token' }],
        'x-socketio': { path, namespace },
      },
    },
    channels: Object.fromEntries(events.map((event) => [event.id, toChannel(event)])),
    operations: Object.fromEntries(events.map((event) => [operationId(event), toOperation(event)])),
    components: {
      schemas: mapRefs(definitions, toComponent),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'In `auth.token` of the handshake, or as an Authorization header of it' },
      },
    },
  }
}

function operationId({ direction, id }: EventDocument): string {
  return `${direction === 'serverToClient' ? 'send' : 'receive'}.${id}`
}

function toChannel(event: EventDocument): object {
  return {
    address: event.name,
    title: event.name,
    messages: {
      event: toMessage(event.name, event.description, event.payload, event),
      ...(event.reply && { reply: toMessage(`${event.name} reply`, 'What the acknowledgement is called with', toEnvelope(event)) }),
    },
  }
}

function toMessage(name: string, description: string | undefined, payload: JsonSchema | undefined, event?: EventDocument): object {
  return {
    name,
    title: name,
    ...(description !== undefined && { summary: description }),
    ...(event?.deprecated !== undefined && { description: `Deprecated: ${event.deprecated}` }),
    ...(payload && { payload: { schemaFormat: JSON_SCHEMA, schema: toComponents(payload) } }),
  }
}

function toOperation(event: EventDocument): object {
  const { direction, id, reply, errors, limits, idempotent, delivery, deprecated } = event
  const channel = { $ref: `#/channels/${id}` }
  return {
    action: direction === 'serverToClient' ? 'send' : 'receive',
    channel,
    ...(event.description !== undefined && { summary: event.description }),
    ...(deprecated !== undefined && { tags: [{ name: 'deprecated', description: deprecated }] }),
    messages: [{ $ref: `#/channels/${id}/messages/event` }],
    ...(reply && { reply: { channel, messages: [{ $ref: `#/channels/${id}/messages/reply` }] } }),
    'x-socketio': {
      event: event.name,
      acknowledged: reply !== undefined,
      errors: errors.map(({ code }) => code),
      ...(limits && { limits }),
      ...(idempotent && { idempotent }),
      ...(delivery !== 'live' && { delivery }),
    },
  }
}

/** The one argument of an acknowledgement. */
export function toEnvelope({ reply, errors }: EventDocument): JsonSchema {
  const data = reply?.data
  return {
    oneOf: [
      { type: 'object', properties: { ok: { const: true }, ...(data && { data }) }, required: ['ok', ...(data ? ['data'] : [])] },
      {
        type: 'object',
        properties: { ok: { const: false }, error: { anyOf: [...errors.map(toError), toBuiltInError(errors.map(({ code }) => code))] } },
        required: ['ok', 'error'],
      },
    ],
  }
}

function toError({ code, data }: { code: string; data: JsonSchema | undefined }): JsonSchema {
  return {
    type: 'object',
    properties: { code: { const: code }, message: { type: 'string' }, ...(data && { data }) },
    required: ['code', 'message', ...(data ? ['data'] : [])],
  }
}

function toBuiltInError(declared: readonly string[]): JsonSchema {
  const code: JsonSchema = declared.length === 0 ? { type: 'string' } : { type: 'string', not: { enum: [...declared] } }
  return {
    type: 'object',
    description: 'What the SDK itself decided',
    properties: { code, message: { type: 'string' }, data: {} },
    required: ['code', 'message'],
  }
}

function toComponents(schema: JsonSchema): JsonSchema {
  return mapRefs(schema, toComponent)
}

function toComponent(ref: string): string {
  return ref.replace('#/definitions/', '#/components/schemas/')
}
