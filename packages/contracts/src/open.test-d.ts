import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'
import { openEnum, openUnion } from './index.js'

describe('the types of open schemas', () => {
  test('an open enum is its values, and any other text', () => {
    const Color = openEnum(['red', 'blue'])
    expectTypeOf<'red'>().toExtend<z.output<typeof Color>>()
    expectTypeOf<string>().toExtend<z.input<typeof Color>>()
    expectTypeOf<z.output<typeof Color>>().toExtend<string>()
  })

  test('an open union is told apart by its discriminator', () => {
    const Drawn = openUnion('type', [z.object({ type: z.literal('circle'), radius: z.number() }), z.object({ type: z.literal('square'), side: z.number() })])
    const describeDrawn = (drawn: z.output<typeof Drawn>) => {
      switch (drawn.type) {
        case 'circle':
          return expectTypeOf(drawn).toEqualTypeOf<{ type: 'circle'; radius: number }>()
        case 'square':
          return expectTypeOf(drawn.side).toEqualTypeOf<number>()
        default:
          expectTypeOf(drawn.type).toEqualTypeOf<'$other'>()
          return expectTypeOf(drawn.value.type).toEqualTypeOf<string>()
      }
    }
    expectTypeOf(describeDrawn).toBeFunction()
  })

  test('each member has the discriminator', () => {
    // @ts-expect-error it has another
    openUnion('type', [z.object({ kind: z.literal('circle') })])
  })
})
