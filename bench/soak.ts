import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createRealtimeClient } from '@org/realtime-client'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer, jwt } from '@org/realtime-server'
import { SignJWT } from 'jose'
import { io } from 'socket.io-client'
import { WebSocket } from 'ws'
import * as z from 'zod'

// Connects and disconnects very often, and leaves very many requests unanswered, in both directions; then looks at what is left.
// The clients are in a process of their own, so that all that is counted here is the server's.

const SECRET = 'uL3n8vQ1zR7xW2kJ5mB9sD4fG6hT0pYc'
const USERS = 500
const CONCURRENCY = 50
const SILENT = 100
const WAVE = 500
const TIMEOUT_MS = 50
const GIVEN_UP_MS = 5_000
const MAX_GROWTH_BYTES = 5 * 1024 * 1024

const contract = defineContract({
  name: 'soak',
  version: '1.0.0',
  serverToClient: { confirm: { payload: z.object({ n: z.int() }), reply: z.void() } },
  clientToServer: { wait: { payload: z.object({ n: z.int() }), reply: z.void() } },
  rooms: { group: z.string() },
})

type Order =
  | { readonly do: 'cycle'; readonly url: string; readonly times: number }
  | { readonly do: 'stay silent'; readonly url: string }
  | { readonly do: 'ask'; readonly url: string; readonly times: number }
  | { readonly do: 'leave' }

// ---- the clients

const token = (user: number): Promise<string> =>
  new SignJWT().setProtectedHeader({ alg: 'HS256' }).setSubject(`user-${user}`).setIssuedAt().setExpirationTime('2h').sign(new TextEncoder().encode(SECRET))

/** A raw client, connected; `heard` is called with every frame. */
function connectRaw(url: string, auth: string, heard: (frame: string) => void = () => {}): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
    socket.on('error', reject)
    socket.on('message', (data) => {
      const frame = String(data)
      heard(frame)
      if (frame.startsWith('0')) socket.send(`40${JSON.stringify({ token: auth })}`)
      else if (frame === '2') socket.send('3')
      else if (frame.startsWith('44')) reject(new Error(frame))
      else if (frame.startsWith('42["authenticated"')) resolve(socket)
    })
  })
}

/** One connection: every fourth joins a room, every second goes without a word, every fiftieth is a stock client over polling. */
async function cycle(url: string, auth: string, n: number): Promise<void> {
  if (n % 50 === 0) {
    const stock = io(url, { auth: { token: auth }, forceNew: true, reconnection: false, transports: ['polling'] })
    await new Promise((resolve, reject) => stock.once('authenticated', resolve).once('connect_error', reject))
    stock.disconnect()
    return
  }
  let joined = (): void => {}
  const socket = await connectRaw(url, auth, (frame) => frame.startsWith('430') && joined())
  if (n % 4 === 0) {
    const answered = new Promise<void>((resolve) => {
      joined = resolve
    })
    socket.send(`420["$join",{"kind":"group","id":"${n % 20}"}]`)
    await answered
  }
  const closed = once(socket, 'close')
  if (n % 2 === 0) socket.terminate()
  else socket.close()
  await closed
}

async function inParallel(times: number, width: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let n = next++; n < times; n = next++) await work(n)
    }),
  )
}

async function runClients(): Promise<void> {
  const tokens = await Promise.all(Array.from({ length: USERS }, (_, user) => token(user)))
  const tokenOf = (n: number): string => tokens[n % USERS] ?? ''
  let silent: WebSocket[] = []
  process.on('message', async (order: Order) => {
    if (order.do === 'cycle') await inParallel(order.times, CONCURRENCY, (n) => cycle(order.url, tokenOf(n), n))
    if (order.do === 'stay silent') silent = await Promise.all(Array.from({ length: SILENT }, (_, user) => connectRaw(order.url, tokenOf(user))))
    if (order.do === 'ask') await ask(order.url, order.times, tokenOf)
    if (order.do === 'leave') for (const socket of silent.splice(0)) socket.close()
    process.send?.('done')
  })
}

async function ask(url: string, times: number, tokenOf: (n: number) => string): Promise<void> {
  const clients = Array.from({ length: 20 }, (_, user) => createRealtimeClient(contract, { url, getToken: () => tokenOf(user), transports: ['websocket'] }))
  await Promise.all(clients.map((client) => client.connect()))
  let timedOut = 0
  await inParallel(times, WAVE, async (n) => {
    const result = await clients[n % clients.length]?.tryRequest('wait', { n }, { timeoutMs: TIMEOUT_MS })
    if (result?.ok === false && result.error.code === 'REPLY_TIMEOUT') timedOut++
  })
  for (const client of clients) client.close()
  if (timedOut !== times) throw new Error(`${times - timedOut} of ${times} requests did not time out`)
}

// ---- the server

