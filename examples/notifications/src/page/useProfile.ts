import { useEffect, useReducer, useState } from 'react'
import { useEvent, useLatest, useRequest } from './devices.js'
import { type Profile, reduceProfile } from './profile.js'

export interface ProfileState {
  readonly profile: Profile | undefined
  readonly unreadCount: number
  /** Marks as read, at once here; the other devices hear of it from the server. */
  readonly markRead: (notificationId: string) => Promise<void>
  readonly remove: (notificationId: string) => Promise<void>
}

/** What a device shows of its user: read once for every connection, and kept up to date by events. */
export function useProfile(): ProfileState {
  const [profile, change] = useReducer(reduceProfile, undefined)
  const [unreadCount, setUnreadCount] = useState(0)
  const session = useLatest('authenticated')
  const { run: load } = useRequest('profile:get')
  const { run: sendRead } = useRequest('notification:mark_read')
  const { run: sendDelete } = useRequest('notification:delete')

  useEffect(() => {
    if (session === undefined) return
    void load().then((result) => {
      if (!result.ok) return // the next connection asks again
      change({ type: 'loaded', profile: result.data })
      setUnreadCount(result.data.notifications.filter(({ read }) => !read).length)
    })
  }, [session, load])

  useEvent('notification:new', ({ notification }) => change({ type: 'notified', notification }))
  useEvent('notification:read', ({ notificationId }) => change({ type: 'read', id: notificationId }))
  useEvent('notification:deleted', ({ notificationId }) => change({ type: 'deleted', id: notificationId }))
  useEvent('notification:unread_count', (count) => setUnreadCount(count.unreadCount))
  useEvent('xp:gained', ({ totalXp }) => change({ type: 'xp', totalXp }))
  useEvent('rank:updated', ({ newRank, xpRequired }) => change({ type: 'rank', rank: newRank, xpRequired }))
  useEvent('achievement:unlocked', (achievement) => change({ type: 'achievement', achievement }))
  useEvent('leaderboard:updated', ({ leaderboard }) => change({ type: 'leaderboard', leaderboard }))

  return {
    profile,
    unreadCount,
    async markRead(notificationId) {
      const { ok } = await sendRead({ notificationId })
      if (ok) change({ type: 'read', id: notificationId })
    },
    async remove(notificationId) {
      await sendDelete({ notificationId }) // told to every device, this one too
    },
  }
}
