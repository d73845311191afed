import { mergeContracts } from '../contract.js'
import { gamification } from './gamification.js'
import { notifications } from './notifications.js'

export { gamification, LeaderboardEntry } from './gamification.js'
export { Notification, NotificationId, notifications } from './notifications.js'

/** All events of the organisation, of every domain. */
export const contract = mergeContracts({ name: 'realtime', version: '1.1.0' }, notifications, gamification)
