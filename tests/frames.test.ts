import { readFileSync } from 'node:fs'
import { createRealtimeClient, type RealtimeClient } from '@org/realtime-client'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer, type RealtimeServer } from '@org/realtime-server'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import * as z from 'zod'
import { signToken, type TestUser, TRANSPORTS, type Transport, testJwt, until } from './harness.js'

/** Text, in pieces that are joined. In a piece that is repeated, `<i>` is how many came before it. */
const piece = z.union([z.string(), z.strictObject({ repeat: z.string(), times: z.int() })])
const text = z.union([piece, z.array(piece)])
const frame = z.union([
  text,
  /** A binary message, in hexadecimal: base64 over polling. */
  z.strictObject({ binary: z.string() }),
  /** The bytes of a text message, in hexadecimal. */
  z.strictObject({ bytes: z.string() }),
  /** The same frame many times in one turn: in one body over polling. */
  z.strictObject({ flood: z.string(), times: z.int() }),
  /** A request of its own, over polling. */
  z.strictObject({ method: z.string().optional(), type: z.string().optional(), body: text.optional() }),
])
const vector = z.strictObject({
  name: z.string(),
  /** Sent one after the other. `<token>`, `<expired token>`, `<token of another>` and `<ask>` are filled in. */
  frames: z.array(frame).min(1),
  expect: z.enum([
    'answered', // by the acknowledgement
    'told', // by an `error` event, since no acknowledgement was asked for
    'refused', // by CONNECT_ERROR
    'let in', // by CONNECT, and answers a request
    'ignored', // neither answered nor closed, and answers a request
    'closed',
    'closed or ignored', // which of them may be up to a limit
  ]),
  /** What it is answered, told or refused with; without one, it succeeds. */
  code: z.string().optional(),
  /** What is answered where it succeeds. */
  data: z.unknown().optional(),
  /** How many answers come. */
  answers: z.int().default(1),
  /** What the server, which asked for `<ask>`, takes the answer for. */
  reply: z.string().optional(),
  /** What happens once it is answered. */
  then: z.literal('closed').optional(),
  /** Sent before the client has said who it is. */
  before: z.literal('CONNECT').optional(),
  over: z.enum(TRANSPORTS).optional(),
  /** Not hostile: shows that what the others prove is not proved by a server that refuses everything. */
  ordinary: z.literal(true).optional(),
})
type Frame = z.infer<typeof frame>
type Vector = z.infer<typeof vector>

const vectors = z.array(vector).parse(JSON.parse(readFileSync(new URL('vectors/frames.json', import.meta.url), 'utf8')))

const contract = defineContract({
  name: 'frames',
  version: '1.0.0',
  serverToClient: { confirm: { payload: z.object({ question: z.string() }), reply: z.object({ yes: z.boolean() }) } },
  clientToServer: {
    say: z.object({ text: z.string() }),
    poke: {},
    echo: { payload: z.object({ text: z.string() }), reply: z.object({ text: z.string() }) },
    count: { payload: z.object({ n: z.int() }), reply: z.object({ n: z.int() }) },
    open: { payload: z.object({ data: z.record(z.string(), z.unknown()) }), reply: z.object({ keys: z.int() }) },
  },
  rooms: { group: z.string().max(300), team: z.enum(['red', 'blue']) },
  session: z.object({ role: z.string() }),
})

/** Speaks Engine.IO as no library would. */
interface RawClient {
  /** Every engine packet that came. */
  readonly packets: string[]
  isClosed(): boolean
  /** Waits until a condition holds, which what comes in decides. */
  until(condition: () => boolean): Promise<void>
  send(frame: Frame, fill: (text: string) => string): Promise<void>
  end(): Promise<void>
}

/** Conditions that are looked at again whenever something has changed. */
function createChanges() {
  const waiting = new Map<() => boolean, () => void>()
  return {
    changed: (): void => {
      for (const [condition, resolve] of waiting) if (condition()) resolve()
    },
    until: async (condition: () => boolean): Promise<void> => {
      if (condition()) return
      await new Promise<void>((resolve) => waiting.set(condition, resolve))
      waiting.delete(condition)
    },
  }
}

