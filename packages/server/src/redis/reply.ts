import { isObject, type PresentDevice, RealtimeError } from '@org/realtime-contracts/wire'

/** Whether the failure says that Redis has not done it: what was sent without an answer may have run. */
export function wasNotRun(error: unknown): boolean {
  const cause = error instanceof RealtimeError ? error.cause : error
  return cause instanceof Error && (REFUSALS.has(cause.name) || REFUSALS.has(cause.constructor.name) || cause.message.startsWith("Stream isn't writeable"))
}

// Of ioredis, and of redis.
const REFUSALS: ReadonlySet<string> = new Set(['ReplyError', 'ErrorReply', 'SimpleError', 'BlobError', 'ClientOfflineError', 'ClientClosedError'])

export function unavailable(cause: unknown): never {
  throw cause instanceof RealtimeError ? cause : new RealtimeError('UNAVAILABLE', 'Redis cannot be reached, or refuses', { cause })
}

/** What no node has written is nobody's device. */
export function toDevice(text: string): PresentDevice[] {
  try {
    const device: unknown = JSON.parse(text)
    return isObject(device) && typeof device['id'] === 'string' ? [{ ...device, id: device['id'] }] : []
  } catch {
    return []
  }
}

export function toList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function toTexts(value: unknown): string[] {
  return toList(value).map(String)
}
