/** What one WebSocket frame of Socket.IO says; `undefined` for the transport's own, such as pings. */
export interface Frame {
  readonly kind: 'connect' | 'disconnect' | 'event' | 'reply' | 'refusal'
  /** Of an event; empty for the others. */
  readonly name: string
  /** Joins an event that is answered to its reply. */
  readonly id?: number
  readonly data: unknown
}

const KINDS = ['connect', 'disconnect', 'event', 'reply', 'refusal'] as const

// Engine.IO's `4` (message), Socket.IO's type, a namespace where it is not `/`, an id where it is answered, and JSON.
const MESSAGE = /^4([0-4])(?:\/[^,]*,)?(\d*)(.*)$/s

export function readFrame(text: string): Frame | undefined {
  const [, type, id, json] = MESSAGE.exec(text) ?? []
  const kind = KINDS[Number(type)]
  if (type === undefined || kind === undefined) return undefined
  const data: unknown = json ? JSON.parse(json) : undefined
  const [name, payload] = kind === 'event' ? (data as [string, unknown?]) : ['', kind === 'reply' ? (data as [unknown?])[0] : data]
  return { kind, name, ...(id && { id: Number(id) }), data: payload }
}
