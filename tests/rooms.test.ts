import type { RealtimeError } from '@org/realtime-client'
import { toManifest } from '@org/realtime-contracts'
import { describe, expect, test, vi } from 'vitest'
import { contract } from './contract.js'
import { collect, createTestClient, heard, rejection, signToken, startServer, TRANSPORTS, until } from './harness.js'

const open = { group: { authorize: () => true, members: 'visible' } } as const

describe.each(TRANSPORTS)('a room over %s', (transport) => {
  test('is entered by who its rule lets in, and left again', async () => {
    const authorize = vi.fn(({ user, id }: { user: { userId: string }; id: string }) => user.userId === 'ada' && id === 'a/b')
    const server = await startServer({ rooms: { group: { authorize } } }, transport)
    const [ada, eve] = await Promise.all([server.client('ada'), server.client('eve')])
    const room = await ada.join('group', 'a/b')
    expect(room).toMatchObject({ kind: 'group', id: 'a/b', members: undefined })
    expect(await rejection(eve.join('group', 'a/b'))).toMatchObject({ code: 'FORBIDDEN' })
    expect(await rejection(ada.join('group', 'other'))).toMatchObject({ code: 'FORBIDDEN' })
    expect(authorize).toHaveBeenCalledWith({ user: expect.objectContaining({ userId: 'ada' }), device: { id: ada.deviceId }, id: 'a/b' })

    const notes = [ada, eve].map((client) => collect<{ text: string }>((add) => client.on('note', add)))
    server.realtime.toRoom('group', 'a/b').emit('note', { text: 'room' })
    server.realtime.toAll().emit('note', { text: 'all' })
    await until(() => notes.every((heardNotes) => heardNotes.some(({ text }) => text === 'all')))
    await room.leave()
    server.realtime.toRoom('group', 'a/b').emit('note', { text: 'left' })
    server.realtime.toAll().emit('note', { text: 'end' })
    await until(() => notes.every((heardNotes) => heardNotes.some(({ text }) => text === 'end')))
    expect(notes.map((heardNotes) => heardNotes.map(({ text }) => text))).toEqual([
      ['room', 'all', 'end'],
      ['all', 'end'],
    ])
  })

  test('is entered again by itself after a reconnect', async () => {
    const server = await startServer({ rooms: open }, transport)
    const client = await server.client('ada')
    const room = await client.join('group', 'g')
    const notes = collect((add) => client.on('note', add))
    for (const socket of server.realtime.io.of('/').sockets.values()) socket.conn.close()
    await until(() => room.members === undefined || client.status === 'reconnecting')
    await until(async () => (await server.realtime.presence.members('group', 'g')).length === 1 && client.status === 'connected')
    server.realtime.toRoom('group', 'g').emit('note', { text: 'back' })
    await until(() => notes.length === 1)
    expect(room.members).toEqual(['ada'])
  })
})

test('a kind without a rule cannot be joined, nor one that the contract does not have', async () => {
  const server = await startServer({ rooms: open })
  const client = await server.client('ada')
  expect(await rejection(client.join('team', 'red'))).toMatchObject({ code: 'FORBIDDEN' })
  expect(await rejection(client.join('nope' as 'group', 'x'))).toBeInstanceOf(TypeError)
  const stock = server.stock({ token: await signToken('ada') })
  expect(await stock.emitWithAck('$join', { kind: 'nope', id: 'x' })).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } })
  for (const kind of ['user', 'device', '__proto__', 7, undefined]) {
    expect(await stock.emitWithAck('$join', { kind, id: 'eve' })).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } })
  }
})

test.each([
  ['none', undefined],
  ['a number', 7],
  ['too long', 'x'.repeat(257)],
  ['no well-formed Unicode', '\ud800'],
  ['an object', { a: 1 }],
])('an id that is %s is INVALID_PAYLOAD', async (_case, id) => {
  const server = await startServer({ rooms: open })
  const stock = server.stock({ token: await signToken('ada') })
  expect(await stock.emitWithAck('$join', { kind: 'group', id })).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } })
  expect(await stock.emitWithAck('$leave', { kind: 'group', id })).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } })
})

test('a stock client can join and leave', async () => {
  const server = await startServer({ rooms: open })
  const stock = server.stock({ token: await signToken('ada') })
  expect(await stock.emitWithAck('$join', { kind: 'group', id: 'g' })).toEqual({ ok: true, data: { members: ['ada'] } })
  expect(await stock.emitWithAck('$leave', { kind: 'group', id: 'g' })).toEqual({ ok: true })
  expect(await server.realtime.presence.members('group', 'g')).toEqual([])
})

