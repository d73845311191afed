import type { IncomingMessage } from 'node:http'

/** Which pages may connect. */
export interface CorsOptions {
  /**
   * Origins as browsers send them (`https://app.example.com`), `'*'` for any, or a function that decides.
   * @default the server's own origin only
   */
  readonly origin?: '*' | string | readonly string[] | ((origin: string) => boolean)
  /** Whether a page may send cookies along. @default false */
  readonly credentials?: boolean
  /** Whether a client without an `Origin` header, which no browser is, may connect. @default true */
  readonly allowMissingOrigin?: boolean
}

export type OriginCheck = (request: IncomingMessage) => boolean
type OriginRule = (origin: string, request: IncomingMessage) => boolean

/**
 * CORS does not keep a page of another origin from opening a WebSocket: this check does, for both transports.
 * @throws TypeError where an origin is not written as browsers send it, and so would never match.
 */
export function createOriginCheck({ origin, credentials = false, allowMissingOrigin = true }: CorsOptions): OriginCheck {
  const allows = toRule(origin)
  if (typeof credentials !== 'boolean' || typeof allowMissingOrigin !== 'boolean') {
    throw new TypeError('cors.credentials and cors.allowMissingOrigin are true or false')
  }
  if (credentials && [origin].flat().includes('*')) {
    throw new TypeError("cors: origin '*' with credentials would let any page act as its visitor; list the origins")
  }
  return (request) => {
    const sent = request.headers.origin
    return sent === undefined ? allowMissingOrigin : allows(sent, request)
  }
}

/** For the headers that let a page read an answer; who may really connect is decided by the check of the request. */
export function toCorsOrigin(origin: NonNullable<CorsOptions['origin']>) {
  if (typeof origin === 'function') {
    return (sent: string | undefined, decide: (error: Error | null, allow?: boolean) => void) => {
      try {
        decide(null, sent !== undefined && isTrue(origin(sent)))
      } catch {
        decide(null, false) // reported where the request itself is checked
      }
    }
  }
  return origin.includes('*') ? true : [origin].flat()
}

function toRule(origin: CorsOptions['origin']): OriginRule {
  if (origin === undefined) {
    return isSameOrigin
  }
  if (origin === '*') {
    return () => true
  }
  if (typeof origin === 'function') {
    return (sent) => isTrue(origin(sent))
  }
  const list = typeof origin === 'string' ? [origin] : origin
  if (!Array.isArray(list)) {
    throw new TypeError("cors.origin must be an origin, a list of origins, '*' or a function")
  }
  if (list.includes('*')) {
    return () => true
  }
  const accepted = new Set(list.map(checkOrigin))
  return (sent) => accepted.has(sent)
}

/** A promise is no answer; one that rejects must not end the process. */
function isTrue(answer: unknown): boolean {
  if (answer instanceof Promise) answer.catch(() => {})
  return answer === true
}

function checkOrigin(origin: unknown): string {
  const parsed = typeof origin === 'string' ? tryParse(origin) : undefined
  if (parsed === undefined || parsed.origin !== origin) {
    const hint = parsed !== undefined && parsed.origin !== 'null' ? `; did you mean ${JSON.stringify(parsed.origin)}?` : ''
    throw new TypeError(
      `cors.origin: ${JSON.stringify(origin)} is not an origin, such as https://app.example.com: a scheme, a host and perhaps a port, in lower case, without a slash at the end${hint}`,
    )
  }
  return parsed.origin
}

function isSameOrigin(origin: string, request: IncomingMessage): boolean {
  const parsed = tryParse(origin)
  // Behind a proxy that ends TLS the server cannot know its own scheme, but the host is the browser's.
  const schemes = 'encrypted' in request.socket ? ['https:'] : ['https:', 'http:']
  return parsed !== undefined && parsed.origin === origin && schemes.includes(parsed.protocol) && parsed.host === request.headers.host
}

function tryParse(url: string): URL | undefined {
  try {
    return new URL(url)
  } catch {
    return undefined
  }
}
