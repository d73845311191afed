import { existsSync } from 'node:fs'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { findProgram, INSTALL_MS, isRunning } from './programs.js'
import { ask, type RedisOptions, type RedisServer, startRedis, startRedisCluster } from './redis.js'

beforeAll(() => findProgram('redis-server'), INSTALL_MS)

async function startedRedis(options?: RedisOptions): Promise<RedisServer> {
  const redis = await startRedis(options)
  onTestFinished(() => redis.stop())
  return redis
}

test('a started Redis answers, and keeps nothing on disk', async () => {
  const redis = await startedRedis()
  expect(redis.url).toBe(`redis://127.0.0.1:${redis.port}`)
  expect(await ask(redis.port, 'PING')).toBe('PONG')
  expect(await ask(redis.port, 'INFO persistence')).toContain('aof_enabled:0')
  expect(await ask(redis.port, 'INFO server')).toMatch(/redis_version:([7-9]|\d\d)\./)
})

test('several start at once, each on its own port and with its own data', async () => {
  const [one, other] = await Promise.all([startedRedis(), startedRedis()])
  expect(await ask(one.port, 'SET name one')).toBe('OK')
  expect(await ask(other.port, 'EXISTS name')).toBe('0')
})

test('more arguments reach the server', async () => {
  const redis = await startedRedis({ args: ['--requirepass', 'secret'] })
  expect(await ask(redis.port, 'GET name')).toMatch(/^NOAUTH/)
})

test('an argument that Redis refuses is told with what Redis said', async () => {
  await expect(startRedis({ args: ['--no-such-option', 'yes'] })).rejects.toThrow(/ended before it answered:.*no-such-option/s)
})

test('a killed Redis refuses connections, and comes back empty on the same port', async () => {
  const redis = await startedRedis()
  const { port, pid } = redis
  await ask(port, 'SET name kept')
  await redis.kill()
  await redis.kill()
  expect(redis.pid).toBeUndefined()
  await expect(ask(port, 'PING')).rejects.toThrow('ECONNREFUSED')
  await redis.restart()
  expect(redis.port).toBe(port)
  expect(redis.pid).not.toBe(pid)
  expect(await ask(port, 'EXISTS name')).toBe('0')
})

test('a restart of a running Redis replaces its process', async () => {
  const redis = await startedRedis()
  const before = redis.pid
  await redis.restart()
  expect(isRunning(before!)).toBe(false)
  expect(await ask(redis.port, 'PING')).toBe('PONG')
})

test('a paused Redis takes connections and does not answer, until it is resumed', async () => {
  const [paused, bystander] = await Promise.all([startedRedis(), startedRedis()])
  paused.pause()
  let answered = false
  const answer = ask(paused.port, 'PING').finally(() => {
    answered = true
  })
  for (let asked = 0; asked < 100; asked++) expect(await ask(bystander.port, 'PING')).toBe('PONG')
  expect(answered).toBe(false)
  paused.resume()
  expect(await answer).toBe('PONG')
})

test('a paused Redis can be killed, and comes back', async () => {
  const redis = await startedRedis()
  redis.pause()
  await redis.restart()
  expect(await ask(redis.port, 'PING')).toBe('PONG')
})

test('a stopped Redis leaves no process and no folder', async () => {
  const redis = await startedRedis()
  const { pid, folder } = redis
  expect(isRunning(pid!)).toBe(true)
  expect(existsSync(folder)).toBe(true)
  await redis.stop()
  await redis.stop()
  expect(isRunning(pid!)).toBe(false)
  expect(existsSync(folder)).toBe(false)
})

test('a cluster of three masters is ok on every node, announces the loopback, and goes as a whole', async () => {
  const cluster = await startRedisCluster()
  onTestFinished(() => cluster.stop())
  expect(cluster.urls).toHaveLength(3)
  for (const { port } of cluster.nodes) {
    const info = await ask(port, 'CLUSTER INFO')
    expect(info).toContain('cluster_state:ok')
    expect(info).toContain('cluster_size:3')
    const nodes = await ask(port, 'CLUSTER NODES')
    for (const node of cluster.nodes) expect(nodes).toContain(`127.0.0.1:${node.port}@`)
  }
  const pids = cluster.nodes.map(({ pid }) => pid!)
  await cluster.stop()
  expect(pids.filter(isRunning)).toEqual([])
  expect(cluster.nodes.filter(({ folder }) => existsSync(folder))).toEqual([])
})

test('a node of a cluster that was killed comes back into it', async () => {
  const cluster = await startRedisCluster()
  onTestFinished(() => cluster.stop())
  const [first] = cluster.nodes
  await first!.kill()
  await first!.restart()
  await expect.poll(() => ask(first!.port, 'CLUSTER INFO'), { timeout: 20_000 }).toMatch(/cluster_state:ok.*cluster_known_nodes:3/s)
})
