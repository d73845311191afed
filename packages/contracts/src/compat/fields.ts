import type { ValueComparison } from './compare.js'
import { expand, omission } from './expand.js'
import { areIdentical } from './identical.js'
import type { Model } from './model.js'
import { type Obstacle, type Place, toStep } from './obstacle.js'
import type { RuleId } from './rules.js'
import { sample, sampleObject } from './sample.js'
import type { Field, Shape } from './shape.js'
import { admitsKey } from './value.js'

type ObjectShape = Extract<Shape, { kind: 'object' }>

/** What stands between an object that is sent and one that is accepted. */
export function compareObjects(comparison: ValueComparison, sender: ObjectShape, receiver: ObjectShape, place: Place): Obstacle[] {
  return new ObjectComparison(comparison, sender, receiver, place).compare()
}

interface Failure {
  readonly rule: RuleId
  readonly path: string
  readonly detail?: string
  readonly isTotal?: boolean
  readonly values: (variant: number) => unknown
}

const ANY_KEY: Model = { type: 'string' }
const SPARE_KEYS = ['other', 'another', 'a', '0', 'x-1', 'A', 'text']

class ObjectComparison {
  readonly #renamed: ReadonlyMap<string, string>

  constructor(
    private readonly comparison: ValueComparison,
    private readonly sender: ObjectShape,
    private readonly receiver: ObjectShape,
    private readonly place: Place,
  ) {
    this.#renamed = this.#findRenamed()
  }

  compare(): Obstacle[] {
    const keys = [...new Set([...this.sender.fields.keys(), ...this.receiver.fields.keys()])].sort()
    return [...keys.flatMap((key) => this.#compareField(key)), ...this.#compareOthers()]
  }

  get #role() {
    return this.comparison.flow.sender
  }

  get #isSenderNewer(): boolean {
    return this.comparison.flow.newer === 'sender'
  }

