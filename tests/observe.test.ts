import { defineContract } from '@org/realtime-contracts'
import { createRealtimeEmitter, createRealtimeServer, type RealtimeObserver } from '@org/realtime-server'
import { redisCluster } from '@org/realtime-server/redis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import * as z from 'zod'
import { contract, type TestContract } from './contract.js'
import { heard, refusalOf, signToken, startServer, until } from './harness.js'
import { startRedis } from './redis.js'

type Told = readonly [callback: string, what: Record<string, unknown>]

/** Keeps all that it is told; `durationMs` only as its type. */
function observer(): { told: Told[]; observe: RealtimeObserver<TestContract>; of(callback: string): Array<Record<string, unknown>> } {
  const told: Told[] = []
  const keep = (callback: string, ...what: object[]): void => {
    const all = Object.assign({}, ...what) as Record<string, unknown>
    told.push([callback, 'durationMs' in all ? { ...all, durationMs: typeof all['durationMs'] } : all])
  }
  return {
    told,
    of: (callback) => told.filter(([name]) => name === callback).map(([, what]) => what),
    observe: {
      connect: (client) => keep('connect', client),
      refuse: (refusal) => keep('refuse', refusal),
      disconnect: (client) => keep('disconnect', client),
      eventIn: (event) => keep('eventIn', event),
      reply: (event, reply) => keep('reply', { event: event.event }, reply),
      eventOut: (emit) => keep('eventOut', emit),
      limitHit: (hit) => keep('limitHit', hit),
    },
  }
}

