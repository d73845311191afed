import { defineContract } from '@org/realtime-contracts'
import { contract as orgContract } from '@org/realtime-contracts/events'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { toAsyncApi } from './asyncapi.js'
import { toDocument } from './document.js'
import { toHtml } from './html.js'
import { toStandalone } from './json-schema.js'
import { toMarkdown } from './markdown.js'
import { toSample } from './sample.js'

const Tree = z.object({
  name: z.string().min(1).describe('What it is called'),
  get children() {
    return z.array(Tree)
  },
})
const Time = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const contract = defineContract({
  name: 'docs',
  version: '2.1.0',
  serverToClient: {
    'a:b': { payload: z.object({ at: Time.describe('When') }).describe('A <b> & "c"'), deprecated: 'use a/b' },
    'a/b': { payload: z.object({ kind: z.enum(['x', 'y']), tree: Tree, count: z.int().min(1).max(9), any: z.json() }), delivery: 'durable' },
    confirm: {
      payload: z.object({ question: z.string() }),
      reply: z.object({ yes: z.boolean() }),
      errors: { BUSY: z.object({ untilMs: z.number() }), LATER: null },
    },
  },
  clientToServer: {
    join: { payload: Tree, reply: z.void(), limits: { perSecond: 3, maxBytes: 100 }, idempotent: true },
    poke: {},
    'a:b': z.discriminatedUnion('type', [z.object({ type: z.literal('one'), n: z.number() }), z.object({ type: z.literal('two'), text: z.string().max(5) })]),
  },
  rooms: { group: z.string().max(20) },
  session: z.object({ role: z.string() }),
  presence: z.object({ status: z.enum(['active', 'away']) }),
})
const document = toDocument(contract)
const event = (id: string) => document.events.find((each) => each.id === id)

describe('the document of a contract', () => {
  test('gives every event an id of its own, whatever its name and direction', () => {
    const ids = document.events.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.filter((id) => /[^\w.-]/.test(id))).toEqual([])
    expect(ids).toEqual(expect.arrayContaining(['a.b', 'a.b.2', 'a.b.3', 'join', 'join.2']))
    expect(event('join.2')).toMatchObject({ name: '$join', isReserved: true })
  })

  test('has the wire side of schemas, and those within themselves by name', () => {
    expect(event('a.b')?.payload).toMatchObject({ properties: { at: { type: 'string', format: 'date-time', description: 'When' } } })
    expect(event('join')?.payload).toEqual({ $ref: '#/definitions/join.payload' })
    expect(document.definitions['join.payload']).toMatchObject({ properties: { children: { items: { $ref: '#/definitions/join.payload' } } } })
    const alone = toStandalone(event('join')?.payload ?? {}, 'urn:x', document.definitions)
    expect(alone).toMatchObject({ $id: 'urn:x', $ref: '#/definitions/join.payload', definitions: { 'join.payload': {} } })
    expect(Object.keys(alone['definitions'] ?? {})).toEqual(['join.payload'])
  })

  test('has examples that the contract takes, for every event', () => {
    for (const [source, of] of [
      [contract, document],
      [orgContract, toDocument(orgContract)],
    ] as const) {
      for (const { name, direction, payload, isReserved } of of.events) {
        if (payload === undefined || isReserved) continue
        const sample = toSample(payload, of.definitions)
        expect(() => source.codec[direction].decodePayload(name, sample), `${name}: ${JSON.stringify(sample)}`).not.toThrow()
      }
    }
  })
})

test('an AsyncAPI document says who sends what, and what it is answered with', () => {
  expect(toAsyncApi(document, { host: 'realtime.example.com', path: '/ws/' })).toMatchObject({
    asyncapi: '3.1.0',
    id: 'urn:realtime:docs',
    info: { title: 'docs', version: '2.1.0' },
    servers: {
      realtime: { host: 'realtime.example.com', 'x-socketio': { path: '/ws/', namespace: '/' }, security: [{ $ref: '#/components/securitySchemes/token' }] },
    },
    channels: {
      confirm: { address: 'confirm', messages: { event: {}, reply: {} } },
      'a.b': { address: 'a:b', messages: { event: { description: 'Deprecated: use a/b' } } },
    },
    operations: {
      'send.confirm': {
        action: 'send',
        channel: { $ref: '#/channels/confirm' },
        reply: { channel: { $ref: '#/channels/confirm' }, messages: [{ $ref: '#/channels/confirm/messages/reply' }] },
        'x-socketio': { acknowledged: true, errors: ['BUSY', 'LATER'] },
      },
      'receive.join': { action: 'receive', 'x-socketio': { limits: { perSecond: 3, maxBytes: 100 }, idempotent: true } },
      'send.a.b.2': { 'x-socketio': { delivery: 'durable' } },
      'send.authenticated': { action: 'send' },
      'receive.join.2': { action: 'receive' },
    },
  })
})

test('Markdown tells fields, examples, replies, errors, limits and what is deprecated', () => {
  const text = toMarkdown(document)
  for (const part of [
    '# docs 2.1.0',
    '### `a:b`',
    '**Deprecated:** use a/b',
    '| `at` | string (date-time) | yes | When |',
    '| `kind` | "x" \\| "y" | yes |  |',
    '| `count` | integer, from 1 to 9 | yes |  |',
    '| `any` | any JSON | yes |  |',
    '| `tree.children` | array of object | yes |  |',
    '| `BUSY` | `untilMs` number |',
    'Limits: 3 a second, 100 bytes.',
    'Idempotent: with the same key (`$meta.key`) it happens once.',
    'Durable: it is stored first, and also reaches devices that come back later.',
    'Answered, without data.',
    '| `group` | string, length up to 20 |',
    '## Events of the SDK',
  ])
    expect(text).toContain(part)
})

test('the page holds every event, and nothing that a contract can say gets out of its text', () => {
  const page = toHtml(document)
  for (const { id } of document.events) expect(page).toContain(`<article id="${id}">`)
  expect(page).toContain('A &lt;b&gt; &amp; &quot;c&quot;')
  expect(page).not.toMatch(/<script|<link|https?:\/\/(?!example\.com)|url\(/)
})
