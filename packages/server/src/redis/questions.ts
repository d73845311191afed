import { RealtimeError } from '@org/realtime-contracts/wire'
import type { Audience, Perform } from '../cluster.js'
import type { RedisBus } from './bus.js'
import { type Channels, toParts } from './message.js'

/** Beyond the message types of Socket.IO's cluster adapter. */
const QUESTION = 100
const ANSWER = 101

interface Question {
  readonly type: typeof QUESTION
  readonly uid: string
  readonly id: number
  readonly audience: Audience
  readonly task: unknown
}

interface Answer {
  readonly type: typeof ANSWER
  readonly id: number
  /** A piece of it; without one, it is done. */
  readonly told?: readonly [unknown]
}

interface Asked {
  readonly tell: (answer: unknown) => void
  /** Of how many publications Redis has not yet said how many have heard them. */
  untold: number
  /** How many have heard it, less those that have answered. */
  missing: number
  done(): void
}

/** Has other nodes do something, and hears what came of it. Redis says how many have heard a question. */
export class Questions {
  readonly #asked = new Map<number, Asked>()
  #lastId = 0

  constructor(
    private readonly bus: RedisBus,
    private readonly channels: Channels,
    private readonly uid: string,
  ) {}

  /** @throws RealtimeError `UNAVAILABLE` where Redis did not take it. */
  async ask({ rooms, except }: Audience, task: unknown, timeoutMs: number, tell: (answer: unknown) => void): Promise<void> {
    const id = ++this.#lastId
    let timer: NodeJS.Timeout | undefined
    const finished = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
      this.#asked.set(id, { tell, untold: 0, missing: 0, done: resolve })
    })
    const asked = this.#asked.get(id) as Asked // just set
    try {
      const parts = toParts(rooms, except)
      asked.untold = parts.length
      await Promise.race([Promise.all(parts.map((part) => this.#publish(part, id, task, asked))), finished])
      if (asked.untold > 0) throw unreachable()
      await finished
    } finally {
      clearTimeout(timer)
      this.#asked.delete(id)
    }
  }

  /** @returns whether the message is one of these; else it is somebody else's. */
  receive(message: unknown, perform: Perform): boolean {
    if (isQuestion(message)) {
      if (message.uid === this.uid)
        this.#answered(message.id) // this process has done its part
      else void this.#perform(message, perform)
      return true
    }
    if (isAnswer(message)) {
      if (message.told === undefined) this.#answered(message.id)
      else this.#asked.get(message.id)?.tell(message.told[0])
      return true
    }
    return false
  }

  async #publish({ channel, rooms, except }: ReturnType<typeof toParts>[number], id: number, task: unknown, asked: Asked): Promise<void> {
    const question: Question = { type: QUESTION, uid: this.uid, id, audience: { rooms, except }, task }
    const heard = await this.bus.publish(channel === undefined ? this.channels.all : this.channels.ofRoom(channel), JSON.stringify(question))
    if (heard === undefined) throw unreachable()
    asked.untold--
    asked.missing += heard
    settle(asked)
  }

  async #perform({ uid, id, audience, task }: Question, perform: Perform): Promise<void> {
    const answer = (piece: Pick<Answer, 'told'>): void => {
      const message: Answer = { type: ANSWER, id, ...piece }
      void this.bus.publish(this.channels.ofNode(uid), JSON.stringify(message)) // reports what fails
    }
    await perform(audience, task, (told) => answer({ told: [told] }))
    answer({})
  }

  #answered(id: number): void {
    const asked = this.#asked.get(id)
    if (asked === undefined) return // too late
    asked.missing--
    settle(asked)
  }
}

function unreachable(): RealtimeError {
  return new RealtimeError('UNAVAILABLE', 'Redis cannot be reached: the other nodes were not told')
}

/** Answers may come before Redis has said how many there will be. */
function settle({ untold, missing, done }: Asked): void {
  if (untold === 0 && missing <= 0) done()
}

function isQuestion(message: unknown): message is Question {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === QUESTION
}

function isAnswer(message: unknown): message is Answer {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === ANSWER
}
