import { createRealtimeClient, type RealtimeClient } from '@org/realtime-client'
import { createRealtimeHooks } from '@org/realtime-client/react'
import { createRealtimeServer } from '@org/realtime-server'
import { act, cleanup, render, renderHook, screen, waitFor } from '@testing-library/react'
import { type ReactNode, StrictMode, useState, version } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { contract, type TestContract } from './contract.js'

const { RealtimeProvider, useClient, useConnection, useEvent, useLatest, useRequest, useRoom, usePresence } =
  createRealtimeHooks<RealtimeClient<TestContract>>()

afterEach(cleanup)
// Each test waits for what it asserts; a slow machine is not a failure.
const until = (condition: () => void): Promise<void> => waitFor(condition, { timeout: 20_000, interval: 5 })

/** A server and a client that nobody has connected, both closed with the test. */
async function start() {
  const realtime = createRealtimeServer(contract, {
    authenticate: ({ token }) => ({ userId: token ?? 'nobody', role: 'member' }),
    cors: { origin: [location.origin] },
    rooms: { group: { authorize: ({ id }) => id !== 'closed', members: 'visible' } },
    presence: { graceMs: 0, visible: () => true },
    onError: () => {}, // of the user that there cannot be
  })
  const { port } = await realtime.listen(0, '127.0.0.1')
  onTestFinished(() => realtime.close({ drainMs: 0 }))
  realtime.on('echo', ({ payload }) => payload)
  realtime.on('take', ({ payload, fail }) => {
    if (payload.id === 'none') throw fail('NOT_FOUND', { id: payload.id })
    return { left: 1 }
  })
  let user = 'ada'
  const client = (): RealtimeClient<TestContract> => {
    const made = createRealtimeClient(contract, {
      url: `http://127.0.0.1:${port}`,
      getToken: () => user,
      reconnectDelayMs: 20,
      maxReconnectDelayMs: 100,
    })
    onTestFinished(() => made.close())
    return made
  }
  const sockets = () => [...realtime.io.of('/').sockets.values()]
  return { realtime, client: client(), other: client, sockets, as: (next: string) => (user = next) }
}

function provided(client: RealtimeClient<TestContract>, strict = false) {
  return function Wrapper({ children }: { children: ReactNode }) {
    const page = <RealtimeProvider client={client}>{children}</RealtimeProvider>
    return strict ? <StrictMode>{page}</StrictMode> : page
  }
}

test('it is the version of React that the project says', ({ task }) => {
  expect(task.file.projectName).toBe(`react ${version.split('.')[0]}`)
})

test('a provider connects its client once, also under StrictMode, and closes it when it unmounts', async () => {
  const { realtime, client } = await start()
  const connections = vi.fn()
  realtime.io.of('/').on('connection', connections)
  const { result, unmount } = renderHook(useConnection, { wrapper: provided(client, true) })
  await until(() => expect(result.current.status).toBe('connected'))
  expect(connections).toHaveBeenCalledTimes(1)
  unmount()
  await until(() => expect(client.status).toBe('closed'))
})

test('a client that the application has connected stays its own', async () => {
  const { client } = await start()
  await client.connect()
  const { result, unmount } = renderHook(useConnection, { wrapper: provided(client, true) })
  expect(result.current.status).toBe('connected')
  unmount()
  await new Promise((resolve) => setTimeout(resolve)) // the provider closes its own in the next task
  await new Promise((resolve) => setTimeout(resolve))
  expect(client.status).toBe('connected')
})

test('a provider that is told to leaves connecting to the application', async () => {
  const { client } = await start()
  render(
    <RealtimeProvider client={client} autoConnect={false}>
      page
    </RealtimeProvider>,
  )
  expect(client.status).toBe('idle')
})

