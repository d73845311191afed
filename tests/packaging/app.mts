// Type-checked against the packed packages, under several module systems and versions of TypeScript.
import { createServer } from 'node:http'
import { createRealtimeClient, RealtimeError } from '@org/realtime-client'
import { openTelemetry as clientTelemetry } from '@org/realtime-client/opentelemetry'
import { createOutbox } from '@org/realtime-client/outbox'
import { createRealtimeHooks } from '@org/realtime-client/react'
import { type ClientToServerEvents, defineContract, type ServerToClientEvents, toManifest } from '@org/realtime-contracts'
import { compareContracts, readLock, toLock } from '@org/realtime-contracts/compat'
import { contract as orgContract } from '@org/realtime-contracts/events'
import { manifest } from '@org/realtime-contracts/events/manifest'
import { createRealtimeNest } from '@org/realtime-nestjs'
import { createRealtimeEmitter, createRealtimeServer, jwt, optionsFromEnv } from '@org/realtime-server'
import { openTelemetry } from '@org/realtime-server/opentelemetry'
import { redisCluster } from '@org/realtime-server/redis'
import { createTestRealtime, testTokens } from '@org/realtime-testing'
import * as z from 'zod'

export const contract = defineContract({
  name: 'consumer',
  version: '1.0.0',
  serverToClient: { note: z.object({ text: z.string() }) },
  clientToServer: {
    take: { payload: z.object({ id: z.string() }), reply: z.object({ left: z.number() }), errors: { GONE: null } },
    order: { payload: z.object({ id: z.string() }), reply: z.object({ number: z.number() }), idempotent: true },
  },
  rooms: { group: z.string() },
  session: z.object({ role: z.string() }),
})

const { port, path, cors, jwt: key, redisUrl } = optionsFromEnv(process.env)
const cluster = redisCluster({ url: redisUrl })
const realtime = createRealtimeServer(contract, {
  path,
  cors,
  authenticate: jwt({ ...key, claims: z.object({ role: z.string() }), user: ({ sub, role }) => ({ userId: sub, role }) }),
  rooms: { group: { authorize: ({ user, id }) => user.role === id } },
  cluster,
  observe: openTelemetry({ tracerProvider: false }),
})
createRealtimeEmitter(contract, { cluster }).toUser('ada').emit('note', { text: 'x' })
realtime.on('take', ({ payload, user, fail }) => {
  if (user.role !== 'admin') throw fail('GONE')
  realtime.toUser(user.userId).emit('note', { text: payload.id })
  return { left: 1 }
})
realtime.on('order', async ({ key, once }) => ({ number: key.length + (await once('count', () => 1)) }))
realtime.attach(createServer()).io.on('connection', (socket) => socket.id)
void realtime.listen(port)

const client = createRealtimeClient(toManifest(contract), { url: 'http://localhost:3000', getToken: async () => 'token', tracing: clientTelemetry() })
client.on('note', ({ text }) => text.length)
const result = client.tryRequest('take', { id: 'x' })
void result.then((outcome) => (outcome.ok ? outcome.data.left : outcome.error.code === 'GONE'))
export const ordered = async () => (await (await createOutbox(client, { userId: 'ada' }).send('order', { id: 'x' }, { key: 'k' })).result).number
// @ts-expect-error no such event
client.on('nope', () => {})

export const org = createRealtimeClient(manifest, { url: 'http://localhost:3000' })
org.on('xp:gained', ({ totalXp }) => totalXp.toFixed(0))
export const orgFull = createRealtimeClient(orgContract, { url: 'http://localhost:3000' })
export type Down = ServerToClientEvents<typeof orgContract>
export type Up = ClientToServerEvents<typeof orgContract>
export const isSafe: boolean = compareContracts(readLock(toLock(contract)), orgContract, { skew: 'full' }).verdict === 'safe'
export const isOurs = (error: unknown): error is RealtimeError => error instanceof RealtimeError

const { RealtimeProvider, useEvent, useRequest } = createRealtimeHooks<typeof client>()
export const page = () => RealtimeProvider({ client, children: null })
export function useNotes(show: (text: string) => void) {
  useEvent('note', ({ text }) => show(text))
  const { run, error } = useRequest('take')
  return error?.code === 'GONE' ? undefined : () => run({ id: 'x' })
}
const nest = createRealtimeNest(contract)
export const nestModule = nest.RealtimeModule.forRoot({ authenticate: () => ({ userId: 'ada', role: 'admin' }), drainMs: 1000 })
export const isNote = (realtime: InstanceType<typeof nest.Realtime>): void => realtime.toUser('ada').emit('note', { text: 'x' })
export async function testIt(): Promise<string> {
  const app = await createTestRealtime.around(realtime, { tokens: testTokens({ secret: 'x' }) })
  const alice = await app.connect({ userId: 'alice', role: 'admin' })
  alice.faults.drop('take').lift()
  await app[Symbol.asyncDispose]()
  return (await alice.expectEvent('note', { text: 'x' })).text
}
