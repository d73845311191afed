/** Which way something goes. */
export type Direction = 'toServer' | 'toClient'

/** One fault. */
export interface Rule {
  readonly kind: 'drop' | 'duplicate' | 'delay' | 'stall' | 'refuse'
  readonly event?: string
  readonly answer?: boolean
  readonly direction?: Direction
  readonly times?: number
  readonly delayMs?: number
  hits: number
}

/** A packet of Engine.IO. */
export interface Packet {
  readonly type: string
  readonly data?: unknown
}

/** What becomes of a packet. */
export interface Verdict {
  readonly copies: number
  readonly delayMs: number
}

// A packet of Socket.IO: 2 is an event and 3 an answer, then perhaps a namespace, perhaps the number of the answer, and what is said.
const PACKET = /^([23])(\/[^,]*,)?(\d*)(?:\["([^"\\]*)")?/

/** The faults of one client's connection. */
export class Rules {
  readonly #rules = new Set<Rule>()
  /** What has been asked in each direction, by namespace and number. */
  readonly #asked = { toServer: new Map<string, string>(), toClient: new Map<string, string>() }

  add(rule: Rule): void {
    this.#rules.add(rule)
  }

  delete(rule: Rule): void {
    this.#rules.delete(rule)
  }

  clear(): void {
    this.#rules.clear()
  }

  isStalled(direction: Direction): boolean {
    return this.#find('stall', direction) !== undefined
  }

  /** Counts an attempt to connect. @returns why it fails. */
  refusal(): string | undefined {
    const rule = this.#find('refuse') ?? this.#find('stall')
    if (rule === undefined) return undefined
    rule.hits++
    return rule.kind === 'refuse' ? 'the test keeps this client offline' : 'the test stalls the line of this client'
  }

  judge(direction: Direction, packet: Packet): Verdict {
    const subject = this.#read(direction, packet)
    let copies = 1
    let delayMs = 0
    for (const rule of this.#rules) {
      if (!applies(rule, direction, subject)) continue
      rule.hits++
      if (rule.kind === 'drop') copies = 0
      if (rule.kind === 'duplicate') copies *= 2
      delayMs += rule.delayMs ?? 0
      if (rule.hits === rule.times) this.#rules.delete(rule)
    }
    return { copies, delayMs }
  }

  #find(kind: Rule['kind'], direction?: Direction): Rule | undefined {
    return [...this.#rules].find((rule) => rule.kind === kind && isOnWay(rule, direction))
  }

  #read(direction: Direction, { type, data }: Packet): Subject | undefined {
    const match = type === 'message' && typeof data === 'string' ? PACKET.exec(data) : null
    if (match === null) return undefined
    const [, kind, namespace = '', number = '', event = ''] = match
    const key = namespace + number
    if (kind === '2') {
      if (number !== '') this.#asked[direction].set(key, event)
      return { event, answer: false }
    }
    const asked = this.#asked[direction === 'toServer' ? 'toClient' : 'toServer']
    const answered = asked.get(key)
    asked.delete(key)
    return answered === undefined ? undefined : { event: answered, answer: true }
  }
}

interface Subject {
  readonly event: string
  readonly answer: boolean
}

function applies(rule: Rule, direction: Direction, subject: Subject | undefined): boolean {
  if (rule.kind === 'refuse' || !isOnWay(rule, direction)) return false
  return rule.event === undefined || (rule.event === subject?.event && (rule.answer ?? false) === subject.answer)
}

function isOnWay(rule: Rule, direction: Direction | undefined): boolean {
  return rule.direction === undefined || direction === undefined || rule.direction === direction
}