test('a rule that throws is INTERNAL, and the server is told; only true lets in', async () => {
  const answers: unknown[] = ['yes', 1, undefined]
  const server = await startServer({
    rooms: {
      group: { authorize: () => answers.shift() as boolean },
      team: {
        authorize: async () => {
          throw new Error('secret')
        },
      },
    },
  })
  const client = await server.client('ada')
  for (let attempt = 0; attempt < 3; attempt++) {
    expect(await rejection(client.join('group', 'g'))).toMatchObject({ code: 'FORBIDDEN' })
  }
  const error = await rejection(client.join('team', 'red'))
  expect(error).toMatchObject({ code: 'INTERNAL' })
  expect(String(error)).not.toContain('secret')
  expect(server.errors).toMatchObject([{ message: 'secret' }])
})

test('members that are visible are kept up to date, a user once whatever their devices', async () => {
  const server = await startServer({ rooms: open })
  const [ada, phone, eve] = await Promise.all([server.client('ada'), server.client('ada'), server.client('eve')])
  const room = await ada.join('group', 'g')
  expect(room.members).toEqual(['ada'])
  const changes = vi.fn()
  room.subscribe(changes)
  const other = await eve.join('group', 'g')
  expect(other.members?.toSorted()).toEqual(['ada', 'eve'])
  await until(() => room.members?.length === 2)
  await phone.join('group', 'g')
  ada.close()
  await until(async () => (await server.realtime.presence.devices('ada')).length === 1)
  phone.close()
  await until(() => other.members?.length === 1)
  expect(other.members).toEqual(['eve'])
  expect(changes).toHaveBeenCalledTimes(2) // eve came, and this client has closed
  expect(room.members).toBeUndefined()
})

test('members that are hidden are told to nobody', async () => {
  const server = await startServer({ rooms: { group: { authorize: () => true } } })
  const [ada, eve] = await Promise.all([server.client('ada'), server.client('eve')])
  const room = await ada.join('group', 'g')
  await eve.join('group', 'g')
  expect(room.members).toBeUndefined()
  expect((await server.realtime.presence.members('group', 'g')).toSorted()).toEqual(['ada', 'eve'])
})

test('two holds of one room share it, and the last to go leaves it', async () => {
  const server = await startServer({ rooms: open })
  const client = await server.client('ada')
  const [first, second] = await Promise.all([client.join('group', 'g'), client.join('group', 'g')])
  await first.leave()
  await first.leave()
  expect(await server.realtime.presence.members('group', 'g')).toEqual(['ada'])
  await second.leave()
  expect(await server.realtime.presence.members('group', 'g')).toEqual([])
  await client.join('group', 'g')
  await client.join('group', 'g')
  await client.leave('group', 'g')
  expect(await server.realtime.presence.members('group', 'g')).toEqual([])
})

test('a room that may not be entered again after a reconnect is told to error, and left alone', async () => {
  let allowed = true
  const server = await startServer({ rooms: { group: { authorize: () => allowed, members: 'visible' } } })
  const client = await server.client('ada')
  const room = await client.join('group', 'g')
  const errors = collect<RealtimeError>((add) => client.on('error', add))
  allowed = false
  for (const socket of server.realtime.io.of('/').sockets.values()) socket.conn.close()
  await until(() => errors.length === 1)
  expect(errors).toMatchObject([{ code: 'FORBIDDEN', event: '$join' }])
  expect(room.members).toBeUndefined()
})

test('the server moves every device of a user, without asking the rule', async () => {
  const server = await startServer()
  const [laptop, phone, eve] = await Promise.all([server.client('ada'), server.client('ada'), server.client('eve')])
  await server.realtime.toUser('ada').join('group', 'g')
  expect(await server.realtime.presence.members('group', 'g')).toEqual(['ada'])
  const notes = [laptop, phone, eve].map((client) => collect<{ text: string }>((add) => client.on('note', add)))
  server.realtime.toRoom('group', 'g').exceptDevice(phone.deviceId).emit('note', { text: 'room' })
  server.realtime.toAll().emit('note', { text: 'end' })
  await until(() => notes.every((heardNotes) => heardNotes.some(({ text }) => text === 'end')))
  expect(notes.map((heardNotes) => heardNotes.length)).toEqual([2, 1, 1])
  await server.realtime.toUser('ada').leave('group', 'g')
  expect(await server.realtime.presence.members('group', 'g')).toEqual([])
  await expect(server.realtime.toUser('ada').join('team', 'green' as 'red')).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
  expect(() => server.realtime.toRoom('nope' as 'group', 'g')).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD' }))
})

test('a client of a manifest joins, too', async () => {
  const server = await startServer({ rooms: open })
  const client = createTestClient(toManifest(contract), { url: server.url, getToken: () => signToken('ada') })
  await client.connect()
  expect((await client.join('group', 'g')).members).toEqual(['ada'])
  expect(await rejection(client.join('team', 'green' as 'red'))).toMatchObject({ code: 'INVALID_PAYLOAD', origin: 'remote' })
})

