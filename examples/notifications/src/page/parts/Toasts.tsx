import { useCallback, useState } from 'react'
import { useEvent } from '../devices.js'
import { Toast, type ToastText } from './Toast.js'

const SHOWN = 2

/** What has just happened, for a few seconds, above the rest. */
export function Toasts({ deviceName }: { readonly deviceName: string }) {
  const [toasts, setToasts] = useState<readonly ToastText[]>([])
  const show = (toast: Omit<ToastText, 'id'>): void =>
    setToasts((shown) => [{ id: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0, ...toast }, ...shown].slice(0, SHOWN))
  const hide = useCallback((id: number) => setToasts((shown) => shown.filter((toast) => toast.id !== id)), [])

  useEvent('notification:new', ({ notification }) => show({ title: notification.title ?? 'Notification', text: notification.message }))
  useEvent('achievement:unlocked', ({ title, description }) => show({ title: `Achievement: ${title}`, text: description ?? 'Unlocked' }))
  useEvent('rank:updated', ({ newRank, oldRank }) => show({ title: `You are ${newRank} now`, text: `After ${oldRank}` }))

  return (
    <div className="toasts" role="status" aria-label={`News on ${deviceName}`}>
      {toasts.map((toast) => (
        <Toast key={toast.id} toast={toast} onHide={hide} />
      ))}
    </div>
  )
}
