import type { Random } from './random.js'
import { drawField, drawLeaf, drawMember, drawSpec, FIELD_WRAPS, FORMATS, NAMES, PATTERNS, type Spec, VALUES, WRAPS } from './spec.js'

const DISGUISES = ['readonly', 'describe', 'brand'] as const

/** The same schema in other words: described, branded, readonly, its fields and values in another order. */
export function disguise(spec: Spec, random: Random): Spec {
  const copy = rewrite(structuredClone(spec), random)
  return copy.kind === 'object' || random.chance(0.5) ? copy : { kind: 'wrap', wrap: random.pick(DISGUISES), of: copy }
}

function rewrite(of: Spec, random: Random): Spec {
  const part = (each: Spec): Spec => disguise(each, random)
  switch (of.kind) {
    case 'enum':
    case 'openEnum':
      return { ...of, values: of.kind === 'enum' ? of.values.reverse() : of.values }
    case 'object':
      return { ...of, fields: mapEntries(of.fields, part) }
    case 'array':
    case 'record':
    case 'wrap':
      return { ...of, of: part(of.of) }
    case 'tuple':
      return { ...of, items: of.items.map(part) }
    case 'union':
    case 'xor':
      return { ...of, of: of.of.map(part) }
    case 'both':
      return { ...of, of: [rewrite(of.of[0], random), rewrite(of.of[1], random)] }
    case 'members':
    case 'openMembers':
      return { ...of, of: mapEntries(of.of, (member) => rewrite(member, random) as SpecOf<'object'>) }
    default:
      return of
  }
}

function mapEntries<T>(record: Record<string, T>, map: (value: T) => T): Record<string, T> {
  const entries = Object.entries(record).map(([key, value]): [string, T] => [key, map(value)])
  return Object.fromEntries(entries.reverse())
}

type SpecOf<K extends Spec['kind']> = Extract<Spec, { kind: K }>

/** A copy of a schema with one thing changed somewhere in it. */
export function edit(spec: Spec, random: Random): Spec {
  const copy = structuredClone(spec)
  const places: Array<{ of: Spec; replace: (by: Spec) => void; isField: boolean }> = []
  let whole: Spec = copy
  collect(copy, (by) => (whole = by), false)
  const place = random.pick(places)
  place.replace(editPart(place.of, random, place.isField))
  return whole

  function collect(of: Spec, replace: (by: Spec) => void, isField: boolean): void {
    places.push({ of, replace, isField })
    switch (of.kind) {
      case 'object':
        for (const [name, field] of Object.entries(of.fields)) collect(field, (by) => (of.fields[name] = by), true)
        break
      case 'array':
      case 'record':
        collect(of.of, (by) => (of.of = by), false)
        break
      case 'wrap':
        collect(of.of, (by) => (of.of = by), false)
        break
      case 'tuple':
        of.items.forEach((item, index) => {
          collect(item, (by) => (of.items[index] = by), false)
        })
        break
      case 'union':
      case 'xor':
      case 'both':
        of.of.forEach((member, index) => {
          collect(member, (by) => (of.of[index] = by), false)
        })
        break
      case 'members':
      case 'openMembers':
        for (const [tag, member] of Object.entries(of.of)) collect(member, (by) => (of.of[tag] = by as SpecOf<'object'>), false)
    }
  }
}

function editPart(of: Spec, random: Random, isField: boolean): Spec {
  if (of.kind === 'object') return editObject(of, random)
  if (of.kind === 'self') return of
  if (random.chance(0.12)) return { kind: 'wrap', wrap: random.pick(isField ? FIELD_WRAPS : WRAPS), of }
  if (random.chance(0.08)) return drawSpec(random, 1)
  if (random.chance(0.05)) return { kind: 'union', of: [of, drawLeaf(random)] }
  switch (of.kind) {
    case 'string':
      return editString(of, random)
    case 'number':
      return editNumber(of, random)
    case 'enum':
    case 'openEnum':
      return editValues(of, random)
    case 'wrap':
      return random.chance(0.5) ? of.of : { ...of, wrap: random.pick(isField ? FIELD_WRAPS : WRAPS) }
    case 'array':
      return random.chance(0.5) ? { ...of, min: random.below(2) } : { ...of, max: 1 + random.below(4) }
    case 'tuple':
      return random.chance(0.5) ? { ...of, items: random.some(of.items, 1) } : { ...of, rest: drawLeaf(random) }
    case 'record':
      return { ...of, keys: random.pick(['string', 'enum', 'partial', 'pattern'] as const) }
    case 'union':
    case 'xor':
      return editUnion(of, random)
    case 'members':
    case 'openMembers':
      return editMembers(of, random)
    case 'both':
      return random.chance(0.5) ? of.of[0] : { ...of, of: [of.of[1], of.of[0]] }
    case 'date':
      return { kind: 'string', format: random.pick(['datetime', 'datetime3', 'datetimeOffset'] as const) }
    case 'textNumber':
      return { kind: 'string' }
    default:
      return drawLeaf(random)
  }
}

