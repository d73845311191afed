import { randomUUID } from 'node:crypto'
import type { RealtimeServer } from '@org/realtime-server'
import type { contract } from './contract.js'
import type { Service } from './service.js'

/** What clients may send, and what is answered. */
export function handleEvents(realtime: RealtimeServer<typeof contract>, service: Service): void {
  realtime.on('profile:get', ({ user }) => service.profile(user.userId))

  realtime.on('notification:mark_read', ({ payload: { notificationId }, user, device, fail }) => {
    if (!service.markRead(user.userId, notificationId, device.id)) throw fail('NOT_FOUND', { notificationId })
    return { success: true }
  })

  realtime.on('notification:delete', ({ payload: { notificationId }, user, fail }) => {
    if (!service.remove(user.userId, notificationId)) throw fail('NOT_FOUND', { notificationId })
  })

  realtime.on('message:send', async ({ payload: { group, text }, user, fail }) => {
    if (!(await isMember(group, user.userId))) throw fail('NOT_A_MEMBER')
    const message = { id: randomUUID(), userId: user.userId, text, sentAt: new Date().toISOString() }
    realtime.toRoom('group', group).emit('message:new', { group, message })
    return { id: message.id }
  })

  realtime.on('typing', async ({ payload: { group, on }, user, fail }) => {
    if (!(await isMember(group, user.userId))) throw fail('FORBIDDEN')
    realtime.toRoom('group', group).exceptUser(user.userId).emit('typing:changed', { group, userId: user.userId, on })
  })

  // Only a device of the user's own is found.
  realtime.on('device:log_out', ({ payload: { deviceId }, user }) => service.logOut(user.userId, deviceId))

  async function isMember(group: string, userId: string): Promise<boolean> {
    return (await realtime.presence.members('group', group)).includes(userId)
  }
}
