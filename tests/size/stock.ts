// A page that has Socket.IO's own client.
import { io } from 'socket.io-client'

Object.assign(globalThis, { socket: io('/') })
