import type { OutboxNews, OutboxStore, StoredCommand } from './store.js'

const COMMANDS = 'commands'
const OF_USER = 'userId'
const OF_KEY = 'key'

/**
 * Keeps commands in the browser's IndexedDB, so that they survive a reload. The tabs of one origin that give the same name share it:
 * one of them sends at a time, where the browser has Web Locks, which it has on pages served over https.
 */
export function indexedDbStore(name: string): OutboxStore {
  const place = `realtime outbox ${name}`
  let opened: Promise<IDBDatabase> | undefined

  function database(): Promise<IDBDatabase> {
    opened ??= open(place).catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }

  async function write(change: (commands: IDBObjectStore) => void): Promise<void> {
    const transaction = (await database()).transaction(COMMANDS, 'readwrite', { durability: 'strict' })
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error)
    })
    change(transaction.objectStore(COMMANDS))
    await done
  }

  return {
    async load(userId) {
      const commands = (await database()).transaction(COMMANDS).objectStore(COMMANDS)
      return toPromise<StoredCommand[]>(commands.index(OF_USER).getAll(userId)) // in the order of their numbers
    },

    add: (command) => write((commands) => commands.add(command)),

    remove: (userId, keys) =>
      write((commands) => {
        for (const key of keys) {
          const found = commands.index(OF_KEY).getKey([userId, key])
          found.onsuccess = () => found.result !== undefined && commands.delete(found.result)
        }
      }),

    exclusively: (userId, work, signal) =>
      globalThis.navigator?.locks === undefined ? work() : navigator.locks.request(`${place} ${userId}`, { signal }, work),

    share(userId, hear) {
      const channel = new BroadcastChannel(`${place} ${userId}`)
      channel.onmessage = ({ data }: MessageEvent<OutboxNews>) => hear(data)
      return { tell: (news) => channel.postMessage(news), close: () => channel.close() }
    },
  }
}

function open(place: string): Promise<IDBDatabase> {
  const request = indexedDB.open(place, 1)
  request.onupgradeneeded = () => {
    const commands = request.result.createObjectStore(COMMANDS, { autoIncrement: true })
    commands.createIndex(OF_USER, 'userId')
    commands.createIndex(OF_KEY, ['userId', 'key'], { unique: true })
  }
  return toPromise(request)
}

function toPromise<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