test('a provider that is given another client closes the one it had', async () => {
  const { client, other } = await start()
  const second = other()
  const page = (given: typeof client) => <RealtimeProvider client={given}>page</RealtimeProvider>
  const { rerender } = render(page(client))
  await until(() => expect(client.status).toBe('connected'))
  rerender(page(second))
  await until(() => expect([client.status, second.status]).toEqual(['closed', 'connected']))
})

test('the connection is shown as it is: where it stands, since when, and offline only after a while', async () => {
  const { client, sockets, as } = await start()
  const { result } = renderHook(useConnection, { wrapper: provided(client) })
  await until(() => expect(result.current.status).toBe('connected'))
  expect(result.current).toMatchObject({ showOffline: false, error: undefined })
  const { since } = result.current
  const seen: boolean[] = []
  client.subscribe(() => seen.push(client.state.showOffline))
  act(() => {
    for (const socket of sockets()) socket.conn.close()
  })
  await until(() => expect(result.current.since).toBeGreaterThan(since))
  await until(() => expect(result.current.status).toBe('connected'))
  expect(seen).not.toContain(true) // a blip
  as('?') // no user id: refused for good
  act(() => {
    for (const socket of sockets()) socket.conn.close()
  })
  await until(() => expect(result.current).toMatchObject({ status: 'refused', showOffline: true, error: { code: 'UNAUTHENTICATED' } }))
})

test('a connection that is not there for two seconds is shown as offline', async () => {
  const client = createRealtimeClient(contract, { url: 'http://127.0.0.1:1', reconnectDelayMs: 50 })
  onTestFinished(() => client.close())
  const { result } = renderHook(useConnection, { wrapper: provided(client) })
  const startMs = Date.now()
  await until(() => expect(result.current.status).toBe('connecting'))
  expect(result.current.showOffline).toBe(false)
  await until(() => expect(result.current.showOffline).toBe(true))
  expect(Date.now() - startMs).toBeGreaterThanOrEqual(1_950)
  act(() => client.close())
  expect(result.current).toMatchObject({ status: 'closed', showOffline: false })
})

test('an event reaches the listener of the last render, by one subscription, and none after unmounting', async () => {
  const { client, realtime } = await start()
  const on = vi.spyOn(client, 'on')
  const heard: string[] = []
  const { rerender, unmount } = renderHook(({ name }) => useEvent('note', ({ text }) => heard.push(`${name} ${text}`)), {
    wrapper: provided(client, true),
    initialProps: { name: 'first' },
  })
  await until(() => expect(client.status).toBe('connected'))
  realtime.toUser('ada').emit('note', { text: '1' })
  await until(() => expect(heard).toEqual(['first 1']))
  const subscriptions = on.mock.calls.length
  rerender({ name: 'second' })
  expect(on).toHaveBeenCalledTimes(subscriptions)
  realtime.toUser('ada').emit('note', { text: '2' })
  await until(() => expect(heard).toEqual(['first 1', 'second 2']))
  unmount()
  await until(() => expect(client.status).toBe('closed'))
  await client.connect()
  realtime.toUser('ada').emit('note', { text: '3' })
  await client.request('echo', { text: 'fence' })
  expect(heard).toHaveLength(2)
})

test('the latest event is there for a component that comes after it, and not for the next user', async () => {
  const { client, realtime, as } = await start()
  await client.connect()
  realtime.toUser('ada').emit('note', { text: 'early' })
  await client.request('echo', { text: 'fence' })
  const { result } = renderHook(() => useLatest('note')?.text, { wrapper: provided(client) })
  expect(result.current).toBe('early')
  realtime.toUser('ada').emit('note', { text: 'late' })
  await until(() => expect(result.current).toBe('late'))
  act(() => client.close())
  expect(result.current).toBeUndefined()
  as('eve')
  await act(() => client.connect())
  expect(result.current).toBeUndefined()
})

