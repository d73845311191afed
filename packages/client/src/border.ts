import type { ContractCodec, EventBorder } from '@org/realtime-contracts'
import { readReply } from '@org/realtime-contracts/wire'

/** What a client needs of a contract's codec. */
export type ClientBorder = Pick<ContractCodec, 'encodeRoomId' | 'decodeSession' | 'encodePresence' | 'decodePresence'> & {
  readonly serverToClient: EventBorder
  readonly clientToServer: EventBorder
}

const asIs: EventBorder = {
  encodeArguments: (_event, payload) => (payload === undefined ? [] : [payload]),
  decodePayload: (_event, wire) => wire,
  assertAnswered() {},
  encodeReply: (_event, value) => value,
  encodeFailure: (_event, _code, data) => data,
  decodeReply: readReply,
}

/** The border of a client that has a manifest: wire values on both sides, and the server to validate them. */
export const wireBorder: ClientBorder = {
  serverToClient: asIs,
  clientToServer: asIs,
  encodeRoomId: (_kind, id) => id,
  decodeSession: (wire) => wire,
  encodePresence: (meta) => meta,
  decodePresence: (wire) => wire,
}
