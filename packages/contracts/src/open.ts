import * as z from 'zod'

// How the model knows the parts of these schemas. Symbols of the registry: there may be two copies of this package.
const RECEIVED_ONLY = Symbol.for('@org/realtime-contracts/received-only')
const EXCEPT = Symbol.for('@org/realtime-contracts/except')

/** Whether a codec only lets through what is received, and refuses to send it. */
export function isReceivedOnly(encode: unknown): boolean {
  return typeof encode === 'function' && Reflect.get(encode, RECEIVED_ONLY) === true
}

/** The values that a refinement refuses, where it is one of {@link openUnion}'s. */
export function exceptionsOf(refinement: unknown): readonly string[] | undefined {
  return typeof refinement === 'function' ? (Reflect.get(refinement, EXCEPT) as readonly string[] | undefined) : undefined
}

/** The other texts of an open enum, which a newer version may send. */
export type OtherText = string & Record<never, never>

function refuseToSend<T>(what: string) {
  const encode = (value: T, context: z.core.ParsePayload<T>): never => {
    context.issues.push({ code: 'custom', input: value, message: `${what} is only received: this version of the contract does not declare it` })
    return z.NEVER
  }
  return Object.assign(encode, { [RECEIVED_ONLY]: true as const })
}

/**
 * An enum whose values will grow. What is sent is one of `values`; what is received may be any text, since a newer version of the other
 * side may know more of them. So a value can be added later without breaking who is deployed.
 */
export function openEnum<const Values extends readonly [string, ...string[]]>(values: Values) {
  const others = z.codec(z.string(), z.custom<OtherText>(), { decode: (text) => text, encode: refuseToSend<OtherText>('a value outside the enum') })
  return z.union([z.enum(values), others])
}

/** What stands for a member of an open union that this version of the contract does not know. */
export const OTHER = '$other'

type Member<D extends string> = z.ZodObject<{ [K in D]: z.ZodLiteral<string> }>

/**
 * A union of objects that will grow, told apart by the text in `discriminator`. What is sent is one of `members`; what is received with
 * another discriminator is `{ [discriminator]: '$other', value }`, `value` being what came. So a member can be added later without
 * breaking who is deployed.
 */
export function openUnion<const D extends string, const Members extends readonly [Member<D>, ...Member<D>[]]>(discriminator: D, members: Members) {
  const known = members.flatMap((member) => [...(member.shape as Record<D, z.ZodLiteral<string>>)[discriminator].values])
  const isOther = Object.assign((text: string) => !known.includes(text), { [EXCEPT]: [...known].sort() })
  type Wire = { [K in D]: string } & Record<string, unknown>
  type Other = { [K in D]: typeof OTHER } & { value: Wire }
  const wire = z.looseObject({ [discriminator]: z.string().refine(isOther) }) as unknown as z.ZodType<Wire, Wire> // a computed key
  const others = z.codec(wire, z.custom<Other>(), {
    decode: (value) => ({ [discriminator]: OTHER, value }) as Other, // a computed key
    encode: refuseToSend<Other>('a member outside the union'),
  })
  return z.union([z.discriminatedUnion(discriminator, members as never), others]) as unknown as z.ZodUnion<
    [z.ZodDiscriminatedUnion<Members, D>, typeof others] // the members, of which TypeScript cannot see that each has the discriminator
  >
}