  /** Fields of the receiver by the only field of the same model that the sender has instead. */
  #findRenamed(): ReadonlyMap<string, string> {
    const only = (one: ObjectShape, other: ObjectShape) => [...one.fields].filter(([key]) => !other.fields.has(key))
    const [sent, received] = [only(this.sender, this.receiver), only(this.receiver, this.sender)]
    const pairs = received.flatMap(([key, { model }]): Array<[string, string]> => {
      const same = sent.filter(([, field]) => areIdentical(field.model, model))
      return same.length === 1 && received.filter(([, field]) => areIdentical(field.model, model)).length === 1 ? [[key, same[0]![0]]] : []
    })
    return new Map(pairs)
  }

  #compareField(key: string): Obstacle[] {
    const [sent, received] = [this.sender.fields.get(key), this.receiver.fields.get(key)]
    if (sent === undefined) return this.#compareUnsent(key, received!)
    if (received === undefined) return this.#compareUnreceived(key, sent)
    const step = this.#step(key)
    return [...this.#compareOmission(key, sent, received), ...this.comparison.compare(sent.model, received.model, this.#within(key, step))]
  }

  #compareOmission(key: string, sent: Field, received: Field): Obstacle[] {
    const accepted = omission(received, 'receiver')
    if (omission(sent, this.#role) === 'no' || accepted === 'yes') return []
    const rule = this.comparison.rule('field-optional', 'field-required')
    const failure = this.#fail({ rule, path: this.#step(key), values: (variant) => this.#make({ [key]: undefined }, variant) })
    return [accepted === 'caught' ? { ...failure, severity: 'loss', isReplaced: true } : failure]
  }

  /** A field that the sender's version does not name. */
  #compareUnsent(key: string, received: Field): Obstacle[] {
    const { others, keys } = this.sender
    const accepted = omission(received, 'receiver')
    const isOpen = typeof others === 'object' && (keys === undefined || admitsKey(keys, key, this.#role) !== 'no')
    const within = isOpen ? this.comparison.compare(others, received.model, this.#within(key, this.#step(key))) : []
    const step = this.#step(key)
    const [renamed, isTotal] = [this.#renamed.get(key), !isOpen]
    const detail = renamed === undefined ? '' : this.#isSenderNewer ? `${key} to ${renamed}` : `${renamed} to ${key}`
    if (accepted === 'no') {
      const rule = renamed === undefined ? this.comparison.rule('field-removed', 'field-added-required') : 'field-renamed'
      return [this.#fail({ rule, path: step, detail, isTotal, values: (variant) => this.#make({ [key]: undefined }, variant) }), ...within]
    }
    if (isOpen) return within
    const rule = renamed === undefined ? this.comparison.rule('field-removed', 'field-added') : 'field-renamed'
    const isLoss = (this.#isSenderNewer && this.receiver.isSpare !== true) || renamed !== undefined
    return [{ ...this.#fail({ rule, path: step, detail, values: () => undefined }), severity: isLoss ? 'loss' : 'note' }]
  }

  /** A field that the receiver's version does not name. */
  #compareUnreceived(key: string, sent: Field): Obstacle[] {
    if (!expand(sent.model, this.#role).some(({ kind }) => kind !== 'absent')) return []
    const { others, keys } = this.receiver
    const rule = this.comparison.rule('field-added', 'field-removed')
    const values = (variant: number) => this.#make({ [key]: sample(sent.model, this.#role, variant) }, variant)
    const isRefused = others === 'refused' || (keys !== undefined && typeof others === 'object' && admitsKey(keys, key, 'receiver') !== 'yes')
    if (isRefused) return [this.#fail({ rule, path: this.#step(key), isTotal: omission(sent, this.#role) === 'no', values })]
    if (typeof others === 'object') return this.comparison.compare(sent.model, others, this.#within(key, this.#step(key)))
    if ([...this.#renamed.values()].includes(key)) return [] // told with the field that it was
    return [{ ...this.#fail({ rule, path: this.#step(key), values }), severity: this.#isSenderNewer ? 'note' : 'loss' }]
  }

  /** Keys that neither names. */
  #compareOthers(): Obstacle[] {
    const [sent, received] = [this.sender.others, this.receiver.others]
    if (typeof sent !== 'object') {
      const isPromised = typeof received === 'object' && this.#isSenderNewer && this.receiver.isSpare !== true
      return isPromised ? [{ ...this.#fail({ rule: 'object-closed', path: '', values: () => undefined }), severity: 'loss' }] : []
    }
    const step = this.sender.fields.size === 0 ? '{}' : '.*'
    const rule = this.comparison.rule('object-opened', 'object-closed')
    const values = (variant: number) => this.#wrapOther(sample(sent, this.#role, variant), variant)
    if (received === 'refused') return [this.#fail({ rule, path: '', values })]
    if (received === 'dropped') return [{ ...this.#fail({ rule, path: '', values }), severity: this.#isSenderNewer ? 'note' : 'loss' }]
    const place = this.place.within(step, (value, variant) => this.#wrapOther(value, variant))
    return [...this.#compareKeys(sent), ...this.comparison.compare(sent, received, place)]
  }

  #compareKeys(values: Model): Obstacle[] {
    const { keys } = this.receiver
    if (keys === undefined) return []
    const wrap = (key: unknown, variant: number) => this.#make({ [String(key)]: sample(values, this.#role, variant) }, variant)
    return this.comparison.compare(this.sender.keys ?? ANY_KEY, keys, this.place.within('{key}', wrap))
  }

  #wrapOther(value: unknown, variant: number): unknown {
    const { keys = ANY_KEY } = this.sender
    const sampled = sample(keys, this.#role, variant)
    const key = [sampled, ...SPARE_KEYS].find((each) => this.#isSpare(each, keys))
    return key === undefined || value === undefined ? undefined : this.#make({ [String(key)]: value }, variant)
  }

  #isSpare(key: unknown, keys: Model): boolean {
    const name = String(key)
    if (key === undefined || this.sender.fields.has(name) || this.receiver.fields.has(name)) return false
    return admitsKey(keys, name, this.#role) !== 'no' && (this.receiver.keys === undefined || admitsKey(this.receiver.keys, name, 'receiver') !== 'no')
  }

  #step(key: string): string {
    return toStep(key)
  }

  #within(key: string, step: string): Place {
    return this.place.within(step, (value, variant) => this.#make({ [key]: value }, variant))
  }

  #make(given: { readonly [key: string]: unknown }, variant: number): unknown {
    return sampleObject(this.sender, this.#role, variant, given)
  }

  #fail({ rule, path, detail = '', isTotal = false, values }: Failure): Obstacle {
    const witnesses = (variant: number) =>
      this.place.wrapAll(
        [values(variant)].filter((value) => value !== undefined),
        variant,
      )
    return { rule, path: this.place.path + path, severity: 'failure', detail, witnesses, isCertain: isTotal || this.sender.tokens.length === 0 }
  }
}
