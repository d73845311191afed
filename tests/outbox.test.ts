import { createOutbox, memoryStore, type OutboxOptions, type OutboxStore } from '@org/realtime-client/outbox'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { gate, type NodeOptions, type ShopNode, startInMemory } from './commands/nodes.js'
import { rejection, until } from './harness.js'

const AT = new Date('2026-01-31T12:00:00.000Z')

/** A shop that numbers what is ordered, and whose tea is sold out. */
function selling(ordered: string[]): NodeOptions['setup'] {
  return (realtime) =>
    realtime.on('order', ({ payload, user, fail }) => {
      if (payload.item === 'tea') throw fail('SOLD_OUT', payload)
      return { number: ordered.push(`${user.userId} ${payload.item}`), at: AT }
    })
}

async function startShop(setup: NodeOptions['setup']): Promise<ShopNode> {
  const [node] = await startInMemory(1, { setup })
  return node as ShopNode // as many as asked for
}

type Client = Parameters<typeof createOutbox<ShopNode['realtime']['contract'], 'domain'>>[0]

function open(client: Client, options: Partial<OutboxOptions> = {}) {
  const outbox = createOutbox(client, { userId: 'ada', ...options })
  onTestFinished(() => outbox.close())
  return outbox
}

describe('an outbox', () => {
  test('keeps what is made offline, and sends it in order, one after the other', async () => {
    const ordered: string[] = []
    const node = await startShop(selling(ordered))
    const client = node.client('ada')
    const outbox = open(client)
    const changes = vi.fn()
    outbox.subscribe(changes)
    const handles = await Promise.all(['milk', 'bread', 'jam'].map((item) => outbox.send('order', { item })))
    expect(outbox.pending.map(({ payload }) => payload)).toEqual([{ item: 'milk' }, { item: 'bread' }, { item: 'jam' }])
    expect(outbox.pending.map(({ key }) => key)).toEqual(handles.map(({ key }) => key))
    expect(ordered).toEqual([])
    await client.connect()
    expect(await Promise.all(handles.map(({ result }) => result))).toEqual([1, 2, 3].map((number) => ({ number, at: AT })))
    expect(ordered).toEqual(['ada milk', 'ada bread', 'ada jam'])
    expect(outbox.pending).toEqual([])
    expect(outbox.pending).toBe(outbox.pending)
    expect(changes).toHaveBeenCalledTimes(6)
  })

  test('sends on what was under way when the connection broke, once, and before what came after it', async () => {
    const ordered: string[] = []
    const { open: release, opened } = gate()
    const node = await startShop((realtime) =>
      realtime.on('order', async ({ payload }) => {
        const number = ordered.push(payload.item)
        await opened
        return { number, at: AT }
      }),
    )
    const client = await node.connect('ada')
    const outbox = open(client)
    const first = await outbox.send('order', { item: 'milk' })
    await until(() => ordered.length === 1)
    await client.faults.kill()
    const second = await outbox.send('order', { item: 'bread' })
    release()
    expect([await first.result, await second.result]).toMatchObject([{ number: 1 }, { number: 2 }])
    expect(ordered).toEqual(['milk', 'bread'])
  })

  test('refuses at once what the contract does not allow, and what is not idempotent', async () => {
    const node = await startShop(selling([]))
    const outbox = open(node.client('ada'))
    expect(await rejection(outbox.send('order', { item: 7 } as never))).toMatchObject({ code: 'INVALID_PAYLOAD', origin: 'local' })
    expect(await rejection(outbox.send(...(['look', { item: 'milk' }] as unknown as ['order', { item: string }])))).toBeInstanceOf(TypeError)
    expect(await rejection(outbox.send('checkout', undefined, { key: 'no key' }))).toBeInstanceOf(TypeError)
    expect(outbox.pending).toEqual([])
  })

  test('is full at its bound, and says so', async () => {
    const node = await startShop(selling([]))
    const outbox = open(node.client('ada'), { maxCommands: 2 })
    const sent = await Promise.allSettled(['milk', 'bread', 'jam'].map((item) => outbox.send('order', { item })))
    expect(sent.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(sent[2]).toMatchObject({ reason: { code: 'RATE_LIMITED', data: { limit: 'maxCommands' }, message: 'The outbox is full: 2 commands wait' } })
  })

  test('drops what fails for good, tells of it, and goes on; what may succeed later waits', async () => {
    const ordered: string[] = []
    let isUp = false
    const node = await startShop((realtime) => {
      realtime.use(async ({ fail }, next) => {
        if (!isUp) throw fail('UNAVAILABLE')
        await next()
      })
      selling(ordered)(realtime, 0)
    })
    const onFailure = vi.fn()
    const client = await node.connect('ada')
    const outbox = open(client, { onFailure })
    const [tea, jam] = [await outbox.send('order', { item: 'tea' }), await outbox.send('order', { item: 'jam' })]
    await node.settled()
    expect(outbox.pending).toHaveLength(2)
    isUp = true
    expect(await rejection(tea.result)).toMatchObject({ code: 'SOLD_OUT', data: { item: 'tea' } })
    expect(await jam.result).toMatchObject({ number: 1 })
    expect(onFailure.mock.calls).toMatchObject([[{ key: tea.key, event: 'order', payload: { item: 'tea' }, userId: 'ada' }, { code: 'SOLD_OUT' }]])
  })

  test('takes the same key for the same command, and refuses it for another', async () => {
    const ordered: string[] = []
    const node = await startShop(selling(ordered))
    const client = node.client('ada')
    const outbox = open(client)
    const [first, again] = [await outbox.send('order', { item: 'milk' }, { key: 'k' }), await outbox.send('order', { item: 'milk' }, { key: 'k' })]
    expect(await rejection(outbox.send('order', { item: 'jam' }, { key: 'k' }))).toMatchObject({ code: 'CONFLICT' })
    await client.connect()
    expect(await again.result).toEqual(await first.result)
    expect(ordered).toEqual(['ada milk'])
  })

  test('sends nothing of one user as another, and goes on when the first is back', async () => {
    const ordered: string[] = []
    const node = await startShop(selling(ordered))
    const store = memoryStore()
    const client = node.client('ada')
    const adas = open(client, { store })
    const milk = await adas.send('order', { item: 'milk' })
    client.setToken(await node.tokens.for('eve'))
    await client.connect()
    const eves = open(client, { userId: 'eve', store })
    await (await eves.send('order', { item: 'jam' })).result
    await node.settled()
    expect(ordered).toEqual(['eve jam'])
    expect(adas.pending).toHaveLength(1)
    client.close()
    client.setToken(undefined)
    await client.connect()
    expect(await milk.result).toMatchObject({ number: 2 })
    expect(ordered).toEqual(['eve jam', 'ada milk'])
  })

  test('finds in its store what was made before, and sends that first', async () => {
    const ordered: string[] = []
    const node = await startShop(selling(ordered))
    const store = memoryStore()
    const before = open(node.client('ada'), { store })
    const lost = await before.send('order', { item: 'milk' })
    before.close()
    expect(await rejection(lost.result)).toMatchObject({ code: 'CLOSED' })
    expect(await rejection(before.send('order', { item: 'jam' }))).toMatchObject({ code: 'CLOSED' })
    const client = await node.connect('ada')
    const after = open(client, { store })
    await (await after.send('order', { item: 'bread' })).result
    expect(ordered).toEqual(['ada milk', 'ada bread'])
  })

  test('gives up all that waits when it is cleared', async () => {
    const ordered: string[] = []
    const node = await startShop(selling(ordered))
    const client = node.client('ada')
    const outbox = open(client)
    const milk = await outbox.send('order', { item: 'milk' })
    await outbox.clear()
    expect(await rejection(milk.result)).toMatchObject({ code: 'ABORTED' })
    expect(outbox.pending).toEqual([])
    await client.connect()
    await node.settled()
    expect(ordered).toEqual([])
    await (await outbox.send('order', { item: 'jam' })).result
    expect(ordered).toEqual(['ada jam'])
  })

  test('says when its store fails, and sends nothing that it could not keep', async () => {
    const ordered: string[] = []
    const node = await startShop(selling(ordered))
    const store: OutboxStore = { ...memoryStore(), add: () => Promise.reject(new Error('quota')) }
    const outbox = open(await node.connect('ada'), { store })
    expect(await rejection(outbox.send('order', { item: 'milk' }))).toMatchObject({ code: 'UNAVAILABLE', cause: { message: 'quota' } })
    await node.settled()
    expect(ordered).toEqual([])
  })

  test.each<[string, object, RegExp]>([
    ['without a user', { userId: '' }, /userId is required/],
    ['for no command', { maxCommands: 0 }, /maxCommands must be a whole number/],
  ])('is not made %s', async (_case, options, message) => {
    const node = await startShop(selling([]))
    expect(() => open(node.client('ada'), options)).toThrow(message)
    expect(() => open({} as never)).toThrow(/expected a client of createRealtimeClient/)
  })
})
