import { areSeenAlike } from './alike.js'
import { expand } from './expand.js'
import { compareObjects } from './fields.js'
import { areIdentical } from './identical.js'
import { areDisjoint } from './meet.js'
import type { Model } from './model.js'
import { failNumber, type NumberAspect, sampleNumbers } from './number.js'
import { type Flow, LOSS, type Obstacle, type Place, severityOf } from './obstacle.js'
import type { RuleId } from './rules.js'
import { sample, sampleArray, sampleShape } from './sample.js'
import { isRefinement, type Shape, type Token } from './shape.js'
import { failText, sampleTexts, type TextAspect } from './text.js'
import { admitsShape } from './value.js'

type ArrayShape = Extract<Shape, { kind: 'array' }>
type ConstantShape = Extract<Shape, { kind: 'constant' }>

/** One comparison of what is sent with what is accepted: whether the one is part of the other, and what stands between. */
export class ValueComparison {
  // Pairs that are being compared, by how deep: a recursive model that comes back to one is as good as the rest of it.
  readonly #around = new Map<Model, Map<Model, number>>()
  // What has been found of a pair, which is told once, wherever it comes again.
  readonly #known = new Map<Model, Map<Model, Obstacle[]>>()
  #depth = 0
  // The outermost pair that was taken for good meanwhile.
  #assumed = Number.POSITIVE_INFINITY

  constructor(readonly flow: Flow) {}

  /** Whether absent values are accepted is for the caller to see. */
  compare(sender: Model, receiver: Model, place: Place): Obstacle[] {
    const depth = this.#around.get(sender)?.get(receiver)
    if (depth !== undefined) this.#assumed = Math.min(this.#assumed, depth)
    if (depth !== undefined || areIdentical(sender, receiver)) return []
    return this.#known.get(sender)?.get(receiver) ?? this.#compareNew(sender, receiver, place)
  }

