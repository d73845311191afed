// One node as a process of its own: NODE_NAME, REDIS_URL and JWT_SECRET say what it needs to know.
import { once } from 'node:events'
import { optionsFromEnv } from '@org/realtime-server'
import { createNode } from './app.js'

const DRAIN_MS = 10_000

async function main(): Promise<void> {
  const { NODE_NAME: name, WS_HOST: host = '127.0.0.1' } = process.env
  const { redisUrl, ...options } = optionsFromEnv(process.env)
  if (!name || !redisUrl) throw new TypeError('NODE_NAME and REDIS_URL are required')
  const { realtime, server } = createNode({ ...options, name, redisUrl })

  let closing = false
  const close = async (): Promise<void> => {
    if (closing) return
    closing = true
    await realtime.close({ drainMs: DRAIN_MS })
    server.close()
    server.closeAllConnections()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void close())

  server.listen(options.port, host)
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  console.log(`node ${name} listens on ${host}:${port}`)
}

main().catch((error: unknown) => {
  console.error(error instanceof TypeError ? `Cannot start: ${error.message}` : error)
  process.exit(1)
})
