import * as z from 'zod'
import { canonicalJson } from '../fingerprint.js'
import type { TextFormat } from './model.js'

// What zod's own formats let through is asked of zod, so that a lock need not hold their patterns.

type Make = (options: Record<string, unknown>) => z.core.$ZodType | undefined

/** A format by the name of its function in zod; an older zod may lack it. */
function own(name: string, owner: object = z): Make {
  return (options) => {
    const make: unknown = Reflect.get(owner, name)
    return typeof make === 'function' ? (make(options) as z.core.$ZodType) : undefined
  }
}

interface Known {
  readonly make: Make
  /** Texts that show its edges. */
  readonly samples: readonly string[]
  /** How long its texts are, at least and at most. */
  readonly lengths?: readonly [number, number]
}

const UUIDS = ['550e8400-e29b-41d4-a716-446655440000', '0190163d-8694-739b-aea5-966c26f8ad91', '6ba7b810-9dad-11d1-80b4-00c04fd430c8']
const ANY = Number.POSITIVE_INFINITY

const FORMATS: Readonly<Record<string, Known>> = {
  email: { make: own('email'), samples: ['a@example.com', 'first.last+tag@mail.example.org'], lengths: [6, ANY] },
  uuid: { make: own('uuid'), samples: UUIDS, lengths: [36, 36] },
  guid: { make: own('guid'), samples: [...UUIDS, '550e8400-e29b-f1d4-2716-446655440000'], lengths: [36, 36] },
  url: { make: own('url'), samples: ['https://example.com/', 'ftp://example.org/file', 'http://localhost:3000', 'mailto:a@example.com'], lengths: [2, ANY] },
  datetime: {
    make: own('datetime', z.iso),
    samples: [0, 1, 3, 6]
      .flatMap((digits) => ['Z', '+02:00', ''].map((zone) => `2024-05-06T07:08:09${digits === 0 ? '' : `.${'123456'.slice(0, digits)}`}${zone}`))
      .concat('2024-05-06T07:08Z', '2024-05-06T07:08+02:00', '2024-05-06T07:08'),
    lengths: [16, ANY],
  },
  date: { make: own('date', z.iso), samples: ['2024-05-06', '2024-02-29'], lengths: [10, 10] },
  time: { make: own('time', z.iso), samples: ['07:08:09', '07:08', '07:08:09.1', '07:08:09.123', '07:08:09.123456'], lengths: [5, ANY] },
  duration: { make: own('duration', z.iso), samples: ['P1D', 'PT1H30M', 'P2W'], lengths: [3, ANY] },
  ipv4: { make: own('ipv4'), samples: ['192.0.2.1', '255.255.255.255'], lengths: [7, 15] },
  ipv6: { make: own('ipv6'), samples: ['2001:db8::1', '::'], lengths: [2, 45] },
  cidrv4: { make: own('cidrv4'), samples: ['192.0.2.0/24'], lengths: [9, 18] },
  cidrv6: { make: own('cidrv6'), samples: ['2001:db8::/32'], lengths: [4, 49] },
  mac: { make: own('mac'), samples: ['00:1a:2b:3c:4d:5e', '00-1a-2b-3c-4d-5e', '001a.2b3c.4d5e'], lengths: [12, ANY] },
  base64: { make: own('base64'), samples: ['', 'YWJj', 'YQ=='] },
  base64url: { make: own('base64url'), samples: ['', 'YWJj', 'YQ'] },
  e164: { make: own('e164'), samples: ['+491701234567'], lengths: [8, 16] },
  jwt: {
    make: own('jwt'),
    samples: ['eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.c2ln', 'eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.c2ln'],
    lengths: [5, ANY],
  },
  nanoid: { make: own('nanoid'), samples: ['V1StGXR8_Z5jdHi6B-myT', 'V1StG'], lengths: [1, ANY] },
  cuid: { make: own('cuid'), samples: ['cjld2cjxh0000qzrmn831i7rn'], lengths: [7, ANY] },
  cuid2: { make: own('cuid2'), samples: ['tz4a98xxat96iws9zmbrgj3a', 'a'], lengths: [1, ANY] },
  ulid: { make: own('ulid'), samples: ['01ARZ3NDEKTSV4RRFFQ69G5FAV'], lengths: [26, 26] },
  xid: { make: own('xid'), samples: ['9m4e2mr0ui3e8a215n4g'], lengths: [20, 20] },
  ksuid: { make: own('ksuid'), samples: ['0ujtsYcgvSTl8PAuAdqWYSMnLOv'], lengths: [27, 27] },
  emoji: { make: own('emoji'), samples: ['😀'], lengths: [1, ANY] },
  lowercase: { make: () => z.string().lowercase(), samples: ['a', '', 'a1'] },
  uppercase: { make: () => z.string().uppercase(), samples: ['A', '', 'A1'] },
  hostname: { make: own('hostname'), samples: ['example.com', 'localhost'], lengths: [1, 254] },
  hex: { make: own('hex'), samples: ['', 'abc123'] },
  credit_card: { make: own('creditCard'), samples: ['4111111111111111'], lengths: [12, ANY] },
  iban: { make: own('iban'), samples: ['DE89370400440532013000'], lengths: [15, 34] },
  currency_code: { make: own('currencyCode'), samples: ['EUR'], lengths: [3, 3] },
}

