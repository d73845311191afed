import { RealtimeError } from '@org/realtime-client'
import type { Middleware } from '@org/realtime-server'
import { describe, expect, test } from 'vitest'
import { collect, heard, signToken, startServer, TRANSPORTS, until } from './harness.js'

describe.each(TRANSPORTS)('events over %s', (transport) => {
  test('reach every device of a user and no one else', async () => {
    const server = await startServer({}, transport)
    const [laptop, phone, eve] = await Promise.all([server.client('ada'), server.client('ada'), server.client('eve')])
    const heardBy = [laptop, phone, eve].map((client) => collect<{ text: string }>((add) => client.on('note', add)))
    server.realtime.toUser('ada').emit('note', { text: 'for ada' })
    server.realtime.toAll().emit('note', { text: 'for all' })
    await until(() => heardBy.every((notes) => notes.some(({ text }) => text === 'for all')))
    expect(heardBy).toEqual([[{ text: 'for ada' }, { text: 'for all' }], [{ text: 'for ada' }, { text: 'for all' }], [{ text: 'for all' }]])
  })

  test('leave out a device that has no name but its socket', async () => {
    const server = await startServer({}, transport)
    const connect = async () => {
      const stock = server.stock({ token: await signToken('ada') })
      const notes = collect<string>((add) => stock.on('note', ({ text }: { text: string }) => add(text)))
      const { deviceId } = (await heard(stock, 'authenticated')) as { deviceId: string }
      return { stock, notes, deviceId }
    }
    const [one, other] = await Promise.all([connect(), connect()])
    expect(one.deviceId).toBe(one.stock.id)
    server.realtime.toUser('ada').exceptDevice(one.deviceId).emit('note', { text: 'not the one' })
    server.realtime.toAll().emit('note', { text: 'end' })
    await until(() => [one, other].every(({ notes }) => notes.includes('end')))
    expect([one.notes, other.notes]).toEqual([['end'], ['not the one', 'end']])
  })

  test('leave out a device, or a user', async () => {
    const server = await startServer({}, transport)
    const [laptop, phone, eve] = await Promise.all([server.client('ada'), server.client('ada'), server.client('eve')])
    const heardBy = [laptop, phone, eve].map((client) => collect<{ text: string }>((add) => client.on('note', add)))
    server.realtime.toUser('ada').exceptDevice(laptop.deviceId).emit('note', { text: 'not the laptop' })
    server.realtime.toAll().exceptUser('eve').emit('note', { text: 'not eve' })
    server.realtime.toUsers(['ada', 'eve', 'ada']).exceptUser('ada').emit('note', { text: 'only eve' })
    server.realtime.toAll().emit('note', { text: 'end' })
    await until(() => heardBy.every((notes) => notes.some(({ text }) => text === 'end')))
    expect(heardBy.map((notes) => notes.map(({ text }) => text))).toEqual([
      ['not eve', 'end'],
      ['not the laptop', 'not eve', 'end'],
      ['only eve', 'end'],
    ])
  })

  test('are answered, with a date on both sides and its text between', async () => {
    const server = await startServer({}, transport)
    server.realtime.on('shift', ({ payload }) => ({ time: new Date(payload.time.getTime() + 1000) }))
    const client = await server.client('ada')
    const { time } = await client.request('shift', { time: new Date('2026-01-01T00:00:00.000Z') })
    expect(time).toEqual(new Date('2026-01-01T00:00:01.000Z'))

    const stock = server.stock({ token: await signToken('ada') })
    expect(await stock.emitWithAck('shift', { time: '2026-01-01T00:00:00.000Z' })).toEqual({ ok: true, data: { time: '2026-01-01T00:00:01.000Z' } })
  })
})

test('toUsers of nobody reaches nobody', async () => {
  const server = await startServer()
  const client = await server.client('ada')
  const notes = collect((add) => client.on('note', add))
  server.realtime.toUsers([]).emit('note', { text: 'lost' })
  server.realtime.toUser('ada').emit('note', { text: 'end' })
  await until(() => notes.length > 0)
  expect(notes).toEqual([{ text: 'end' }])
})

