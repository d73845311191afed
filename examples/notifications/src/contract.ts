import { defineContract, mergeContracts } from '@org/realtime-contracts'
import { LeaderboardEntry, Notification, NotificationId, contract as organisation } from '@org/realtime-contracts/events'
import * as z from 'zod'

const UserId = z.string().min(1).max(128)
const GroupId = z.string().min(1).max(64)
const Text = z.string().trim().min(1).max(280)

export const Achievement = z.object({
  achievementId: z.string().min(1).max(64),
  title: z.string().min(1).max(80),
  description: z.string().max(200).optional(),
  icon: z.string().max(40).optional(),
})

/** All that a page shows of its user when it opens, and again after a reconnect: events say only what changes. */
const Profile = z.object({
  name: z.string(),
  totalXp: z.number(),
  rank: z.string(),
  xpRequired: z.number().optional(),
  achievements: z.array(Achievement),
  notifications: z.array(Notification),
  leaderboard: z.array(LeaderboardEntry),
})

const Message = z.object({ id: z.string(), userId: UserId, text: Text, sentAt: z.iso.datetime() })

/** The application's own events, beside those of the organisation. */
const own = defineContract({
  name: 'notifications-example',
  version: '1.0.0',
  serverToClient: {
    'message:new': z.object({ group: GroupId, message: Message }),
    'typing:changed': z.object({ group: GroupId, userId: UserId, on: z.boolean() }),
    'fallback:used': z.object({ id: z.string(), userId: UserId, title: z.string(), by: z.string() }),
    // A request of the server: each device answers for itself.
    confirm: {
      payload: z.object({ question: Text, answerWithinMs: z.int().min(1) }),
      reply: z.object({ accepted: z.boolean() }),
    },
  },
  clientToServer: {
    'profile:get': { reply: Profile },
    'notification:delete': {
      payload: z.object({ notificationId: NotificationId }),
      reply: z.void(),
      errors: { NOT_FOUND: z.object({ notificationId: NotificationId }) },
    },
    'message:send': {
      payload: z.object({ group: GroupId, text: Text }),
      reply: z.object({ id: z.string() }),
      errors: { NOT_A_MEMBER: null },
      limits: { perSecond: 5 },
    },
    typing: { payload: z.object({ group: GroupId, on: z.boolean() }), limits: { perSecond: 10 } },
    'device:log_out': { payload: z.object({ deviceId: z.string().min(1).max(64) }), reply: z.void() },
  },
  rooms: { group: GroupId },
  presence: z.object({ kind: z.enum(['laptop', 'phone', 'tablet']), away: z.boolean() }),
})

export const contract = mergeContracts({ name: 'notifications-example', version: '1.0.0' }, organisation, own)