test('a request shows that it is under way, what it was answered, and why it failed', async () => {
  const { client } = await start()
  const { result } = renderHook(() => useRequest('take'), { wrapper: provided(client, true) })
  const { run } = result.current
  let outcome: unknown
  let running: Promise<unknown> = Promise.resolve()
  act(() => {
    running = run({ id: 'x' })
  })
  expect(result.current.isPending).toBe(true)
  await act(async () => {
    outcome = await running
  })
  expect(outcome).toEqual({ ok: true, data: { left: 1 } })
  expect(result.current).toMatchObject({ isPending: false, data: { left: 1 }, error: undefined, run })
  await act(async () => {
    outcome = await run({ id: 'none' })
  })
  expect(outcome).toMatchObject({ ok: false, error: { code: 'NOT_FOUND' } })
  expect(result.current).toMatchObject({ isPending: false, data: undefined, error: { code: 'NOT_FOUND', data: { id: 'none' } } })
})

test('of several requests the last one is shown, whichever is answered first', async () => {
  const { client, realtime } = await start()
  const waiting: Array<() => void> = []
  realtime.use(async (_context, next) => {
    await new Promise<void>((resolve) => waiting.push(resolve))
    return next()
  })
  const { result } = renderHook(() => useRequest('echo'), { wrapper: provided(client) })
  await until(() => expect(client.status).toBe('connected'))
  let both: Promise<unknown> = Promise.resolve()
  act(() => {
    both = Promise.all([result.current.run({ text: 'first' }), result.current.run({ text: 'second' })])
  })
  await until(() => expect(waiting).toHaveLength(2))
  await act(async () => {
    waiting[1]?.()
    waiting[0]?.()
    await both
  })
  expect(result.current).toMatchObject({ isPending: false, data: { text: 'second' } })
})

test('components share a room, and the last one to go leaves it', async () => {
  const { client, realtime } = await start()
  const members = () => realtime.presence.members('group', '42')
  function Member({ name }: { name: string }) {
    const { members: seen = [], joined } = useRoom('group', '42')
    return <p>{`${name}: ${joined ? seen.join() : 'out'}`}</p>
  }
  function Page() {
    const [shown, show] = useState(2)
    return (
      <>
        {shown > 0 && <Member name="one" />}
        {shown > 1 && <Member name="two" />}
        <button type="button" onClick={() => show(shown - 1)}>
          less
        </button>
      </>
    )
  }
  render(<Page />, { wrapper: provided(client, true) })
  await screen.findByText('one: ada', {}, { timeout: 20_000 })
  await screen.findByText('two: ada', {}, { timeout: 20_000 })
  act(() => screen.getByText('less').click())
  await client.request('echo', { text: 'fence' })
  expect(await members()).toEqual(['ada'])
  expect(screen.getByText('one: ada')).toBeDefined()
  act(() => screen.getByText('less').click())
  await until(async () => expect(await members()).toEqual([]))
})

test('a room is another one with another id, none without, and joined again after a reconnect', async () => {
  const { client, realtime, sockets } = await start()
  const members = (id: string) => realtime.presence.members('group', id)
  const { result, rerender } = renderHook(({ id }) => useRoom('group', id), {
    wrapper: provided(client),
    initialProps: { id: 'a' as string | undefined },
  })
  await until(() => expect(result.current.joined).toBe(true))
  rerender({ id: 'b' })
  expect(result.current).toMatchObject({ joined: false, members: undefined })
  await until(() => expect(result.current.members).toEqual(['ada']))
  await until(async () => expect([await members('a'), await members('b')]).toEqual([[], ['ada']]))
  act(() => {
    for (const socket of sockets()) socket.conn.close()
  })
  await until(() => expect(result.current.joined).toBe(false))
  await until(() => expect(result.current.joined).toBe(true))
  rerender({ id: undefined })
  expect(result.current).toEqual({ joined: false, members: undefined, error: undefined })
  await until(async () => expect(await members('b')).toEqual([]))
})