async function command(clients: ChildProcess, order: Order): Promise<void> {
  clients.send(order)
  const [answer] = (await Promise.race([once(clients, 'message'), once(clients, 'exit')])) as [unknown]
  if (answer !== 'done') throw new Error(`The clients ended while they were to ${order.do}`)
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 60_000
  while (!condition() && Date.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function runServer(times: number): Promise<boolean> {
  const release: Array<{ readonly atMs: number; readonly resolve: () => void }> = []
  const realtime = createRealtimeServer(contract, {
    authenticate: jwt({ secret: SECRET, issuer: false, audience: false }),
    rooms: { group: { authorize: () => true, members: 'visible' } },
    presence: { graceMs: 100 },
    limits: { eventsPerSecond: 1_000_000, pendingReplies: 1_000_000 },
  })
  realtime.on('wait', () => new Promise<void>((resolve) => release.push({ atMs: Date.now(), resolve })))
  const { port } = await realtime.listen(0, '127.0.0.1')
  const url = `http://127.0.0.1:${port}`
  const clients = fork(fileURLToPath(import.meta.url), ['--clients'], { execArgv: process.execArgv })
  const namespace = realtime.io.of('/')
  // What requests of clients wait for ends after the clients have given up.
  const releasing = setInterval(() => {
    const late = release.findIndex(({ atMs }) => atMs > Date.now() - GIVEN_UP_MS)
    for (const { resolve } of release.splice(0, late < 0 ? release.length : late)) resolve()
  }, 200)

  async function connectOften(cycles: number): Promise<void> {
    await command(clients, { do: 'cycle', url, times: cycles })
  }
  async function askSilentClients(requests: number): Promise<void> {
    await command(clients, { do: 'stay silent', url })
    let silent = 0
    await inParallel(requests, WAVE, async (n) => {
      const answers = await realtime.toUser(`user-${n % SILENT}`).request('confirm', { n }, { timeoutMs: TIMEOUT_MS })
      silent += answers.filter(({ status }) => status === 'silent').length
    })
    if (silent !== requests) throw new Error(`${requests - silent} of ${requests} requests were not silent`)
    const acks = [...namespace.sockets.values()].reduce((sum, socket) => sum + (Reflect.get(socket, 'acks') as Map<unknown, unknown>).size, 0)
    if (acks > 0) throw new Error(`${acks} acknowledgements are left`)
    await command(clients, { do: 'leave' })
  }
  async function beAsked(requests: number): Promise<void> {
    await command(clients, { do: 'ask', url, times: requests })
    for (const { resolve } of release.splice(0)) resolve()
  }

  async function measure(): Promise<Record<string, number>> {
    await until(() => realtime.io.engine.clientsCount === 0 && namespace.adapter.rooms.size === 0)
    await new Promise((resolve) => setTimeout(resolve, 8_000)) // the last timers of the connections: a transport may be waited for 7 s
    for (let round = 0; round < 4; round++) {
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const devices = await Promise.all(Array.from({ length: USERS }, (_, user) => realtime.presence.devices(`user-${user}`)))
    return {
      rooms: namespace.adapter.rooms.size,
      'sockets in rooms': namespace.adapter.sids.size,
      sockets: namespace.sockets.size,
      transports: realtime.io.engine.clientsCount,
      'devices present': devices.flat().length,
      'listeners of the process': process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
      'listeners of the namespace': namespace.eventNames().length + namespace.adapter.listeners('join-room').length,
      'timers and handles': process.getActiveResourcesInfo().filter((name) => name !== 'TCPSocketWrap').length,
      'heap, bytes': process.memoryUsage().heapUsed,
    }
  }

  try {
    await connectOften(5_000)
    await askSilentClients(5_000)
    await beAsked(5_000)
    const before = await measure()
    const startedAtMs = Date.now()
    await connectOften(times)
    await askSilentClients(times)
    await beAsked(times)
    const seconds = Math.round((Date.now() - startedAtMs) / 1000)
    const after = await measure()
    return report(times, seconds, before, after)
  } finally {
    clearInterval(releasing)
    clients.kill()
    await realtime.close({ drainMs: 0 })
  }
}

function report(times: number, seconds: number, before: Record<string, number>, after: Record<string, number>): boolean {
  const rows = Object.entries(before).map(([name, baseline]) => {
    const now = after[name] ?? Number.NaN
    const fine = name.startsWith('heap') ? now - baseline <= MAX_GROWTH_BYTES : now <= baseline
    return { fine, line: `| ${name} | ${baseline.toLocaleString('en')} | ${now.toLocaleString('en')} | ${fine ? 'yes' : '**no**'} |` }
  })
  const text = [
    '# Soak',
    '',
    `${times.toLocaleString('en')} connections made and ended (a quarter joins a room, half go without a word, one in fifty is a stock client over polling), then as many requests of the server that no client answers, and as many of clients that the server does not answer in time. Counted in the server's process before, after a warm-up of 5,000 each, and afterwards. At most 5 MB of heap may be added, and nothing else.`,
    '',
    `Made by \`pnpm soak\` on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, in ${seconds} s.`,
    '',
    '| what | before | after | within bounds |',
    '|---|---|---|---|',
    ...rows.map(({ line }) => line),
    '',
  ].join('\n')
  console.log(text)
  if (arguments_.write) {
    mkdirSync('docs/measured', { recursive: true })
    writeFileSync('docs/measured/soak.md', text)
  }
  return rows.every(({ fine }) => fine)
}

const { values: arguments_ } = parseArgs({
  options: { clients: { type: 'boolean', default: false }, write: { type: 'boolean', default: false }, times: { type: 'string', default: '100000' } },
})
if (arguments_.clients) await runClients()
else process.exitCode = (await runServer(Number(arguments_.times))) ? 0 : 1
