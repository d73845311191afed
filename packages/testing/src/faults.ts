import type { ClientEvent, Contract, ServerEvent, SessionEvents } from '@org/realtime-contracts'
import type { CONTROL } from '@org/realtime-contracts/wire'
import type { Line } from './line.js'
import type { Direction, Rule } from './rules.js'

/** What a fault can name: events of the contract, and the SDK's own. */
export type FaultEvent<C extends Contract> = ServerEvent<C> | ClientEvent<C> | keyof SessionEvents | (typeof CONTROL)[keyof typeof CONTROL]

/** A fault that is on until it is lifted: by `lift()`, at the end of a `using` block, or with all others. */
export interface Fault {
  /** How many packets it has hit, or attempts to connect. */
  readonly hits: number
  /** Ends it. What it has lost stays lost; what it holds back goes on. */
  lift(): void
  [Symbol.dispose](): void
}

/** Which events a fault strikes, and how often. */
export interface EventFaultOptions {
  /** Whether it hits the answers to the event, rather than the event. @default false */
  readonly answer?: boolean
  /** Only on its way there. @default either */
  readonly direction?: Direction
  /** How often, before it is lifted by itself. @default until it is lifted */
  readonly times?: number
}

/** Which events are late. */
export interface DelayOptions<Event extends string> extends EventFaultOptions {
  /** Only this event; what comes after it waits, too, since a connection keeps its order. @default every packet */
  readonly event?: Event
}

/** What can be done to the connection of one client, over whichever transport. */
export interface Faults<Event extends string = string> {
  /** Loses an event on its way. With `answer`, loses its answer: the handler has run, and the sender never learns of it. */
  drop(event: Event, options?: EventFaultOptions): Fault
  /** Has an event arrive twice, as what is sent again by something that does not know it has arrived. */
  duplicate(event: Event, options?: EventFaultOptions): Fault
  /** Makes packets arrive that much later, in milliseconds, in their order. */
  delay(delayMs: number, options?: DelayOptions<Event>): Fault
  /**
   * Stops the line: nothing arrives until it is lifted, and then all of it does, unless one side has given up by then
   * (`pingIntervalMs`, `pingTimeoutMs` of the server). New attempts to connect fail.
   */
  stall(options?: { readonly direction?: Direction }): Fault
  /** Breaks the connection, and fails every attempt at another until it is lifted. */
  offline(): Fault
  /** Breaks the connection without a word, as a network does; resolves once both sides have seen it. The client dials again. */
  kill(): Promise<void>
  /** Lifts all faults. */
  clear(): void
}

/** @param gone resolves once the server has no such connection any more. */
export function createFaults<Event extends string>(line: Line, gone: (sids: readonly string[]) => Promise<void>): Faults<Event> {
  function start(rule: Omit<Rule, 'hits'>): Fault {
    const started: Rule = { ...rule, hits: 0 }
    line.add(started)
    const lift = (): void => line.lift(started)
    return {
      get hits() {
        return started.hits
      },
      lift,
      [Symbol.dispose]: lift,
    }
  }

  return {
    drop: (event, options) => start({ kind: 'drop', event: checkEvent('drop', event), ...checkOptions(options) }),
    duplicate: (event, options) => start({ kind: 'duplicate', event: checkEvent('duplicate', event), ...checkOptions(options) }),
    delay: (delayMs, { event, ...options } = {}) => start({ kind: 'delay', delayMs: checkDelay(delayMs), ...(event && { event }), ...checkOptions(options) }),
    stall: (options) => start({ kind: 'stall', ...options }),
    offline() {
      const fault = start({ kind: 'refuse' })
      void gone(line.cut())
      return fault
    },
    kill: () => gone(line.cut()),
    clear: () => line.clear(),
  }
}

function checkEvent(name: string, event: unknown): string {
  if (typeof event !== 'string') {
    throw new TypeError(`faults.${name}: name the event. For all that is sent there are stall(), offline() and kill()`)
  }
  return event
}

function checkDelay(delayMs: unknown): number {
  if (!(typeof delayMs === 'number' && delayMs >= 0 && delayMs < 2 ** 31)) {
    throw new TypeError(`faults.delay: expected a number of milliseconds; got ${String(delayMs)}`)
  }
  return delayMs
}

function checkOptions(options: EventFaultOptions = {}): EventFaultOptions {
  const { times } = options
  if (times !== undefined && !(Number.isInteger(times) && times > 0)) {
    throw new TypeError(`faults: times must be a whole number of 1 or more; got ${String(times)}`)
  }
  return options
}
