import { expect, test } from 'vitest'
import { optionsFromEnv } from './env.js'

const JWT_SECRET = 'uL3n8vQ1zR7xW2kJ5mB9sD4fG6hT0pYc'

test('only a secret is needed; the rest has defaults', () => {
  expect(optionsFromEnv({ JWT_SECRET })).toEqual({ port: 3000, path: '/socket.io/', cors: {}, jwt: { secret: JWT_SECRET, issuer: false, audience: false } })
  expect(optionsFromEnv({ JWT_SECRET, WS_PORT: '', WS_PATH: ' ', CORS_ORIGIN: '', JWT_ISSUER: '', REDIS_URL: '' })).toEqual(optionsFromEnv({ JWT_SECRET }))
})

test('every variable is read', () => {
  expect(
    optionsFromEnv({
      WS_PORT: '0',
      WS_PATH: '/realtime',
      CORS_ORIGIN: 'https://a.example.com, http://localhost:5173',
      JWT_SECRET,
      JWT_ISSUER: 'https://id.example.com',
      JWT_AUDIENCE: 'realtime',
      REDIS_URL: 'redis://localhost:6379',
      OTHER: 'x',
    }),
  ).toEqual({
    port: 0,
    path: '/realtime',
    cors: { origin: ['https://a.example.com', 'http://localhost:5173'] },
    jwt: { secret: JWT_SECRET, issuer: 'https://id.example.com', audience: 'realtime' },
    redisUrl: 'redis://localhost:6379',
  })
})

test.each<[string, Record<string, string | undefined>]>([
  ['WS_PORT', { WS_PORT: '80a' }],
  ['WS_PORT', { WS_PORT: '65536' }],
  ['WS_PORT', { WS_PORT: '-1' }],
  ['WS_PORT', { WS_PORT: '3.5' }],
  ['WS_PATH', { WS_PATH: 'socket.io' }],
  ['WS_PATH', { WS_PATH: '/a?b' }],
  ['CORS_ORIGIN', { CORS_ORIGIN: 'app.example.com' }],
  ['CORS_ORIGIN', { CORS_ORIGIN: 'https://app.example.com/' }],
  ['JWT_SECRET', { JWT_SECRET: undefined }],
  ['JWT_SECRET', { JWT_SECRET: 'short' }],
  ['JWT_SECRET', { JWT_SECRET: `${JWT_SECRET}\n` }],
  ['REDIS_URL', { REDIS_URL: 'http://secret@localhost' }],
])('a wrong %s is named: %j', (name, env) => {
  const read = () => optionsFromEnv({ JWT_SECRET, ...env })
  expect(read).toThrow(name)
  expect(read).toThrow(TypeError)
  expect(read).not.toThrow(/secret@|short/)
})
