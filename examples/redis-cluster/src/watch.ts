// A client: prints what reaches a user through nginx, until Ctrl-C. REALTIME_URL and REALTIME_TOKEN say where and who.
import { createRealtimeClient } from '@org/realtime-client'
import { manifest } from '@org/realtime-contracts/events/manifest'

const { REALTIME_URL: url = 'http://127.0.0.1:3000', REALTIME_TOKEN: token = '' } = process.env

const client = createRealtimeClient(manifest, { url, getToken: () => token })
client.subscribe(() => console.log(client.status))
client.on('authenticated', ({ userId }) => console.log(`This is ${userId}`))
client.on('notification:new', ({ notification }) => console.log(notification.message))
client.on('error', ({ code, message }) => console.log(code, message))
await client.connect()
