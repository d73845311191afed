import { createServer, type Server } from 'node:http'
import { createRealtimeServer } from '@org/realtime-server'
import express from 'express'
import Fastify from 'fastify'
import Koa from 'koa'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { contract } from './contract.js'
import { createTestClient, signToken, TRANSPORTS, testJwt } from './harness.js'

interface Host {
  readonly server: Server
  listen(): Promise<void>
}

const hosts: Record<string, () => Promise<Host>> = {
  'a plain http server': async () => {
    const server = createServer((_request, response) => response.end('page'))
    return { server, listen: () => listen(server) }
  },
  'Express 5': async () => {
    const app = express()
    app.get('/', (_request, response) => {
      response.send('page')
    })
    const server = createServer(app)
    return { server, listen: () => listen(server) }
  },
  'Fastify 5': async () => {
    const app = Fastify()
    app.get('/', async () => 'page')
    return {
      server: app.server,
      listen: async () => {
        await app.listen({ port: 0, host: '127.0.0.1' })
      },
    }
  },
  Koa: async () => {
    const app = new Koa()
    app.use((context) => {
      context.body = 'page'
    })
    const server = createServer(app.callback())
    return { server, listen: () => listen(server) }
  },
}

const cleanups: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

describe.each(Object.keys(hosts))('attached to %s', (name) => {
  test.each(TRANSPORTS)('it serves clients over %s beside the pages, and leaves the server open', async (transport) => {
    const { server, listen: start } = await hosts[name]!()
    const realtime = createRealtimeServer(contract, { authenticate: testJwt() }).attach(server)
    realtime.on('echo', ({ payload }) => payload)
    await start()
    cleanups.push(() => new Promise((resolve) => server.close(resolve)))
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`

    const client = createTestClient(contract, { url, getToken: () => signToken('ada'), transports: [transport] })
    await client.connect()
    expect(await client.request('echo', { text: 'x' })).toEqual({ text: 'x' })
    expect(await (await fetch(url)).text()).toBe('page')
    client.close()

    await realtime.close()
    expect(await (await fetch(url)).text()).toBe('page')
    expect(() => realtime.attach(server)).toThrow(/is closed/)

    const successor = createRealtimeServer(contract, { authenticate: testJwt() }).attach(server)
    const next = createTestClient(contract, { url, getToken: () => signToken('ada'), transports: [transport] })
    expect(await next.connect()).toMatchObject({ userId: 'ada' })
    expect(await (await fetch(url)).text()).toBe('page')
    next.close()
    await successor.close()
  })
})

test('attach says what to pass where it is given an app', () => {
  const realtime = createRealtimeServer(contract, { authenticate: testJwt() })
  expect(() => realtime.attach(express() as never)).toThrow(/createServer\(app\)/)
  expect(() => realtime.attach(undefined as never)).toThrow(TypeError)
  realtime.attach(createServer())
  expect(() => realtime.attach(createServer())).toThrow(/already/)
})

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
}

test("closing one of two on the same server leaves the other, and what is the application's own", async () => {
  const server = createServer()
  const own = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/own') own.handleUpgrade(request, socket, head, () => {})
  })
  const first = createRealtimeServer(contract, { authenticate: testJwt(), path: '/a/' }).attach(server)
  const second = createRealtimeServer(contract, { authenticate: testJwt(), path: '/b/' }).attach(server)
  second.on('echo', ({ payload }) => payload)
  await listen(server)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const client = createTestClient(contract, { url: `http://127.0.0.1:${port}`, path: '/b/', getToken: () => signToken('ada'), transports: ['websocket'] })
  await client.connect()
  const socket = new WebSocket(`ws://127.0.0.1:${port}/own`)
  await new Promise((resolve) => socket.once('open', resolve))
  await first.close()
  expect(await client.request('echo', { text: 'still here' })).toEqual({ text: 'still here' })
  expect(client.status).toBe('connected')
  expect(socket.readyState).toBe(WebSocket.OPEN)
  socket.terminate()
  client.close()
  await second.close()
  await new Promise((resolve) => server.close(resolve))
})
