import { CONTROL, type DeliveryMeta, type Position, type RoomAddress } from '@org/realtime-contracts/wire'
import type { Connection } from './connection.js'
import { keyOf } from './rooms.js'

/**
 * Keeps where a device is in the durable events, as a text that the client makes: for a device that is to go on from there after the page was
 * loaded again. Of one device: two that share one would each miss what the other has had.
 */
export interface PositionStore {
  get(): string | null | undefined | Promise<string | null | undefined>
  set(positions: string): unknown
}

interface Log {
  /** The last event that has come. */
  last: Position
  /** Resolves once the listeners of all that came so far have finished. */
  done: Promise<unknown>
  /** While the application fetches what it has missed; what comes meanwhile waits. */
  held: Promise<unknown> | undefined
}

// Receipts that are sent together.
const ACK_MS = 50
const ACK_AT_ONCE = 100

/** Where this device is in each log of durable events: the user's own, and those of rooms. */
export function createPositions(store: PositionStore | undefined, connection: () => Connection) {
  const logs = new Map<string, Log>()
  /** What the listeners have finished: it goes on from there after the page was loaded again. */
  let finished: Record<string, Position> = {}
  const receipts: Position[] = []
  let user = ''
  let timer: ReturnType<typeof setTimeout> | undefined

  const nameOf = (room: RoomAddress | undefined): string => (room ? keyOf(room) : `user:${user}`)

  function save(): void {
    store?.set(JSON.stringify(finished))
  }

  function move(name: string, log: Log, position: Position, work: Promise<number>, confirm?: true): void {
    log.last = position
    log.done = Promise.all([work, log.done]).then(([listeners]) => {
      if (logs.get(name) !== log) return
      finished[name] = position
      save()
      if (confirm && listeners) {
        receipts.push(position)
        timer ??= setTimeout(acknowledge, ACK_MS)
      }
    })
  }

  function acknowledge(): void {
    timer = undefined
    if (!receipts.length || connection().status() !== 'connected') return // the next connection sends them
    connection().socket.emit(CONTROL.ack, { receipts: receipts.splice(0, ACK_AT_ONCE) })
    acknowledge()
  }

  return {
    /** What the handshake says. */
    async since(): Promise<Record<string, Position>> {
      if (!logs.size && store) {
        try {
          finished = JSON.parse((await store.get()) || '{}')
        } catch {
          // What cannot be read is none.
        }
        for (const name in finished) logs.set(name, { last: finished[name] as Position, done: Promise.resolve(), held: undefined })
      }
      return Object.fromEntries([...logs].map(([name, { last }]) => [name, last]))
    },

    connected(userId: string): void {
      if (user && user !== userId) {
        logs.clear() // they were another user's
        finished = {}
      }
      user = userId
      acknowledge()
    },

    /** A durable event: told in its turn, unless it has come before. */
    take({ room, confirm, epoch, sequence, atMs }: DeliveryMeta, tell: () => Promise<number>): void {
      const name = nameOf(room)
      const log = logs.get(name)
      if (!log)
        void tell() // it has left the room
      else if (epoch !== log.last.epoch || sequence > log.last.sequence)
        move(name, log, { epoch, sequence, atMs }, log.held ? log.held.then(tell) : tell(), confirm)
    },

    /** The server says where it goes on: what comes waits until listeners have fetched what they need. */
    hold({ room, epoch, sequence, atMs }: DeliveryMeta, tell: () => Promise<number>): void {
      const name = nameOf(room)
      const log = logs.get(name) ?? { last: { epoch, sequence, atMs }, done: Promise.resolve(), held: undefined }
      logs.set(name, log)
      const told = log.held ? log.held.then(tell) : tell()
      const held = told.then(() => {
        if (log.held === held) log.held = undefined
      })
      log.held = held
      move(name, log, { epoch, sequence, atMs }, told)
    },

    /** A room was left: who joins it again begins anew. */
    forget(room: RoomAddress): void {
      const name = keyOf(room)
      logs.delete(name)
      delete finished[name]
      save()
    },
  }
}
