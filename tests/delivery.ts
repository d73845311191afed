import { createRealtimeClient, type RealtimeClient, type RealtimeClientOptions } from '@org/realtime-client'
import { defineContract } from '@org/realtime-contracts'
import { createRealtimeServer, type RealtimeServer, type RealtimeServerOptions } from '@org/realtime-server'
import { io, type Socket } from 'socket.io-client'
import { onTestFinished } from 'vitest'
import * as z from 'zod'
import { signToken, type TestUser, testJwt, until } from './harness.js'

/** A contract with an event of each delivery. */
export const durable = defineContract({
  name: 'delivery',
  version: '1.0.0',
  serverToClient: {
    told: { payload: z.object({ n: z.number() }), delivery: 'durable' },
    large: { payload: z.object({ n: z.number(), text: z.string() }), delivery: 'durable' },
    rang: { delivery: 'durable' },
    moved: { payload: z.object({ n: z.number(), text: z.string().optional() }), delivery: 'volatile' },
    seen: z.object({ n: z.number() }),
  },
  rooms: { group: z.string() },
})
export type DurableContract = typeof durable

export interface DurableServer {
  readonly realtime: RealtimeServer<DurableContract, TestUser>
  readonly url: string
  readonly errors: unknown[]
}

/** A server of that contract, closed with the test. */
export async function startDurable(options: Partial<RealtimeServerOptions<DurableContract, TestUser>> = {}): Promise<DurableServer> {
  const errors: unknown[] = []
  const realtime = createRealtimeServer(durable, {
    authenticate: testJwt(),
    onError: (error) => errors.push(error),
    presence: { graceMs: 0 },
    rooms: { group: { authorize: () => true } },
    durable: { pollMs: 200 },
    ...options,
  })
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  await until(() => realtime.ready)
  return { realtime, url: `http://127.0.0.1:${port}`, errors }
}

/** A device of a user, and what it has heard. */
export interface TestDevice {
  readonly client: RealtimeClient<DurableContract>
  readonly heard: number[]
  readonly said: Array<{ readonly event: string } & Record<string, unknown>>
}

const RECONNECT = { reconnectDelayMs: 10, maxReconnectDelayMs: 50 }

export function createDevice(userId: string, url: string, options: Partial<RealtimeClientOptions> = {}): TestDevice {
  const client = createRealtimeClient(durable, { url, getToken: () => signToken(userId), transports: ['websocket'], ...RECONNECT, ...options })
  onTestFinished(() => client.close())
  const heard: number[] = []
  const said: TestDevice['said'][number][] = []
  client.on('told', ({ n }) => heard.push(n))
  client.on('$gap', (gap) => said.push({ ...gap, event: '$gap', of: gap.event }))
  client.on('$caughtUp', (notice) => said.push({ event: '$caughtUp', ...notice }))
  client.on('error', () => {})
  return { client, heard, said }
}

export async function connectDevice(userId: string, url: string, options?: Partial<RealtimeClientOptions>): Promise<TestDevice> {
  const device = createDevice(userId, url, options)
  await device.client.connect()
  await until(() => device.said.some(({ event }) => event === '$caughtUp'))
  return device
}

export async function connectStock(userId: string, url: string): Promise<Socket> {
  const socket = io(url, { auth: { token: await signToken(userId) }, forceNew: true, reconnection: false, transports: ['websocket'] })
  onTestFinished(() => void socket.disconnect())
  await new Promise((resolve) => socket.once('authenticated', resolve))
  return socket
}

/** The numbers from one to another. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}
