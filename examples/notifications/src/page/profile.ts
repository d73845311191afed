import type { ReplyOf } from '@org/realtime-contracts'
import type { contract } from '../contract.js'

export type Profile = ReplyOf<(typeof contract)['clientToServer']['profile:get'], 'wire'>
export type Notification = Profile['notifications'][number]

/** What changes a profile: an event of the server, or the whole of it. */
export type Change =
  | { readonly type: 'loaded'; readonly profile: Profile }
  | { readonly type: 'notified'; readonly notification: Notification }
  | { readonly type: 'read'; readonly id: string }
  | { readonly type: 'deleted'; readonly id: string }
  | { readonly type: 'xp'; readonly totalXp: number }
  | { readonly type: 'rank'; readonly rank: string; readonly xpRequired: number | undefined }
  | { readonly type: 'achievement'; readonly achievement: Profile['achievements'][number] }
  | { readonly type: 'leaderboard'; readonly leaderboard: Profile['leaderboard'] }

/** A profile, with an event applied; nothing where it has not been loaded. Each may come twice. */
export function reduceProfile(profile: Profile | undefined, change: Change): Profile | undefined {
  if (change.type === 'loaded') return change.profile
  if (profile === undefined) return undefined
  switch (change.type) {
    case 'notified':
      return { ...profile, notifications: [change.notification, ...profile.notifications.filter(({ id }) => id !== change.notification.id)] }
    case 'read':
      return { ...profile, notifications: profile.notifications.map((each) => (each.id === change.id ? { ...each, read: true } : each)) }
    case 'deleted':
      return { ...profile, notifications: profile.notifications.filter(({ id }) => id !== change.id) }
    case 'xp':
      return { ...profile, totalXp: change.totalXp }
    case 'rank': {
      const { xpRequired: _, ...rest } = profile
      return { ...rest, rank: change.rank, ...(change.xpRequired !== undefined && { xpRequired: change.xpRequired }) }
    }
    case 'achievement': {
      const others = profile.achievements.filter(({ achievementId }) => achievementId !== change.achievement.achievementId)
      return { ...profile, achievements: [...others, change.achievement] }
    }
    case 'leaderboard':
      return { ...profile, leaderboard: change.leaderboard }
  }
}
