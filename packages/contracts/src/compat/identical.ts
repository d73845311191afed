const known = new WeakMap<object, WeakMap<object, boolean>>()

/** Whether two models are written the same, wherever they lead back to. */
export function areIdentical(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  const answers = known.get(left) ?? new WeakMap<object, boolean>()
  known.set(left, answers)
  const answer = answers.get(right) ?? isSame(left, right, new Map())
  answers.set(right, answer)
  return answer
}

function isSame(left: unknown, right: unknown, around: Map<object, Set<object>>): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (around.get(left)?.has(right)) return true // if nothing else tells them apart
  around.set(left, (around.get(left) ?? new Set()).add(right))
  const [mine, theirs] = [keysOf(left), keysOf(right)]
  return (
    Array.isArray(left) === Array.isArray(right) &&
    mine.length === theirs.length &&
    mine.every((key) => Object.hasOwn(right, key) && isSame(Reflect.get(left, key), Reflect.get(right, key), around))
  )
}

/** A model's `id` is a text, and says nothing but what it is called by; a field of that name is none. */
function keysOf(value: object): string[] {
  return Object.keys(value).filter((key) => key !== 'id' || typeof Reflect.get(value, key) !== 'string')
}
