import { toSecretKey } from './key.js'
import type { CorsOptions } from './origin.js'
import { createOriginCheck } from './origin.js'

/** What {@link optionsFromEnv} reads. */
export interface EnvironmentOptions {
  /** From `WS_PORT`. @default 3000 */
  readonly port: number
  /** From `WS_PATH`. @default '/socket.io/' */
  readonly path: string
  /** From `CORS_ORIGIN`, a comma list; absent: same origin only. */
  readonly cors: CorsOptions
  /** From `JWT_SECRET`, `JWT_ISSUER` and `JWT_AUDIENCE`; spread it into `jwt()`. */
  readonly jwt: {
    /** `JWT_SECRET`. */
    readonly secret: string
    /** `JWT_ISSUER`, or `false`: any. */
    readonly issuer: string | false
    /** `JWT_AUDIENCE`, or `false`: any. */
    readonly audience: string | false
  }
  /** From `REDIS_URL`, for `redisCluster({ url: redisUrl })`. */
  readonly redisUrl?: string
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the options of a server from environment variables; an empty variable counts as absent.
 * @throws TypeError naming the variable, where one is missing or wrong.
 */
export function optionsFromEnv(env: Environment): EnvironmentOptions {
  const redisUrl = read(env, 'REDIS_URL')
  return {
    port: toPort(read(env, 'WS_PORT')),
    path: toPath(read(env, 'WS_PATH')),
    cors: toCors(read(env, 'CORS_ORIGIN')),
    jwt: {
      secret: toSecret(env['JWT_SECRET']),
      // The old deployments have neither, and say so here.
      issuer: read(env, 'JWT_ISSUER') ?? false,
      audience: read(env, 'JWT_AUDIENCE') ?? false,
    },
    ...(redisUrl !== undefined && { redisUrl: toRedisUrl(redisUrl) }),
  }
}

function read(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}

function toPort(text: string | undefined): number {
  if (text === undefined) {
    return 3000
  }
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new TypeError(`WS_PORT must be a whole number from 0 to 65535, got ${JSON.stringify(text)}`)
  }
  return port
}

function toPath(text: string | undefined): string {
  if (text === undefined) {
    return '/socket.io/'
  }
  if (!/^\/[A-Za-z0-9._~/-]*$/.test(text)) {
    throw new TypeError(`WS_PATH must be a path such as /socket.io/, got ${JSON.stringify(text)}`)
  }
  return text
}

function toCors(text: string | undefined): CorsOptions {
  if (text === undefined) {
    return {}
  }
  const cors = {
    origin: text
      .split(',')
      .map((origin) => origin.trim())
      .filter((origin) => origin !== ''),
  }
  try {
    createOriginCheck(cors)
  } catch (cause) {
    throw new TypeError(`CORS_ORIGIN must be a comma list of origins: ${cause instanceof Error ? cause.message : ''}`, { cause })
  }
  return cors
}

function toSecret(text: string | undefined): string {
  if (text !== undefined && text !== text.trim()) {
    throw new TypeError('JWT_SECRET starts or ends with white space, such as the line end of a file; the issuer of the tokens may not have it')
  }
  try {
    toSecretKey(text)
  } catch (cause) {
    throw new TypeError(`JWT_SECRET: ${cause instanceof Error ? cause.message : ''}`, { cause })
  }
  return text as string // toSecretKey refuses undefined
}

function toRedisUrl(text: string): string {
  if (!/^rediss?:\/\/\S+$/.test(text)) {
    throw new TypeError('REDIS_URL must start with redis:// or rediss://') // it may hold a password, so it is not shown
  }
  return text
}
