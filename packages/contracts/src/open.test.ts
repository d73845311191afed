import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { defineContract, OTHER, openEnum, openUnion } from './index.js'

const contract = defineContract({
  name: 'test',
  version: '1.0.0',
  serverToClient: {
    painted: z.object({ color: openEnum(['red', 'blue']) }),
    drawn: openUnion('type', [z.object({ type: z.literal('circle'), radius: z.number() }), z.object({ type: z.literal('square'), side: z.number() })]),
  },
  rooms: { wall: openEnum(['north', 'south']) },
})
const codec = (event: string) => contract.codec.serverToClient.get(event)!.payload!

describe('an open enum', () => {
  test('sends the values that it has', () => {
    expect(codec('painted').encode({ color: 'red' })).toEqual({ ok: true, value: { color: 'red' } })
  })

  test('does not send others', () => {
    expect(codec('painted').encode({ color: 'green' })).toMatchObject({ ok: false })
  })

  test('receives any text, and nothing else', () => {
    expect(codec('painted').decode({ color: 'green' })).toEqual({ ok: true, value: { color: 'green' } })
    expect(codec('painted').decode({ color: 1 })).toMatchObject({ ok: false })
  })

  test('is a text, as the id of a room must be', () => {
    expect(contract.codec.rooms.get('wall')?.decode('east')).toEqual({ ok: true, value: 'east' })
  })
})

describe('an open union', () => {
  test('sends and receives the members that it has', () => {
    const circle = { type: 'circle', radius: 1 }
    expect(codec('drawn').encode(circle)).toEqual({ ok: true, value: circle })
    expect(codec('drawn').decode(circle)).toEqual({ ok: true, value: circle })
  })

  test('receives a member that it does not know as one apart, with what came', () => {
    const line = { type: 'line', length: 3 }
    expect(codec('drawn').decode(line)).toEqual({ ok: true, value: { type: OTHER, value: line } })
  })

  test('sends none that it does not know', () => {
    expect(codec('drawn').encode({ type: OTHER, value: { type: 'line' } })).toMatchObject({ ok: false })
    expect(codec('drawn').encode({ type: 'line', length: 3 })).toMatchObject({ ok: false })
  })

  test('does not take a member that is wrong for one that it does not know', () => {
    expect(codec('drawn').decode({ type: 'circle', radius: 'wide' })).toMatchObject({ ok: false })
    expect(codec('drawn').decode({ length: 3 })).toMatchObject({ ok: false })
  })
})
