import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

// What is sent in all scenarios: a notification, as the organisation's own.

export const Notification = z.object({
  notification: z.object({
    id: z.string(),
    message: z.string(),
    title: z.string().optional(),
    type: z.enum(['info', 'warning', 'achievement']).optional(),
    data: z.object({ groupId: z.string(), count: z.int(), tags: z.array(z.string()) }).optional(),
  }),
  timestamp: z.iso.datetime(),
})

export const PAYLOAD = {
  notification: {
    id: 'ntf-000123',
    message: 'Ada has commented on your answer, and two others like it',
    title: 'A new comment',
    type: 'info',
    data: { groupId: 'group-42', count: 3, tags: ['comment', 'answer'] },
  },
  timestamp: '2026-01-31T12:34:56.789Z',
} as const satisfies z.input<typeof Notification> | object

/** The same, with one field wrong. */
export const INVALID = { ...PAYLOAD, notification: { ...PAYLOAD.notification, message: 7 } }

const events = {
  clientToServer: { notify: { payload: Notification, reply: Notification } },
  serverToClient: { 'notification:new': Notification },
} as const

export const contract = defineContract({ name: 'bench', version: '1.0.0', ...events })

/** The notification as it is, and stored first. */
export const kept = defineContract({
  name: 'bench',
  version: '1.0.0',
  serverToClient: { ...events.serverToClient, 'notification:kept': { payload: Notification, delivery: 'durable' } },
})

/** The same events, beside all else that a contract can hold. */
export const everything = defineContract({
  name: 'bench',
  version: '1.0.0',
  clientToServer: { ...events.clientToServer, other: { payload: z.object({ n: z.int() }), reply: z.void(), limits: { perSecond: 10, maxBytes: 100 } } },
  serverToClient: events.serverToClient,
  rooms: { group: z.string(), team: z.enum(['red', 'blue']) },
  session: z.object({ role: z.string() }),
  presence: z.object({ status: z.enum(['here', 'away']) }),
})
