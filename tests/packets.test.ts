import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import type { RealtimeError } from '@org/realtime-contracts'
import { expect, onTestFinished, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { contract } from './contract.js'
import { collect, createTestClient, until } from './harness.js'

// A server by hand, for what no server of Socket.IO would send.

const OPEN = JSON.stringify({ sid: 'x', upgrades: [], pingInterval: 60_000, pingTimeout: 60_000, maxPayload: 1e6 })
const SESSION = JSON.stringify(['authenticated', { success: true, userId: 'ada', deviceId: 'x', role: 'member' }])

interface HandServer {
  readonly url: string
  /** The connections that are in, oldest first. */
  readonly connections: readonly WebSocket[]
  /** What has come of each, as packets of Socket.IO. */
  readonly received: string[]
  /** Sends packets on the newest connection, in one piece. */
  send(...packets: Array<string | Buffer>): void
}

/** @param greeting the packets that answer CONNECT. */
async function serveByHand(namespace = '', greeting = [`0${namespace}{"sid":"y"}`, `2${namespace}${SESSION}`]): Promise<HandServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  const connections: WebSocket[] = []
  const received: string[] = []
  let tcp: Socket
  const send = (...packets: Array<string | Buffer>): void => {
    tcp.cork()
    for (const packet of packets) connections.at(-1)?.send(typeof packet === 'string' ? `4${packet}` : packet)
    tcp.uncork()
  }
  server.on('connection', (connection, { socket }) => {
    connection.send(`0${OPEN}`)
    connection.on('message', (raw) => {
      const packet = String(raw).slice(1)
      received.push(packet)
      if (!packet.startsWith('0')) return
      connections.push(connection)
      tcp = socket
      send(...greeting)
    })
  })
  onTestFinished(() => {
    for (const connection of server.clients) connection.terminate()
    server.close()
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on a port
  return { url: `http://127.0.0.1:${port}`, connections, received, send }
}

async function connect(server: HandServer, path = '') {
  const client = createTestClient(contract, { url: server.url + path, transports: ['websocket'] })
  const errors = collect<RealtimeError>((add) => client.on('error', add))
  const notes = collect<{ text: string }>((add) => client.on('note', add))
  await client.connect()
  return { client, errors, notes }
}

test.each(['9', '2', '2{', '2{}', '2"note"', '3', '30{}', '4null', 'x', '7[]', '0', '0null', '0{}'])(
  '%j from a server is no packet: the client dials again',
  async (packet) => {
    const server = await serveByHand()
    const { client, notes } = await connect(server)
    server.send(packet)
    server.send('2["note",{"text":"behind it"}]')
    await until(() => server.connections.length === 2)
    await until(() => client.status === 'connected')
    server.send('2["note",{"text":"on the next connection"}]')
    await until(() => notes.length > 0)
    expect(notes).toEqual([{ text: 'on the next connection' }])
  },
)

test('a binary event is told as an error of its name, answered where the server waits, and the connection stays', async () => {
  const server = await serveByHand()
  const { errors, notes } = await connect(server)
  server.send('51-["note",{"_placeholder":true,"num":0}]')
  server.send(Buffer.from([1, 2, 3]))
  server.send('2["note",{"text":"behind it"}]')
  await until(() => notes.length > 0)
  expect(errors).toMatchObject([{ code: 'INVALID_PAYLOAD', event: 'note' }])
  expect(server.connections).toHaveLength(1)
  server.send('51-7["confirm",{"_placeholder":true,"num":0}]')
  await until(() => server.received.some((packet) => /^37\[\{"ok":false,"error":\{"code":"INVALID_PAYLOAD"/.test(packet)))
})

test('a binary reply is INVALID_REPLY', async () => {
  const server = await serveByHand()
  const { client } = await connect(server)
  const asked = client.tryRequest('echo', { text: 'x' })
  await until(() => server.received.includes('20["echo",{"text":"x"}]'))
  server.send('61-0[{"_placeholder":true,"num":0}]')
  server.send(Buffer.from([1]))
  expect(await asked).toMatchObject({ ok: false, error: { code: 'INVALID_REPLY' } })
})

test('a reply counts once, and one that nobody waits for does no harm', async () => {
  const server = await serveByHand()
  const { client } = await connect(server)
  server.send('3999[{"ok":true}]')
  const asked = client.request('echo', { text: 'x' })
  await until(() => server.received.includes('20["echo",{"text":"x"}]'))
  server.send('30[{"ok":true,"data":{"text":"first"}}]')
  server.send('30[{"ok":true,"data":{"text":"second"}}]')
  expect(await asked).toEqual({ text: 'first' })
  expect(client.status).toBe('connected')
})

test('a client of a namespace says it in each packet, and hears no other', async () => {
  const server = await serveByHand('/chat,')
  const { client, notes } = await connect(server, '/chat')
  server.send('2["note",{"text":"for the main one"}]')
  server.send('2/other,["note",{"text":"for another"}]')
  server.send('2/chat,["note",{"text":"for us"}]')
  client.emit('say', { text: 'hi' })
  await until(() => notes.length > 0 && server.received.length > 1)
  expect(notes).toEqual([{ text: 'for us' }])
  expect(server.received).toEqual([expect.stringMatching(/^0\/chat,\{"realtime":/), '2/chat,["say",{"text":"hi"}]'])
})

test('a server that says goodbye is dialled again only where its reason helps', async () => {
  const server = await serveByHand()
  const { client } = await connect(server)
  server.send('1')
  await until(() => client.status === 'refused')
  expect(client.state.error).toMatchObject({ code: 'DISCONNECTED', origin: 'remote' })
  await client.connect()
  server.send('2["$disconnect",{"code":"UNAVAILABLE","reason":"it drains"}]')
  server.send('1')
  await until(() => server.connections.length === 3)
  await until(() => client.status === 'connected')
})

test('close says goodbye before it goes', async () => {
  const server = await serveByHand()
  const { client } = await connect(server)
  const gone = once(server.connections[0] as WebSocket, 'close') // it is in
  client.close()
  await gone
  expect(server.received.at(-1)).toBe('1')
})

test('a server that ends the connection in one breath with letting the client in is heard', async () => {
  const goodbye = ['2["$disconnect",{"code":"REVOKED","reason":"bye"}]', '1']
  const server = await serveByHand('', ['0{"sid":"y"}', `2${SESSION}`, ...goodbye])
  const { client, errors } = await connect(server)
  await until(() => client.status === 'refused')
  expect(errors).toMatchObject([{ code: 'REVOKED', message: 'bye' }])
})

test('why a server goes is told also without a code', async () => {
  const server = await serveByHand()
  const { client, errors } = await connect(server)
  server.send('2["$disconnect",{"reason":"it moves"}]', '1')
  await until(() => client.status === 'refused')
  expect(errors).toMatchObject([{ code: 'DISCONNECTED', message: 'it moves' }])
})

test('what comes before CONNECT is heard after it', async () => {
  const server = await serveByHand('', [`2${SESSION}`, '2["note",{"text":"early"}]'])
  const client = createTestClient(contract, { url: server.url, transports: ['websocket'] })
  const heard = collect((add) => client.on('note', add))
  const connecting = client.connect()
  await until(() => server.connections.length === 1)
  server.send('2["note",{"text":"still early"}]', '0{"sid":"y"}')
  await connecting
  await until(() => heard.length === 2)
  expect(heard).toEqual([{ text: 'early' }, { text: 'still early' }])
})

test('a refusal without a code is UNAVAILABLE, says what the server said, and is tried again', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => server.close())
  server.on('connection', (connection) => {
    connection.send(`0${OPEN}`)
    connection.on('message', () => connection.send('44{"message":"Invalid namespace"}'))
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on a port
  const client = createTestClient(contract, { url: `http://127.0.0.1:${port}`, transports: ['websocket'] })
  const refused = client.connect({ timeoutMs: 500 })
  await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE', message: `http://127.0.0.1:${port}: Invalid namespace` })
  expect(client.status).toBe('connecting')
})
