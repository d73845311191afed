import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'

const SERVER_EVENTS = ['request', 'upgrade', 'close', 'listening'] as const

/** Lets Socket.IO onto a server. @returns what takes it off again, and ends what it still holds open there. */
export function attachTo(server: HttpServer | HttpsServer, attach: () => void): () => void {
  const before = SERVER_EVENTS.map((event) => server.listeners(event))
  attach()
  const added = SERVER_EVENTS.map((event, index) => server.listeners(event).filter((listener) => !before[index]!.includes(listener)))
  // A client that never answers a close would hold its socket, and so the server, for half a minute.
  const upgraded = new Set<Duplex>()
  const remember = (_request: IncomingMessage, socket: Duplex): void => {
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
  }
  server.on('upgrade', remember)

  return () => {
    server.off('upgrade', remember)
    for (const socket of upgraded) socket.destroy()
    SERVER_EVENTS.forEach((event, index) => {
      const listeners = server.listeners(event)
      // Where something else has wrapped ours since, taking it out would take out the application, too.
      if (event === 'request' && !added[index]!.every((listener) => listeners.includes(listener))) return
      for (const listener of added[index]!) server.removeListener(event, listener as () => void)
      if (event === 'request') for (const listener of before[index]!) server.on(event, listener as () => void)
    })
  }
}

export async function closeServer(server: HttpServer | undefined): Promise<void> {
  if (server?.listening !== true) {
    return
  }
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