test('a user whose id makes a room as long as a socket id is reached all the same', async () => {
  const server = await startServer()
  const userId = 'x'.repeat(15)
  const socket = server.stock({ token: await signToken(userId) })
  await heard(socket, 'authenticated')
  const note = heard(socket, 'note')
  server.realtime.toUser(userId).emit('note', { text: 'hello' })
  expect(await note).toEqual({ text: 'hello' })
  expect([...server.realtime.io.of('/').adapter.rooms.keys()]).toContain(`user:${userId}:`)
})

test('a room is not lost to connections that break while it is entered again', async () => {
  const server = await startServer({ rooms: { group: { authorize: () => new Promise((resolve) => setTimeout(resolve, 3, true)), members: 'visible' } } })
  const client = await server.client('ada')
  const rooms = await Promise.all(Array.from({ length: 10 }, (_, index) => client.join('group', `g${index}`)))
  for (let round = 0; round < 8; round++) {
    await until(() => client.status === 'connected')
    for (const socket of server.realtime.io.of('/').sockets.values()) socket.conn.close()
    await until(() => client.status !== 'connected')
  }
  await until(() => rooms.every(({ members }) => members?.includes('ada')))
  for (const { id } of rooms) expect(await server.realtime.presence.members('group', id)).toEqual(['ada'])
})

test('leaving while a join is under way leaves, at the server, too', async () => {
  let open: (() => void) | undefined
  const server = await startServer({ rooms: { group: { authorize: () => new Promise<boolean>((resolve) => (open = () => resolve(true))) } } })
  const client = await server.client('ada')
  const joined = client.join('group', 'g')
  await until(() => open !== undefined)
  const left = client.leave('group', 'g')
  open?.()
  await Promise.all([joined, left])
  expect(await server.realtime.presence.members('group', 'g')).toEqual([])
})

test('a join that nobody waits for any more leaves nobody in the room', async () => {
  let open: (() => void) | undefined
  const server = await startServer({ rooms: { group: { authorize: () => new Promise<boolean>((resolve) => (open = () => resolve(true))) } } })
  server.realtime.on('echo', ({ payload }) => payload)
  const client = await server.client('ada')
  expect(await rejection(client.join('group', 'g', { timeoutMs: 50 }))).toMatchObject({ code: 'REPLY_TIMEOUT' })
  open?.()
  const stock = server.realtime.io.of('/').adapter
  await until(() => stock.rooms.has('group:g') === false)
  await client.request('echo', { text: 'x' })
  expect(await server.realtime.presence.members('group', 'g')).toEqual([])
})

test('an old hold does not leave the room of a new one', async () => {
  const server = await startServer({ rooms: open })
  const client = await server.client('ada')
  const old = await client.join('group', 'g')
  await client.leave('group', 'g')
  const fresh = await client.join('group', 'g')
  await old.leave()
  expect(await server.realtime.presence.members('group', 'g')).toEqual(['ada'])
  expect(fresh.members).toEqual(['ada'])
})

test('a rule that never answers is INTERNAL after a time, and holds up nothing after it', async () => {
  const server = await startServer({
    handshakeTimeoutMs: 50,
    rooms: { group: { authorize: () => new Promise<boolean>(() => {}) }, team: { authorize: () => true } },
  })
  const client = await server.client('ada')
  const [group, team] = await Promise.allSettled([client.join('group', 'g'), client.join('team', 'red')])
  expect(group).toMatchObject({ status: 'rejected', reason: { code: 'INTERNAL' } })
  expect(team).toMatchObject({ status: 'fulfilled' })
  expect(server.errors.map(String)).toEqual(['Error: rooms.group.authorize took longer than 50 ms'])
})

describe('two joins of one room at the same time, one of which is given up', () => {
  test.each<[string, (client: Awaited<ReturnType<Awaited<ReturnType<typeof startServer>>['client']>>) => Promise<unknown>]>([
    [
      'while it waits',
      async (client) => {
        const controller = new AbortController()
        const first = rejection(client.join('group', 'g', { signal: controller.signal }))
        const second = client.join('group', 'g')
        controller.abort()
        await first
        return second
      },
    ],
    [
      'before it was sent',
      async (client) => {
        const first = client.join('group', 'g')
        await rejection(client.join('group', 'g', { signal: AbortSignal.abort() }))
        return first
      },
    ],
    [
      'by leaving',
      async (client) => {
        const first = await client.join('group', 'g')
        const second = client.join('group', 'g')
        await first.leave()
        return second
      },
    ],
  ])('leave the other in the room, %s', async (_case, race) => {
    const server = await startServer({ rooms: open })
    const client = await server.client('ada')
    expect(await race(client)).toMatchObject({ members: ['ada'] })
    await client.join('team', 'red').catch(() => {}) // whatever was under way has been done by then
    expect(await server.realtime.presence.members('group', 'g')).toEqual(['ada'])
  })
})
