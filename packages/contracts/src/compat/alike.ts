import { areIdentical } from './identical.js'
import type { Model } from './model.js'

/** Whether what a refinement is given by the receiver is what it was given by the sender, as far as both let it through. */
export function areSeenAlike(sender: Model, receiver: Model, around: ReadonlySet<Model> = new Set()): boolean {
  if (areIdentical(sender, receiver) || around.has(sender)) return true
  const within = new Set(around).add(sender)
  if (sender.type === 'object' && receiver.type === 'object') return areFieldsSeenAlike(sender, receiver, within)
  if (sender.type === 'array' && receiver.type === 'array') return areSeenAlike(sender.items, receiver.items, within)
  if (sender.type === 'optional' || sender.type === 'nullable') return areSeenAlike(sender.of, receiver, within)
  if (receiver.type === 'optional' || receiver.type === 'nullable') return areSeenAlike(sender, receiver.of, around)
  return isKept(sender) && isKept(receiver)
}

type ObjectModel = Extract<Model, { type: 'object' }>

function areFieldsSeenAlike(sender: ObjectModel, receiver: ObjectModel, around: ReadonlySet<Model>): boolean {
  const isKeptWhole = (field: Model): boolean => typeof receiver.others === 'object' && isKept(field) && isKept(receiver.others)
  const sent = Object.entries(sender.fields).every(([key, field]) => {
    const received = Object.hasOwn(receiver.fields, key) ? receiver.fields[key] : undefined
    return received === undefined ? isKeptWhole(field) : areSeenAlike(field, received, around)
  })
  // What is not sent is not seen either, unless a default takes its place.
  const others = Object.entries(receiver.fields).filter(([key]) => !Object.hasOwn(sender.fields, key))
  return (
    sent &&
    areIdentical(sender.others, receiver.others) &&
    (others.length === 0 || (typeof sender.others !== 'object' && others.every(([, field]) => !hasChange(field))))
  )
}

/** Whether all that comes is kept as it is. */
function isKept(model: Model, seen: Set<Model> = new Set()): boolean {
  if (seen.has(model)) return true
  seen.add(model)
  if (model.type === 'object' && typeof model.others !== 'object') return false
  return !hasChange(model) && childrenOf(model).every((child) => isKept(child, seen))
}

/** Whether a model's received values may differ from what was sent. */
export function hasChange(model: Model, seen: Set<Model> = new Set()): boolean {
  if (seen.has(model)) return false
  seen.add(model)
  if (['default', 'catch', 'codec', 'pipe', 'stringbool'].includes(model.type) || 'rewrite' in model || 'rewritten' in model) return true
  return childrenOf(model).some((child) => hasChange(child, seen))
}

function childrenOf(model: Model): readonly Model[] {
  switch (model.type) {
    case 'array':
      return [model.items]
    case 'tuple':
      return [...model.items, ...(model.rest ? [model.rest] : [])]
    case 'object':
      return [...Object.values(model.fields), ...(typeof model.others === 'object' ? [model.others] : [])]
    case 'record':
      return [model.values]
    case 'union':
    case 'all':
    case 'both':
      return model.of
    case 'optional':
    case 'nullable':
    case 'required':
    case 'received':
      return [model.of]
    default:
      return []
  }
}