describe('an emit', () => {
  test('of what does not match throws at once, and sends nothing', async () => {
    const { realtime } = await startServer()
    const emit = () => realtime.toUser('ada').emit('note', { text: 7 as never })
    expect(emit).toThrow(
      expect.objectContaining({ code: 'INVALID_PAYLOAD', origin: 'local', data: { issues: [{ path: ['text'], message: expect.any(String) }] } }),
    )
  })

  test('never carries a key that the contract does not have', async () => {
    const server = await startServer()
    const socket = server.stock({ token: await signToken('ada') })
    await heard(socket, 'authenticated')
    const note = heard(socket, 'note')
    server.realtime.toUser('ada').emit('note', { text: 'x', passwordHash: 'y' } as never)
    expect(await note).toEqual({ text: 'x' })
  })

  test('of an event without payload carries no argument', async () => {
    const server = await startServer()
    const socket = server.stock({ token: await signToken('ada') })
    await heard(socket, 'authenticated')
    const args = new Promise((resolve) => {
      socket.once('bare', (...all: unknown[]) => resolve(all))
    })
    server.realtime.toUser('ada').emit('bare')
    expect(await args).toEqual([])
  })

  test.each([
    ['a date', { at: new Date() }],
    ['bytes', { bytes: Buffer.from('x') }],
    ['a bigint', { big: 1n }],
    ['what is nested too deeply', { deep: nested(40) }],
    ['a circle', circle()],
  ])('of %s in an open field throws INVALID_PAYLOAD', async (_case, data) => {
    const { realtime } = await startServer()
    expect(() => realtime.toAll().emit('open', { data })).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD' }))
  })

  test('to an id that nobody can have throws, as does an unknown event', async () => {
    const { realtime } = await startServer()
    expect(() => realtime.toUser('')).toThrow(TypeError)
    expect(() => realtime.toUser('a b')).toThrow(/user id/)
    expect(() => realtime.toUsers(['ada', undefined as never])).toThrow(TypeError)
    expect(() => realtime.toUsers('ada' as never)).toThrow(/list of user ids/)
    expect(() => realtime.toAll().emit('nope' as 'bare')).toThrow(/serverToClient of contract "tests" has no event "nope"/)
    expect(() => realtime.toAll().exceptDevice('')).toThrow(TypeError)
  })
})

