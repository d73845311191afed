import type { Socket as NetSocket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { heard, signToken, startServer, type TestServer, until } from './harness.js'
import { dialWebSocket } from './websocket.js'

/** A client that gets in and then reads nothing any more. */
async function slowClient(server: TestServer): Promise<WebSocket & { _socket: NetSocket }> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`) as WebSocket & { _socket: NetSocket } // ws keeps it there
  onTestFinished(() => socket.terminate())
  const frames: string[] = []
  socket.on('message', (data) => frames.push(String(data)))
  await until(() => frames.length === 1)
  socket.send(`40${JSON.stringify({ token: await signToken('slow') })}`)
  await until(() => frames.some((frame) => frame.includes('authenticated')))
  socket._socket.pause()
  return socket
}

const text = 'x'.repeat(60_000)

test('a client that does not read is closed with SLOW_CONSUMER, while others are served', async () => {
  const server = await startServer({ limits: { bufferedBytes: 1_000_000 } })
  const bystander = await server.client('eve')
  server.realtime.on('echo', ({ payload }) => payload)
  const slow = await slowClient(server)
  const connection = [...server.realtime.io.of('/').sockets.values()].find(({ rooms }) => rooms.has('user:slow'))
  let gone: string | undefined
  connection?.on('disconnect', (reason) => {
    gone = reason
  })
  // The kernel buffers some megabytes before the server is told to wait.
  for (let sent = 0; connection?.conn.readyState === 'open'; sent++) {
    server.realtime.toUser('slow').emit('note', { text })
    if (sent % 20 === 0) expect(await bystander.request('echo', { text: 'served' })).toEqual({ text: 'served' })
  }

  // What it was sent before is still there, and with it the reason.
  const frames: string[] = []
  slow.on('message', (data) => frames.push(String(data)))
  const closed = new Promise((resolve) => slow.once('close', resolve))
  slow._socket.resume()
  await closed
  await until(() => gone !== undefined)
  expect(await server.realtime.presence.devices('slow')).toEqual([])
  expect(frames.some((frame) => frame.includes('"code":"SLOW_CONSUMER"'))).toBe(true)
})

test('a client that never reads again is ended all the same', async () => {
  const server = await startServer({ limits: { bufferedBytes: 1_000_000 } })
  await slowClient(server)
  while (server.realtime.io.of('/').sockets.size > 0) {
    server.realtime.toUser('slow').emit('note', { text })
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => server.realtime.io.engine.clientsCount === 0)
})

test('a burst to a client that reads is no reason to close it', async () => {
  const server = await startServer()
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  let notes = 0
  stock.on('note', () => notes++)
  for (let n = 0; n < 20_000; n++) server.realtime.toUser('ada').emit('note', { text: 'x', n })
  await until(() => notes === 20_000)
  expect(stock.connected).toBe(true)
})

test('a polling handshake that is never finished is ended', async () => {
  const server = await startServer({ handshakeTimeoutMs: 1 })
  await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`)
  const startMs = Date.now()
  await until(() => server.realtime.io.engine.clientsCount === 0)
  expect(Date.now() - startMs).toBeLessThan(15_000) // Engine.IO alone would wait 30 s for another request
})

test('a handshake that is never finished is ended, while others are served', async () => {
  const server = await startServer({ handshakeTimeoutMs: 1 })
  const { port } = new URL(server.url)
  const { tcp } = dialWebSocket(Number(port))
  const startMs = Date.now()
  await new Promise((resolve) => tcp.once('close', resolve)) // it answers no close frame, and reads
  expect(Date.now() - startMs).toBeLessThan(15_000) // the WebSocket library alone would wait 30 s more
})

test.each<[string, number, number]>([
  ['many large events', 300, 60_000],
  ['very many small events', 60_000, 10],
])('%s in one turn reach a client that reads', async (_case, count, size) => {
  const server = await startServer()
  const stock = server.stock({ token: await signToken('ada') })
  await heard(stock, 'authenticated')
  let notes = 0
  stock.on('note', () => notes++)
  const event = { text: 'x'.repeat(size) }
  for (let n = 0; n < count; n++) server.realtime.toUser('ada').emit('note', event)
  await until(() => notes === count)
  expect(stock.connected).toBe(true)
})

/** Warnings of this process about listeners that pile up. */
function watchListeners(): Error[] {
  const warnings: Error[] = []
  const listen = (warning: Error): void => {
    if (warning.name === 'MaxListenersExceededWarning') warnings.push(warning)
  }
  process.on('warning', listen)
  onTestFinished(() => void process.off('warning', listen))
  return warnings
}

test('a session of HTTP polling that joins and leaves many times is watched once at a time', async () => {
  const server = await startServer()
  const warnings = watchListeners()
  const url = `${server.url}/socket.io/?EIO=4&transport=polling`
  const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1)) as { sid: string }
  const send = (packet: string) => fetch(`${url}&sid=${sid}`, { method: 'POST', body: packet })
  const token = await signToken('ada')
  for (let round = 1; round <= 15; round++) {
    await send(`40${JSON.stringify({ token })}`)
    for (let heard = ''; !heard.includes('authenticated'); ) heard = await (await fetch(`${url}&sid=${sid}`)).text()
    await send('41')
    await until(async () => (await server.realtime.presence.devices('ada')).length === 0)
  }
  expect(warnings).toEqual([])
})

test('a transport that joins and leaves many times is watched once at a time', async () => {
  const server = await startServer()
  const warnings = watchListeners()
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  onTestFinished(() => socket.terminate())
  const frames: string[] = []
  socket.on('message', (data) => frames.push(String(data)))
  const token = await signToken('ada')
  await until(() => frames.length === 1)
  for (let round = 1; round <= 15; round++) {
    socket.send(`40${JSON.stringify({ token })}`)
    await until(() => frames.filter((frame) => frame.includes('authenticated')).length === round)
    socket.send('41')
    await until(async () => (await server.realtime.presence.devices('ada')).length === 0)
  }
  expect(warnings).toEqual([])
})
