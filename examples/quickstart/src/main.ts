// Runs the README's server and client in one process, as its test does.
import { randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'

process.env['JWT_SECRET'] ||= randomBytes(48).toString('base64')
const { port, realtime } = await import('./server.js')
const { chat } = await import('./client.js')

const secret = new TextEncoder().encode(process.env['JWT_SECRET'])
const getToken = (): Promise<string> => new SignJWT().setProtectedHeader({ alg: 'HS256' }).setSubject('ada').setExpirationTime('1h').sign(secret)
const client = await chat(`http://localhost:${port}`, getToken)
client.close()
await realtime.close()