describe('a handler', () => {
  test('whose event is sent without waiting still tells of a failure, on error', async () => {
    const server = await startServer()
    server.realtime.on('take', ({ fail }) => {
      throw fail('LOCKED')
    })
    const socket = server.stock({ token: await signToken('ada') })
    const error = heard(socket, 'error')
    socket.emit('take', { id: '1' })
    expect(await error).toEqual({ code: 'LOCKED', message: 'LOCKED', event: 'take' })
  })

  test('declares failures with their data, typed at the client', async () => {
    const server = await startServer()
    server.realtime.on('take', ({ payload, fail }) => {
      throw payload.id === 'x' ? fail('NOT_FOUND', { id: payload.id }, 'no such thing') : fail('LOCKED')
    })
    const client = await server.client('ada')
    const result = await client.tryRequest('take', { id: 'x' })
    expect(result).toMatchObject({ ok: false, error: { code: 'NOT_FOUND', message: 'no such thing', data: { id: 'x' }, origin: 'remote', event: 'take' } })
    expect(result.ok || result.error).toBeInstanceOf(RealtimeError)
    await expect(client.request('take', { id: 'y' })).rejects.toMatchObject({ code: 'LOCKED', data: undefined })
  })

  test.each<[string, () => never | Promise<never>]>([
    [
      'throws',
      () => {
        throw new Error('secret')
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret'))],
    [
      'throws undefined',
      () => {
        throw undefined
      },
    ],
    [
      'throws the error of another client',
      () => {
        throw new RealtimeError('FORBIDDEN', 'secret', { origin: 'remote' })
      },
    ],
    [
      'throws an error that it made itself',
      () => {
        throw new RealtimeError('NOT_FOUND', 'secret')
      },
    ],
    ['returns what does not match', () => ({ left: 'secret' }) as never],
    [
      'returns a thenable that throws',
      () =>
        ({
          then() {
            throw new Error('secret')
          },
        }) as never,
    ],
  ])('that %s is answered INTERNAL, and the server is told', async (_case, handler) => {
    const server = await startServer()
    server.realtime.on('take', handler)
    const client = await server.client('ada')
    const result = await client.tryRequest('take', { id: '1' })
    expect(result).toMatchObject({ ok: false, error: { code: 'INTERNAL', message: 'The server failed to handle this' } })
    expect(server.errors).toHaveLength(1)
  })

  test('cannot make an undeclared failure, or one with wrong data', async () => {
    const server = await startServer()
    server.realtime.on('take', ({ payload, fail }) => {
      throw payload.id === 'code' ? fail('NOPE' as 'LOCKED') : fail('NOT_FOUND', { id: 7 as never })
    })
    const client = await server.client('ada')
    for (const id of ['code', 'data']) {
      expect(await client.tryRequest('take', { id })).toMatchObject({ ok: false, error: { code: 'INTERNAL' } })
    }
    expect(server.errors.map(String)).toEqual([
      expect.stringContaining('does not declare the error "NOPE"'),
      expect.stringContaining('the data of NOT_FOUND does not match'),
    ])
  })

  test('cannot pass on the failure that another call made', async () => {
    const server = await startServer()
    let kept: unknown
    server.realtime.on('take', ({ fail }) => {
      kept ??= fail('LOCKED')
      throw kept
    })
    const client = await server.client('ada')
    expect(await client.tryRequest('take', { id: '1' })).toMatchObject({ ok: false, error: { code: 'LOCKED' } })
    expect(await client.tryRequest('take', { id: '2' })).toMatchObject({ ok: false, error: { code: 'INTERNAL' } })
  })

  test('of an event without a reply is acknowledged all the same, where somebody waits', async () => {
    const server = await startServer()
    server.realtime.on('say', () => 'not a reply')
    server.realtime.on('done', async () => {})
    const socket = server.stock({ token: await signToken('ada') })
    expect(await socket.emitWithAck('say', { text: 'x' })).toEqual({ ok: true })
    expect(await socket.emitWithAck('done')).toEqual({ ok: true })
  })

  test('is one an event, and of an event of the contract', async () => {
    const { realtime } = await startServer()
    realtime.on('say', () => {})
    expect(() => realtime.on('say', () => {})).toThrow(/"say".*handler already/)
    expect(() => realtime.on('nope' as 'say', () => {})).toThrow(/no such event in clientToServer/)
    expect(() => realtime.on('poke', undefined as never)).toThrow(/must be a function/)
  })
})

describe('what a client sends', () => {
  test('is answered with its issues where it does not match, and never with its values', async () => {
    const server = await startServer()
    server.realtime.on('echo', ({ payload }) => payload)
    const socket = server.stock({ token: await signToken('ada') })
    const reply = await socket.emitWithAck('echo', { text: ['s3cret'] })
    expect(reply).toEqual({
      ok: false,
      error: { code: 'INVALID_PAYLOAD', message: expect.stringContaining('text'), data: { issues: [{ path: ['text'], message: expect.any(String) }] } },
    })
    expect(JSON.stringify(reply)).not.toContain('s3cret')
  })

  test('is answered UNKNOWN_EVENT where the server has no handler, with and without waiting', async () => {
    const server = await startServer()
    const socket = server.stock({ token: await signToken('ada') })
    for (const event of ['take', 'nope', 'constructor', '__proto__', '$nope', 'error', 'authenticated']) {
      expect(await socket.emitWithAck(event, {})).toMatchObject({ ok: false, error: { code: 'UNKNOWN_EVENT' } })
    }
    const error = heard(socket, 'error')
    socket.emit('nope')
    expect(await error).toMatchObject({ code: 'UNKNOWN_EVENT', event: 'nope' })
  })

  test.each([
    ['no payload', []],
    ['null', [null]],
    ['two payloads', [{ text: 'a' }, { text: 'b' }, { text: 'c' }]],
    ['a second argument that is no meta', [{ text: 'a' }, 'b']],
    ['bytes', [{ text: Buffer.from('a') }]],
    ['a list nested 1,000 deep', [{ text: nested(1000) }]],
  ])('is INVALID_PAYLOAD for %s', async (_case, args) => {
    const server = await startServer()
    server.realtime.on('echo', ({ payload }) => payload)
    const socket = server.stock({ token: await signToken('ada') })
    expect(await socket.emitWithAck('echo', ...args)).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD', data: { issues: [expect.anything()] } } })
    expect(await socket.emitWithAck('echo', { text: 'still here' })).toEqual({ ok: true, data: { text: 'still here' } })
  })

  test('may carry $meta beside the payload, and beside none', async () => {
    const server = await startServer()
    const metas: unknown[] = []
    server.realtime.on('poke', ({ payload, meta }) => metas.push([payload, meta]))
    const socket = server.stock({ token: await signToken('ada') })
    await socket.emitWithAck('poke', null, { key: 'k', trace: 't' })
    await socket.emitWithAck('poke')
    expect(metas).toEqual([
      [undefined, { key: 'k', trace: 't' }],
      [undefined, {}],
    ])
  })
})

test('what only a bare Socket.IO listener handles stays with it', async () => {
  const server = await startServer()
  server.realtime.io.on('connection', (socket) => {
    socket.on('legacy', (text: string, acknowledge: (reply: string) => void) => acknowledge(`old ${text}`))
  })
  const socket = server.stock({ token: await signToken('ada') })
  expect(await socket.emitWithAck('legacy', 'way')).toBe('old way')
})

describe('middleware', () => {
  const requireRole =
    (role: string): Middleware<{ userId: string; role: string }> =>
    async ({ user, fail }, next) => {
      if (user.role !== role) throw fail('FORBIDDEN')
      await next()
    }

  test('runs around the handler, the first one added outermost, those of the event inside', async () => {
    const { realtime, client } = await startServer()
    const order: string[] = []
    const step =
      (name: string): Middleware =>
      async ({ event }, next) => {
        order.push(`${name} before ${event}`)
        await next()
        order.push(`${name} after`)
      }
    realtime.use(step('first'))
    realtime.use(step('second'))
    realtime.on('echo', step('own'), ({ payload }) => {
      order.push('handler')
      return payload
    })
    expect(await (await client('ada')).request('echo', { text: 'x' })).toEqual({ text: 'x' })
    expect(order).toEqual(['first before echo', 'second before echo', 'own before echo', 'handler', 'own after', 'second after', 'first after'])
  })

  test('refuses with its own failures', async () => {
    const server = await startServer()
    server.realtime.on('echo', requireRole('admin'), ({ payload }) => payload)
    const client = await server.client('ada')
    expect(await client.tryRequest('echo', { text: 'x' })).toMatchObject({ ok: false, error: { code: 'FORBIDDEN' } })
    const admin = await server.client('root', { getToken: () => signToken('root', { role: 'admin' }) })
    expect(await admin.request('echo', { text: 'x' })).toEqual({ text: 'x' })
  })

  test.each<[string, Middleware]>([
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('broken')
      },
    ],
    ['neither calls next nor throws', async () => {}],
    [
      'throws after the handler',
      async (_context, next) => {
        await next()
        throw new Error('broken')
      },
    ],
  ])('that %s is answered INTERNAL', async (_case, middleware) => {
    const server = await startServer()
    server.realtime.use(middleware)
    server.realtime.on('echo', ({ payload }) => payload)
    const client = await server.client('ada')
    expect(await client.tryRequest('echo', { text: 'x' })).toMatchObject({ ok: false, error: { code: 'INTERNAL' } })
    expect(server.errors).toHaveLength(1)
  })

  test('that does not wait for next() still gets the reply out', async () => {
    const server = await startServer()
    server.realtime.use((_context, next) => {
      void next()
    })
    server.realtime.on('echo', async ({ payload }) => payload)
    expect(await (await server.client('ada')).request('echo', { text: 'x' })).toEqual({ text: 'x' })
  })

  test('that swallows a failure does not make it a success', async () => {
    const server = await startServer()
    server.realtime.use(async (_context, next) => {
      await next().catch(() => {})
    })
    server.realtime.on('take', async ({ fail }) => {
      throw fail('LOCKED')
    })
    expect(await (await server.client('ada')).tryRequest('take', { id: '1' })).toMatchObject({ ok: false, error: { code: 'LOCKED' } })
  })
})

