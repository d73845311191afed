import { BellIcon } from './icons.js'

interface BellProps {
  readonly unreadCount: number
  readonly onOpen: () => void
}

/** How much is unread, and the way there. */
export function Bell({ unreadCount, onOpen }: BellProps) {
  const text = unreadCount === 0 ? 'No unread notifications' : `${unreadCount} unread ${unreadCount === 1 ? 'notification' : 'notifications'}`
  return (
    <button type="button" className="icon-button bell" aria-label={text} title={text} onClick={onOpen}>
      <BellIcon />
      {unreadCount > 0 && (
        <span className="badge" aria-hidden="true">
          {unreadCount > 99 ? '99+' : unreadCount}
        </span>
      )}
    </button>
  )
}
