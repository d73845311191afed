export type { TestClient, TestClientOptions, Token } from './client.js'
export type { DelayOptions, EventFaultOptions, Fault, FaultEvent, Faults } from './faults.js'
export type { Match } from './match.js'
export {
  type AroundOptions,
  createTestRealtime,
  type OwnServerOptions,
  type OwnTestRealtime,
  type TestOptions,
  type TestRealtime,
  type WhoOf,
} from './realtime.js'
export type { ExpectOptions, Heard, HeardPayload, Recorder } from './recorder.js'
export type { Direction } from './rules.js'
export { type JwtOptions, type TestTokens, type TestTokensOptions, type TokenOptions, type TokenUser, testTokens } from './tokens.js'
