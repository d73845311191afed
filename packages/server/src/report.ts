import type { Report } from './context.js'

/** Never throws, whatever the application's function does. */
export function toReport(onError: Report | undefined): Report {
  return (error, context) => {
    try {
      const result: unknown = (onError ?? warn)(error, context)
      if (result instanceof Promise) result.catch((thrown: unknown) => warn(thrown, context))
    } catch (thrown) {
      warn(thrown, context)
    }
  }
}

function warn(error: unknown, { event, userId }: { event?: string; userId?: string }): void {
  const detail = [event && `event ${event}`, userId && `user ${userId}`].filter(Boolean).join(', ')
  process.emitWarning(describe(error), { type: 'RealtimeServerError', detail })
}

function describe(error: unknown): string {
  try {
    return error instanceof Error ? String(error.stack ?? error.message) : String(error)
  } catch {
    return 'an error that cannot be described'
  }
}
