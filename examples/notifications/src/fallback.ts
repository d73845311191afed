import type { StoredNotification } from './inbox.js'

/** What reaches users who are not connected: e-mail, push, a text message. */
export interface Fallback {
  /** What to call it where it is shown, such as `e-mail`. */
  readonly name: string
  /** Resolves once it is on its way. */
  deliver(userId: string, notification: StoredNotification): Promise<void>
}

/** Writes the e-mail that it would send. */
export class ConsoleMail implements Fallback {
  readonly name = 'e-mail'

  constructor(private readonly print: (line: string) => void = console.log) {}

  async deliver(userId: string, { title, message }: StoredNotification): Promise<void> {
    this.print(`e-mail to ${userId}@example.com: ${title}: ${message}`)
  }
}
