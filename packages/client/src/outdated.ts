import type { OutdatedNotice } from '@org/realtime-contracts/wire'

const KEY = 'realtime.reloaded'

/** What {@link reloadOutdated} works on; the page's own by default. */
export interface ReloadOptions {
  /** Remembers for which version the page was reloaded. @default sessionStorage */
  readonly storage?: Pick<Storage, 'getItem' | 'setItem'>
  /** @default location.reload() */
  readonly reload?: () => void
}

/**
 * Reloads the page for a newer version of the server's contract, once for each version: a page that is still the old one after
 * that, from a cache perhaps, is not reloaded again. `client.on('$outdated', (notice) => notice.urgent && reloadOutdated(notice))`
 * @returns whether it reloads; `false` also where nothing can be remembered.
 */
export function reloadOutdated(
  { serverVersion }: Pick<OutdatedNotice, 'serverVersion'>,
  { storage, reload = () => globalThis.location.reload() }: ReloadOptions = {},
): boolean {
  try {
    const memory = storage ?? globalThis.sessionStorage
    if (memory.getItem(KEY) === serverVersion) return false
    memory.setItem(KEY, serverVersion)
    if (memory.getItem(KEY) !== serverVersion) return false
  } catch {
    return false // a page that may store nothing would go on for ever
  }
  reload()
  return true
}
