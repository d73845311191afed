export { indexedDbStore } from './indexeddb.js'
export { createOutbox, type Outbox, type OutboxHandle, type OutboxOptions, type OutboxSendOptions } from './outbox.js'
export { memoryStore, type OutboxNews, type OutboxStore, type StoredCommand } from './store.js'
