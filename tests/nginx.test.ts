import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { RealtimeClient } from '@org/realtime-client'
import { contract } from '@org/realtime-contracts/events'
import { io, type Socket } from 'socket.io-client'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { nginxConfig } from '../examples/redis-cluster/src/proxy.js'
import { root } from './example.js'
import { collect, createTestClient, heard, signToken, type Transport, until } from './harness.js'
import { type Nginx, startNginx } from './nginx.js'
import { isReady, NODES, type Node, type NodeName, notify, startNode, viewOf } from './nodes.js'
import { findProgram, INSTALL_MS, isRunning } from './programs.js'
import { type RedisServer, startRedis } from './redis.js'

// Each test starts five processes, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000 })

beforeAll(async () => {
  await findProgram('nginx')
  await findProgram('redis-server')
}, 2 * INSTALL_MS)

/** Three processes of examples/redis-cluster over one Redis, behind its nginx. */
interface Cluster {
  readonly url: string
  readonly nginx: Nginx
  readonly nodes: Record<NodeName, Node>
}

async function startCluster(): Promise<Cluster> {
  const redis = await startedRedis()
  return behindNginx(await Promise.all([startNode('a', redis.url), startNode('b', redis.url), startNode('c', redis.url)]))
}

async function startedRedis(): Promise<RedisServer> {
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  return redis
}

async function behindNginx([a, b, c]: readonly [Node, Node, Node]): Promise<Cluster> {
  const addresses = { a: a.address, b: b.address, c: c.address }
  const nginx = await startNginx({ config: (listen) => nginxConfig({ listen, nodes: addresses, accessLog: 'access.log' }) })
  onTestFinished(() => nginx.stop())
  return { url: nginx.url, nginx, nodes: { a, b, c } }
}

/** A client of the SDK, connected, and the messages that reach it. */
async function connectClient(url: string, userId: string, transports: readonly Transport[]): Promise<Listening> {
  const client = createTestClient(contract, { url, getToken: () => signToken(userId), transports })
  const messages: string[] = []
  client.on('notification:new', ({ notification }) => messages.push(notification.message))
  await client.connect()
  return { client, messages }
}

interface Listening {
  readonly client: RealtimeClient<typeof contract>
  readonly messages: string[]
}

/** A stock client that dials until it is in, as they do. */
async function dialStock(url: string, userId: string, transports: readonly Transport[]): Promise<Stock> {
  const socket = io(url, {
    auth: { token: await signToken(userId) },
    forceNew: true,
    transports: [...transports],
    reconnectionDelay: 20,
    reconnectionDelayMax: 100,
  })
  onTestFinished(() => void socket.disconnect())
  return { socket, errors: collect<Error>((listener) => socket.on('connect_error', listener)) }
}

interface Stock {
  readonly socket: Socket
  /** What has kept it out. */
  readonly errors: Error[]
}

async function connectStock(url: string, userId: string, transports: readonly Transport[]): Promise<Stock> {
  const stock = await dialStock(url, userId, transports)
  await heard(stock.socket, 'authenticated')
  return stock
}

/** Clients of both transports, all let in at once. @returns the nodes that they are on. */
async function connectNewcomers(url: string): Promise<Array<string | undefined>> {
  const nodes: Array<string | undefined> = []
  for (const transport of ['polling', 'polling', 'polling', 'websocket', 'websocket', 'websocket'] as const) {
    const { socket, errors } = await connectStock(url, `newcomer-${nodes.length}`, [transport])
    expect(errors).toEqual([])
    nodes.push(nodeOf(socket))
  }
  return nodes
}

function nodeOf(socket: Socket): string | undefined {
  return socket.io.engine.id?.split('.')[0]
}

/** The nodes that have a device of a user. */
async function whereIs(nodes: readonly Node[], userId: string): Promise<Node[]> {
  const views = await Promise.all(nodes.map((node) => viewOf(node.address, userId)))
  return nodes.filter((_, index) => (views[index]?.here ?? 0) > 0)
}

interface Served {
  readonly sid: string
  readonly node: string
  readonly status: string
  /** What each node that was tried has answered. */
  readonly tried: string
}

async function servedBy(nginx: Nginx): Promise<Served[]> {
  const log = await nginx.read('access.log')
  return [...log.matchAll(/sid=(\S+) node="(.*?)" status=(\d+) tried="(.*?)"/g)].map(([, sid = '', node = '', status = '', tried = '']) => ({
    sid,
    node,
    status,
    tried,
  }))
}

