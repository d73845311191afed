import { createCell } from './cell.js'
import { type Frame, readFrame } from './frame.js'
import { type Crossing, record } from './log.js'

/** The ids of the sockets that devices have now: the same one for as long as a connection lives. */
export const socketIds = createCell<ReadonlyMap<string, string>>(new Map())

interface Asked {
  readonly name: string
  readonly atMs: number
}

const utf8 = new TextEncoder()

/** What crosses one connection of one device: told to the timeline, each request joined to its reply. */
export function createLink(device: string) {
  const asked = { up: new Map<number, Asked>(), down: new Map<number, Asked>() }
  const dialledAtMs = performance.now()

  function cross(direction: 'up' | 'down', text: string): void {
    const frame = readFrame(text)
    if (frame === undefined) return
    const told = { device, direction, bytes: utf8.encode(text).length, detail: toDetail(frame.data) }
    record({ ...told, ...describe(direction, frame) })
  }

  function describe(direction: 'up' | 'down', { kind, name, id, data }: Frame): Pick<Crossing, 'name' | 'tone' | 'tookMs'> {
    if (kind === 'connect' && direction === 'down') {
      socketIds.set(new Map([...socketIds.get(), [device, (data as { sid: string }).sid]]))
      return { name: 'connected', tone: 'link', tookMs: performance.now() - dialledAtMs }
    }
    if (kind === 'event') {
      if (id !== undefined) asked[direction].set(id, { name, atMs: performance.now() })
      return { name, tone: name === 'error' || name === '$disconnect' ? 'error' : 'event' }
    }
    if (kind === 'reply') {
      const request = asked[direction === 'up' ? 'down' : 'up'].get(id ?? -1)
      const failed = (data as { ok?: boolean } | undefined)?.ok === false
      return { name: request?.name ?? '', tone: failed ? 'error' : 'reply', ...(request && { tookMs: performance.now() - request.atMs }) }
    }
    return { name: kind === 'refusal' ? 'refused' : kind, tone: kind === 'refusal' ? 'error' : 'link' }
  }

  return {
    cross,
    closed(): void {
      socketIds.set(new Map([...socketIds.get()].filter(([other]) => other !== device)))
      record({ device, direction: 'none', name: 'connection closed', detail: '', tone: 'link' })
    },
  }
}

function toDetail(data: unknown): string {
  if (data === undefined) return ''
  return JSON.stringify(data, (key, value: unknown) => (key === 'token' ? '…' : value))
}
