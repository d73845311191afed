import { createRealtimeClient, type RealtimeClient, type RealtimeClientOptions } from '@org/realtime-client'
import type { Contract, ContractOf, Manifest, SideOf } from '@org/realtime-contracts'
import { type BaseUser, createRealtimeServer, jwt, type RealtimeServer, type RealtimeServerOptions } from '@org/realtime-server'
import { SignJWT } from 'jose'
import { io, type Socket } from 'socket.io-client'
import { onTestFinished } from 'vitest'
import * as z from 'zod'
import { contract, type TestContract } from './contract.js'

export const SECRET = 'uL3n8vQ1zR7xW2kJ5mB9sD4fG6hT0pYc'
export const TRANSPORTS = ['polling', 'websocket'] as const
export type Transport = (typeof TRANSPORTS)[number]

export interface TestUser extends BaseUser {
  readonly role: string
}

export interface TokenOptions {
  readonly role?: string
  readonly expiresInS?: number
}

export function signToken(userId: string, { role = 'member', expiresInS = 3600 }: TokenOptions = {}): Promise<string> {
  const nowS = Math.floor(Date.now() / 1000)
  return new SignJWT({ role, email: `${userId}@example.com` })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + expiresInS)
    .sign(new TextEncoder().encode(SECRET))
}

export function testJwt() {
  return jwt({
    secret: SECRET,
    issuer: false,
    audience: false,
    claims: z.object({ email: z.string(), role: z.string() }),
    user: ({ sub, email, role }) => ({ userId: sub, email, role }),
  })
}

export interface TestServer {
  readonly realtime: RealtimeServer<TestContract, TestUser>
  readonly url: string
  readonly errors: unknown[]
  /** A connected client of the full contract. */
  client(userId: string, options?: Partial<RealtimeClientOptions>): Promise<RealtimeClient<TestContract>>
  /** A stock client, not yet connected to anything it has heard. */
  stock(auth: Record<string, unknown>, options?: StockOptions): Socket
}

interface StockOptions {
  readonly transports?: readonly Transport[]
  readonly extraHeaders?: Record<string, string>
}

/** A server on a free port, closed with the test; what reached `onError` is in `errors`. */
export async function startServer(options: Partial<RealtimeServerOptions<TestContract, TestUser>> = {}, transport?: Transport): Promise<TestServer> {
  const errors: unknown[] = []
  const realtime = createRealtimeServer(contract, {
    authenticate: testJwt(),
    onError: (error) => errors.push(error),
    presence: { graceMs: 0 },
    ...options,
  })
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  const url = `http://127.0.0.1:${port}`
  const transports = transport === undefined ? undefined : [transport]
  return {
    realtime,
    url,
    errors,
    client: async (userId, clientOptions) => {
      const client = createTestClient(contract, { url, getToken: () => signToken(userId), ...(transports && { transports }), ...clientOptions })
      await client.connect()
      return client
    },
    stock: (auth, { transports: own = transports ?? ['websocket'], ...rest } = {}) => {
      const socket = io(url, { auth, forceNew: true, reconnection: false, transports: [...own], ...rest })
      onTestFinished(() => {
        socket.disconnect()
      })
      return socket
    },
  }
}

/** A client that is closed with the test, and dials again without making a test wait. */
export function createTestClient<const Source extends Contract | Manifest>(
  source: Source,
  options: RealtimeClientOptions,
): RealtimeClient<ContractOf<Source>, SideOf<Source>> {
  const client = createRealtimeClient(source, { reconnectDelayMs: 20, maxReconnectDelayMs: 100, ...options })
  onTestFinished(() => client.close())
  return client
}

/** Waits until a condition holds; how long is left to the test's own deadline. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** What a stock client hears of one event, the next time. */
export function heard<T = unknown>(socket: Socket, event: string): Promise<T> {
  return new Promise((resolve) => {
    socket.once(event, resolve)
  })
}

/** What a stock client is refused with. */
export async function refusalOf(socket: Socket): Promise<unknown> {
  const error = await heard<Error & { data?: unknown }>(socket, 'connect_error')
  return error.data
}

/** Collects what a client hears of one event. */
export function collect<T>(subscribe: (listener: (value: T) => void) => unknown): T[] {
  const collected: T[] = []
  subscribe((value) => collected.push(value))
  return collected
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('expected a rejection')
}
