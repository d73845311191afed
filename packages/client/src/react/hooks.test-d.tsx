import { defineContract, toManifest } from '@org/realtime-contracts'
import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'
import { createRealtimeClient, type RealtimeError } from '../index.js'
import { createRealtimeHooks } from './index.js'

const Time = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const contract = defineContract({
  name: 'test',
  version: '1.0.0',
  serverToClient: { at: z.object({ time: Time }), bare: {} },
  clientToServer: {
    take: { payload: z.object({ at: Time }), reply: z.object({ at: Time }), errors: { NOT_FOUND: z.object({ id: z.string() }) } },
    done: { reply: z.void() },
    say: z.object({ text: z.string() }),
  },
  rooms: { group: z.string(), day: Time },
  presence: z.object({ since: Time }),
})
const other = defineContract({ name: 'other', version: '1.0.0', serverToClient: { else: z.object({ x: z.number() }) } })
const options = { url: 'http://localhost' }
const full = createRealtimeClient(contract, options)
const lean = createRealtimeClient(toManifest(contract), options)
const hooks = createRealtimeHooks<typeof full>()
const leanHooks = createRealtimeHooks<typeof lean>()

describe('the hooks of a client', () => {
  test('follow the client: domain values of the contract, wire values of its manifest', () => {
    hooks.useEvent('at', ({ time }) => expectTypeOf(time).toEqualTypeOf<Date>())
    leanHooks.useEvent('at', ({ time }) => expectTypeOf(time).toEqualTypeOf<string>())
    expectTypeOf(hooks.useLatest('at')).toEqualTypeOf<{ time: Date } | undefined>()
    expectTypeOf(leanHooks.useLatest('at')).toEqualTypeOf<{ time: string } | undefined>()
    expectTypeOf(hooks.usePresence(['ada']).users.get('ada')?.devices[0]?.meta).toEqualTypeOf<{ since: Date } | undefined>()
  })

  test('send only what has a reply, and show what it is', async () => {
    const { run, data, error } = hooks.useRequest('take')
    expectTypeOf(data).toEqualTypeOf<{ at: Date } | undefined>()
    if (error?.code === 'NOT_FOUND') expectTypeOf(error.data).toEqualTypeOf<{ id: string }>()
    const result = await run({ at: new Date() }, { timeoutMs: 1 })
    if (result.ok) expectTypeOf(result.data).toEqualTypeOf<{ at: Date }>()
    // @ts-expect-error: a text is not a date here
    await run({ at: '2026-01-01T00:00:00Z' })
    await leanHooks.useRequest('take').run({ at: '2026-01-01T00:00:00Z' })
    await hooks.useRequest('done').run()
    // @ts-expect-error: it is not answered
    hooks.useRequest('say')
  })

  test('know the rooms, which may be none', () => {
    hooks.useRoom('group', undefined)
    hooks.useRoom('day', new Date())
    // @ts-expect-error: there is no such kind
    hooks.useRoom('team', 'red')
    expectTypeOf(hooks.useRoom('group', '42').error).toEqualTypeOf<RealtimeError | undefined>()
  })

  test('take the SDK’s own events, and no others', () => {
    hooks.useEvent('error', (error) => expectTypeOf(error).toEqualTypeOf<RealtimeError>())
    hooks.useEvent('bare', () => {})
    // @ts-expect-error: a misspelt event
    hooks.useEvent('att', () => {})
  })

  test('have a provider that takes only that client', () => {
    const page = [
      <hooks.RealtimeProvider key="1" client={full} />,
      <leanHooks.RealtimeProvider key="2" client={lean} />,
      // @ts-expect-error: of the manifest, where the hooks promise dates
      <hooks.RealtimeProvider key="3" client={lean} />,
      // @ts-expect-error: of the contract, where the hooks promise texts
      <leanHooks.RealtimeProvider key="4" client={full} />,
      // @ts-expect-error: of another contract
      <hooks.RealtimeProvider key="5" client={createRealtimeClient(other, options)} />,
    ]
    expectTypeOf(page).toBeArray()
  })
})
