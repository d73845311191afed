import { EventEmitter } from 'node:events'
import { IncomingMessage } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer } from '@org/realtime-server'
import type { Socket } from 'socket.io'
import { io } from 'socket.io-client'
import { expect, onTestFinished, test, vi } from 'vitest'
import * as z from 'zod'
import { collect, heard, signToken, startServer, until } from './harness.js'
import { dialWebSocket, toFrame } from './websocket.js'

// The suite runs both ways: with the short ways of the server, and with them switched off, where all goes through Socket.IO.
const hasShortcuts = process.env['REALTIME_NO_SHORTCUTS'] === undefined

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('an emit runs its schema once and the encoder once, however many hear it', async () => {
  let parsed = 0
  const contract = defineContract({
    name: 'counted',
    version: '1.0.0',
    serverToClient: { counted: z.object({ text: z.string().refine(() => ++parsed > 0) }) },
  })
  const realtime = createRealtimeServer(contract, { authenticate: ({ token }) => ({ userId: token ?? 'nobody' }) })
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  const sockets = Array.from({ length: 30 }, (_, n) => {
    const socket = io(`http://127.0.0.1:${port}`, { auth: { token: `user-${n % 10}` }, forceNew: true, transports: [n % 3 === 0 ? 'polling' : 'websocket'] })
    onTestFinished(() => void socket.disconnect())
    return socket
  })
  let arrived = 0
  for (const socket of sockets) socket.on('counted', () => arrived++)
  await Promise.all(sockets.map((socket) => heard(socket, 'authenticated')))

  const encode = vi.spyOn(JSON, 'stringify')
  onTestFinished(() => encode.mockRestore())
  realtime.toAll().emit('counted', { text: 'to all' })
  realtime.toUser('user-1').emit('counted', { text: 'to one' })
  realtime.toUsers(['user-1', 'user-2']).emit('counted', { text: 'to two' })
  const calls = [...encode.mock.calls]
  encode.mockRestore()
  expect(calls.filter(([value]) => Array.isArray(value) && value[0] === 'counted')).toHaveLength(3)
  expect(parsed).toBe(3)
  await until(() => arrived === 30 + 3 + 6)
})

test('no request of a connection is kept once it is a WebSocket', async () => {
  const server = await startServer()
  const requests: WeakRef<IncomingMessage>[] = []
  server.realtime.io.engine.on('headers', (_headers: unknown, request: IncomingMessage) => requests.push(new WeakRef(request)))
  const ways = [['websocket'], ['websocket'], ['polling', 'websocket']] as const
  const clients = await Promise.all(ways.map((transports, n) => server.client(`user-${n}`, { transports })))
  const { clients: connections } = server.realtime.io.engine as unknown as { clients: Record<string, { transport: { name: string }; request: unknown }> } // Engine.IO has it
  await until(() => Object.values(connections).every(({ transport }) => transport.name === 'websocket'))
  expect(requests.length).toBeGreaterThanOrEqual(ways.length)
  if (hasShortcuts) {
    await until(() => {
      collectGarbage()
      return requests.every((request) => request.deref() === undefined)
    })
  } else {
    expect(Object.values(connections).every(({ request }) => request instanceof IncomingMessage)).toBe(true)
  }
  expect(clients.every(({ status }) => status === 'connected')).toBe(true)
})

test('what middleware of the application has put on a request is still there', async () => {
  const server = await startServer()
  server.realtime.io.engine.use((request: IncomingMessage & { visitor?: string }, _response: unknown, next: () => void) => {
    request.visitor = 'ada of the session'
    next()
  })
  const stock = server.stock({ token: await signToken('ada') }, { extraHeaders: { 'x-from': 'a test' } })
  await heard(stock, 'authenticated')
  const [socket] = server.realtime.io.of('/').sockets.values()
  expect(socket?.request).toMatchObject({ visitor: 'ada of the session', method: 'GET', headers: { 'x-from': 'a test' } })
  expect(socket?.handshake.headers['x-from']).toBe('a test')
})