  #compareNew(sender: Model, receiver: Model, place: Place): Obstacle[] {
    const [outer, depth] = [this.#assumed, this.#depth++]
    this.#assumed = Number.POSITIVE_INFINITY
    put(this.#around, sender, receiver, depth)
    const covered = this.#cover(expand(sender, this.flow.sender).filter(isPresent), expand(receiver, 'receiver').filter(isPresent), place)
    const found = this.#nameDiscriminators(covered, sender, receiver, place)
    this.#around.get(sender)?.delete(receiver)
    this.#depth = depth
    // That nothing stands between may be for the sake of a pair that is still open.
    if (severityOf(found) >= LOSS || this.#assumed >= depth) put(this.#known, sender, receiver, found)
    this.#assumed = Math.min(outer, this.#assumed < depth ? this.#assumed : Number.POSITIVE_INFINITY)
    return found
  }

  /** Where members are told apart by another field, that is all there is to say of them. */
  #nameDiscriminators(found: Obstacle[], sender: Model, receiver: Model, place: Place): Obstacle[] {
    const [own, other] = [sender, receiver].map((model) => (model.type === 'union' ? model.discriminator : undefined))
    const failures = found.filter(({ severity }) => severity === 'failure')
    if (own === undefined || other === undefined || own === other || failures.length === 0) return found
    const witnesses = (variant: number) => failures.flatMap((failure) => failure.witnesses(variant))
    const detail = this.flow.newer === 'sender' ? `${other} to ${own}` : `${own} to ${other}`
    return [{ rule: 'discriminator-changed', path: place.path, severity: 'failure', detail, witnesses, isCertain: failures.some(({ isCertain }) => isCertain) }]
  }

  /** The rule for what the newer version has more of, or less of. */
  rule(more: RuleId, less: RuleId): RuleId {
    return this.flow.newer === 'sender' ? more : less
  }

  #cover(sent: readonly Shape[], received: readonly Shape[], place: Place): Obstacle[] {
    const accepted = received.filter(({ isCaught }) => isCaught !== true)
    const uncovered: ConstantShape[] = []
    const found = sent.flatMap((shape, index) => {
      const obstacles = this.#coverShape(shape, accepted, sent.slice(0, index), place)
      if (obstacles !== undefined) return obstacles
      if (shape.kind !== 'constant' || shape.value === null) return this.#miss(shape, sent, accepted, place)
      uncovered.push(shape)
      return []
    })
    const all = [...found, ...this.#missConstants(uncovered, sent, accepted, place), ...this.#noteConstants(sent, accepted, place)]
    return accepted.length === received.length ? all : all.map(toReplaced)
  }

  /** What stands between a shape and the receiver's shape that is nearest to it; `undefined` where none is near. */
  #coverShape(shape: Shape, accepted: readonly Shape[], before: readonly Shape[], place: Place): Obstacle[] | undefined {
    const near = accepted.filter((candidate) => (candidate.kind !== 'constant' || shape.kind === 'constant') && !areDisjoint(shape, candidate))
    const tried = near.map((candidate) => ({ candidate, obstacles: this.#compareShapes(shape, candidate, place) }))
    const [best] = [...tried].sort((left, right) => badness(left.obstacles) - badness(right.obstacles))
    if (best === undefined) return undefined
    const isTaken = (candidate: Shape): boolean => candidate.kind === 'object' && !before.some(({ model }) => areIdentical(model, candidate.model))
    const earlier = near.slice(0, near.indexOf(best.candidate)).filter(isTaken)
    return severityOf(best.obstacles) < LOSS && earlier.length > 0 ? [...best.obstacles, this.#toOrder(place)] : best.obstacles
  }

  #toOrder(place: Place): Obstacle {
    return { rule: 'union-order', path: place.path, severity: 'loss', detail: '', witnesses: () => [], isCertain: false }
  }

  #miss(shape: Shape, sent: readonly Shape[], accepted: readonly Shape[], place: Place): Obstacle[] {
    const values = (variant: number): readonly unknown[] => this.#sampleAround(shape, accepted, variant)
    const isTotal = accepted.every((candidate) => areDisjoint(shape, candidate))
    return [this.#fail(this.#ruleOfMissing(shape, sent, accepted), describeShape(shape), place, values, isTotal || isFree(shape))]
  }

  #ruleOfMissing(shape: Shape, sent: readonly Shape[], accepted: readonly Shape[]): RuleId {
    if (shape.kind === 'constant' && shape.value === null) return this.rule('nullable-added', 'nullable-removed')
    const sameKind = accepted.filter((candidate) => kindOf(candidate) === kindOf(shape))
    if (shape.kind === 'object' && sameKind.length > 0) return this.rule('member-added', 'member-removed')
    if (shape.kind === 'constant' && sameKind.length > 0) return this.rule('enum-value-added', 'enum-value-removed')
    const isPartly =
      shape.kind === 'any' ||
      sameKind.length > 0 ||
      sent.some((other) => other !== shape && accepted.some((candidate) => kindOf(candidate) === kindOf(other) && kindOf(other) !== 'null'))
    return isPartly ? this.rule('type-widened', 'type-narrowed') : 'type-changed'
  }

  #sampleAround(shape: Shape, accepted: readonly Shape[], variant: number): readonly unknown[] {
    const taken = accepted.flatMap((candidate) => (candidate.kind === 'constant' ? [candidate.value] : []))
    if (shape.kind === 'string')
      return sampleTexts(
        shape.checks,
        accepted.flatMap((each) => (each.kind === 'string' ? [each.checks] : [])),
        this.flow.sender,
      ).filter((text) => !taken.includes(text))
    if (shape.kind === 'number')
      return sampleNumbers(
        shape.checks,
        accepted.flatMap((each) => (each.kind === 'number' ? [each.checks] : [])),
      ).filter((value) => !taken.includes(value))
    return shape.kind === 'any' ? [0, 1, 2, 3, 4, 5].map((each) => sampleShape(shape, this.flow.sender, each)) : [sampleShape(shape, this.flow.sender, variant)]
  }

  #missConstants(uncovered: readonly ConstantShape[], sent: readonly Shape[], accepted: readonly Shape[], place: Place): Obstacle[] {
    const byRule = new Map<RuleId, ConstantShape[]>()
    for (const shape of uncovered) {
      const rule = this.#ruleOfMissing(shape, sent, accepted)
      byRule.set(rule, [...(byRule.get(rule) ?? []), shape])
    }
    return [...byRule].map(([rule, shapes]) => {
      const values = [...new Set(shapes.map(({ value }) => value))]
      const cased = shapes.flatMap(({ value, anyCase }) => (anyCase === true ? [String(value).toUpperCase()] : []))
      return this.#fail(rule, values.map((value) => JSON.stringify(value)).join(', '), place, () => [...values, ...cased], true)
    })
  }

