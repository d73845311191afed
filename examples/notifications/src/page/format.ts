const count = new Intl.NumberFormat('en')
const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })

export const toCount = (value: number): string => count.format(value)
export const toTime = (iso: string): string => time.format(new Date(iso))
export const toBytes = (bytes: number): string => `${count.format(bytes)} B`

export function toDuration(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${count.format(Math.round(ms))} ms`
}

/** How long something still holds, in its largest unit that says something. */
export function toRemaining(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000))
  if (seconds < 90) return `${seconds} s`
  return seconds < 90 * 60 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}
