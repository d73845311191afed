import { describe, expect, test, vi } from 'vitest'
import { collect, signToken, startServer, until } from './harness.js'

test('a user is online with the first device and offline after the last, told once each', async () => {
  const server = await startServer()
  const { presence } = server.realtime
  const changes: string[] = []
  presence.on('online', ({ userId }) => changes.push(`${userId} online`))
  presence.on('offline', ({ userId }) => changes.push(`${userId} offline`))
  const laptop = await server.client('ada')
  const phone = await server.client('ada')
  await server.client('eve')
  expect(await presence.isOnline('ada')).toBe(true)
  expect(await presence.online(['nobody', 'eve', 'ada', 'eve'])).toEqual(['eve', 'ada'])
  expect((await presence.devices('ada')).map(({ id }) => id).toSorted()).toEqual([laptop.deviceId, phone.deviceId].toSorted())
  laptop.close()
  await until(async () => (await presence.devices('ada')).length === 1)
  expect(await presence.isOnline('ada')).toBe(true)
  phone.close()
  await until(() => changes.length === 3)
  expect(await presence.isOnline('ada')).toBe(false)
  expect(changes).toEqual(['ada online', 'eve online', 'ada offline'])
  expect(await presence.devices('ada')).toEqual([])
})

test('a reload within the grace period is no transition', async () => {
  const server = await startServer({ presence: { graceMs: 600_000 } })
  const { presence } = server.realtime
  const changes = collect((add) => {
    presence.on('online', add)
    presence.on('offline', add)
  })
  const before = await server.client('ada')
  before.close()
  await until(async () => (await presence.devices('ada')).length === 0)
  expect(await presence.isOnline('ada')).toBe(true)
  await server.client('ada')
  expect(changes).toEqual([{ userId: 'ada' }])
})

test('a listener that throws harms nobody, and off ends one', async () => {
  const server = await startServer()
  const gone = vi.fn()
  server.realtime.presence.on('online', gone)()
  server.realtime.presence.on('online', () => {
    throw new Error('broken')
  })
  server.realtime.presence.on('online', async () => {
    throw new Error('broken, later')
  })
  const told = vi.fn()
  server.realtime.presence.on('online', told)
  await server.client('ada')
  expect(told).toHaveBeenCalledWith({ userId: 'ada' })
  expect(gone).not.toHaveBeenCalled()
  await until(() => server.errors.length === 2)
})

describe('a wrong question', () => {
  test('about an id that nobody can have is a TypeError', async () => {
    const { presence } = (await startServer()).realtime
    await expect(presence.isOnline('')).rejects.toThrow(TypeError)
    await expect(presence.online(['ada', 7 as never])).rejects.toThrow(TypeError)
    await expect(presence.devices('a b')).rejects.toThrow(TypeError)
    await expect(presence.members('nope' as 'group', 'x')).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
    expect(() => presence.on('nope' as 'online', () => {})).toThrow(TypeError)
  })
})

test('a client that goes while it is let in is not online for ever', async () => {
  let asked = 0
  let answer = (): void => {}
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  const revocations = {
    revoke: async () => {},
    revokedBefore: async (subjects: readonly string[]) => {
      asked++
      await answered
      return subjects.map(() => undefined)
    },
  }
  const server = await startServer({ revocations })
  const { presence, io } = server.realtime
  const socket = server.stock({ token: await signToken('ada') })
  await until(() => asked === 1)
  socket.disconnect()
  await until(() => io.engine.clientsCount === 0)
  answer()
  await server.client('eve') // by then, what was begun before is done
  expect(await presence.online(['ada', 'eve'])).toEqual(['eve'])
  expect(await presence.devices('ada')).toEqual([])
})
