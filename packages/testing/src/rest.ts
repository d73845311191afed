import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import type { Traffic } from './line.js'

/** What is known of the server. */
interface ServerSide {
  readonly isIdle: boolean
  traffic(sid: string): Traffic | undefined
}

/** What is known of a client. */
interface ClientSide {
  isStalled(direction: keyof Traffic): boolean
  isQuiet(): boolean
  sids(): string[]
  traffic(sid: string): Traffic
}

/**
 * Resolves once nothing is on its way between the clients and the server, and no handler is at work.
 * @throws Error after the timeout, saying what does not come to rest.
 */
export async function comeToRest(server: ServerSide, clients: () => readonly ClientSide[], timeoutMs: number): Promise<void> {
  const untilMs = performance.now() + timeoutMs
  for (;;) {
    const unrest = findUnrest(server, clients()) ?? (await findUnrestNextTurn(server, clients))
    if (unrest === undefined) return
    if (performance.now() > untilMs) throw new Error(`Not at rest after ${timeoutMs} ms: ${unrest}`)
    await delay(1)
  }
}

/** What is counted as received is dispatched in the next turn, which may set something off. */
async function findUnrestNextTurn(server: ServerSide, clients: () => readonly ClientSide[]): Promise<string | undefined> {
  await turn()
  return findUnrest(server, clients())
}

/** Waits for a condition. @returns whether it came to hold in that time. */
export async function holds(condition: () => boolean, withinMs: number): Promise<boolean> {
  const untilMs = performance.now() + withinMs
  while (!condition()) {
    if (performance.now() > untilMs) return false
    await delay(1)
  }
  return true
}

function findUnrest(server: ServerSide, clients: readonly ClientSide[]): string | undefined {
  if (!server.isIdle) return 'a handler of the server, or middleware, is still at work'
  return clients.every((client) => client.isQuiet() && client.sids().every((sid) => isSettled(client, client.traffic(sid), server.traffic(sid))))
    ? undefined
    : 'something is still on its way between a client and the server'
}

/** Whether both sides have counted the same. A session that only the client takes for open is about to close. */
function isSettled(client: ClientSide, here: Traffic, there: Traffic | undefined): boolean {
  return (['toServer', 'toClient'] as const).every((direction) => client.isStalled(direction) || here[direction] === there?.[direction])
}
