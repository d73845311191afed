import { findNonJson, MAX_DEPTH } from '@org/realtime-contracts/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Commands } from '../packages/server/src/commands.js'
import { Dispatcher } from '../packages/server/src/dispatch.js'
import { MemoryIdempotencyStore } from '../packages/server/src/idempotency.js'
import { Allowance, DEFAULT_LIMITS } from '../packages/server/src/limits.js'
import { RoomNames, userRoom } from '../packages/server/src/rooms.js'
import { contract } from './contract.js'

// One seed for the file: printed, and given again by SEED=... to see the same run.
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
console.info(`properties: SEED=${seed}`)
const options = { seed, numRuns: 2_000 }

interface Sent {
  readonly answers: unknown[]
  readonly errors: unknown[]
}

/** Sends one event through a dispatcher whose handlers give back what they were given. */
async function send(packet: readonly unknown[], waits: boolean): Promise<Sent> {
  const sent: Sent = { answers: [], errors: [] }
  const reports: unknown[] = []
  const report = (error: unknown): void => void reports.push(error)
  const dispatcher = new Dispatcher(contract, DEFAULT_LIMITS, report, new Commands(new MemoryIdempotencyStore(), {}, report))
  dispatcher.on('echo', [], ({ payload }) => payload)
  dispatcher.on('take', [async (_context, next) => next()], ({ fail }) => {
    throw fail('FORBIDDEN')
  })
  dispatcher.control('$join', async (payload) => ({ got: typeof payload }))
  const allowance = new Allowance(DEFAULT_LIMITS, new Map(), () => {})
  const acknowledge = (answer: unknown): void => void sent.answers.push(answer)
  dispatcher.dispatch(packet, waits ? acknowledge : undefined, {
    user: { userId: 'ada' },
    device: { id: 'd' },
    allowance,
    isDraining: false,
    sendError: (error) => sent.errors.push(error),
  })
  await dispatcher.close()
  expect(reports).toEqual([])
  return sent
}

const eventName = fc.oneof(fc.constantFrom('echo', 'take', '$join', 'say', 'constructor', '__proto__', 'error'), fc.string(), fc.anything())
const argument = fc.oneof(fc.jsonValue(), fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true, withMap: true }))

test('whatever comes in is answered once where somebody waits, with an envelope that JSON holds', async () => {
  await fc.assert(
    fc.asyncProperty(eventName, fc.array(argument, { maxLength: 5 }), async (event, args) => {
      const { answers, errors } = await send([event, ...args], true)
      expect(answers).toHaveLength(1)
      expect(errors).toHaveLength(0)
      const [answer] = answers
      expect(answer).toMatchObject({ ok: expect.any(Boolean) })
      expect(findNonJson(answer, MAX_DEPTH)).toBeUndefined()
      expect(JSON.stringify(answer)).not.toMatch(/node_modules|\.ts:|\.js:/)
    }),
    options,
  )
})

test('whatever comes in where nobody waits is told to `error` at most once, with a code', async () => {
  await fc.assert(
    fc.asyncProperty(eventName, fc.array(argument, { maxLength: 5 }), async (event, args) => {
      // A function in the last place is an acknowledgement, which nothing from the wire can be.
      fc.pre(typeof args.at(-1) !== 'function')
      const { answers, errors } = await send([event, ...args], false)
      expect(answers).toHaveLength(0)
      expect(errors.length).toBeLessThanOrEqual(1)
      for (const error of errors) expect(error).toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/), message: expect.any(String) })
    }),
    options,
  )
})

/** As deep as it is nested, found another way than the check does: by what JSON.stringify writes. */
function depthOf(value: unknown): number {
  let depth = 0
  let deepest = 0
  const json = (JSON.stringify(value) ?? '').replace(/"(?:[^"\\]|\\.)*"/g, '')
  for (const character of json) {
    if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth)
    if (character === ']' || character === '}') depth--
  }
  return deepest
}

test('JSON is let through exactly where it is not nested deeper than is allowed', () => {
  const nested = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 12 },
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), tie('value'), { maxKeys: 3 }),
    ),
  })).value
  fc.assert(
    fc.property(nested, fc.integer({ min: 0, max: 12 }), (value, maxDepth) => {
      expect(findNonJson(value, maxDepth) === undefined).toBe(depthOf(value) <= maxDepth)
    }),
    options,
  )
})

test('what is let through is the same after JSON, and what is not is never silently changed', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const wire: unknown = JSON.parse(JSON.stringify(value))
      if (findNonJson(wire, MAX_DEPTH) === undefined) expect(JSON.parse(JSON.stringify(wire))).toEqual(wire)
      else expect(JSON.stringify(wire)).toContain('__proto__')
    }),
    options,
  )
})

const userId = fc.stringMatching(/^[A-Za-z0-9._@|-]{1,128}$/)
const roomId = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: 40 }), fc.constantFrom('', ':', '%', '%3A', 'a:', '..', 'a%00'))
const names = new RoomNames(contract.codec.rooms, DEFAULT_LIMITS.roomIdLength)
const nameOf = (id: string): string | undefined => {
  try {
    return names.fromWire('group', id).name
  } catch {
    return undefined // an id that is no text of Unicode
  }
}

test('no two rooms share a name', () => {
  fc.assert(
    fc.property(roomId, roomId, (left, right) => {
      const [first, second] = [nameOf(left), nameOf(right)]
      if (left !== right && first !== undefined) expect(first).not.toBe(second)
      if (left === right) expect(first).toBe(second)
    }),
    options,
  )
})

test('no two users share a room, nobody a room of another kind, and no name is as long as a socket id', () => {
  fc.assert(
    fc.property(userId, userId, roomId, (left, right, id) => {
      expect(userRoom(left) === userRoom(right)).toBe(left === right)
      expect(userRoom(left)).not.toBe(nameOf(id))
      for (const name of [userRoom(left), nameOf(id)]) expect(name?.length).not.toBe(20)
    }),
    options,
  )
})