test('a room that may not be joined says why, and is tried again with the next connection', async () => {
  const { client, sockets } = await start()
  const { result } = renderHook(() => useRoom('group', 'closed'), { wrapper: provided(client) })
  await until(() => expect(result.current).toMatchObject({ joined: false, error: { code: 'FORBIDDEN' } }))
  const asked = vi.spyOn(client, 'join')
  act(() => {
    for (const socket of sockets()) socket.conn.close()
  })
  await until(() => expect(asked).toHaveBeenCalledTimes(1))
})

test('users are watched while a component shows them', async () => {
  const { client, other, as } = await start()
  await client.connect()
  const { result, rerender } = renderHook(({ ids }) => usePresence(ids), { wrapper: provided(client, true), initialProps: { ids: ['eve', 'bob'] } })
  await until(() => expect(result.current.users.get('eve')?.online).toBe(false))
  const watching = vi.spyOn(client.presence, 'watch')
  rerender({ ids: ['bob', 'eve'] }) // the same users in another list
  expect(watching).not.toHaveBeenCalled()
  as('eve')
  await other().connect()
  await until(() => expect(result.current.users.get('eve')?.online).toBe(true))
  expect(result.current.error).toBeUndefined()
})

test('a page that was rendered on the server is hydrated without a mismatch', async () => {
  const { client, realtime } = await start()
  await client.connect()
  realtime.toUser('ada').emit('note', { text: 'early' })
  await client.request('echo', { text: 'fence' })
  function Page() {
    const { status, since } = useConnection()
    const { members } = useRoom('group', '42')
    const { users } = usePresence(['ada'])
    return <p>{JSON.stringify([status, since, useLatest('note'), useRequest('echo').isPending, members, users.size])}</p>
  }
  const page = (
    <RealtimeProvider client={client}>
      <Page />
    </RealtimeProvider>
  )
  const container = document.createElement('div')
  document.body.append(container)
  onTestFinished(() => container.remove())
  container.innerHTML = renderToString(page)
  expect(container.textContent).toBe('["idle",0,null,false,null,0]')
  const wrong = vi.fn()
  const complained = vi.spyOn(console, 'error')
  const root = await act(async () => hydrateRoot(container, page, { onRecoverableError: wrong }))
  await until(() => expect(container.textContent).toMatch(/"connected",\d+,\{"text":"early"\},false,\["ada"\],1/))
  expect(wrong).not.toHaveBeenCalled()
  expect(complained).not.toHaveBeenCalled()
  act(() => root.unmount())
})

test('nothing is kept after unmounting', async () => {
  const { client, realtime } = await start()
  await client.connect()
  const offs: Array<ReturnType<typeof vi.fn>> = []
  for (const name of ['on', 'subscribe'] as const) {
    const original = client[name].bind(client) as (...args: unknown[]) => () => void
    vi.spyOn(client, name).mockImplementation(((...args: unknown[]) => {
      const off = vi.fn(original(...args))
      offs.push(off)
      return off
    }) as never)
  }
  function Page() {
    useEvent('note', () => {})
    useLatest('note')
    useConnection()
    useRequest('echo')
    useRoom('group', '42')
    useRoom('group', 'closed')
    usePresence(['eve'])
    return null
  }
  const { unmount } = render(<Page />, { wrapper: provided(client, true) })
  await until(async () => expect(await realtime.presence.members('group', '42')).toEqual(['ada']))
  unmount()
  await until(async () => expect(await realtime.presence.members('group', '42')).toEqual([]))
  expect(offs.length).toBeGreaterThan(3)
  await until(() => expect(offs.filter((off) => off.mock.calls.length === 0)).toEqual([]))
})

test('a hook without a provider says so', () => {
  vi.spyOn(console, 'error').mockImplementation(() => {}) // React tells of it, too
  expect(() => renderHook(useClient)).toThrow(/no <RealtimeProvider client=/)
})
