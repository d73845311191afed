import { toTime } from '../format.js'
import type { Notification } from '../profile.js'
import { CheckIcon, TrashIcon } from './icons.js'

interface InboxItemProps {
  readonly notification: Notification
  readonly onRead: (id: string) => Promise<void>
  readonly onRemove: (id: string) => Promise<void>
}

export function InboxItem({ notification: { id, title = 'Notification', message, read, createdAt }, onRead, onRemove }: InboxItemProps) {
  return (
    <li className="inbox-item" data-read={read === true} data-notification={id}>
      <span className="unread" aria-hidden="true" />
      <p>
        <strong>
          {!read && <span className="hidden">Unread: </span>}
          {title}
        </strong>
        {createdAt !== undefined && <time dateTime={createdAt}>{toTime(createdAt)}</time>}
        <span>{message}</span>
      </p>
      <span className="inbox-actions">
        {!read && (
          <button type="button" className="icon-button quiet" aria-label={`Mark “${title}” as read`} title="Mark as read" onClick={() => void onRead(id)}>
            <CheckIcon />
          </button>
        )}
        <button type="button" className="icon-button quiet" aria-label={`Delete “${title}”`} title="Delete" onClick={() => void onRemove(id)}>
          <TrashIcon />
        </button>
      </span>
    </li>
  )
}
