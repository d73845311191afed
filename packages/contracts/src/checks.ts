import * as z from 'zod'
import type { Schema, WireModel } from './schema.js'

type CheckDef = z.core.$ZodChecks['_zod']['def']

/** What a schema asks beyond its type. @throws TypeError for what cannot be asked while an event passes. */
export function readChecks(schema: Schema, path: string): WireModel[] {
  const { def } = schema._zod
  const isOverwriting = (def.checks ?? []).some((check) => check._zod.def.check === 'overwrite')
  // A string or number format is a check that is a schema at the same time, which zod's types do not say of a definition.
  const own = 'check' in def ? [def as unknown as CheckDef] : []
  const models = [...own, ...(def.checks ?? []).map((check) => check._zod.def as CheckDef)].map((check) => readCheck(check, path))
  // Their order means something only where one of them changes the value for the next.
  return isOverwriting ? models : models.sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1))
}

const BUILT_IN_PATTERNS: ReadonlySet<unknown> = new Set(Object.values(z.regexes))
const FORMAT_OPTIONS = ['precision', 'offset', 'local', 'version', 'alg', 'protocol', 'hostname', 'includes', 'prefix', 'suffix', 'position']

function readCheck(check: CheckDef, path: string): WireModel {
  switch (check.check) {
    case 'less_than':
    case 'greater_than':
      return [check.check, Number(check.value), check.inclusive]
    case 'multiple_of':
      return [check.check, Number(check.value)]
    case 'number_format':
      return [check.check, check.format]
    case 'min_length':
      return [check.check, check.minimum]
    case 'max_length':
      return [check.check, check.maximum]
    case 'length_equals':
      return [check.check, check.length]
    case 'string_format':
      return readStringFormat(check)
    case 'overwrite':
      return ['overwrite']
    default:
      refuseAsyncCheck(check, path)
      return ['refine'] // a function: that it is there is all that can be told
  }
}

function readStringFormat(check: z.core.$ZodCheckStringFormatDef): WireModel {
  const options = FORMAT_OPTIONS.flatMap((key): WireModel[] => {
    const value: unknown = Reflect.get(check, key)
    return value === undefined || value === null || value === false ? [] : [[key, value instanceof RegExp ? nameRegExp(value) : String(value)]]
  })
  // The pattern of a built-in format may be mended by a patch of zod without meaning another format.
  const usual: unknown = Reflect.get(z.regexes, check.format)
  const isUsual = usual instanceof RegExp ? usual.source === check.pattern?.source : BUILT_IN_PATTERNS.has(check.pattern)
  const custom = check.format === 'regex' || (check.pattern !== undefined && options.length === 0 && !isUsual)
  return ['string_format', check.format, ...options, ...(custom && check.pattern ? [check.pattern.source, check.pattern.flags] : [])]
}

/** Its source, or as it is written where it has flags: a source never starts with a slash. `g` is none, since zod starts anew each time. */
export function nameRegExp({ source, flags }: RegExp): string {
  const own = flags.replace('g', '')
  return own === '' ? source : `/${source}/${own}`
}

function refuseAsyncCheck(check: object, path: string): void {
  if (isAsync(Reflect.get(check, 'fn'))) {
    throw new TypeError(`${path}: an asynchronous refinement cannot be checked while an event passes. Check it in the handler`)
  }
}

const AsyncFunction = (async () => {}).constructor

/** Whether it is an `async` function. */
export function isAsync(value: unknown): boolean {
  return value instanceof AsyncFunction
}
