import type { ReservedEvent } from './document.js'
import type { JsonSchema } from './json-schema.js'

const text = (description: string): JsonSchema => ({ type: 'string', description })
const texts = (description: string): JsonSchema => ({ type: 'array', items: { type: 'string' }, description })
const object = (properties: Record<string, JsonSchema>, optional: readonly string[] = []): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
})
const all = (...schemas: Array<JsonSchema | undefined>): JsonSchema => {
  const [first, ...more] = schemas.filter((schema) => schema !== undefined)
  return more.length === 0 ? (first ?? {}) : { allOf: [first ?? {}, ...more] }
}

const ROOM = object({ kind: text('The kind of room'), id: text('Its id, as it goes over the wire') })
const count = (description: string): JsonSchema => ({ type: 'integer', minimum: 0, description })
const PLACE = {
  epoch: text('Names the log; another one where it was begun anew'),
  sequence: count('The number of the event that is behind'),
  atMs: count('When it was stored, in milliseconds since 1970; 0 where that is not known'),
}
const LOG = { room: { ...ROOM, description: "Of which room; of the user's own events where it is left out" } }
const REASONS: JsonSchema = { enum: ['trimmed', 'expired', 'emptied', 'replaced', 'ahead'], description: 'Why' }
const USERS = object({ userIds: texts('At most 256 user ids') })

function facts(session: JsonSchema | undefined): JsonSchema {
  const own = object(
    {
      success: { const: true },
      userId: text('Who the server takes this client for'),
      email: text('Their e-mail address, where it is known'),
      deviceId: text('This client instance'),
      expiresInMs: { type: 'integer', minimum: 0, description: 'How long the token still holds, in milliseconds' },
      $contract: { ...object({ version: text('The version of the contract that the server has') }), description: 'Where it is newer than that of this client' },
    },
    ['email', 'expiresInMs', '$contract'],
  )
  return all(own, session)
}

function users(presence: JsonSchema | undefined): JsonSchema {
  const device = object({ id: text('The device'), meta: { ...presence, description: 'What it says about itself' } }, ['meta'])
  const user = object({ userId: text('The user'), online: { type: 'boolean' }, devices: { type: 'array', items: device } })
  return object({ users: { type: 'array', items: user } })
}

/** What the SDK itself sends to clients. */
export function sessionEvents(session: JsonSchema | undefined, presence: JsonSchema | undefined): ReservedEvent[] {
  const error = { code: text('What went wrong'), message: text('For people'), data: {}, event: text('The event it is about') }
  return [
    { name: 'authenticated', description: 'The first event of every connection: who the server takes this client for', payload: facts(session) },
    { name: 'error', description: 'An event that was sent without an acknowledgement has failed', payload: object(error, ['data', 'event']) },
    {
      name: '$disconnect',
      description: 'Why the server is about to close the connection',
      payload: object({ code: text('As of an error'), reason: text('For people'), retryAfterMs: { type: 'number', minimum: 0 } }, ['retryAfterMs']),
    },
    {
      name: '$presence',
      description: 'Who has come to or left a room, or where watched users stand now',
      payload: {
        anyOf: [
          object({ ...(ROOM.properties as Record<string, JsonSchema>), joined: texts('User ids'), left: texts('User ids') }, ['joined', 'left']),
          users(presence),
        ],
      },
    },
    {
      name: '$gap',
      description: 'Durable events are missing; what comes next is behind that place',
      payload: object(
        {
          ...LOG,
          event: text('Which event, where the contract has but one that is durable'),
          from: count('The first that is missing'),
          to: count('The last, where that is known'),
          reason: REASONS,
          ...PLACE,
        },
        ['room', 'event', 'to'],
      ),
    },
    {
      name: '$caughtUp',
      description: 'All durable events that there were have been sent',
      payload: object({ ...LOG, ...PLACE, resumed: { type: 'boolean', description: 'Whether it went on from a place that the client gave' } }, ['room']),
    },
  ]
}

/** What clients may send beside the contract's own events; each is answered. */
export function controlEvents(session: JsonSchema | undefined, presence: JsonSchema | undefined): ReservedEvent[] {
  const members = object({ members: texts('The user ids in the room, where it shows them') }, ['members'])
  return [
    { name: '$join', description: 'Join a room', payload: ROOM, reply: { data: members } },
    { name: '$leave', description: 'Leave a room', payload: ROOM, reply: {} },
    {
      name: '$authenticate',
      description: 'Prove again who this is, with a new token',
      payload: object({ token: text('The token') }),
      reply: { data: facts(session) },
    },
    {
      name: '$watch',
      description: 'Watch where users stand, or who is in a room',
      payload: { anyOf: [USERS, ROOM] },
      reply: { data: { anyOf: [users(presence), members] } },
    },
    { name: '$unwatch', description: 'Watch no longer', payload: { anyOf: [USERS, ROOM] }, reply: {} },
    { name: '$ack', description: 'Say which durable events were taken in', payload: object({ receipts: { type: 'array', items: object(PLACE) } }), reply: {} },
    { name: '$set', description: 'Say something about this device', payload: object({ value: presence ?? {} }), reply: {} },
  ]
}