test('a connection that is in has listeners as any emitter of Node, over a WebSocket, HTTP polling and after the change between them', async () => {
  const server = await startServer()
  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']] as const) {
    const stock = server.stock({ token: await signToken('ada') }, { transports: [...transports] })
    await heard(stock, 'authenticated')
    const [socket] = [...server.realtime.io.of('/').sockets.values()].slice(-1) as [Socket]
    await until(() => socket.conn.transport.name === transports.at(-1))
    for (const emitter of [socket, socket.conn] as unknown as EventEmitter[]) {
      for (const event of ['toString', 'constructor', '__proto__']) expect(emitter.listenerCount(event)).toBe(0)
      const before = emitter.eventNames()
      let heardOf = 0
      const count = (): number => heardOf++
      emitter.once('of a test', count).on('of a test', count).prependListener('of a test', count)
      for (let time = 0; time < 2; time++) EventEmitter.prototype.emit.call(emitter, 'of a test') // a socket's own would send it
      expect(heardOf).toBe(5)
      emitter.removeAllListeners('of a test')
      expect(emitter.eventNames()).toEqual(before)
    }
    stock.emit('toString', 'no event')
    stock.disconnect()
    await until(() => !socket.connected)
  }
})

test('an event of which half has come when its sender is let in is answered', async () => {
  const contract = defineContract({
    name: 'halves',
    version: '1.0.0',
    serverToClient: {},
    clientToServer: { say: { payload: z.object({ text: z.string() }), reply: z.string() } },
  })
  let letIn = (): void => {}
  const asked = new Promise<void>((resolve) => {
    letIn = resolve
  })
  let isAsked = false
  const authenticate = async () => {
    isAsked = true
    await asked
    return { userId: 'ada' }
  }
  const realtime = createRealtimeServer(contract, { authenticate })
  realtime.on('say', ({ payload }) => payload.text)
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  const { tcp, received } = dialWebSocket(port)
  await until(() => received().includes('"sid"'))
  const event = toFrame('427["say",{"text":"said in two halves"}]')
  tcp.write(Buffer.concat([toFrame('40{}'), event.subarray(0, 12)]))
  await until(() => isAsked)
  letIn()
  await until(() => received().includes('authenticated'))
  tcp.write(event.subarray(12))
  await until(() => received().includes('437[{"ok":true,"data":"said in two halves"}]'))
})

test('a client that comes in twice on one connection is served as whom it was let in last', async () => {
  const contract = defineContract({
    name: 'twice',
    version: '1.0.0',
    serverToClient: {},
    clientToServer: { who: { reply: z.string() } },
  })
  const realtime = createRealtimeServer(contract, { authenticate: ({ token }) => ({ userId: token ?? 'nobody' }) })
  const waiting: Array<() => void> = []
  realtime.io.use((_socket, next) => void waiting.push(next)) // of the application's, which takes its time
  realtime.on('who', ({ user }) => user.userId)
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  const { tcp, received } = dialWebSocket(port)
  await until(() => received().includes('"sid"'))
  for (const user of ['ada', 'eve']) {
    const before = waiting.length
    tcp.write(toFrame(`40{"token":"${user}"}`))
    await until(() => waiting.length > before)
  }
  for (const next of waiting) next()
  await until(() => received().includes('"userId":"eve"'))
  tcp.write(Buffer.concat([toFrame('3'), toFrame('42["nothing"]'), toFrame('421["who"]')]))
  await until(() => received().includes('431[{"ok":true,"data":"eve"}]'))
})

test('what is sent to a connection in whatever ways arrives in the order in which it was sent', async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.info(`speed: SEED=${seed}`)
  const server = await startServer()
  const stock = server.stock({ token: await signToken('ada') })
  const notes = collect<number>((listener) => stock.on('note', ({ n }: { n: number }) => listener(n)))
  await heard(stock, 'authenticated')
  const [socket] = server.realtime.io.of('/').sockets.values()
  let state = seed
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const total = 3_000
  for (let n = 0; n < total; n++) {
    const note = { text: random(20) === 0 ? 'ü'.repeat(random(60_000)) : 'x'.repeat(random(300)), n }
    const ways = [
      () => server.realtime.toUser('ada').emit('note', note),
      () => socket?.emit('note', note),
      () => server.realtime.io.to('user:ada').emit('note', note),
      () => server.realtime.toAll().emit('note', note),
    ]
    ways[random(ways.length)]?.()
    if (random(10) === 0) await new Promise((resolve) => (random(2) === 0 ? setImmediate(resolve) : process.nextTick(resolve)))
  }
  await until(() => notes.length === total)
  expect(notes).toEqual(Array.from({ length: total }, (_, n) => n))
})
