import type { Contract, EventDefinition, EventEntry } from '@org/realtime-contracts'
import { type ContractLock, type LockModel, toLock } from '@org/realtime-contracts/compat'
import * as z from 'zod'

/** Something in a contract that will hurt later. */
export interface Lint {
  readonly lint: 'strict-reader' | 'closed-enum' | 'unbounded' | 'catch' | 'no-description' | 'name'
  readonly event: string
  readonly path: string
  readonly message: string
}

/** What is better changed before a contract is first released. */
export function lint(contract: Contract): Lint[] {
  const lock = toLock(contract)
  return [...lintSent(lock), ...lintReceived(lock), ...lintDescriptions(contract), ...lintNames(lock)]
}

function lintSent({ serverToClient, clientToServer }: ContractLock): Lint[] {
  const sent = [
    ...Object.entries(serverToClient).map(([event, { payload }]) => [event, 'payload', payload] as const),
    ...Object.entries(clientToServer).map(([event, { reply }]) => [event, 'reply', reply] as const),
  ]
  return sent.flatMap(([event, root, model]) =>
    walk(model, root).flatMap(({ path, model: each }): Lint[] => [
      ...(each.type === 'object' && each.others === 'refused' ? [strict(event, path)] : []),
      ...(each.type === 'enum' && each.values.length > 1 ? [closed(event, path)] : []),
      ...(each.type === 'catch' ? [caught(event, path)] : []),
    ]),
  )
}

function lintReceived({ clientToServer }: ContractLock): Lint[] {
  return Object.entries(clientToServer).flatMap(([event, { payload, limits }]) =>
    walk(payload, 'payload').flatMap(({ path, model }): Lint[] => [
      ...(limits?.maxBytes === undefined && isUnbounded(model) ? [unbounded(event, path, model.type)] : []),
      ...(model.type === 'catch' ? [caught(event, path)] : []),
    ]),
  )
}

const strict = (event: string, path: string): Lint => ({
  lint: 'strict-reader',
  event,
  path,
  message: 'clients refuse what has a field that they do not know, so no field can ever be added: use z.object()',
})
const closed = (event: string, path: string): Lint => ({
  lint: 'closed-enum',
  event,
  path,
  message: 'older clients refuse a value that they do not know, so none can be added: use openEnum([...]) where it may grow',
})
const caught = (event: string, path: string): Lint => ({
  lint: 'catch',
  event,
  path,
  message: 'a catch hides what is wrong from both sides: let it be refused, or use openEnum or openUnion',
})
const unbounded = (event: string, path: string, type: string): Lint => ({
  lint: 'unbounded',
  event,
  path,
  message: `a client may send ${type === 'array' ? 'a list' : 'a text'} of any length: give it a .max(), or the event limits.maxBytes`,
})

type Visited = { readonly path: string; readonly model: Exclude<LockModel, { type: 'ref' }> }

function isUnbounded(model: Visited['model']): boolean {
  if (model.type === 'array') return model.max === undefined
  return model.type === 'string' && model.max === undefined && (model.formats ?? []).length === 0 && (model.patterns ?? []).length === 0
}

/** Every schema within one, with where it is. */
function walk(model: LockModel | null | undefined, path: string): Visited[] {
  if (model == null || model.type === 'ref') return []
  const { fields, items, rest, of, values, others } = { ...model } as Partial<Record<'fields' | 'items' | 'rest' | 'of' | 'values' | 'others', unknown>> // which of them it has depends on its type
  const within = [
    ...Object.entries(isRecord(fields) ? fields : {}).map(([name, each]) => [`${path}.${name}`, each] as const),
    ...(Array.isArray(items) ? items.map((each, index) => [`${path}[${index}]`, each] as const) : [[`${path}[]`, items] as const]),
    [`${path}[]`, rest] as const,
    ...(Array.isArray(of) ? of : [of]).map((each) => [path, each] as const),
    [`${path}{}`, values] as const,
    [`${path}{}`, others] as const,
  ]
  return [{ path, model }, ...within.flatMap(([where, each]) => (isModel(each) ? walk(each, where) : []))]
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isModel(value: unknown): value is LockModel {
  return isRecord(value) && typeof value['type'] === 'string'
}

function lintDescriptions(contract: Contract): Lint[] {
  return [...Object.entries(contract.serverToClient), ...Object.entries(contract.clientToServer)]
    .filter(([, entry]) => isUndescribed(entry))
    .map(([event]) => ({ lint: 'no-description', event, path: 'payload', message: 'nobody is told what it is for: give its payload a .describe()' }))
}

function isUndescribed(entry: EventEntry): boolean {
  const payload = '_zod' in entry ? entry : (entry as EventDefinition).payload
  return payload !== undefined && z.globalRegistry.get(payload)?.description === undefined
}

function lintNames({ serverToClient, clientToServer }: ContractLock): Lint[] {
  const names = [...Object.keys(serverToClient), ...Object.keys(clientToServer)]
  const byPlain = groupBy(names, toPlain)
  return [...byPlain.values()]
    .filter((group) => new Set(group).size > 1)
    .map((group) => ({
      lint: 'name',
      event: group[0] ?? '',
      path: '',
      message: `its name and ${group
        .slice(1)
        .map((name) => JSON.stringify(name))
        .join(', ')} are told apart only by case or punctuation`,
    }))
}

function toPlain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

function groupBy(names: readonly string[], keyOf: (name: string) => string): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const name of names) groups.set(keyOf(name), [...(groups.get(keyOf(name)) ?? []), name])
  return groups
}
