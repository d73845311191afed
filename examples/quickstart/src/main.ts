// Runs the README's server and client in one process, as its test does.
import { randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'

process.env['JWT_SECRET'] ||= randomBytes(48).toString('base64')
const { port, realtime } = await import('./server.js')
const { createChat } = await import('./client.js')

const secret = new TextEncoder().encode(process.env['JWT_SECRET'])
const getToken = (): Promise<string> => new SignJWT().setProtectedHeader({ alg: 'HS256' }).setSubject('ada').setExpirationTime('1h').sign(secret)

const client = createChat(`http://localhost:${port}`, getToken)
client.on('message:new', ({ from, text }) => console.log(`${from}: ${text}`))
const { userId } = await client.connect()
const result = await client.tryRequest('message:send', { to: userId, text: 'Hello, me' })
if (result.ok) console.log(`reached ${result.data.devices} device(s)`)
else if (result.error.code === 'OFFLINE') console.log('nobody there')
client.close()
await realtime.close()