describe('an observer', () => {
  test('is told of a connection from its handshake to its end', async () => {
    const { observe, of } = observer()
    const server = await startServer({ observe })
    const client = await server.client('ada', { deviceId: 'laptop', transports: ['websocket'] })
    expect(of('connect')).toEqual([{ userId: 'ada', deviceId: 'laptop', transport: 'websocket', durationMs: 'number' }])
    await server.realtime.disconnectUser('ada')
    await until(() => of('disconnect').length > 0)
    expect(of('disconnect')).toEqual([{ userId: 'ada', deviceId: 'laptop', code: 'DISCONNECTED', reason: 'server namespace disconnect', durationMs: 'number' }])
    client.close()
  })

  test('is told of a client that is refused', async () => {
    const { observe, of } = observer()
    const server = await startServer({ observe })
    await refusalOf(server.stock({ token: 'none' }))
    expect(of('refuse')).toEqual([{ code: 'UNAUTHENTICATED', address: '127.0.0.1', origin: undefined }])
    expect(of('connect')).toEqual([])
  })

  test('is told of an event that is stored, once for each emit, whoever hears it', async () => {
    const { observe, of } = observer()
    const durable = defineContract({
      name: 'durable',
      version: '1.0.0',
      serverToClient: { kept: { payload: z.object({ n: z.number() }), delivery: 'durable' } },
    })
    const realtime = createRealtimeServer(durable, { authenticate: () => ({ userId: 'ada' }), observe: observe as RealtimeObserver })
    onTestFinished(() => realtime.close({ drainMs: 0 }))
    await realtime.toUser('ada').emit('kept', { n: 1 })
    await realtime.toUsers(['ada', 'eve']).emit('kept', { n: 2 })
    const sent = { event: 'kept', origin: 'local', isRequest: false, recipients: undefined, length: '["kept",{"n":1}]'.length }
    expect(of('eventOut')).toEqual([sent, sent])
  })

  test('is told of what comes in, and how it is answered', async () => {
    const { observe, of } = observer()
    const server = await startServer({ observe })
    server.realtime.on('echo', async ({ payload }) => payload)
    server.realtime.on('take', ({ fail }) => {
      throw fail('LOCKED')
    })
    const client = await server.client('ada', { deviceId: 'laptop' })
    await client.request('echo', { text: 'x' })
    await client.tryRequest('take', { id: '7' })
    await client.tryRequest('done')
    expect(of('eventIn')).toEqual(['echo', 'take', 'done'].map((event) => ({ event, isRequest: true, userId: 'ada', deviceId: 'laptop' })))
    expect(of('reply')).toEqual([
      { event: 'echo', ok: true, durationMs: 'number' },
      { event: 'take', ok: false, code: 'LOCKED', durationMs: 'number' },
      { event: 'done', ok: false, code: 'UNKNOWN_EVENT', durationMs: 'number' },
    ])
  })

  test('is told how long each event took, also of one that is told while another is at work', async () => {
    const took: Record<string, number> = {}
    const server = await startServer({
      observe: {
        reply: ({ event }, { durationMs }) => {
          took[event] = durationMs
        },
      },
    })
    let finish = (): void => {}
    server.realtime.on('echo', async ({ payload }) => {
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return payload
    })
    server.realtime.on('knock', () => {})
    const client = await server.client('ada')
    const sinceMs = performance.now()
    const echo = client.request('echo', { text: 'x' })
    await client.request('knock', { text: 'x' })
    const knockMs = performance.now() - sinceMs
    await new Promise((resolve) => setTimeout(resolve, 50))
    finish()
    await echo
    const echoMs = performance.now() - sinceMs
    expect(took['knock']).toBeGreaterThan(0)
    expect(took['knock']).toBeLessThan(knockMs)
    expect(took['echo']).toBeGreaterThanOrEqual(49)
    expect(took['echo']).toBeLessThan(echoMs)
  })

  test('that has one callback is told of that', async () => {
    const hits: unknown[] = []
    const server = await startServer({
      observe: {
        limitHit: (hit) => {
          hits.push(hit)
        },
      },
    })
    server.realtime.on('knock', () => {})
    const client = await server.client('ada')
    for (let time = 0; time < 4; time++) await client.tryRequest('knock', { text: 'x' })
    expect(hits).toEqual([{ limit: 'perSecond', event: 'knock', userId: 'ada' }])
  })

  test('hears no name that a client has made up', async () => {
    const { observe, of } = observer()
    const server = await startServer({ observe })
    const stock = server.stock({ token: await signToken('ada') })
    await heard(stock, 'authenticated')
    await stock.emitWithAck('made-up-1')
    await stock.emitWithAck('constructor')
    await stock.emitWithAck('$join', { kind: 'group', id: '1' })
    expect(of('eventIn').map(({ event }) => event)).toEqual(['$unknown', '$unknown', '$join'])
  })

  test('is told of what is sent, and to how many', async () => {
    const { observe, of } = observer()
    const server = await startServer({ observe })
    await server.client('ada')
    await server.client('ada')
    server.realtime.toUser('ada').emit('note', { text: 'x' })
    server.realtime.toUser('nobody').emit('bare')
    expect(of('eventOut')).toEqual([
      { event: 'note', origin: 'local', isRequest: false, recipients: 2, length: '["note",{"text":"x"}]'.length },
      { event: 'bare', origin: 'local', isRequest: false, recipients: 0, length: '["bare"]'.length },
    ])
  })

  test('is told of the limit that was hit', async () => {
    const { observe, of } = observer()
    const server = await startServer({ observe, limits: { connectionsPerUser: 1, payloadBytes: 100 } })
    server.realtime.on('knock', () => {})
    server.realtime.on('echo', ({ payload }) => payload)
    const client = await server.client('ada')
    for (let time = 0; time < 4; time++) await client.tryRequest('knock', { text: 'x' })
    await client.tryRequest('echo', { text: 'x'.repeat(2_000) })
    await refusalOf(server.stock({ token: await signToken('ada') }))
    expect(of('limitHit')).toEqual([
      { limit: 'perSecond', event: 'knock', userId: 'ada' },
      { limit: 'payloadBytes', event: 'echo', userId: 'ada' },
      { limit: 'connectionsPerUser' },
    ])
  })

  test('is told of a payload that is larger than the contract lets it be', async () => {
    const { observe, of } = observer()
    const server = await startServer({ observe })
    server.realtime.on('knock', () => {})
    const stock = server.stock({ token: await signToken('ada') }) // the SDK's own client does not send it
    await heard(stock, 'authenticated')
    expect(await stock.emitWithAck('knock', { text: 'x'.repeat(200) })).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } })
    expect(await stock.emitWithAck('knock', { text: 7 })).toMatchObject({ ok: false, error: { code: 'INVALID_PAYLOAD' } })
    expect(of('limitHit')).toEqual([{ limit: 'maxBytes', event: 'knock', userId: 'ada' }])
  })

  test('is told of a transport that goes on asking to be let in, once where it is ended', async () => {
    const { observe, of } = observer()
    const refused: unknown[] = []
    const server = await startServer({ observe, onRefused: ({ code }) => refused.push(code) })
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
    onTestFinished(() => socket.terminate())
    let closed = false
    socket.on('close', () => {
      closed = true
    })
    // One after the other: each is checked, until they are too many. The last ones come together.
    let answers = 0
    socket.on('message', (data) => {
      if (String(data).startsWith('44')) answers++
      for (let time = 0; time < (answers < 40 ? 1 : 200); time++) socket.send('40{"token":"not.a.token"}')
    })
    await until(() => closed)
    await until(() => of('limitHit').length > 0)
    const limited = refused.filter((code) => code === 'RATE_LIMITED')
    expect(of('limitHit')).toEqual(limited.map(() => ({ limit: 'handshakes' })))
    expect(of('refuse').filter(({ code }) => code === 'RATE_LIMITED')).toHaveLength(limited.length)
    expect(limited.length).toBeLessThan(30) // of some that came while another was under way, and of the end; not of each of hundreds
  })

  test('that throws changes nothing, and is told to onError', async () => {
    const broken = (): never => {
      throw new Error('broken')
    }
    const observe: RealtimeObserver<TestContract> = {
      connect: broken,
      refuse: broken,
      disconnect: broken,
      eventIn: broken,
      handle: broken,
      reply: broken,
      eventOut: broken,
      limitHit: broken,
    }
    const server = await startServer({ observe })
    let handled = 0
    server.realtime.on('echo', ({ payload }) => {
      handled++
      return payload
    })
    await refusalOf(server.stock({ token: 'none' }))
    const client = await server.client('ada')
    const note = new Promise((resolve) => client.on('note', resolve))
    server.realtime.toUser('ada').emit('note', { text: 'x' })
    expect(await note).toEqual({ text: 'x' })
    expect(await client.request('echo', { text: 'x' })).toEqual({ text: 'x' })
    expect(handled).toBe(1)
    client.close()
    await until(() => server.errors.length === 7)
    expect(server.errors.map(String)).toEqual(Array(7).fill('Error: broken'))
  })

  test('that handles an event twice, or not at all, has it handled once', async () => {
    let handled = 0
    for (const handle of [
      <T>(_event: unknown, work: () => T) => {
        work()
        return work()
      },
      <T>() => undefined as T,
    ]) {
      const server = await startServer({ observe: { handle } })
      server.realtime.on('echo', ({ payload }) => {
        handled++
        return payload
      })
      expect(await (await server.client('ada')).request('echo', { text: 'x' })).toEqual({ text: 'x' })
    }
    expect(handled).toBe(2)
  })

  test('is checked when the server is made', async () => {
    await expect(startServer({ observe: { conect: () => {} } as never })).rejects.toThrow('observe: unknown option "conect"')
    await expect(startServer({ observe: { connect: 7 } as never })).rejects.toThrow('observe.connect must be a function')
  })

  test('is told on each node of what that node has written, with the trace that was sent along', async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const [here, there] = [observer(), observer()]
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const sender = await startServer({ cluster: redisCluster({ url: redis.url }), observe: { ...here.observe, eventOut: () => trace } })
    const writer = await startServer({ cluster: redisCluster({ url: redis.url }), observe: there.observe })
    const emitter = createRealtimeEmitter(contract, { cluster: redisCluster({ url: redis.url }), observe: { eventOut: () => trace } })
    onTestFinished(() => emitter.close())
    await writer.client('ada')
    sender.realtime.toUser('ada').emit('note', { text: 'x' })
    await until(() => there.of('eventOut').length === 1)
    await until(() => emitter.ready)
    emitter.toUser('ada').emit('note', { text: 'x' })
    await until(() => there.of('eventOut').length === 2)
    const written = { event: 'note', origin: 'remote', isRequest: false, recipients: 1, length: '["note",{"text":"x"}]'.length, trace }
    expect(there.of('eventOut')).toEqual([written, written])
  })
})
