import { randomBytes } from 'node:crypto'
import { optionsFromEnv } from '@org/realtime-server'
import { Cluster } from './cluster.js'
import { runSession } from './session.js'
import { signToken } from './token.js'

let closing = false

async function main(): Promise<void> {
  // Without a secret of yours, one that ends with this process will do for looking around.
  const { port, jwt } = optionsFromEnv({ ...process.env, JWT_SECRET: process.env['JWT_SECRET'] || randomBytes(48).toString('base64') })
  const tokenOf = (userId: string): Promise<string> => signToken(userId, jwt)
  const starting = Cluster.start({
    port,
    secret: jwt.secret,
    onStart: (title, pid, address) => say(title, `serves on ${address}, process ${pid}`),
  })
  endOnSignal(starting)
  const cluster = await starting

  await runSession({ cluster, tokenOf, say }).catch(async (error: unknown) => {
    if (!closing) await cluster.close()
    throw error
  })

  console.log(`\nServing on ${cluster.url}, over ${cluster.redisUrl}. To see what reaches ada, in another terminal:\n`)
  console.log(`REALTIME_URL=${cluster.url} REALTIME_TOKEN=${await tokenOf('ada')} npx -y pnpm@10.34.9 --filter example-redis-cluster watch`)
  console.log('\nTo notify ada, from any node:\n')
  for (const name of cluster.running) console.log(`curl -d 'from node ${name}' ${cluster.nodeUrl(name)}/notify/ada`)
  console.log('\nCtrl-C ends it.')
}

function say(who: string, what: string): void {
  console.log(`${who.padEnd(12)} ${what}`)
}

function endOnSignal(starting: Promise<Cluster>): void {
  const close = async (): Promise<void> => {
    if (closing) return
    closing = true
    await starting.then((cluster) => cluster.close())
    console.log('Closed.')
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Every process between the terminal and this one passes a Ctrl-C on: it may come more than once.
    process.on(signal, () => void close())
  }
}

main().catch((error: unknown) => {
  if (closing) return // what was going on has lost its servers
  console.error(explain(error))
  process.exit(1)
})

function explain(error: unknown): unknown {
  const { code, port, message } = error as { code?: string; port?: number; message?: string }
  return code === 'EADDRINUSE' ? `Port ${port} is taken. Set WS_PORT to another, or 0 for a free one.` : (message ?? error)
}
