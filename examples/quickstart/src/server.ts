import { createRealtimeServer, jwt } from '@org/realtime-server'
import { contract } from './contract.js'

export const realtime = createRealtimeServer(contract, {
  authenticate: jwt({ secret: process.env['JWT_SECRET'], issuer: false, audience: false }),
})

realtime.on('message:send', async ({ payload, user, fail }) => {
  const devices = await realtime.presence.devices(payload.to)
  if (devices.length === 0) throw fail('OFFLINE')
  realtime.toUser(payload.to).emit('message:new', { from: user.userId, text: payload.text })
  return { devices: devices.length }
})

export const { port } = await realtime.listen(Number(process.env['WS_PORT'] ?? 3000))
