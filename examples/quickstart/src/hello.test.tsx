import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { render, screen } from '@testing-library/react'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { createChat } from './client.js'
import { Hello, RealtimeProvider } from './hello.js'

const SECRET = 'a secret of the tests, of 32 bytes or more'
const WAIT = { timeout: 20_000 } // the machine may be busy
let url: string

// In a process of its own: jose is not at home in jsdom, whose arrays of bytes are other ones.
beforeAll(async () => {
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  const env = { ...process.env, WS_PORT: String(port), JWT_SECRET: SECRET }
  const server = spawn(process.execPath, ['--conditions=@org/source', '--import', 'tsx', `${import.meta.dirname}/server.ts`], { env, stdio: 'inherit' })
  return () => server.kill()
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

function sign(userId: string): string {
  const parts = [{ alg: 'HS256' }, { sub: userId, exp: Math.ceil(Date.now() / 1000) + 3_600 }]
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

/** A page of Ada's that greets somebody; its client dials until the server is there. */
function open(to: string): HTMLElement {
  const client = createChat(url, async () => sign('ada'))
  const page = render(
    <RealtimeProvider client={client}>
      <Hello to={to} />
    </RealtimeProvider>,
  )
  onTestFinished(page.unmount)
  return screen.getByRole('button')
}

test('the button sends, and shows what was heard last', async () => {
  const button = open('ada')
  expect(button.textContent).toBe('Say hello')
  button.click()
  await screen.findByText('Hello', {}, WAIT)
})

test('the button says where there is nobody to hear', async () => {
  open('nobody').click()
  await screen.findByText('Nobody is there', {}, WAIT)
})