function editObject(of: SpecOf<'object'>, random: Random): Spec {
  const names = Object.keys(of.fields)
  const fields = { ...of.fields }
  const [name, other] = [random.pick(names), random.pick(NAMES)]
  switch (random.below(6)) {
    case 0:
      return { ...of, fields: { ...fields, [other]: drawField(random, 1) } }
    case 1:
      if (names.length > 1) delete fields[name]
      return { ...of, fields }
    case 2: {
      const { [name]: moved, ...others } = fields
      return { ...of, fields: { ...others, [other]: moved! } }
    }
    case 3:
      return { ...of, mode: random.pick(['plain', 'strict', 'loose', 'catchall'] as const) }
    case 4: {
      const { [name]: first, ...others } = fields // put last
      return { ...of, fields: { ...others, [name]: first! } }
    }
    default: {
      const field = fields[name]!
      fields[name] = field.kind === 'wrap' && field.of.kind !== 'self' ? field.of : { kind: 'wrap', wrap: random.pick(FIELD_WRAPS), of: field }
      return { ...of, fields }
    }
  }
}

function editString(of: SpecOf<'string'>, random: Random): Spec {
  const { refine, ...checks } = of
  switch (random.below(7)) {
    case 0:
      return { ...of, min: random.below(4) }
    case 1:
      return { ...of, max: 3 + random.below(9) }
    case 2:
      return { kind: 'string', format: random.pick(FORMATS) }
    case 3:
      return { kind: 'string', pattern: random.pick(Object.keys(PATTERNS)) }
    case 4:
      return { kind: 'string' }
    case 5:
      return of.format === undefined ? { ...of, trim: true } : of
    default:
      return refine ? checks : { ...of, refine: true }
  }
}

function editNumber(of: SpecOf<'number'>, random: Random): Spec {
  const { int, refine, ...checks } = of
  switch (random.below(5)) {
    case 0:
      return { ...of, min: random.below(4) - 2 }
    case 1:
      return { ...of, max: 5 + random.below(10) }
    case 2:
      return int ? { ...checks, ...(refine && { refine }) } : { ...of, int: true }
    case 3:
      return { ...of, step: random.pick([2, 5, 10]) }
    default:
      return { kind: 'number' }
  }
}

function editValues(of: SpecOf<'enum' | 'openEnum'>, random: Random): Spec {
  const values = random.some(VALUES, 1)
  const kept = of.values.length > 1 ? of.values.slice(1) : of.values
  const grown = [...new Set([...of.values, ...values])]
  switch (random.below(5)) {
    case 0:
      return { ...of, values: kept }
    case 1:
      return { ...of, values: [...of.values].reverse() }
    case 2:
      return { ...of, kind: of.kind === 'enum' ? 'openEnum' : 'enum' }
    default:
      return { ...of, values: grown }
  }
}

function editUnion(of: SpecOf<'union' | 'xor'>, random: Random): Spec {
  switch (random.below(4)) {
    case 0:
      return { ...of, of: [...of.of, drawLeaf(random)] }
    case 1:
      return { ...of, of: of.of.slice(1) }
    case 2:
      return { ...of, of: [...of.of].reverse() }
    default:
      return { ...of, kind: of.kind === 'union' ? 'xor' : 'union' }
  }
}

function editMembers(of: SpecOf<'members' | 'openMembers'>, random: Random): Spec {
  const tags = Object.keys(of.of)
  const [tag] = tags
  switch (random.below(4)) {
    case 0:
      return { ...of, of: { ...of.of, [random.pick(['circle', 'square', 'line', 'point'])]: drawMember(random, 1) } }
    case 1:
      return tags.length > 1 ? { ...of, of: Object.fromEntries(Object.entries(of.of).filter(([key]) => key !== tag)) } : of
    case 2:
      return { ...of, of: Object.fromEntries(Object.entries(of.of).reverse()) }
    default:
      return { ...of, kind: of.kind === 'members' ? 'openMembers' : 'members' }
  }
}
