import { Parser } from '@asyncapi/parser'
import { type EventDocument, toAsyncApi, toDocument, toStandalone } from '@org/realtime-cli'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { expect, test } from 'vitest'
import { contract } from './contract.js'
import { heard, signToken, startServer, until } from './harness.js'

const document = toDocument(contract)

test('the AsyncAPI document of a contract is one, without a remark', async () => {
  const { diagnostics, document: parsed } = await new Parser().parse(JSON.stringify(toAsyncApi(document)))
  expect(diagnostics.map(({ code, message, path }) => `${code} ${path.join('.')}: ${message}`)).toEqual([])
  expect(parsed?.operations().all().length).toBe(document.events.length)
})

test('what crosses the wire is as the document says, and what is not so is told apart', async () => {
  const server = await startServer({ rooms: { group: { authorize: () => true, members: 'visible' } }, presence: { graceMs: 0, visible: () => true } })
  const { realtime } = server
  realtime.on('echo', ({ payload }) => payload)
  realtime.on('shift', ({ payload }) => payload)
  realtime.on('done', () => {})
  realtime.on('take', ({ payload, fail }) => {
    throw payload.id === 'locked' ? fail('LOCKED') : fail('NOT_FOUND', payload)
  })
  const captured: Array<{ direction: EventDocument['direction']; name: string; payload?: unknown; reply?: unknown }> = []
  const stock = server.stock({ token: await signToken('ada'), realtime: { protocol: 1, contract: { name: 'tests', version: '1.1.0', fingerprint: '1:0' } } })
  stock.onAny((name: string, payload: unknown, respond: unknown) => {
    if (typeof respond !== 'function') captured.push({ direction: 'serverToClient', name, payload })
    else {
      const reply = { ok: true, data: { yes: true } }
      captured.push({ direction: 'serverToClient', name, payload, reply })
      respond(reply)
    }
  })
  await heard(stock, 'authenticated')
  const ask = async (name: string, ...payload: unknown[]): Promise<void> => {
    const reply: unknown = await stock.emitWithAck(name, ...payload)
    captured.push({ direction: 'clientToServer', name, payload: payload[0], reply })
  }
  await ask('echo', { text: 'x' })
  await ask('done')
  await ask('take', { id: 'locked' })
  await ask('take', { id: 'gone' })
  await ask('shift', { time: '2026-01-31T12:00:00.000Z' })
  await ask('$join', { kind: 'group', id: '42' })
  await ask('$watch', { userIds: ['eve'] })
  await ask('$unwatch', { userIds: ['eve'] })
  await ask('$authenticate', { token: await signToken('ada') })
  const eve = await server.client('eve')
  await eve.join('group', '42')
  realtime.toUser('ada').emit('note', { text: 'x', n: 1 })
  realtime.toUser('ada').emit('at', { time: new Date() })
  realtime.toUser('ada').emit('bare')
  await realtime.toUser('ada').request('confirm', { question: '?' })
  await ask('$leave', { kind: 'group', id: '42' })
  stock.emit('take', { id: 7 })
  await until(() => captured.some(({ name }) => name === 'error'))
  await realtime.disconnectUser('ada')
  await until(() => captured.some(({ name }) => name === '$disconnect'))

  const check = createCheck()
  for (const each of captured) expect(check(each), `${each.name} ${JSON.stringify([each.payload, each.reply])}`).toEqual([])
  expect(new Set(captured.map(({ name }) => name))).toEqual(
    new Set([
      ...['authenticated', 'error', '$disconnect', '$presence', '$join', '$leave', '$watch', '$unwatch', '$authenticate'],
      ...['echo', 'done', 'take', 'shift', 'note', 'at', 'bare', 'confirm'],
    ]),
  )
  let wrong = 0
  for (const { payload, reply, ...each } of captured) {
    for (const mutant of mutants(payload)) {
      expect(check({ ...each, payload: mutant }), `${each.name} ${JSON.stringify(mutant)}`).not.toEqual([])
      wrong++
    }
    if (reply !== undefined) expect(check({ ...each, payload, reply: { ok: 'yes' } })).not.toEqual([])
  }
  expect(wrong).toBeGreaterThan(20)
})

/** The payload with one of its fields of another type. */
function mutants(payload: unknown): unknown[] {
  if (typeof payload !== 'object' || payload === null) return []
  const fields = Object.keys(payload).filter((key) => key !== 'data')
  return fields.map((key) => ({ ...payload, [key]: { wrong: true } }))
}

function createCheck() {
  const ajv = new Ajv({ strict: false, allErrors: true })
  addFormats.default(ajv)
  const compiled = new Map<string, ValidateFunction>()
  const api = toAsyncApi(document) as { channels: Record<string, { messages: Record<string, { payload?: { schema: object } }> }> }
  const validate = (id: string, message: string, value: unknown): string[] => {
    const schema = api.channels[id]?.messages[message]?.payload?.schema
    if (schema === undefined) return value === undefined ? [] : [`${id} has no ${message}`]
    const key = `${id} ${message}`
    const test = compiled.get(key) ?? ajv.compile({ ...schema, components: (api as { components?: object }).components })
    compiled.set(key, test)
    return test(value) ? [] : (test.errors ?? []).map(({ instancePath, message: why }) => `${key}${instancePath} ${why}`)
  }
  return ({ direction, name, payload, reply }: { direction: string; name: string; payload?: unknown; reply?: unknown }): string[] => {
    const event = document.events.find((each) => each.name === name && each.direction === direction)
    if (event === undefined) return [`no event ${name}`]
    return [...validate(event.id, 'event', payload), ...(reply === undefined ? [] : validate(event.id, 'reply', reply))]
  }
}

test('a JSON Schema of an event stands on its own', () => {
  const ajv = new Ajv({ strict: false })
  addFormats.default(ajv)
  for (const { id, payload } of document.events) {
    if (payload !== undefined) ajv.compile(toStandalone(payload, `urn:realtime:tests:${id}`, document.definitions))
  }
})
