import { Inject } from '@nestjs/common'
import { defineContract } from '@org/realtime-contracts'
import { jwt, type RealtimeServer } from '@org/realtime-server'
import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'
import { type ContextOf, createRealtimeNest } from './index.js'

const contract = defineContract({
  name: 'test',
  version: '1.0.0',
  serverToClient: { note: z.object({ text: z.string() }) },
  clientToServer: {
    take: { payload: z.object({ id: z.string() }), reply: z.object({ left: z.number() }), errors: { NOT_FOUND: z.object({ id: z.string() }) } },
    say: z.object({ text: z.string() }),
  },
  session: z.object({ role: z.string() }),
})

interface AppUser {
  readonly userId: string
  readonly role: string
  readonly tier: number
}
// Once, in a file of the application.
const { RealtimeModule, RealtimeHandler, Realtime } = createRealtimeNest<typeof contract, AppUser>(contract)
type Realtime = InstanceType<typeof Realtime>
type Context<K extends keyof typeof contract.clientToServer & string> = ContextOf<typeof contract, K, AppUser>

const options = {
  authenticate: jwt({
    secret: process.env['JWT_SECRET'],
    issuer: false,
    audience: false,
    claims: z.object({ role: z.string() }),
    user: ({ sub, role }) => ({ userId: sub, role, tier: 1 }),
  }),
}

describe('a handler', () => {
  test('has its payload, user, fail and reply from the contract', () => {
    class Handlers {
      constructor(@Inject(Realtime) readonly realtime: Realtime) {
        realtime.toUser('ada').emit('note', { text: 'x' })
        // @ts-expect-error the payload is another
        realtime.toUser('ada').emit('note', { text: 7 })
      }

      @RealtimeHandler('take')
      async take({ payload, user, device, fail }: Context<'take'>) {
        expectTypeOf(payload).toEqualTypeOf<{ id: string }>()
        expectTypeOf(user).toEqualTypeOf<AppUser>()
        expectTypeOf(device.id).toEqualTypeOf<string>()
        if (user.tier > 1) throw fail('NOT_FOUND', { id: payload.id })
        // @ts-expect-error not declared
        fail('LOCKED')
        return { left: 1 }
      }

      @RealtimeHandler('say')
      say(): void {}

      // @ts-expect-error no such event
      @RealtimeHandler('tkae')
      misnamed() {}

      // @ts-expect-error an event of the server
      @RealtimeHandler('note')
      ofServer() {}

      // @ts-expect-error the reply is missing
      @RealtimeHandler('take')
      silent() {}

      // @ts-expect-error the reply is another
      @RealtimeHandler('take')
      async wrong() {
        return { left: 'one' }
      }

      // @ts-expect-error the context of another event
      @RealtimeHandler('take')
      other({ payload }: Context<'say'>) {
        return { left: payload.text.length }
      }

      // @ts-expect-error the payload is another
      @RealtimeHandler('say')
      number({ payload }: { payload: { text: number } }) {
        return payload
      }

      // @ts-expect-error the user has no department
      @RealtimeHandler('say')
      department({ user }: { user: { department: string } }) {
        return user
      }

      // @ts-expect-error there is one parameter, the context
      @RealtimeHandler('say')
      positional(_context: Context<'say'>, _more: string) {}

      // @ts-expect-error no method
      @RealtimeHandler('say')
      property = () => {}
    }
    expectTypeOf(new Handlers(null as never).realtime).toEqualTypeOf<RealtimeServer<typeof contract, AppUser>>()
  })
})

describe('the options', () => {
  test("are those of the server, with the application's user", () => {
    RealtimeModule.forRoot({ ...options, drainMs: 10_000, isGlobal: false })
    RealtimeModule.forRootAsync({ inject: ['CONFIG'], useFactory: (tier: number) => ({ authenticate: () => ({ userId: 'ada', role: 'x', tier }) }) })
    // @ts-expect-error nobody says who a client is
    RealtimeModule.forRoot({ drainMs: 10_000 })
    // @ts-expect-error the user has no tier
    RealtimeModule.forRoot({ authenticate: () => ({ userId: 'ada', role: 'x' }) })
    // @ts-expect-error the user has no tier
    RealtimeModule.forRootAsync({ useFactory: () => ({ authenticate: () => ({ userId: 'ada', role: 'x' }) }) })
  })

  test('need no type of the user where the session declares all that is asked for', () => {
    const plain = createRealtimeNest(contract)
    plain.RealtimeModule.forRoot(options)
    expectTypeOf<ContextOf<typeof contract, 'say'>['payload']>().toEqualTypeOf<{ text: string }>()
  })
})
