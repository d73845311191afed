import { createRealtimeClient } from '@org/realtime-client'
import { createOutbox, indexedDbStore } from '@org/realtime-client/outbox'
import { shop } from '../commands/contract.js'

// What a test does in a page: the server is the page's own, and a token is the name of its user.
let results: Array<Promise<{ readonly number: number }>> = []

function open(userId: string) {
  const client = createRealtimeClient(shop, { url: location.origin, getToken: () => userId, reconnectDelayMs: 20, maxReconnectDelayMs: 100 })
  const outbox = createOutbox(client, { userId, store: indexedDbStore('shop') })
  results = []
  return {
    connect: async (): Promise<void> => void (await client.connect()),
    close(): void {
      outbox.close()
      client.close()
    },
    async send(item: string): Promise<void> {
      results.push((await outbox.send('order', { item })).result)
    },
    waiting: (): string[] => outbox.pending.map(({ payload }) => (payload as { item: string }).item), // as `send` made it
    numbers: async (): Promise<number[]> => (await Promise.all(results)).map(({ number }) => number),
  }
}

export type PageOutbox = ReturnType<typeof open>

Object.assign(window, { open })
