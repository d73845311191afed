import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'

const SERVER_EVENTS = ['request', 'upgrade', 'close', 'listening'] as const

/** Lets Socket.IO onto a server. @returns what takes it off again, and ends what it still holds open there. */
export function attachTo(server: HttpServer | HttpsServer, path: string, attach: () => void): () => void {
  const before = SERVER_EVENTS.map((event) => server.rawListeners(event) as Listener[])
  attach()
  const added = SERVER_EVENTS.map((event, index) => (server.rawListeners(event) as Listener[]).filter((listener) => before[index]?.includes(listener) !== true))
  // A client that never answers a close would hold its socket, and so the server, for half a minute.
  const upgraded = new Set<Duplex>()
  const remember = (request: IncomingMessage, socket: Duplex): void => {
    if (request.url?.startsWith(path) !== true) return // somebody else's
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
  }
  server.on('upgrade', remember)

  return () => {
    server.off('upgrade', remember)
    for (const socket of upgraded) socket.destroy()
    for (const [index, event] of SERVER_EVENTS.entries()) restore(server, event, before[index] ?? [], added[index] ?? [])
  }
}

/** Takes out what was added, and for requests, which Socket.IO has taken over, puts back what it took. */
function restore(server: HttpServer | HttpsServer, event: string, before: readonly Listener[], added: readonly Listener[]): void {
  const now = server.rawListeners(event) as Listener[]
  if (event !== 'request') {
    for (const listener of added) server.removeListener(event, listener)
    return
  }
  // Where something else has wrapped ours since, taking it out would take out the application, too.
  if (!added.every((listener) => now.includes(listener))) return
  const since = now.filter((listener) => !before.includes(listener) && !added.includes(listener))
  server.removeAllListeners(event)
  for (const listener of [...before, ...since]) server.on(event, listener)
}

type Listener = (...args: unknown[]) => void

export async function closeServer(server: HttpServer | undefined): Promise<void> {
  if (server?.listening !== true) {
    return
  }
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
