import * as z from 'zod'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer, jwt, type Middleware } from './index.js'
const contract = defineContract({
  name: 'notifications', version: '1.0.0',
  serverToClient: { 'notification:new': z.object({ id: z.string() }), confirm: { payload: z.object({q: z.string()}), reply: z.boolean(), errors: { NOPE: z.object({n: z.number()}) } }, bare: {} },
  clientToServer: {
    'notification:mark_read': { payload: z.object({ notificationId: z.string() }), reply: z.object({ success: z.boolean() }), errors: { NOT_FOUND: z.object({ notificationId: z.string() }), LOCKED: null } },
    typing: z.object({ on: z.boolean() }),
  },
  rooms: { group: z.string() },
  session: z.object({ role: z.string() }),
})
const realtime = createRealtimeServer(contract, {
  authenticate: jwt({
    secret: process.env['JWT_SECRET'], issuer: false, audience: false,
    claims: z.object({ email: z.email().optional(), role: z.string() }),
    user: (claims) => ({ userId: claims.sub, email: claims.email, role: claims.role, tier: 3 }),
  }),
  rooms: { group: { authorize: ({ user, id }) => user.tier === 3 && user.role === id, members: 'visible' } },
})
const requireRole = (role: string): Middleware<{ userId: string; role: string }> => async ({ user, fail }, next) => { if (user.role !== role) throw fail('FORBIDDEN'); await next() }
realtime.use(async (c, next) => { c.user.tier; await next() })
realtime.on('notification:mark_read', requireRole('admin'), async ({ payload, user, device, fail }) => {
  if (user.tier > 3) throw fail('NOT_FOUND', { notificationId: payload.notificationId })
  if (user.tier > 3) throw fail('LOCKED')
  // @ts-expect-error undeclared
  fail('NOPE')
  // @ts-expect-error missing data
  fail('NOT_FOUND')
  realtime.toUser(user.userId).exceptDevice(device.id).emit('notification:new', { id: '1' })
  return { success: true }
})
realtime.toAll().emit('bare')
// @ts-expect-error missing payload
realtime.toAll().emit('notification:new')
// @ts-expect-error
realtime.toAll().emit('nope', {})
// @ts-expect-error
realtime.toAll().request('bare')
const answers = await realtime.toUser('a').request('confirm', { q: 'x' }, { timeoutMs: 3 })
for (const a of answers) { if (a.status === 'answered') { const b: boolean = a.data; void b } if (a.status==='failed' && a.error.code === 'NOPE') { const n: number = a.error.data.n; void n } }
void realtime.toUser('x').join('group', 'y')
// @ts-expect-error
void realtime.toUser('x').join('groupx', 'y')
// missing role
createRealtimeServer(contract, {
  // @ts-expect-error missing role
  authenticate: jwt({ secret: 'x', issuer: false, audience: false, user: (claims) => ({ userId: claims.sub }) }),
})
createRealtimeServer(contract, {
  authenticate: async ({ token }) => ({ userId: token ?? '', role: 'x', q: 1 }), rooms: { group: { authorize: ({user}) => user.q === 1 } },
})
createRealtimeServer(contract, {
  authenticate: async ({ token }) => ({ user: { userId: token ?? '', role: 'x', q: 1 }, expiresAtMs: 3 }), rooms: { group: { authorize: ({user}) => user.q === 1 } },
})
createRealtimeServer(contract, {
  // @ts-expect-error
  authenticate: async ({ token }) => ({ userId: token ?? '', q: 1 }),
})