describe('a request of the server', () => {
  test('has one result a device: answered, failed, silent', async () => {
    const server = await startServer()
    const [yes, busy, broken, none] = await Promise.all(['yes', 'busy', 'broken', 'none'].map((deviceId) => server.client('ada', { deviceId })))
    yes!.handle('confirm', async ({ question }) => ({ yes: question === 'ok?' }))
    busy!.handle('confirm', (_payload, { fail }) => {
      throw fail('BUSY', { untilMs: 5 })
    })
    broken!.handle('confirm', () => {
      throw new Error('secret')
    })
    const stock = server.stock({ token: await signToken('ada'), realtime: { protocol: 1, device: 'stock' } })
    await heard(stock, 'authenticated')
    stock.on('confirm', (_payload, acknowledge: (answer: unknown) => void) => acknowledge({ yes: true }))
    const mute = server.stock({ token: await signToken('ada'), realtime: { protocol: 1, device: 'mute' } })
    await heard(mute, 'authenticated')

    const answers = await server.realtime.toUser('ada').request('confirm', { question: 'ok?' }, { timeoutMs: 1000 })
    const byDevice = Object.fromEntries(answers.map((answer) => [answer.deviceId, answer]))
    expect(none!.status).toBe('connected')
    expect(answers).toHaveLength(6)
    expect(byDevice).toMatchObject({
      yes: { deviceId: 'yes', status: 'answered', data: { yes: true } },
      busy: { status: 'failed', error: { code: 'BUSY', data: { untilMs: 5 }, origin: 'remote' } },
      broken: { status: 'failed', error: { code: 'INTERNAL' } },
      none: { status: 'failed', error: { code: 'UNKNOWN_EVENT' } },
      stock: { status: 'failed', error: { code: 'INVALID_REPLY' } },
      mute: { deviceId: 'mute', status: 'silent' },
    })
    expect(JSON.stringify(answers)).not.toContain('secret')
  })

  test('does not wait for a device that goes away', async () => {
    const server = await startServer()
    const client = await server.client('ada')
    client.handle('confirm', () => {
      client.close()
      return new Promise<never>(() => {})
    })
    const answers = await server.realtime.toUser('ada').request('confirm', { question: '?' }, { timeoutMs: 600_000 })
    expect(answers).toEqual([{ deviceId: client.deviceId, status: 'silent' }])
  })

  test('to nobody has no results, and wrong ones reject', async () => {
    const { realtime } = await startServer()
    expect(await realtime.toUser('nobody').request('confirm', { question: '?' })).toEqual([])
    expect(await realtime.toUsers([]).request('confirm', { question: '?' })).toEqual([])
    await expect(realtime.toUser('ada').request('confirm', { question: 7 as never })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
    await expect(realtime.toUser('ada').request('note' as 'confirm', { question: '?' })).rejects.toThrow(/no reply/)
    await expect(realtime.toUser('ada').request('confirm', { question: '?' }, { timeoutMs: -1 })).rejects.toThrow(/timeoutMs/)
  })
})

function nested(depth: number): unknown {
  let value: unknown = 'x'
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

function circle(): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  value['self'] = value
  return value
}
