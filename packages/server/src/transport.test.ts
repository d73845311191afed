import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { BufferWatch, type Transport } from './transport.js'

test.each([
  ['a text', 'x'.repeat(9_000)],
  ['a Buffer', Buffer.alloc(9_000)],
  ['an ArrayBuffer', new ArrayBuffer(9_000)],
  ['a view', new DataView(new ArrayBuffer(9_000))],
  ['a Blob', new Blob(['x'.repeat(9_000)])],
])('%s counts as much as it has bytes, and what comes after it as well', (_what, data) => {
  const transport = new EventEmitter() as unknown as Transport // all that the watch asks of it
  let told = 0
  new BufferWatch({ bufferedBytes: 2_000, bufferedPackets: 1_000 }, () => told++).watch(transport)
  transport.emit('packetCreate', { type: 'message', data } as never)
  expect(told).toBe(0)
  transport.emit('packetCreate', { type: 'message', data } as never)
  expect(told).toBe(1)
})
