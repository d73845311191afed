import { createRealtimeClient, type RealtimeClient } from '@org/realtime-client'
import { contract } from '@org/realtime-contracts/events'
import type { Cluster, NodeName } from './cluster.js'

type Client = RealtimeClient<typeof contract>

export interface SessionOptions {
  readonly cluster: Cluster
  readonly tokenOf: (userId: string) => Promise<string>
  readonly say: (who: string, what: string) => void
}

interface View {
  readonly node: NodeName
  readonly online: boolean
  readonly devices: number
  /** How many of the devices this node has itself. */
  readonly here: number
}

/** Two devices of one user, on nodes that nginx has chosen, and what reaches them. */
export async function runSession({ cluster, tokenOf, say }: SessionOptions): Promise<void> {
  const getToken = (): Promise<string> => tokenOf('ada')
  const laptop = createRealtimeClient(contract, { url: cluster.url, getToken, transports: ['websocket'] })
  const phone = createRealtimeClient(contract, { url: cluster.url, getToken, transports: ['polling'] })
  const devices = { 'ada/laptop': laptop, 'ada/phone': phone }
  for (const [name, client] of Object.entries(devices)) {
    client.on('authenticated', () => say(name, '← authenticated'))
    client.on('notification:new', ({ notification }) => say(name, `← notification:new ${notification.message}`))
    client.on('notification:read', () => say(name, '← notification:read'))
  }
  try {
    for (const client of Object.values(devices)) await client.connect()
    await showReach(cluster, [laptop, phone], say)
    await showPresence(cluster, say)
    await showLoss(cluster, [laptop, phone], say)
  } finally {
    for (const client of Object.values(devices)) client.close()
  }
}

/** From a node that has none of the user's devices: with two devices and three nodes, there is one. */
async function showReach(cluster: Cluster, devices: readonly Client[], say: SessionOptions['say']): Promise<void> {
  const views = await viewsOf(cluster, 'ada')
  for (const { node, here } of views) say(`node ${node}`, `has ${here} of ada's devices`)
  await notify(cluster, views.find(({ here }) => here === 0)?.node ?? 'a', devices, say)

  const [laptop, phone] = devices
  const told = laptop && next(laptop, 'notification:read')
  say('ada/phone', '→ notification:mark_read')
  await phone?.request('notification:mark_read', { notificationId: 'n-1' })
  await told
}

async function showPresence(cluster: Cluster, say: SessionOptions['say']): Promise<void> {
  for (const { node, online, devices } of await viewsOf(cluster, 'ada')) {
    say(`node ${node}`, `sees ada ${online ? 'online' : 'offline'}, with ${devices} devices`)
  }
}

async function showLoss(cluster: Cluster, devices: readonly Client[], say: SessionOptions['say']): Promise<void> {
  const victim = (await viewsOf(cluster, 'ada')).find(({ here }) => here > 0)?.node ?? 'a'
  say(`node ${victim}`, 'is killed')
  await cluster.kill(victim)
  const isBack = async (): Promise<boolean> => (await viewsOf(cluster, 'ada')).reduce((sum, { here }) => sum + here, 0) === devices.length
  // A node has a device a moment before the device knows, and only then is it sure to be reached.
  await until(async () => (await isBack()) && devices.every(({ status }) => status === 'connected'))
  const views = await viewsOf(cluster, 'ada')
  for (const { node, here } of views) say(`node ${node}`, `has ${here} of ada's devices`)
  await notify(cluster, views[0]?.node ?? 'a', devices, say)
  await cluster.startNode(victim)
}

/** As another service of the application would: by asking any node, over HTTP. */
async function notify(cluster: Cluster, from: NodeName, devices: readonly Client[], say: SessionOptions['say']): Promise<void> {
  const arrived = Promise.all(devices.map((client) => next(client, 'notification:new')))
  say(`node ${from}`, 'notifies ada')
  await fetch(`${cluster.nodeUrl(from)}/notify/ada`, { method: 'POST', body: `from node ${from}` })
  await arrived
}

function viewsOf(cluster: Cluster, userId: string): Promise<View[]> {
  return Promise.all(cluster.running.map(async (name) => (await (await fetch(`${cluster.nodeUrl(name)}/users/${userId}`)).json()) as View))
}

function next(client: Client, event: 'notification:new' | 'notification:read'): Promise<void> {
  return new Promise((resolve) => {
    client.once(event, () => resolve())
  })
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50))
}
