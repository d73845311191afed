import type { Model } from './model.js'
import type { Shape } from './shape.js'

type Template = Extract<Model, { type: 'template' }>

const MOST_TEXTS = 200

/** The texts of a template: each of them where they are few, else the pattern that they have. */
export function expandTemplate(model: Template): readonly Shape[] {
  const texts = model.parts.reduce<string[] | undefined>((heads, part) => append(heads, textsOf(part)), [''])
  if (texts !== undefined) return [...new Set(texts)].map((value) => ({ model, tokens: [], kind: 'constant', value }))
  const sources = model.parts.map(patternOf)
  if (sources.includes(undefined)) return [{ model, tokens: [{ name: 'template', of: model }], kind: 'string', checks: {} }]
  return [{ model, tokens: [], kind: 'string', checks: { patterns: [{ source: `^${sources.join('')}$`, flags: '' }] } }]
}

function append(heads: string[] | undefined, tails: string[] | undefined): string[] | undefined {
  if (heads === undefined || tails === undefined || heads.length * tails.length > MOST_TEXTS) return undefined
  return heads.flatMap((head) => tails.map((tail) => head + tail))
}

function textsOf(part: string | Model): string[] | undefined {
  if (typeof part === 'string') return [part]
  if (isMarked(part)) return undefined
  if (part.type === 'enum') return part.values.map(String)
  if (part.type === 'boolean') return ['true', 'false']
  return part.type === 'template' ? part.parts.reduce<string[] | undefined>((heads, each) => append(heads, textsOf(each)), ['']) : undefined
}

function isMarked({ refined, rewritten }: Model): boolean {
  return refined !== undefined || rewritten !== undefined
}

/** The pattern that zod makes of a part; `undefined` for one with checks, which the versions of zod treat differently. */
function patternOf(part: string | Model): string | undefined {
  if (typeof part === 'string') return literal(part)
  if (isMarked(part)) return undefined
  switch (part.type) {
    case 'string':
      return Object.keys(part).length === 1 ? '[\\s\\S]*' : undefined
    case 'number':
      return Object.keys(part).length === 1 ? '-?\\d+(?:\\.\\d+)?' : undefined
    case 'boolean':
    case 'enum':
      return `(?:${(textsOf(part) ?? []).map(literal).join('|')})`
    case 'template': {
      const sources = part.parts.map(patternOf)
      return sources.includes(undefined) ? undefined : sources.join('')
    }
    default:
      return undefined
  }
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
}
