import { CONTROL, type DeliveryMeta, type Position, type RoomAddress } from '@org/realtime-contracts/wire'
import type { Connection } from './connection.js'
import { keyOf } from './rooms.js'

/**
 * Keeps where a device is in the durable events, as a text that the client makes: for a device that is to go on from there after the page was
 * loaded again. Of one device: two that share one would each miss what the other has had.
 */
export interface PositionStore {
  /** What `set` was given last; nothing where there is none. */
  get(): string | null | undefined | Promise<string | null | undefined>
  /** Keeps the text in place of the one before. */
  set(positions: string): unknown
}

interface Log {
  /** The last event that has come. */
  last: Position
  /** The last one whose listeners have finished, and those of all before it. */
  finished?: Position
  /** Resolves once the listeners of all that came so far have finished. */
  done?: Promise<unknown>
  /** While the application fetches what it has missed; what comes meanwhile waits. */
  held?: Promise<unknown> | undefined
}

// Receipts that are sent together.
const ACK_MS = 50
const ACK_AT_ONCE = 100

/** Where this device is in each log of durable events: the user's own, and those of rooms. */
export function createPositions(store: PositionStore | undefined, connection: () => Connection) {
  const logs = new Map<string, Log>()
  let receipts: Position[] = []
  let user = ''

  const nameOf = (room: RoomAddress | undefined): string => (room ? keyOf(room) : `user:${user}`)
  const all = (which: 'last' | 'finished') => Object.fromEntries([...logs].map(([name, log]) => [name, log[which]]))
  const save = (): unknown => store?.set(JSON.stringify(all('finished')))

  function move(log: Log, { epoch, sequence, atMs, confirm }: DeliveryMeta, work: Promise<number>): void {
    const position = { epoch, sequence, atMs }
    log.last = position
    log.done = Promise.all([work, log.done]).then(([listeners]) => {
      log.finished = position
      save()
      if (confirm && listeners && receipts.push(position) === 1) setTimeout(acknowledge, ACK_MS)
    })
  }

  function acknowledge(): void {
    // Where they cannot be sent, the next connection does it.
    if (!receipts.length || !connection().send([CONTROL.ack, { receipts: receipts.slice(0, ACK_AT_ONCE) }])) return
    receipts = receipts.slice(ACK_AT_ONCE)
    acknowledge()
  }

  /** In its turn: after what the application fetches. */
  const inTurn = ({ held }: Log, tell: () => Promise<number>): Promise<number> => (held ? held.then(tell) : tell())

  return {
    /** What the handshake says. */
    async since(): Promise<object> {
      if (!logs.size && store) {
        try {
          const kept = JSON.parse((await store.get()) || '{}')
          for (const name in kept) logs.set(name, { last: kept[name], finished: kept[name] })
        } catch {
          // What cannot be read is none.
        }
      }
      return all('last')
    },

    connected(userId: string): void {
      if (user && user !== userId) logs.clear() // they were another user's
      user = userId
      acknowledge()
    },

    /** A durable event: told in its turn, unless it has come before. */
    take(meta: DeliveryMeta, tell: () => Promise<number>): void {
      const log = logs.get(nameOf(meta.room))
      if (!log)
        void tell() // it has left the room
      else if (meta.epoch !== log.last.epoch || meta.sequence > log.last.sequence) move(log, meta, inTurn(log, tell))
    },

    /** The server says where it goes on: what comes waits until listeners have fetched what they need. */
    hold(meta: DeliveryMeta, tell: () => Promise<number>): void {
      const name = nameOf(meta.room)
      const log: Log = logs.get(name) ?? { last: meta }
      logs.set(name, log)
      const told = inTurn(log, tell)
      const held = told.then(() => {
        if (log.held === held) log.held = undefined
      })
      log.held = held
      move(log, meta, told)
    },

    /** A room was left: who joins it again begins anew. */
    forget(room: RoomAddress): void {
      if (logs.delete(keyOf(room))) save()
    },
  }
}
