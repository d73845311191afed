import { instrument } from '@socket.io/admin-ui'
import { io } from 'socket.io-client'
import { expect, onTestFinished, test } from 'vitest'
import { heard, startServer, until } from './harness.js'

test("Socket.IO's admin UI can be attached, and shows connections, users' rooms and events, while everything goes on", async () => {
  const server = await startServer()
  instrument(server.realtime.io, { auth: false, mode: 'development' })
  server.realtime.on('echo', ({ payload }) => payload)
  const page = io(`${server.url}/admin`, { forceNew: true, reconnection: false, transports: ['websocket'] })
  onTestFinished(() => void page.disconnect())
  const names: string[] = []
  page.on('event_received', (_namespace, _id, [name]: [string]) => names.push(name))
  page.on('event_sent', (_namespace, _id, [name]: [string]) => names.push(name))
  await heard(page, 'config')

  const connected = heard<{ rooms: string[]; nsp: string }>(page, 'socket_connected')
  const client = await server.client('ada', { transports: ['websocket'] })
  expect((await connected).nsp).toBe('/')
  expect(await client.request('echo', { text: 'x' })).toEqual({ text: 'x' })
  const note = new Promise((resolve) => client.on('note', resolve))
  server.realtime.toUser('ada').emit('note', { text: 'x' })
  expect(await note).toEqual({ text: 'x' })
  await until(() => names.includes('echo') && names.includes('note'))

  const rooms = new Promise<string[]>((resolve) => {
    page.on('all_sockets', (sockets: Array<{ nsp: string; rooms: string[] }>) => resolve(sockets.flatMap((socket) => (socket.nsp === '/' ? socket.rooms : []))))
  })
  page.disconnect().connect()
  expect(await rooms).toContain('user:ada')
})
