import { expand } from './expand.js'
import type { Model } from './model.js'
import type { Shape } from './shape.js'

const BYTES_PER_CHARACTER = 6 // of JSON, for one that must be escaped
const BYTES_PER_NUMBER = 25
const WITHOUT_END = Number.POSITIVE_INFINITY

/** How many bytes of JSON a value may have at most, or more; `Infinity` where nothing bounds it. */
export function largestSize(model: Model, around: ReadonlySet<Model> = new Set()): number {
  if (around.has(model)) return WITHOUT_END
  const within = new Set(around).add(model)
  return Math.max(0, ...expand(model, 'client').map((shape) => sizeOf(shape, within)))
}

function sizeOf(shape: Shape, around: ReadonlySet<Model>): number {
  switch (shape.kind) {
    case 'constant':
      return JSON.stringify(shape.value).length * (typeof shape.value === 'string' ? BYTES_PER_CHARACTER : 1)
    case 'number':
      return BYTES_PER_NUMBER
    case 'string':
      return (shape.checks.max ?? WITHOUT_END) * 2 * BYTES_PER_CHARACTER + 2 // a code point may be two characters
    case 'array':
      return shape.max === 0 ? 2 : sizeOfItems(shape, around)
    case 'object':
      return typeof shape.others === 'object'
        ? WITHOUT_END
        : sumOf([...shape.fields].map(([key, { model }]) => JSON.stringify(key).length * BYTES_PER_CHARACTER + 2 + largestSize(model, around)))
    case 'any':
      return WITHOUT_END
    case 'absent':
      return 0
  }
}

function sizeOfItems({ items, rest, max }: Extract<Shape, { kind: 'array' }>, around: ReadonlySet<Model>): number {
  const others = rest === undefined ? 0 : Math.max(0, max - items.length) * (largestSize(rest, around) + 1)
  return sumOf(items.map((item) => largestSize(item, around) + 1)) + others
}

function sumOf(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 2)
}
