// What crosses the wire, as data: the input side of a zod schema, in words of its own, so that a lock reads the same whatever
// zod wrote it. Descriptions, brands, readonly and the values of defaults are not in it: none of them crosses.

export type Scalar = null | boolean | number | string

/** A format of zod, with the options that change what it lets through. `pattern` is there where it is not zod's own. */
export interface TextFormat {
  readonly name: string
  readonly [option: string]: string | number | boolean
}

export interface TextPattern {
  readonly source: string
  readonly flags: string
}

export interface TextChecks {
  readonly min?: number
  readonly max?: number
  readonly formats?: readonly TextFormat[]
  readonly patterns?: readonly TextPattern[]
  readonly startsWith?: readonly string[]
  readonly endsWith?: readonly string[]
  readonly includes?: readonly string[]
  /** Values that it may not have. */
  readonly except?: readonly string[]
  /** `trim`, `lower` or `upper`, in this order, after the checks beside it and before those of `after`. */
  readonly rewrite?: readonly string[]
  readonly after?: TextChecks
}

export interface NumberChecks {
  readonly int?: true
  readonly min?: number
  readonly max?: number
  /** Bounds that are not reached. */
  readonly above?: number
  readonly below?: number
  readonly multiples?: readonly number[]
}

export interface LengthChecks {
  readonly min?: number
  readonly max?: number
}

interface Marks {
  /** How many functions of the application must also say yes. */
  readonly refined?: number
  /** Checks around a function that changes the value, where nothing can be told of either. */
  readonly rewritten?: string
  /** Where a `ref` within it leads to. */
  readonly id?: string
}

type Wrapper = 'optional' | 'nullable' | 'default' | 'catch' | 'required' | 'received'

interface SimpleNode extends Marks {
  readonly type: 'unknown' | 'never' | 'null' | 'boolean'
}
interface EnumNode extends Marks {
  readonly type: 'enum'
  readonly values: readonly Scalar[]
}
interface StringboolNode extends Marks {
  readonly type: 'stringbool'
  readonly yes: readonly string[]
  readonly no: readonly string[]
  readonly anyCase?: true
}
interface StringNode extends Marks, TextChecks {
  readonly type: 'string'
}
interface NumberNode extends Marks, NumberChecks {
  readonly type: 'number'
}
interface TemplateNode<M> extends Marks {
  readonly type: 'template'
  readonly parts: ReadonlyArray<string | M>
}
interface ArrayNode<M> extends Marks, LengthChecks {
  readonly type: 'array'
  readonly items: M
}
interface TupleNode<M> extends Marks, LengthChecks {
  readonly type: 'tuple'
  readonly items: readonly M[]
  readonly rest?: M
}
interface ObjectNode<M> extends Marks {
  readonly type: 'object'
  readonly fields: { readonly [key: string]: M }
  /** Left out where other keys are dropped; a model is what their values must be. */
  readonly others?: 'refused' | M
}
interface RecordNode<M> extends Marks {
  readonly type: 'record'
  readonly keys: M
  readonly values: M
  readonly partial?: true
  readonly loose?: true
}
interface UnionNode<M> extends Marks {
  readonly type: 'union'
  readonly of: readonly M[]
  readonly discriminator?: string
  readonly exclusive?: true
}
interface PairNode<M, T extends string> extends Marks {
  readonly type: T
  readonly of: readonly [M, M]
}
interface WrapperNode<M> extends Marks {
  readonly type: Wrapper
  readonly of: M
}
interface CodecNode<M> extends Marks {
  readonly type: 'codec'
  readonly of: M
  /** The kind of what it is decoded to. */
  readonly to: string
}
interface PipeNode<M> extends Marks {
  readonly type: 'pipe'
  readonly of: M
  /** The model of what is checked next, to be compared as a text. */
  readonly into: string
}

type Leaf = SimpleNode | EnumNode | StringboolNode | StringNode | NumberNode
interface Ref {
  readonly type: 'ref'
  readonly to: string
}

/** A model as it is written down. A schema within itself is a `ref` to the `id` of the one around it. */
export type LockModel =
  | Leaf
  | TemplateNode<LockModel>
  | ArrayNode<LockModel>
  | TupleNode<LockModel>
  | ObjectNode<LockModel>
  | RecordNode<LockModel>
  | UnionNode<LockModel>
  | WrapperNode<LockModel>
  | CodecNode<LockModel>
  | PipeNode<LockModel>
  | PairNode<LockModel, 'all'>
  | Ref

/** A model as it is compared, its refs followed: it may contain itself. `both` is made while comparing. */
export type Model =
  | Leaf
  | TemplateNode<Model>
  | ArrayNode<Model>
  | TupleNode<Model>
  | ObjectNode<Model>
  | RecordNode<Model>
  | UnionNode<Model>
  | WrapperNode<Model>
  | CodecNode<Model>
  | PipeNode<Model>
  | PairNode<Model, 'all' | 'both'>

/** Follows the refs of a model. */
export function linkModel(lock: LockModel): Model {
  return link(lock, new Map())
}

function link(lock: LockModel, binders: ReadonlyMap<string, Model>): Model {
  if (lock.type === 'ref') {
    const target = binders.get(lock.to)
    if (target === undefined) throw new TypeError(`The lock refers to ${JSON.stringify(lock.to)}, which is not around it`)
    return target
  }
  const copy: Record<string, unknown> = { ...lock }
  const model = copy as unknown as Model // once its children are followed, below: they may lead back to it
  const own = lock.id === undefined ? binders : new Map(binders).set(lock.id, model)
  for (const [key, child] of Object.entries(lock)) {
    if (CHILD_KEYS.has(key)) copy[key] = key === 'fields' ? mapValues(child, own) : linkChild(child, own)
  }
  return model
}

const CHILD_KEYS: ReadonlySet<string> = new Set(['items', 'rest', 'fields', 'others', 'keys', 'values', 'of', 'parts'])

function linkChild(child: unknown, binders: ReadonlyMap<string, Model>): unknown {
  if (Array.isArray(child)) return child.map((each) => linkChild(each, binders))
  // A scalar of an enum, the text of a template, and 'refused' stay what they are.
  return typeof child === 'object' && child !== null ? link(child as LockModel, binders) : child
}

function mapValues(fields: unknown, binders: ReadonlyMap<string, Model>): unknown {
  return Object.fromEntries(Object.entries(Object(fields)).map(([name, each]) => [name, linkChild(each, binders)]))
}
