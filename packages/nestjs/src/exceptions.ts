import { HttpException, HttpStatus, IntrinsicException } from '@nestjs/common'
import { type Issue, RealtimeError } from '@org/realtime-contracts/wire'
import type { Fail } from '@org/realtime-server'

const CODES: ReadonlyMap<number, 'FORBIDDEN' | 'RATE_LIMITED' | 'UNAVAILABLE'> = new Map([
  [HttpStatus.UNAUTHORIZED, 'FORBIDDEN'], // the connection is authenticated; what it asks for is not granted
  [HttpStatus.FORBIDDEN, 'FORBIDDEN'],
  [HttpStatus.TOO_MANY_REQUESTS, 'RATE_LIMITED'],
  [HttpStatus.SERVICE_UNAVAILABLE, 'UNAVAILABLE'],
])

// What a pipe refuses: ValidationPipe and the Parse pipes throw the first, unless told to throw the second.
const INVALID: ReadonlySet<number> = new Set([HttpStatus.BAD_REQUEST, HttpStatus.UNPROCESSABLE_ENTITY])

/** What answers the client for what guards, pipes, interceptors, filters or the handler threw; unchanged, it is `INTERNAL`. */
export function toFailure(thrown: unknown, fail: Fail): unknown {
  if (thrown instanceof HttpException) {
    if (INVALID.has(thrown.getStatus())) return fail('INVALID_PAYLOAD', { issues: toIssues(thrown) }, thrown.message)
    const code = CODES.get(thrown.getStatus())
    return code === undefined ? thrown : fail(code, undefined, thrown.message)
  }
  return isSocketException(thrown) ? fail('FORBIDDEN', undefined, thrown.message) : thrown
}

/** ValidationPipe tells a list of reasons, which name the fields themselves. */
function toIssues(thrown: HttpException): Issue[] {
  const response: unknown = thrown.getResponse()
  const { message } = Object(response) as { message?: unknown }
  return [message ?? thrown.message].flat().map((reason) => ({ path: [], message: String(reason) }))
}

/** WsException or RpcException, by shape: the application may have neither of their packages. */
function isSocketException(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'getError' in thrown && typeof thrown.getError === 'function'
}

// A RealtimeError as before, that is an exception of Nest's own kind, too.
const QUIET = Object.create(IntrinsicException.prototype, Object.getOwnPropertyDescriptors(RealtimeError.prototype)) as RealtimeError

/** Nest logs, as a fault of the server, whatever no filter takes, save exceptions of its own kind; a declared failure is no fault. */
export function withQuietFailures(fail: Fail): Fail {
  return ((...args: Parameters<Fail>) => Object.setPrototypeOf(fail(...args), QUIET)) as Fail // the same error, so of the type it had
}
