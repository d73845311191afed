import { createLink } from './link.js'

/** The connections that are open, by device, so that one can be dropped. */
const open = new Map<string, WebSocket>()

/** A WebSocket whose frames are shown. The SDK knows nothing of it: a device is named in the query of its URL. */
class TappedWebSocket extends WebSocket {
  readonly #link: ReturnType<typeof createLink>

  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols)
    const device = new URL(url).searchParams.get('device') ?? 'page'
    this.#link = createLink(device)
    this.addEventListener('open', () => open.set(device, this))
    this.addEventListener('message', ({ data }: MessageEvent<unknown>) => typeof data === 'string' && this.#link.cross('down', data))
    this.addEventListener('close', () => {
      if (open.get(device) !== this) return
      open.delete(device)
      this.#link.closed()
    })
  }

  override send(data: Parameters<WebSocket['send']>[0]): void {
    if (typeof data === 'string') this.#link.cross('up', data)
    super.send(data)
  }
}

// Socket.IO's client takes the constructor when it is loaded: this file has to be loaded before it.
globalThis.WebSocket = TappedWebSocket

/** Ends a device's connection as a network does that goes away: nobody says goodbye. */
export function cutConnection(device: string): void {
  open.get(device)?.close()
}
