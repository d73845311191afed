import type { RefObject } from 'react'
import type { Notification } from '../profile.js'
import { InboxItem } from './InboxItem.js'

interface InboxProps {
  readonly notifications: readonly Notification[] | undefined
  readonly heading: RefObject<HTMLHeadingElement | null>
  readonly onRead: (id: string) => Promise<void>
  readonly onRemove: (id: string) => Promise<void>
}

export function Inbox({ notifications, heading, onRead, onRemove }: InboxProps) {
  // What was focused goes with its item; the list stays.
  const andFocus = (act: (id: string) => Promise<void>) => async (id: string) => {
    await act(id)
    heading.current?.focus()
  }
  return (
    <div className="part inbox">
      <div className="part-top">
        <h3 ref={heading} tabIndex={-1}>
          Inbox
        </h3>
      </div>
      {notifications === undefined || notifications.length === 0 ? (
        <p className="empty">{notifications === undefined ? 'Loading…' : 'Nothing here. What is sent to this user appears at once, on every device.'}</p>
      ) : (
        <ul className="scroll" tabIndex={0} aria-label="Notifications">
          {notifications.map((notification) => (
            <InboxItem key={notification.id} notification={notification} onRead={andFocus(onRead)} onRemove={andFocus(onRemove)} />
          ))}
        </ul>
      )}
    </div>
  )
}