function toText(pieces: z.infer<typeof text>, fill: (text: string) => string): string {
  return [pieces]
    .flat()
    .map((part) =>
      typeof part === 'string' ? fill(part) : Array.from({ length: part.times }, (_, index) => part.repeat.replace('<i>', String(index))).join(''),
    )
    .join('')
}

const isText = (sent: Frame): sent is z.infer<typeof text> => typeof sent === 'string' || Array.isArray(sent) || 'repeat' in sent

async function openWebSocket(url: string): Promise<RawClient> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  const packets: string[] = []
  const changes = createChanges()
  socket.on('message', (data) => {
    packets.push(String(data))
    changes.changed()
  })
  socket.on('close', changes.changed)
  socket.on('error', () => {})
  await changes.until(() => packets.length === 1)
  return {
    packets,
    until: changes.until,
    isClosed: () => socket.readyState === WebSocket.CLOSED,
    send: async (sent, fill) => {
      if (isText(sent)) socket.send(toText(sent, fill))
      else if ('binary' in sent) socket.send(Buffer.from(sent.binary, 'hex'))
      else if ('bytes' in sent) socket.send(Buffer.from(sent.bytes, 'hex'), { binary: false })
      else if ('flood' in sent) for (let count = 0; count < sent.times; count++) socket.send(fill(sent.flood))
      else throw new TypeError('a request of its own is for polling')
    },
    end: async () => socket.terminate(),
  }
}

const SEPARATOR = '\u001e'

async function openPolling(url: string): Promise<RawClient> {
  const handshake = `${url}/socket.io/?EIO=4&transport=polling`
  const opened = await (await fetch(handshake)).text()
  const { sid } = z.object({ sid: z.string() }).parse(JSON.parse(opened.slice(1)))
  const packets = [opened]
  const changes = createChanges()
  let closed = false

  /** @returns what is answered with 200; the server may also end the request instead. */
  async function request(init: RequestInit): Promise<string | undefined> {
    try {
      const response = await fetch(`${handshake}&sid=${sid}`, init)
      const body = await response.text()
      return response.ok ? body : undefined
    } catch {
      return undefined
    }
  }

  async function poll(): Promise<void> {
    while (!closed) {
      const body = await request({})
      const received = body?.split(SEPARATOR) ?? []
      packets.push(...received)
      closed = body === undefined || received.includes('1')
      changes.changed()
    }
  }

  const polling = poll()
  const post = async (body: RequestInit['body']): Promise<void> => void (await request({ method: 'POST', body: body ?? null }))
  return {
    packets,
    until: changes.until,
    isClosed: () => closed,
    send: async (sent, fill) => {
      if (isText(sent)) await post(toText(sent, fill))
      else if ('binary' in sent) await post(`b${Buffer.from(sent.binary, 'hex').toString('base64')}`)
      else if ('bytes' in sent) await post(Buffer.from(sent.bytes, 'hex'))
      else if ('flood' in sent) await post(new Array<string>(sent.times).fill(fill(sent.flood)).join(SEPARATOR))
      else {
        const { method = 'POST', type, body } = sent
        await request({ method, ...(body !== undefined && { body: toText(body, fill) }), ...(type !== undefined && { headers: { 'content-type': type } }) })
      }
    },
    end: async () => {
      await post('1')
      await polling
    },
  }
}

const open: Record<Transport, (url: string) => Promise<RawClient>> = { polling: openPolling, websocket: openWebSocket }