  /** Values that only the receiver knows hurt nobody. */
  #noteConstants(sent: readonly Shape[], accepted: readonly Shape[], place: Place): Obstacle[] {
    if (!sent.some(({ kind }) => kind === 'constant') || sent.some(({ kind }) => kind === 'any')) return []
    const unsent = accepted.filter((shape) => shape.kind === 'constant' && sent.every((other) => areDisjoint(other, shape))) as ConstantShape[]
    const named = unsent.filter(({ value }) => value !== null).map(({ value }) => JSON.stringify(value))
    return named.length === 0
      ? []
      : [{ ...this.#fail(this.rule('enum-value-removed', 'enum-value-added'), named.join(', '), place, () => [], false), severity: 'note' }]
  }

  #compareShapes(shape: Shape, candidate: Shape, place: Place): Obstacle[] {
    return [...this.#compareTokens(shape, candidate, place), ...this.#compareKinds(shape, candidate, place)]
  }

  #compareTokens(shape: Shape, candidate: Shape, place: Place): Obstacle[] {
    const own = [...shape.tokens]
    const missing = candidate.tokens.filter((token) => {
      const index = own.findIndex((other) => other.name === token.name && areIdentical(other.of, token.of))
      if (index !== -1) own.splice(index, 1)
      return index === -1
    })
    const isSeen = !candidate.tokens.some(isRefinement) || missing.some(isRefinement) || isSeenAlike(shape, candidate)
    const values = (variant: number) => this.#sampleAround(shape, [candidate], variant)
    const fail = (rule: RuleId, detail: string) => this.#fail(rule, detail, place, values, isFree(shape))
    return [
      ...(isSeen ? [] : [fail('refined-changed', '')]),
      ...[...new Map(missing.map((token) => [token.name, token])).values()].map((token) => fail(this.#ruleOfToken(token), token.name.slice(0, 200))),
    ]
  }

  #ruleOfToken(token: Token): RuleId {
    if (isRefinement(token)) return this.rule('refinement-removed', 'refinement-added')
    return token.name.startsWith('codec') ? 'codec-changed' : 'undecidable'
  }

  #compareKinds(shape: Shape, candidate: Shape, place: Place): Obstacle[] {
    if (candidate.kind === 'any') return []
    if (shape.kind === 'object' && candidate.kind === 'object') return compareObjects(this, shape, candidate, place)
    if (shape.kind === 'array' && candidate.kind === 'array') return this.#compareArrays(shape, candidate, place)
    if (shape.kind === 'string' && candidate.kind === 'string') {
      const values = once(() => sampleTexts(shape.checks, [candidate.checks], this.flow.sender))
      return failText(shape.checks, candidate.checks, this.flow.sender).map((aspect) =>
        this.#fail(this.#ruleOfAspect(aspect, shape, candidate), aspect, place, values, isFree(shape)),
      )
    }
    if (shape.kind === 'number' && candidate.kind === 'number') {
      const values = once(() => sampleNumbers(shape.checks, [candidate.checks]))
      return failNumber(shape.checks, candidate.checks).map((aspect) =>
        this.#fail(this.#ruleOfAspect(aspect, shape, candidate), aspect, place, values, isFree(shape)),
      )
    }
    if (shape.kind === 'constant') return this.#compareConstant(shape, candidate, place)
    return this.#miss(shape, [shape], [candidate], place)
  }

