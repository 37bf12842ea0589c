import { describe, expect, test } from 'bun:test'
import {
  pongMessage,
  textMessage,
  WebSocketReader,
} from '../../../../src/cluster/forward/wire/channel/websocket-bytes.ts'

/** As a server sends it: without a mask. */
function fromServer(first: number, payload: Buffer): Buffer {
  const { length } = payload
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), payload])
  if (length < 65_536) return Buffer.concat([Buffer.from([first, 126, length >> 8, length & 255]), payload])
  const head = Buffer.alloc(10)
  head[0] = first
  head[1] = 127
  head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

describe('the bytes of a WebSocket', () => {
  test.each([0, 1, 125, 126, 65_535, 65_536, 200_000])('of %i bytes are read in any portions', (length) => {
    const text = 'ü'.repeat(Math.floor(length / 2)) + 'x'.repeat(length % 2)
    const bytes = Buffer.concat([
      fromServer(0x81, Buffer.from(text)),
      fromServer(0x82, Buffer.from([1, 2])),
      fromServer(0x89, Buffer.from('hello')),
      fromServer(0x8a, Buffer.alloc(0)),
      fromServer(0x88, Buffer.alloc(0)),
    ])
    for (const portion of [1, 3, 4_096, bytes.length]) {
      if (portion < 4 && length > 70_000) continue
      const reader = new WebSocketReader(1_000_000)
      const found = []
      for (let at = 0; at < bytes.length; at += portion)
        found.push(...(reader.push(bytes.subarray(at, at + portion)) ?? ['fault']))
      expect(found).toEqual([
        { kind: 'text', text },
        { kind: 'binary', bytes: Buffer.from([1, 2]) },
        { kind: 'ping', bytes: Buffer.from('hello') },
        { kind: 'close' },
      ])
    }
  })

  test.each([
    { why: 'a message beyond the bound', bytes: fromServer(0x81, Buffer.alloc(2_000)) },
    { why: 'a length of more than six bytes', bytes: Buffer.from([0x81, 127, 1, 0, 0, 0, 0, 0, 0, 0]) },
    { why: 'a mask, which no server sends', bytes: Buffer.from([0x81, 0x81, 0, 0, 0, 0, 65]) },
    { why: 'a part of a message', bytes: fromServer(0x01, Buffer.from('a')) },
    { why: 'an unknown kind', bytes: fromServer(0x83, Buffer.from('a')) },
  ])('are a fault with $why', ({ bytes }) => {
    expect(new WebSocketReader(1_000).push(bytes)).toBeNull()
  })

  test('are understood by a server: texts and pongs', async () => {
    const heard: unknown[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    using server = Bun.serve({
      port: 0,
      fetch: (request, self) => (self.upgrade(request) ? undefined : new Response(null, { status: 400 })),
      websocket: {
        message(_socket, message) {
          heard.push(typeof message === 'string' ? message : 'bytes')
          if (heard.length === 4) resolve()
        },
        pong(_socket, bytes) {
          heard.push(bytes.toString())
          if (heard.length === 4) resolve()
        },
      },
    })
    const large = 'ü'.repeat(60_000)
    using socket = await Bun.connect({
      hostname: '127.0.0.1',
      port: server.port ?? 0,
      socket: {
        data(one) {
          one.write(Buffer.concat([textMessage('a'), pongMessage(Buffer.from('ping'))]))
          one.write(Buffer.concat([textMessage('b'.repeat(1_000)), textMessage(large)]))
        },
      },
    })
    socket.write(
      'GET / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    )
    await promise
    expect(heard).toEqual(['a', 'ping', 'b'.repeat(1_000), large])
  })
})
