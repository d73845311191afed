/** A command that waits to be sent. */
export interface StoredCommand {
  /** What the server knows it by, so that it happens once. */
  readonly key: string
  /** Whose it is. */
  readonly userId: string
  /** The event's name. */
  readonly event: string
  /** As it goes over the wire; `undefined` for an event without one. */
  readonly payload: unknown
  /** When it was made, in milliseconds since 1970. */
  readonly madeAtMs: number
}

/** What those who share a store tell each other: a command was added or is settled, or all were taken out. */
export type OutboxNews = { readonly kind: 'added' | 'cleared' } | { readonly kind: 'settled'; readonly key: string }

/** Keeps the commands of users, each in the order in which it was added. */
export interface OutboxStore {
  /** The commands of one user, the oldest first. */
  load(userId: string): Promise<StoredCommand[]>
  /** Resolves once it is kept. */
  add(command: StoredCommand): Promise<void>
  /** Forgets commands of a user; those that are not there are passed over. */
  remove(userId: string, keys: readonly string[]): Promise<void>
  /** Does the work while nobody else who shares the store does theirs. Left out where nobody shares it. */
  exclusively?(userId: string, work: () => Promise<void>, signal: AbortSignal): Promise<void>
  /** Hears what others who share the store tell. @returns how to tell them, and how to stop. */
  share?(userId: string, hear: (news: OutboxNews) => void): { tell(news: OutboxNews): void; close(): void }
}

/** Keeps commands for as long as the page is there. */
export function memoryStore(): OutboxStore {
  let commands: readonly StoredCommand[] = []
  return {
    load: async (userId) => commands.filter((command) => command.userId === userId),
    async add(command) {
      commands = [...commands, command]
    },
    async remove(userId, keys) {
      commands = commands.filter((command) => command.userId !== userId || !keys.includes(command.key))
    },
  }
}