const PROBE = 777_777
const ANSWER = /^43([^[]*)(\[.*)$/s

/** What came for the acknowledgement of one id, or for all but the probe's. */
function answersOf({ packets }: RawClient, wanted: (id: string) => boolean): unknown[] {
  return packets.flatMap((packet) => {
    const [, id, data] = ANSWER.exec(packet) ?? []
    return id !== undefined && data !== undefined && wanted(id) ? [JSON.parse(data)] : []
  })
}
const probed = (client: RawClient): unknown[] => answersOf(client, (id) => id === String(PROBE))
const answered = (client: RawClient): unknown[] => answersOf(client, (id) => id !== String(PROBE))
const told = ({ packets }: RawClient): unknown[] => packets.filter((packet) => packet.startsWith('42["error"')).map((packet) => JSON.parse(packet.slice(2)))
const refused = ({ packets }: RawClient): unknown[] => packets.filter((packet) => packet.startsWith('44{')).map((packet) => JSON.parse(packet.slice(2)))
const isLetIn = ({ packets }: RawClient): boolean => packets.some((packet) => packet.startsWith('42["authenticated"'))

/** Sends an ordinary request; what is not closed must answer it. */
async function probe(client: RawClient): Promise<void> {
  await client.send(`42${PROBE}["echo",{"text":"alive"}]`, String)
  await client.until(() => client.isClosed() || probed(client).length > 0)
}

async function expectAlive(client: RawClient): Promise<void> {
  await probe(client)
  expect(probed(client)).toEqual([[{ ok: true, data: { text: 'alive' } }]])
  expect(client.isClosed()).toBe(false)
}

// A stack, a path, or what the engine says of a fault.
const LEAK = /\n\s+at |\\n\s+at |node_modules|file:\/\/|\/packages\/|\.[cm]?[jt]s:\d|Cannot read prop|call stack size|is not (?:a function|defined|iterable)/
const MAX_REFUSAL_LENGTH = 5_000
const BUILT_INS = [Object.prototype, Array.prototype, Function.prototype, String.prototype, Promise.prototype]
const builtIns = (): string => JSON.stringify(BUILT_INS.map((builtIn) => Reflect.ownKeys(builtIn).map(String)))

async function expectOutcome(client: RawClient, { expect: expected, code, data, answers, then }: Vector): Promise<void> {
  switch (expected) {
    case 'answered': {
      await client.until(() => client.isClosed() || answered(client).length === answers || told(client).length > 0)
      const reply = code === undefined ? { ok: true, ...(data !== undefined && { data }) } : { ok: false, error: { code } }
      expect(answered(client)).toMatchObject(new Array(answers).fill([reply]))
      if (then === 'closed') await client.until(client.isClosed)
      else await expectAlive(client)
      expect(answered(client)).toHaveLength(answers)
      if (code !== undefined) expect(JSON.stringify(answered(client)).length).toBeLessThan(MAX_REFUSAL_LENGTH)
      return
    }
    case 'told':
      await client.until(() => client.isClosed() || told(client).length > 0)
      await expectAlive(client)
      expect(told(client)).toMatchObject([['error', { code }]])
      expect(answered(client)).toEqual([])
      expect(JSON.stringify(told(client)).length).toBeLessThan(MAX_REFUSAL_LENGTH)
      return
    case 'refused':
      await client.until(() => client.isClosed() || refused(client).length > 0)
      expect(refused(client)).toMatchObject([{ data: { code } }])
      expect(isLetIn(client)).toBe(false)
      return
    case 'let in':
      await client.until(() => client.isClosed() || isLetIn(client))
      return expectAlive(client)
    case 'ignored':
      await expectAlive(client)
      expect([...answered(client), ...told(client)]).toEqual([])
      return
    case 'closed':
      await client.until(client.isClosed)
      return
    case 'closed or ignored':
      await probe(client)
  }
}

let realtime: RealtimeServer<typeof contract, TestUser>
let bystander: RealtimeClient<typeof contract>
let url: string
const errors: unknown[] = []
const faults: unknown[] = []
const statuses = new Set<string>()
const builtInsBefore = builtIns()
const addFault = (fault: unknown): void => {
  faults.push(fault)
}

beforeAll(async () => {
  process.on('uncaughtException', addFault)
  process.on('unhandledRejection', addFault)
  realtime = createRealtimeServer(contract, {
    authenticate: testJwt(),
    onError: (error) => errors.push(error),
    presence: { graceMs: 0 },
    handshakeTimeoutMs: 2_000,
    rooms: { group: { authorize: () => true } },
  })
  realtime.on('say', () => {})
  realtime.on('poke', () => {})
  realtime.on('echo', ({ payload }) => payload)
  realtime.on('count', ({ payload }) => payload)
  realtime.on('open', ({ payload }) => ({ keys: Object.keys(payload.data).length }))
  const { port } = await realtime.listen(0, '127.0.0.1')
  url = `http://127.0.0.1:${port}`
  bystander = createRealtimeClient(contract, { url, getToken: () => signToken('bystander') })
  await bystander.connect()
  await bystander.join('group', 'g')
  bystander.subscribe(() => statuses.add(bystander.status))
  bystander.on('error', addFault)
})

afterAll(async () => {
  bystander.close()
  await realtime.close({ drainMs: 0 })
  process.off('uncaughtException', addFault)
  process.off('unhandledRejection', addFault)
})

/** What fills the gaps in a vector, for one user. */
async function createFill(userId: string, askId = ''): Promise<(text: string) => string> {
  const values: Record<string, string> = {
    '<token>': await signToken(userId),
    '<expired token>': await signToken(userId, { expiresInS: -60 }),
    '<token of another>': await signToken('bystander'),
    '<ask>': askId,
  }
  return (filled) => filled.replace(/<(?:token|expired token|token of another|ask)>/g, (gap) => values[gap] ?? '')
}

async function connect(client: RawClient, userId: string): Promise<void> {
  await client.send(`40${JSON.stringify({ token: await signToken(userId) })}`, String)
  await client.until(() => client.isClosed() || isLetIn(client))
  expect(isLetIn(client)).toBe(true)
}

/** Asks the user's client something. @returns the id to answer to, and what comes of it. */
async function ask(client: RawClient, userId: string) {
  const outcome = realtime.toUser(userId).request('confirm', { question: '?' }, { timeoutMs: 5_000 })
  const asked = (): string | undefined => client.packets.map((packet) => /^42(\d+)\["confirm"/.exec(packet)?.[1]).find((id) => id !== undefined)
  await client.until(() => asked() !== undefined)
  return { id: asked(), outcome }
}

describe.each(TRANSPORTS)('over %s', (transport) => {
  const sent = vectors.filter(({ over }) => over === undefined || over === transport)

  test.each(
    sent.map(
      (each, index) => [`${each.name} is ${each.expect}${each.code === undefined ? '' : ` with ${each.code}`}`, each, `raw-${transport}-${index}`] as const,
    ),
  )('%s', async (_name, each, userId) => {
    const client = await open[transport](url)
    onTestFinished(client.end)
    if (each.before !== 'CONNECT') await connect(client, userId)
    const question = each.reply === undefined ? undefined : await ask(client, userId)
    const fill = await createFill(userId, question?.id)
    for (const every of each.frames) await client.send(every, fill)

    await expectOutcome(client, each)
    if (question !== undefined) expect(await question.outcome).toMatchObject([{ status: 'failed', error: { code: each.reply } }])

    expect(await bystander.tryRequest('echo', { text: each.name })).toEqual({ ok: true, data: { text: each.name } })
    expect(builtIns()).toBe(builtInsBefore)
    expect(errors).toEqual([])
    expect(faults).toEqual([])
    const heard = client.packets.join('\n')
    expect(heard).not.toMatch(LEAK)
    expect([...new Set(heard.match(/raw-[a-z]+-\d+|bystander/g) ?? [])].filter((id) => id !== userId)).toEqual([])
  })
})

test('no frame has ended a connection of another, or left one behind', async () => {
  expect([...statuses]).toEqual([])
  expect(bystander.status).toBe('connected')
  await until(() => realtime.io.of('/').sockets.size === 1)
  expect(await realtime.presence.members('group', 'g')).toEqual(['bystander'])
  expect(faults).toEqual([])
})

test('there are enough frames, each of a name of its own', () => {
  expect(vectors.length).toBeGreaterThanOrEqual(110)
  expect(vectors.filter(({ ordinary }) => ordinary !== true).length).toBeGreaterThanOrEqual(90)
  for (const transport of TRANSPORTS) {
    const names = vectors.filter(({ over }) => over === undefined || over === transport).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  }
})
