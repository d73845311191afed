import { SERVERS, type ServerName, type Serving } from './servers.js'

// The process of one server: says where it listens, then does as it is told.

export type ServerOrder =
  /** Emits so many times, some in each turn of the event loop, round the users. */
  | { readonly do: 'emit'; readonly times: number; readonly perTurn: number; readonly users: number; readonly sameUser: boolean }
  | { readonly do: 'broadcast'; readonly times: number }
  /** Answers once what was at work is done. */
  | { readonly do: 'drain' }
  | { readonly do: 'collect' }

export type ServerAnswer = { readonly port: number } | 'done' | NodeJS.MemoryUsage

const [name = '', redisUrl] = process.argv.slice(2)
const serving: Serving = await SERVERS[name as ServerName](redisUrl === undefined ? {} : { redisUrl })
let next = 0

function emit({ times, perTurn, users, sameUser }: Omit<Extract<ServerOrder, { do: 'emit' }>, 'do'>): void {
  for (let turn = 0; turn < perTurn; turn++) {
    serving.toUser?.(`user-${next % users}`)
    if (!sameUser || turn === perTurn - 1) next++
  }
  if (times > perTurn) setImmediate(emit, { times: times - perTurn, perTurn, users, sameUser })
  else answer('done')
}

function broadcast(times: number): void {
  serving.toAll?.()
  if (times > 1) setImmediate(broadcast, times - 1)
  else answer('done')
}

async function collect(): Promise<void> {
  for (let times = 0; times < 3; times++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  answer(process.memoryUsage())
}

function answer(what: ServerAnswer): void {
  process.send?.(what)
}

process.on('message', (order: ServerOrder) => {
  if (order.do === 'emit') emit(order)
  else if (order.do === 'broadcast') broadcast(order.times)
  else if (order.do === 'collect') void collect()
  else setImmediate(() => setImmediate(answer, 'done' as const))
})
process.on('disconnect', () => process.exit())
answer({ port: serving.port })