const made = new Map<string, z.core.$ZodType | undefined>()

function schemaOf(format: TextFormat): z.core.$ZodType | undefined {
  const key = canonicalJson(format)
  if (!made.has(key)) made.set(key, makeSchema(format))
  return made.get(key)
}

function makeSchema({ name, source, flags, custom, ...options }: TextFormat): z.core.$ZodType | undefined {
  if (typeof source === 'string') return z.string().regex(new RegExp(source, String(flags ?? '')))
  if (custom === true) return undefined
  const known = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined
  if (known === undefined) return schemaOfHash(name)
  const { protocol, hostname, ...others } = options
  const patterns = Object.entries({ protocol, hostname }).filter(([, value]) => typeof value === 'string')
  return known.make({
    ...others,
    ...(others['normalize'] !== undefined && { normalize: true }),
    ...(others['offset'] !== undefined && { offset: true }),
    ...(others['local'] !== undefined && { local: true }),
    ...Object.fromEntries(patterns.map(([key, value]) => [key, toRegExp(String(value))])),
  })
}

/** What `nameRegExp` has named. */
function toRegExp(name: string): RegExp {
  const [, source = name, flags = ''] = /^\/(.*)\/([a-z]+)$/s.exec(name) ?? []
  return new RegExp(source, flags)
}

/** `sha256_hex` and its like, which zod names by its patterns. */
function schemaOfHash(name: string): z.core.$ZodType | undefined {
  const pattern: unknown = Reflect.get(z.regexes, name)
  return pattern instanceof RegExp ? z.string().regex(pattern) : undefined
}

/** Whether the pattern of a check is the one that zod itself gives the format: a patch of zod may mend it without meaning another. */
export function isUsualPattern(format: TextFormat, pattern: RegExp | undefined): boolean {
  const schema = schemaOf(format)
  if (schema === undefined) return false
  const { def } = schema._zod
  const check = 'pattern' in def ? def : (def.checks?.[0]?._zod.def ?? def)
  const usual: unknown = Reflect.get(check, 'pattern')
  return usual instanceof RegExp ? usual.source === pattern?.source : pattern === undefined
}

/** Whether a text has the format; `undefined` where this zod cannot tell. */
export function hasFormat(text: string, format: TextFormat): boolean | undefined {
  const schema = schemaOf(format)
  return schema === undefined ? undefined : z.safeParse(schema, text).success
}

export function samplesOf({ name }: TextFormat): readonly string[] {
  return Object.hasOwn(FORMATS, name) ? FORMATS[name]!.samples : []
}

export function lengthsOf({ name, source }: TextFormat): readonly [number, number] {
  return (source === undefined && Object.hasOwn(FORMATS, name) && FORMATS[name]!.lengths) || [0, ANY]
}

const WIDER: Readonly<Record<string, string>> = { uuid: 'guid' }
// Options of them that let more through; each of the others lets less.
const WIDENING = ['offset', 'local']
const COMPARED = ['datetime', 'time', 'uuid', 'url']
const MINUTES = -1 // a precision whose texts no other has

/** Whether every text of one format also has the other. */
export function isWithin(narrow: TextFormat, wide: TextFormat): boolean {
  if (canonicalJson(narrow) === canonicalJson(wide)) return true
  if ([narrow, wide].some(({ source, custom }) => source !== undefined || custom !== undefined)) return false
  const { name, ...options } = wide
  if (WIDER[narrow.name] === name) return true
  if (narrow.name !== name || !COMPARED.includes(name) || narrow['precision'] === MINUTES) return false
  const isNarrowed = Object.entries(options).every(([key, value]) => WIDENING.includes(key) || narrow[key] === value)
  return isNarrowed && WIDENING.every((key) => narrow[key] === undefined || options[key] !== undefined)
}