  #ruleOfAspect(aspect: TextAspect | NumberAspect, shape: Shape, candidate: Shape): RuleId {
    if (aspect === 'bound') return this.rule('bound-loosened', 'bound-tightened')
    if (aspect === 'integer' || aspect === 'multiple') return this.rule('step-removed', 'step-added')
    if (aspect === 'format') return hasFormat(shape) && hasFormat(candidate) ? 'format-changed' : this.rule('format-removed', 'format-added')
    return aspect === 'pattern' ? 'pattern-changed' : 'undecidable'
  }

  #compareConstant(shape: ConstantShape, candidate: Shape, place: Place): Obstacle[] {
    const isReversed = candidate.kind === 'constant' && shape.means !== undefined && candidate.means !== undefined && shape.means !== candidate.means
    if (isReversed) return [{ ...this.#fail('meaning-changed', JSON.stringify(shape.value), place, () => [], false), severity: 'loss' }]
    const isCased = shape.anyCase === true && !(candidate.kind === 'constant' && candidate.anyCase === true)
    const values = isCased ? [shape.value, String(shape.value).toUpperCase()] : [shape.value]
    if (values.every((value) => admitsShape({ ...candidate, tokens: [] }, value, 'receiver') === 'yes')) return []
    return [this.#fail(this.rule('enum-value-added', 'enum-value-removed'), JSON.stringify(shape.value), place, () => values, !isCased || isFree(shape))]
  }

  #compareArrays(shape: ArrayShape, candidate: ArrayShape, place: Place): Obstacle[] {
    const tuple = Math.max(shape.items.length, candidate.items.length)
    const items = Array.from({ length: tuple }, (_, index) => this.#compareItem(shape, candidate, index, `[${index}]`, place))
    return [...this.#compareLengths(shape, candidate, place), ...items.flat(), ...this.#compareItem(shape, candidate, tuple, '[]', place)]
  }

  #compareItem(shape: ArrayShape, candidate: ArrayShape, index: number, step: string, place: Place): Obstacle[] {
    const [own, other] = [shape.items[index] ?? shape.rest, candidate.items[index] ?? candidate.rest]
    if (own === undefined || other === undefined || index >= Math.min(shape.max, candidate.max)) return []
    const wrap = (value: unknown, variant: number) => sampleArray(shape, this.flow.sender, variant, { [index]: value })
    return this.compare(own, other, place.within(step, wrap))
  }

  #compareLengths(shape: ArrayShape, candidate: ArrayShape, place: Place): Obstacle[] {
    const most = candidate.rest === undefined ? Math.min(candidate.max, candidate.items.length) : candidate.max
    const longest = shape.rest === undefined ? Math.min(shape.max, shape.items.length) : shape.max
    if (shape.min >= candidate.min && longest <= most) return []
    const ofLength = (length: number, variant: number) => {
      const model = shape.items[length - 1] ?? shape.rest
      const last = model && sample(model, this.flow.sender, variant)
      return length === 0
        ? sampleArray(shape, this.flow.sender, variant, {})
        : last === undefined
          ? undefined
          : sampleArray(shape, this.flow.sender, variant, { [length - 1]: last })
    }
    const values = (variant: number) => [shape.min, most + 1].filter((length) => length <= longest).map((length) => ofLength(length, variant))
    return [this.#fail(this.rule('bound-loosened', 'bound-tightened'), 'length', place, values, isFree(shape))]
  }

  #fail(rule: RuleId, detail: string, place: Place, values: (variant: number) => readonly unknown[], isCertain: boolean): Obstacle {
    const witnesses = (variant: number) =>
      place.wrapAll(
        values(variant).filter((value) => value !== undefined),
        variant,
      )
    return { rule, path: place.path, severity: 'failure', detail, witnesses, isCertain }
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

function put<T>(map: Map<Model, Map<Model, T>>, sender: Model, receiver: Model, value: T): void {
  map.set(sender, (map.get(sender) ?? new Map<Model, T>()).set(receiver, value))
}

function isPresent({ kind }: Shape): boolean {
  return kind !== 'absent'
}

/** Whether a refinement is given the same by both. */
function isSeenAlike(shape: Shape, candidate: Shape): boolean {
  if (shape.kind === 'string' && candidate.kind === 'string') return shape.checks.rewrite?.join() === candidate.checks.rewrite?.join()
  return areSeenAlike(shape.model, candidate.model)
}

/** Whether all that is known of a shape is all that limits it. */
function isFree({ tokens, ...shape }: Shape): boolean {
  return (
    tokens.length === 0 &&
    !(shape.kind === 'string' && (shape.checks.rewrite !== undefined || (shape.checks.formats ?? []).some(({ custom }) => custom === true)))
  )
}

function badness(obstacles: readonly Obstacle[]): number {
  return severityOf(obstacles) * 1000 + obstacles.length
}

/** What a `catch` takes, it takes for another value: not refused, and not what was sent. */
function toReplaced(obstacle: Obstacle): Obstacle {
  return obstacle.severity === 'failure' ? { ...obstacle, severity: 'loss', isReplaced: true } : obstacle
}

function kindOf(shape: Shape): string {
  if (shape.kind !== 'constant') return shape.kind
  return shape.value === null ? 'null' : typeof shape.value
}

function describeShape(shape: Shape): string {
  if (shape.kind === 'constant') return JSON.stringify(shape.value)
  if (shape.kind !== 'object') return shape.kind
  const told = [...shape.fields].find(([, { model }]) => model.type === 'enum')
  return told === undefined
    ? `{ ${[...shape.fields.keys()].join(', ')} }`
    : `${told[0]} ${JSON.stringify(told[1].model.type === 'enum' ? told[1].model.values[0] : null)}`
}

function hasFormat(shape: Shape): boolean {
  return shape.kind === 'string' && (shape.checks.formats ?? []).length > 0
}
