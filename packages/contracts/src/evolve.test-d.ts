import { test } from 'vitest'
import * as z from 'zod'
import { defineContract, evolve } from './index.js'

const v1 = defineContract({
  name: 'shop',
  version: '1.0.0',
  serverToClient: { changed: z.object({ total: z.number() }), at: z.object({ day: z.string() }) },
  clientToServer: { buy: { payload: z.object({ item: z.string() }), reply: z.object({ ok: z.boolean() }) } },
})
const Day = z.codec(z.iso.date(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString().slice(0, 10) })
const v2 = defineContract({
  name: 'shop',
  version: '2.0.0',
  serverToClient: { changed: z.object({ cents: z.int() }), at: z.object({ on: Day }) },
  clientToServer: { 'order:place': { payload: z.object({ items: z.array(z.string()) }), reply: z.object({ id: z.string() }) } },
})

test('casts have the types of the wire, in both versions', () => {
  evolve(v1, v2, {
    serverToClient: { changed: { down: ({ cents }) => ({ total: cents / 100 }) }, at: { down: ({ on }) => ({ day: on.slice(1) }) } },
    clientToServer: { 'order:place': { was: 'buy', up: ({ item }) => ({ items: [item.trim()] }), down: ({ id }) => ({ ok: id !== '' }) } },
  })
})

test('what does not fit is a type error', () => {
  // @ts-expect-error the newer version has no event of this name
  evolve(v1, v2, { clientToServer: { buy: {} } })
  // @ts-expect-error the older version calls it otherwise, and nothing says how
  evolve(v1, v2, { clientToServer: { 'order:place': { up: ({ item }) => ({ items: [item] }) } } })
  // @ts-expect-error the older version has no such event
  evolve(v1, v2, { clientToServer: { 'order:place': { was: 'sell', up: () => ({ items: [] }) } } })
  // @ts-expect-error a total is a number
  evolve(v1, v2, { serverToClient: { changed: { down: ({ cents }) => ({ total: String(cents) }) } } })
})