describe('the nginx configuration of examples/redis-cluster', () => {
  test('keeps each polling client on its node, and takes those of one address to all nodes', async () => {
    const { url, nginx, nodes } = await startCluster()
    const users = Array.from({ length: 9 }, (_, index) => `user-${index}`)
    const sockets: Socket[] = []
    for (const userId of users) sockets.push((await connectStock(url, userId, ['polling'])).socket)
    expect(new Set(sockets.map(nodeOf))).toEqual(new Set(NODES))

    for (const [index, socket] of sockets.entries()) {
      const message = heard(socket, 'notification:new')
      const elsewhere = Object.values(nodes).find(({ name }) => name !== nodeOf(socket))!
      await notify(elsewhere.address, users[index]!, 'from elsewhere')
      expect(await message).toMatchObject({ notification: { message: 'from elsewhere' } })
      // More than nginx keeps in memory: its workers have to be able to write.
      const large = { notificationId: 'n-1', unknown: 'x'.repeat(40_000) }
      expect(await socket.emitWithAck('notification:mark_read', large)).toEqual({ ok: true, data: { success: true } })
    }

    const served = await servedBy(nginx)
    expect(served.filter(({ status }) => status !== '200')).toEqual([])
    for (const socket of sockets) {
      const requests = served.filter(({ sid }) => sid === socket.io.engine.id)
      expect(requests.length).toBeGreaterThanOrEqual(3)
      expect(new Set(requests.map(({ node }) => node))).toEqual(new Set([nodes[nodeOf(socket) as NodeName].address]))
    }
  })

  test('keeps a client on its node while it changes from polling to WebSocket', async () => {
    const { url, nginx, nodes } = await startCluster()
    const { socket, errors } = await connectStock(url, 'ada', ['polling', 'websocket'])
    await until(() => socket.io.engine.transport.name === 'websocket')
    expect(await socket.emitWithAck('notification:mark_read', { notificationId: 'n-1' })).toMatchObject({ ok: true })
    expect(errors).toEqual([])
    const { id } = socket.io.engine
    const upgraded = async (): Promise<Served | undefined> => (await servedBy(nginx)).find(({ sid, status }) => sid === id && status === '101')
    socket.disconnect() // only then is the WebSocket in the log
    await until(async () => (await upgraded()) !== undefined)
    expect(await upgraded()).toMatchObject({ node: nodes[id.split('.')[0] as NodeName].address })
  })

  test('needs no session for WebSocket alone', async () => {
    const { url, nginx, nodes } = await startCluster()
    const clients = await Promise.all(['ada', 'grace', 'hedy'].map((userId) => connectClient(url, userId, ['websocket'])))
    for (const { client, messages } of clients) {
      for (const node of Object.values(nodes)) await notify(node.address, client.session!.userId, `from ${node.name}`)
      await until(() => messages.length === 3)
      expect([...messages].sort()).toEqual(['from a', 'from b', 'from c'])
      client.close()
    }
    await until(async () => (await servedBy(nginx)).length === 3)
    expect(await servedBy(nginx)).toEqual(clients.map(() => expect.objectContaining({ sid: '-', status: '101' })))
  })

  test.each<[Transport]>([['polling'], ['websocket']])(
    'shows a user who connects by %s online on every node, and reaches them from each',
    async (transport) => {
      const { url, nodes } = await startCluster()
      const all = Object.values(nodes)
      const { messages } = await connectClient(url, 'ada', [transport])
      for (const node of all) {
        await until(async () => (await viewOf(node.address, 'ada')).devices === 1)
        expect(await viewOf(node.address, 'ada')).toMatchObject({ online: true })
        expect(await viewOf(node.address, 'grace')).toMatchObject({ online: false, devices: 0 })
        await notify(node.address, 'ada', `from ${node.name}`)
      }
      await until(() => messages.length === 3)
      expect(await whereIs(all, 'ada')).toHaveLength(1)
    },
  )

  test('brings the clients of a node that is killed back on other nodes', async () => {
    const { url, nodes } = await startCluster()
    const users = Array.from({ length: 6 }, (_, index) => `user-${index}`)
    const clients: Listening[] = []
    for (const [index, userId] of users.entries()) clients.push(await connectClient(url, userId, [index % 2 === 0 ? 'polling' : 'websocket']))
    const { socket } = await connectStock(url, 'stock', ['polling'])
    const victim = nodes[nodeOf(socket) as NodeName]
    const others = Object.values(nodes).filter((node) => node !== victim)
    const onVictim = (await Promise.all(users.map(async (userId) => ({ userId, on: await whereIs([victim], userId) })))).filter(({ on }) => on.length > 0)
    expect(onVictim.length).toBeGreaterThan(0)

    const stockReturned = heard(socket, 'authenticated')
    await victim.end('SIGKILL')
    await stockReturned
    expect(others.map(({ name }) => String(name))).toContain(nodeOf(socket))
    for (const [index, userId] of users.entries()) {
      await until(async () => (await whereIs(others, userId)).length === 1 && clients[index]!.client.status === 'connected')
    }
    for (const [index, userId] of users.entries()) {
      for (const node of others) await notify(node.address, userId, `after, from ${node.name}`)
      await until(() => clients[index]!.messages.length === 2)
    }
  })

  test('takes no new client to a node that leaves, and its clients to others', async () => {
    const { url, nodes } = await startCluster()
    const { socket } = await connectStock(url, 'ada', ['polling'])
    const leaving = nodes[nodeOf(socket) as NodeName]
    const returned = heard(socket, 'authenticated')
    const ended = leaving.end('SIGTERM')
    for (const newcomer of await connectNewcomers(url)) expect(newcomer).not.toBe(leaving.name)
    await returned
    expect(nodeOf(socket)).not.toBe(leaving.name)
    expect(await ended).toBe(0)
  })

  test('takes no new client to a node that has lost its Redis', async () => {
    const [lost, kept] = await Promise.all([startedRedis(), startedRedis()])
    const { url, nginx, nodes } = await behindNginx(await Promise.all([startNode('a', lost.url), startNode('b', kept.url), startNode('c', kept.url)]))
    await lost.kill()
    await until(async () => !(await isReady(nodes.a.address)))
    expect(new Set(await connectNewcomers(url))).toEqual(new Set(['b', 'c']))
    expect(await servedBy(nginx)).toContainEqual(expect.objectContaining({ sid: '-', tried: '503, 200' }))
  })

  test('lets clients in again once Redis is back, those of no SDK, too', async () => {
    const redis = await startedRedis()
    const { url, nodes } = await behindNginx(await Promise.all([startNode('a', redis.url), startNode('b', redis.url), startNode('c', redis.url)]))
    await redis.kill()
    for (const { address } of Object.values(nodes)) await until(async () => !(await isReady(address)))
    const clients = await Promise.all((['polling', 'websocket'] as const).map((transport) => dialStock(url, 'ada', [transport])))
    await Promise.all(clients.map(({ socket }) => heard(socket, 'connect_error')))
    await redis.restart()
    await Promise.all(clients.map(({ socket }) => heard(socket, 'authenticated')))
  })

  test('lets nobody past the handshake path', async () => {
    const nginx = await startNginx({ config: (listen) => nginxConfig({ listen, nodes: { a: listen, b: listen, c: listen }, accessLog: 'access.log' }) })
    onTestFinished(() => nginx.stop())
    for (const path of ['/', '/notify/ada', '/users/ada', '/ready']) expect((await fetch(`${nginx.url}${path}`)).status).toBe(404)
  })

  test('is given all that it leaves open by docker-compose.yml', async () => {
    const folder = `${root}examples/redis-cluster/`
    const template = await readFile(`${folder}nginx.conf`, 'utf8')
    const compose = await readFile(`${folder}docker-compose.yml`, 'utf8')
    const open = [...template.matchAll(/\$\{([A-Z_]+)\}/g)].map(([, name]) => name)
    expect(open).not.toEqual([])
    for (const name of open) expect(compose).toMatch(new RegExp(`^ +${name}: \\S`, 'm'))
  })
})

describe('nginx in tests', () => {
  const config = (listen: string): string => `
    pid nginx.pid;
    error_log stderr notice;
    error_log error.log notice;
    worker_processes 2;
    events {}
    http {
      client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
      access_log off;
      server { listen ${listen}; return 200 here; }
    }`

  test('leaves no process and no folder', async () => {
    const nginx = await startNginx({ config })
    onTestFinished(() => nginx.stop())
    expect(await (await fetch(nginx.url)).text()).toBe('here')
    const workers = async (): Promise<number[]> => [...(await nginx.read('error.log')).matchAll(/start worker process (\d+)/g)].map(([, pid]) => Number(pid))
    await until(async () => (await workers()).length === 2)
    const pids = [nginx.pid!, ...(await workers())]
    expect(pids.filter(isRunning)).toEqual(pids)
    await nginx.stop()
    await nginx.stop()
    expect(pids.filter(isRunning)).toEqual([])
    expect(existsSync(nginx.folder)).toBe(false)
  })

  test('tells what nginx has said of a configuration that it refuses', async () => {
    await expect(startNginx({ config: () => 'no_such_directive on;' })).rejects.toThrow(/ended before it served:.*no_such_directive/s)
  })
})
