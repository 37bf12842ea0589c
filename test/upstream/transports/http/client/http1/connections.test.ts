/** Requests in clear text go over connections of the gateway's own: how these are used, and when not again. */
import { afterEach, describe, expect, test } from 'bun:test'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { HttpAnswer } from '../../../../../../src/upstream/transports/http/client/answer/answer.ts'
import { Cancellation } from '../../../../../../src/upstream/transports/http/client/answer/cancellation.ts'
import { HttpClient } from '../../../../../../src/upstream/transports/http/client/http-client.ts'
import { Http1Connections } from '../../../../../../src/upstream/transports/http/client/http1/connections.ts'
import { createStreamableHttpTransport } from '../../../../../../src/upstream/transports/http/streamable-http.ts'
import type { UpstreamTransport } from '../../../../../../src/upstream/transports/transport.ts'
import { startRawHttp } from '../../../../../support/fault-http.ts'
import { isKind } from '../../../../../support/transport-recorder.ts'
import { openTransport, requestOf } from '../../../../../support/transport-session.ts'

const open: { close(): unknown }[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

function transportTo(url: string, lineBytesMax = 1 << 20): UpstreamTransport {
  const transport = createStreamableHttpTransport({ url, headers: {}, lineBytesMax })
  open.push(transport)
  return transport
}

function wireTo(url: string): HttpClient {
  const wire = new HttpClient({ url, headers: {}, lineBytesMax: 1 << 20 })
  open.push(wire)
  return wire
}

interface Listener {
  readonly url: string
  /** Every connection that was made, in order. */
  readonly sockets: Socket[]
  /** The n-th connection (from 1), past or future. */
  connection(nth: number): Promise<Socket>
}

/** A server that gets bare connections. */
async function listen(connected: (socket: Socket) => void): Promise<Listener> {
  const sockets: Socket[] = []
  let told = Promise.withResolvers<void>()
  const server: Server = createServer((socket) => {
    socket.on('error', () => {})
    sockets.push(socket)
    connected(socket)
    told.resolve()
    told = Promise.withResolvers()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    sockets,
    async connection(nth) {
      for (;;) {
        const socket = sockets[nth - 1]
        if (socket !== undefined) return socket
        await told.promise
      }
    },
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve()
    else socket.once('close', () => resolve()).resume()
  })
}

const idOf = (body: string): number => (JSON.parse(body) as { id: number }).id

function answerTo(body: string, extraHeaders = ''): string {
  const text = `{"jsonrpc":"2.0","id":${idOf(body)},"result":{}}`
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${extraHeaders}content-length: ${text.length}\r\n\r\n${text}`
}

const post = { method: 'POST', protocolHeaders: {}, body: '{}' } as const

describe('a connection', () => {
  test('carries one call after the other', async () => {
    const sockets = new Set<Socket>()
    await using http = await startRawHttp((socket, body) => {
      sockets.add(socket)
      socket.write(answerTo(body))
    })
    const session = await openTransport(transportTo(http.url))
    for (let n = 0; n < 5; n++) await session.call('call')
    expect(sockets.size).toBe(1)
  })

  const once: { why: string; answer: (socket: Socket, body: string) => void }[] = [
    {
      why: 'the server says that it closes it',
      answer: (socket, body) => socket.write(answerTo(body, 'connection: close\r\n')),
    },
    {
      why: 'bytes came behind the answer',
      answer: (socket, body) => socket.write(`${answerTo(body)}HTTP/1.1 200 OK\r\n`),
    },
    {
      why: 'the server keeps it for less than a request may take to arrive',
      answer: (socket, body) => socket.write(answerTo(body, 'keep-alive: timeout=1\r\n')),
    },
    {
      why: 'the answer is framed in two ways',
      answer: (socket, body) => {
        const text = answerTo(body, 'transfer-encoding: chunked\r\n')
        const at = text.indexOf('\r\n\r\n') + 4
        socket.write(
          `${text.slice(0, at)}${(text.length - at).toString(16)}\r\n${text.slice(at)}\r\n0\r\n\r\n`,
        )
      },
    },
    {
      why: 'the answer is HTTP/1.0',
      answer: (socket, body) => socket.write(answerTo(body).replace('1.1', '1.0')),
    },
    {
      why: 'the answer lasts until it is closed',
      answer: (socket, body) => socket.end(answerTo(body).replace(/content-length: \d+\r\n/, '')),
    },
  ]
  for (const { why, answer } of once) {
    test(`is not used again when ${why}`, async () => {
      const sockets = new Set<Socket>()
      await using http = await startRawHttp((socket, body) => {
        sockets.add(socket)
        answer(socket, body)
      })
      const session = await openTransport(transportTo(http.url))
      await session.call('call')
      await session.call('call')
      expect(sockets.size).toBe(2)
      for (const socket of sockets) if (!socket.destroyed) await closed(socket)
    })
  }

  for (const { why, idle } of [
    { why: 'the server closed it', idle: (socket: Socket) => socket.end() },
    { why: 'the server broke it off', idle: (socket: Socket) => socket.resetAndDestroy() },
    {
      why: 'bytes came on it',
      idle: (socket: Socket) => socket.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n'),
    },
  ]) {
    test(`is not used again when ${why} while it was idle`, async () => {
      const sockets: Socket[] = []
      await using http = await startRawHttp((socket, body) => {
        sockets.push(socket)
        socket.write(answerTo(body))
      })
      const session = await openTransport(transportTo(http.url))
      await session.call('call')
      const [socket] = sockets
      if (socket === undefined) throw new Error('no connection')
      idle(socket)
      await closed(socket)
      await session.call('call')
      expect(new Set(sockets).size).toBe(2)
      expect(session.recorder.of('requestFailed')).toEqual([])
    })
  }

  test('is closed once it has been idle for long enough, though nobody calls', async () => {
    const listener = await listen(() => {})
    const connections = new Http1Connections({ idleMsMax: 30 })
    open.push(connections)
    const connection = await connections.open(listener.url, new Cancellation())
    connections.free(connection)
    expect(connections.idleCount).toBe(1)
    await closed(await listener.connection(1))
    expect(connections.idleCount).toBe(0)
    expect(connections.take(listener.url)).toBeNull()
  })

  test('is kept in numbers that have a bound, and the one last used is taken first', async () => {
    const listener = await listen(() => {})
    const connections = new Http1Connections({ idleCountMax: 2 })
    open.push(connections)
    const made = []
    for (let n = 0; n < 3; n++) made.push(await connections.open(listener.url, new Cancellation()))
    for (const connection of made) connections.free(connection)
    expect(connections.idleCount).toBe(2)
    expect(made.map((connection) => connection.closed)).toEqual([false, false, true])
    // Another path, the same host.
    expect(connections.take(listener.url.replace('/mcp', '/other'))).toBe(made[1] ?? null)
  })

  test('ends with the transport', async () => {
    const sockets: Socket[] = []
    await using http = await startRawHttp((socket, body) => {
      sockets.push(socket)
      socket.write(answerTo(body))
    })
    const session = await openTransport(transportTo(http.url))
    await session.call('call')
    await session.transport.close()
    const [socket] = sockets
    if (socket === undefined) throw new Error('no connection')
    await closed(socket)
  })

  test('keeps no process alive while it is idle', async () => {
    await using http = await startRawHttp((socket, body) => socket.write(answerTo(body)))
    const script = `
      import { Cancellation } from '${import.meta.dir}/../../../../../../src/upstream/transports/http/client/answer/cancellation.ts'
      import { HttpClient } from '${import.meta.dir}/../../../../../../src/upstream/transports/http/client/http-client.ts'
      const wire = new HttpClient({ url: '${http.url}', headers: {}, lineBytesMax: 1000 })
      const body = '{"id":1}'
      const answer = await wire.request({ method: 'POST', protocolHeaders: {}, body, cancellation: new Cancellation() })
      console.log(answer.status, (await answer.pieces(1000)).length)`
    const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'inherit' })
    expect(await new Response(child.stdout).text()).toBe('200 1\n')
    expect(await child.exited).toBe(0)
  })

  test('hands over bytes that the runtime does not write over later', async () => {
    const listener = await listen((socket) => {
      for (let n = 0; n < 8; n++) setTimeout(() => socket.write(String(n).repeat(50_000)), n * 5)
    })
    const chunks: Buffer[] = []
    const all = Promise.withResolvers<void>()
    const socket = await Bun.connect({
      hostname: '127.0.0.1',
      port: Number(new URL(listener.url).port),
      socket: {
        data(_socket, chunk) {
          chunks.push(chunk)
          if (chunks.reduce((bytes, { length }) => bytes + length, 0) === 400_000) all.resolve()
        },
      },
    })
    await all.promise
    socket.terminate()
    const expected = Array.from({ length: 8 }, (_, n) => String(n).repeat(50_000)).join('')
    expect(Buffer.concat(chunks).toString() === expected).toBe(true)
  })
})

describe('an answer', () => {
  test('in chunks that come byte by byte is read like any other', async () => {
    await using http = await startRawHttp((socket, body) => {
      const text = `{"jsonrpc":"2.0","id":${idOf(body)},"result":{"s":"é😀"}}`
      socket.setNoDelay(true)
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n')
      for (const byte of Buffer.from(text)) socket.write(Buffer.from([0x31, 0x0d, 0x0a, byte, 0x0d, 0x0a]))
      socket.write('0\r\n\r\n')
    })
    const session = await openTransport(transportTo(http.url))
    expect(await session.call('call')).toMatchObject({ result: { s: 'é😀' } })
    expect(await session.call('call')).toMatchObject({ result: { s: 'é😀' } })
  })

  test('whose head never ends fails the request within a bound', async () => {
    await using http = await startRawHttp((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const more = (): void => {
        while (!socket.destroyed && socket.write(`x: ${'a'.repeat(1_000)}\r\n`));
      }
      socket.on('drain', more)
      more()
    })
    const { recorder, start } = await openTransport(transportTo(http.url))
    start('call')
    const { error } = await recorder.until(isKind('requestFailed'))
    expect(error.code).toBe('UPSTREAM_CLOSED')
    expect(error.details).toMatch(
      /^The connection to \S+ failed \(InvalidHTTPResponse, the headers are too long\)\.$/,
    )
  })

  test('that nobody reads blocks the server and fills no memory', async () => {
    let writtenBytes = 0
    let lastWriteMs = 0
    const listener = await listen((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n')
        const event = `: ${'x'.repeat(64 * 1024)}\n\n`
        const more = (): void => {
          while (!socket.destroyed && writtenBytes < 1 << 28) {
            writtenBytes += event.length
            lastWriteMs = performance.now()
            if (!socket.write(event)) return
          }
        }
        socket.on('drain', more)
        more()
      })
    })
    const session = await openTransport(transportTo(listener.url))
    session.transport.pause()
    session.start('call')
    await listener.connection(1)
    while (lastWriteMs === 0 || performance.now() - lastWriteMs < 300) await Bun.sleep(20)
    // What the kernel holds for both ends, and the bound of one stream.
    expect(writtenBytes).toBeLessThan(24 << 20)
    const blockedAtBytes = writtenBytes
    session.transport.resume()
    while (writtenBytes < blockedAtBytes + (32 << 20)) await Bun.sleep(5)
  })

  test('that comes before the whole request was read is taken, and the connection is not', async () => {
    const listener = await listen((socket) => {
      socket.once('data', () => {
        socket.pause()
        socket.write('HTTP/1.1 413 Too Large\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nno')
      })
    })
    const { recorder, transport } = await openTransport(transportTo(listener.url))
    transport.send(requestOf(1, 'call', { text: 'x'.repeat(32 << 20) }))
    const { error } = await recorder.until(isKind('requestFailed'))
    expect(error.details).toMatch(/ answered HTTP 413$/)
    await closed(await listener.connection(1))
  })

  test('nobody wants is read to its end when it is short, so that its connection stays', async () => {
    const sockets = new Set<Socket>()
    await using http = await startRawHttp((socket, body) => {
      sockets.add(socket)
      if (!body.includes('notify')) return socket.write(answerTo(body))
      socket.write('HTTP/1.1 202 Accepted\r\ncontent-length: 8\r\n\r\n')
      return setTimeout(() => socket.write('Accepted'), 10)
    })
    const wire = wireTo(http.url)
    const cancellation = new Cancellation()
    const answer = await wire.request({ ...post, body: '"notify"', cancellation })
    answer.discard()
    while (cancellation.listenerCount > 0) await Bun.sleep(1)
    await wire.request({ ...post, body: '{"id":1}', cancellation })
    expect(sockets.size).toBe(1)
  })

  test('nobody wants is broken off when it does not end', async () => {
    const listener = await listen((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 202 Accepted\r\ncontent-length: 1000\r\n\r\nx'))
    })
    const answer = await wireTo(listener.url).request({ ...post, cancellation: new Cancellation() })
    answer.discard()
    await closed(await listener.connection(1))
  })
})

describe('a request', () => {
  test('of 64 MiB reaches a server that reads slowly, whole', async () => {
    const sizeBytes = 64 << 20
    let seenBytes = 0
    const digest = new Bun.CryptoHasher('sha256')
    const listener = await listen((socket) => {
      let headDone = false
      socket.on('data', (chunk: Buffer) => {
        const at = headDone ? 0 : chunk.indexOf('\r\n\r\n') + 4
        headDone = true
        seenBytes += chunk.length - at
        digest.update(chunk.subarray(at))
        socket.pause()
        setImmediate(() => socket.resume())
        if (seenBytes === text.length) socket.write(answerTo('{"id":1}'))
      })
    })
    const session = await openTransport(transportTo(listener.url))
    const outgoing = requestOf(1, 'call', { text: 'x'.repeat(sizeBytes) })
    const { text } = outgoing
    session.transport.send(outgoing)
    await session.recorder.answerTo(1, 30_000)
    expect(seenBytes).toBe(text.length)
    expect(digest.digest('hex')).toBe(new Bun.CryptoHasher('sha256').update(text).digest('hex'))
  }, 40_000)

  test('and three hundred others at once are each answered with their own answer', async () => {
    const sockets = new Set<Socket>()
    await using http = await startRawHttp((socket, body) => {
      sockets.add(socket)
      setTimeout(() => socket.write(answerTo(body)), Math.random() * 5)
    })
    const session = await openTransport(transportTo(http.url))
    for (let round = 0; round < 3; round++) {
      const ids = Array.from({ length: 300 }, () => session.start('call'))
      await Promise.all(ids.map((id) => session.recorder.answerTo(id)))
    }
    expect(session.recorder.of('requestFailed')).toEqual([])
    expect(session.recorder.of('message').every(({ text, requestId }) => idOf(text) === requestId)).toBe(true)
    // All but those over the bound on idle connections are used again.
    expect(sockets.size).toBeLessThan(300 + 2 * 60)
  })

  test('that is given up while it connects is never sent', async () => {
    let heard = ''
    const listener = await listen((socket) => socket.on('data', (chunk) => (heard += chunk)))
    const session = await openTransport(transportTo(listener.url))
    const id = session.start('call')
    // Messages leave at the end of their turn, and then connecting begins.
    await new Promise(setImmediate)
    session.transport.abort(id)
    await closed(await listener.connection(1))
    expect(heard).toBe('')
    expect(session.recorder.events).toEqual([])
  })

  test('that is given up in the turn in which it was made opens no connection', async () => {
    const listener = await listen(() => {})
    const session = await openTransport(transportTo(listener.url))
    session.transport.abort(session.start('call'))
    await new Promise(setImmediate)
    // One that had been opened by now would be accepted before this one.
    const own = connect(Number(new URL(listener.url).port), '127.0.0.1')
    await new Promise((resolve) => own.once('connect', resolve))
    const first = await listener.connection(1)
    expect(first.remotePort).toBe(own.localPort)
    own.destroy()
    expect(session.recorder.events).toEqual([])
  })

  const reading = [
    { why: 'waits', sent: '' },
    { why: 'has half a head', sent: 'HTTP/1.1 200 OK\r\ncontent-' },
    {
      why: 'reads a body',
      sent: 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    },
    {
      why: 'reads a stream',
      sent: 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nid: 1\ndata: {}\n\n',
    },
  ]
  for (const { why, sent } of reading) {
    test(`that is given up while it ${why} closes its connection and says nothing`, async () => {
      const asked = Promise.withResolvers<Socket>()
      await using http = await startRawHttp((socket) => {
        if (sent === '') asked.resolve(socket)
        else socket.write(sent, () => asked.resolve(socket))
      })
      const session = await openTransport(transportTo(http.url))
      const id = session.start('call')
      const socket = await asked.promise
      session.transport.abort(id)
      await closed(socket)
      expect(session.recorder.of('requestFailed')).toEqual([])
    })
  }

  test('leaves nothing behind with whoever may cancel it', async () => {
    await using http = await startRawHttp((socket, body) => socket.write(answerTo(body)))
    const wire = wireTo(http.url)
    const cancellation = new Cancellation()
    const ask = async (): Promise<HttpAnswer> => wire.request({ ...post, body: '{"id":1}', cancellation })
    for (let n = 0; n < 20; n++) await (await ask()).pieces(1_000)
    expect(cancellation.listenerCount).toBe(0)
    cancellation.cancel()
    await expect(ask()).rejects.toMatchObject({ code: 'UPSTREAM_CLOSED' })
  })
})

describe('a header', () => {
  const forged: { why: string; headers: Record<string, string> }[] = [
    { why: 'a line of its own in a value', headers: { 'X-Name': 'a\r\nX-Admin: 1' } },
    { why: 'a line feed alone', headers: { 'X-Name': 'a\nX-Admin: 1' } },
    { why: 'a NUL', headers: { 'X-Name': 'a\0b' } },
    {
      why: 'a character that would end in one that is cut',
      headers: { 'X-Name': 'a\u010a\u010dX-Admin: 1' },
    },
    { why: 'a line of its own in a name', headers: { 'X-Name: a\r\nX-Admin': '1' } },
    { why: 'a space in a name', headers: { 'X Admin': '1' } },
  ]
  for (const { why, headers } of forged) {
    test(`with ${why} fails its request, of which nothing is sent`, async () => {
      await using http = await startRawHttp((socket, body) => socket.write(answerTo(body)))
      const session = await openTransport(transportTo(http.url))
      await session.call('call')
      session.transport.send({ ...requestOf(7, 'call'), headers })
      const { requestId, error } = await session.recorder.until(isKind('requestFailed'))
      expect([requestId, error.code]).toEqual([7, 'INTERNAL'])
      await session.call('call')
      expect(http.bodies.map(idOf)).toEqual([1, 2])
    })
  }

  test('that frames a message is ours alone, and other text is sent as it is', async () => {
    let heard = ''
    const listener = await listen((socket) => {
      socket.on('data', (chunk: Buffer) => {
        heard += chunk.toString('latin1')
        socket.write(answerTo(heard.slice(heard.indexOf('\r\n\r\n') + 4)))
      })
    })
    const session = await openTransport(transportTo(listener.url))
    session.transport.send({
      ...requestOf(1, 'call'),
      headers: {
        'Content-Length': '1',
        'Transfer-Encoding': 'chunked',
        Connection: 'close',
        Host: 'elsewhere',
        'X-Latin': 'caf\xe9',
      },
    })
    await session.recorder.answerTo(1)
    const [head = '', body = ''] = heard.split('\r\n\r\n')
    const lines = head.split('\r\n')
    expect(lines[0]).toBe('POST /mcp HTTP/1.1')
    expect(lines.filter((line) => /^(content-length|transfer-encoding|connection|host):/.test(line))).toEqual(
      [`host: ${new URL(listener.url).host}`, 'connection: keep-alive', `content-length: ${body.length}`],
    )
    expect(lines).toContain('x-latin: caf\xe9')
  })
})
