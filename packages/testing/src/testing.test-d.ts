import type { RealtimeClient } from '@org/realtime-client'
import { createRealtimeClient } from '@org/realtime-client'
import { defineContract, toManifest } from '@org/realtime-contracts'
import { type BaseUser, createRealtimeServer, jwt, type RealtimeServer } from '@org/realtime-server'
import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'
import { createTestRealtime, type TestClient, type TestTokens, type TokenUser, testTokens } from './index.js'

const Time = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const plain = defineContract({
  name: 'plain',
  version: '1.0.0',
  serverToClient: { at: z.object({ time: Time, tags: z.array(z.string()) }), bare: {} },
  clientToServer: { take: { payload: z.object({ id: z.string() }), reply: z.object({ at: Time }) } },
})
const roles = defineContract({ name: 'roles', version: '1.0.0', serverToClient: {}, clientToServer: {}, session: z.object({ role: z.string() }) })
interface Member extends BaseUser {
  readonly role: string
  readonly team: number
}
declare function register(realtime: RealtimeServer<typeof roles, Member>): void

describe('clients', () => {
  test('are those of the contract', async () => {
    const app = await createTestRealtime(plain)
    const alice = await app.connect('alice')
    expectTypeOf(alice).toEqualTypeOf<TestClient<typeof plain, 'domain'>>()
    expectTypeOf(alice).toExtend<RealtimeClient<typeof plain>>()
    expectTypeOf(await alice.request('take', { id: 'x' })).toEqualTypeOf<{ at: Date }>()
    expectTypeOf((await alice.expectEvent('at')).time).toEqualTypeOf<Date>()
    expectTypeOf(await alice.expectEvent('bare')).toEqualTypeOf<undefined>()
    expectTypeOf((await alice.expectEvent('error')).code).toEqualTypeOf<string>()
    expectTypeOf(alice.received('at')).toEqualTypeOf<Array<{ time: Date; tags: string[] }>>()
  })

  test('of the manifest work with wire values', async () => {
    const app = await createTestRealtime(plain)
    const page = await app.connect('alice', { source: toManifest(plain) })
    expectTypeOf((await page.expectEvent('at', { time: 'x' })).time).toEqualTypeOf<string>()
  })

  test('expect only what there is', async () => {
    const alice = await (await createTestRealtime(plain)).connect('alice')
    void alice.expectEvent('at', { time: new Date() })
    void alice.expectEvent('at', ({ tags }) => tags.length > 0)
    // @ts-expect-error no such event
    void alice.expectEvent('nope')
    // @ts-expect-error the field is another
    void alice.expectEvent('at', { time: 7 })
    // @ts-expect-error no such event
    void alice.expectNoEvent('nope')
    // @ts-expect-error an event of clients
    alice.received('take')
    alice.faults.drop('take')
    alice.faults.drop('$disconnect')
    alice.faults.delay(10, { event: 'at' })
    // @ts-expect-error no such event
    alice.faults.drop('nope')
    // @ts-expect-error a fault of an event names it
    alice.faults.duplicate()
  })
})

describe('users', () => {
  test('are named by their ids, where that is all they must have', async () => {
    const app = await createTestRealtime(plain)
    void app.connect('alice')
    void app.connect({ userId: 'alice' })
    expectTypeOf(app.realtime).toEqualTypeOf<RealtimeServer<typeof plain, BaseUser>>()
  })

  test('are those that the handlers work with', async () => {
    const app = await createTestRealtime(roles, { setup: register })
    void app.connect({ userId: 'alice', role: 'admin', team: 1 })
    // @ts-expect-error a user has a role
    void app.connect('alice')
    // @ts-expect-error a user has a team
    void app.connect({ userId: 'alice', role: 'admin' })
    const named = await createTestRealtime(roles, { setup: register, user: (userId) => ({ userId, role: 'member', team: 1 }) })
    void named.connect('alice')
  })

  test('have at least what the contract says of a session', async () => {
    const app = await createTestRealtime(roles)
    void app.connect({ userId: 'alice', role: 'admin' })
    // @ts-expect-error a session has a role
    void app.connect({ userId: 'alice' })
  })
})

describe('around a server', () => {
  const realtime = createRealtimeServer(plain, { authenticate: jwt({ secret: 's', issuer: false, audience: false }) })

  test('clients are of its contract, and users what its tokens are for', async () => {
    const tokens = testTokens({ secret: 's' })
    const app = await createTestRealtime.around(() => realtime, { tokens })
    expectTypeOf(await app.connect({ userId: 'alice', role: 'admin' })).toEqualTypeOf<TestClient<typeof plain, 'domain'>>()
    expectTypeOf(app.tokens).toEqualTypeOf(tokens)
    void app.connect('alice', { token: app.tokens.for('alice', { claims: { aud: 'x' } }) })
    const own: TestTokens<{ id: number }> = { for: async () => '', expired: async () => '', forged: async () => '' }
    void (await createTestRealtime.around(realtime, { tokens: own })).connect({ id: 7 })
    expectTypeOf<string>().toExtend<TokenUser>()
  })

  test("the application's own clients are recorded as what they are", async () => {
    const app = await createTestRealtime.around(realtime)
    const recorded = app.record(createRealtimeClient(toManifest(plain), { url: app.url }))
    expectTypeOf((await recorded.expectEvent('at')).time).toEqualTypeOf<string>()
  })
})
