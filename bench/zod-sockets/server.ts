import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { z } from 'zod'
import { ActionsFactory, attachSockets, createSimpleConfig } from 'zod-sockets'

// In a package of its own, as it asks for zod 3.

const Notification = z.object({
  notification: z.object({
    id: z.string(),
    message: z.string(),
    title: z.string().optional(),
    type: z.enum(['info', 'warning', 'achievement']).optional(),
    data: z.object({ groupId: z.string(), count: z.number().int(), tags: z.array(z.string()) }).optional(),
  }),
  timestamp: z.string().datetime(),
})

export async function serve(): Promise<{ port: number }> {
  const config = createSimpleConfig({ startupLogo: false })
  const notify = new ActionsFactory(config).build({
    event: 'notify',
    input: z.tuple([Notification]),
    output: z.tuple([z.object({ ok: z.boolean(), data: Notification })]),
    handler: async ({ input: [data] }) => [{ ok: true, data }] as const,
  })
  const target = createServer()
  const silent = () => {}
  await attachSockets({
    io: new Server({ serveClient: false }),
    config,
    actions: [notify],
    target,
    logger: { debug: silent, info: silent, warn: silent, error: silent },
  } as never)
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
  return { port: (target.address() as AddressInfo).port }
}
