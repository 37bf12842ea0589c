import { afterEach, describe, expect, test } from 'bun:test'
import type { Socket } from 'node:net'
import type { GatewayError } from '../../../../src/errors.ts'
import type { HttpOptions } from '../../../../src/upstream/transports/http/client/http-client.ts'
import { createSseTransport } from '../../../../src/upstream/transports/http/sse.ts'
import type { UpstreamTransport } from '../../../../src/upstream/transports/transport.ts'
import {
  type Answer,
  type EventStream,
  eventStream,
  type SeenRequest,
  startFaultHttp,
  startRawHttp,
} from '../../../support/fault-http.ts'
import { poll } from '../../../support/gateway.ts'
import { createRecorder, isKind } from '../../../support/transport-recorder.ts'
import { openTransport } from '../../../support/transport-session.ts'

const open: UpstreamTransport[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()))
})

const isPost = (request: SeenRequest): boolean => request.method === 'POST'

/** A server whose stream announces `endpoint`; POSTs are answered as told. */
function server(endpoint = '/message?sessionId=1', onPost: (request: SeenRequest) => Answer = () => null) {
  const streams: EventStream[] = []
  const http = startFaultHttp((request) => {
    if (request.method !== 'GET') return onPost(request)
    const stream = eventStream()
    streams.push(stream)
    stream.send(`event: endpoint\ndata: ${endpoint.replace('ORIGIN', http.origin)}\n\n`)
    return stream.response
  })
  return { http, streams, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() }
}

async function openError(
  transport: UpstreamTransport,
  signal = AbortSignal.timeout(5_000),
): Promise<GatewayError> {
  const recorder = createRecorder()
  const error = await transport.open(recorder, signal).then(
    () => null,
    (thrown: unknown) => thrown as GatewayError,
  )
  expect(recorder.events).toEqual([])
  if (error === null) throw new Error('it opened')
  return error
}

describe.each([
  { way: 'over connections of its own', proxied: false },
  { way: 'over fetch, as where an outgoing proxy is configured', proxied: true },
])('$way', ({ proxied }) => {
  const proxies = { carriesClearText: proxied, of: () => null }

  function transportTo(url: string, options: Partial<HttpOptions> = {}): UpstreamTransport {
    const transport = createSseTransport({ url, proxies, headers: {}, lineBytesMax: 1 << 20, ...options })
    open.push(transport)
    return transport
  }

  describe('the endpoint', () => {
    const rows: { why: string; endpoint: string; path: string }[] = [
      { why: 'a path', endpoint: '/message?sessionId=1', path: '/message?sessionId=1' },
      { why: 'relative to the stream', endpoint: 'message?sessionId=1', path: '/api/message?sessionId=1' },
      { why: 'only a query', endpoint: '?sessionId=1', path: '/api/sse?sessionId=1' },
      { why: 'a whole URL of the same origin', endpoint: 'ORIGIN/m', path: '/m' },
      {
        why: 'without the credentials that somebody wrote into it',
        endpoint: '//user:pass@HOST/m',
        path: '/m',
      },
    ]
    for (const { why, endpoint, path } of rows) {
      test(`may be ${why}`, async () => {
        await using fault = startFaultHttp((request) => {
          if (request.method !== 'GET') return null
          const stream = eventStream()
          const host = request.headers['host'] ?? ''
          stream.send(
            `event: endpoint\ndata: ${endpoint.replace('ORIGIN', `http://${host}`).replace('HOST', host)}\n\n`,
          )
          return stream.response
        })
        const session = await openTransport(
          transportTo(`${fault.origin}/api/sse`, { headers: { 'X-Key': 'k' } }),
        )
        session.start('call')
        const post = await fault.request(isPost)
        expect(post.path).toBe(path)
        expect(post.headers).toMatchObject({ 'content-type': 'application/json', 'x-key': 'k' })
        expect(post.headers['authorization']).toBeUndefined()
      })
    }

    for (const foreign of [
      'http://evil.example/m',
      '//evil.example/m',
      'https://127.0.0.1/m',
      'file:///m',
      'http://[',
    ]) {
      test(`of another origin is refused: ${foreign}`, async () => {
        await using fault = server(foreign)
        expect((await openError(transportTo(fault.http.url))).code).toBe('URL_FORBIDDEN')
        await (await fault.http.request((request) => request.method === 'GET')).gone
        expect(fault.http.seen.filter(isPost)).toEqual([])
      })
    }

    test('is judged as a redirect when the stream was redirected to its origin', async () => {
      const asked: string[] = []
      await using fault = startFaultHttp((request) => {
        if (request.method !== 'GET') return null
        const host = `localhost:${new URL(fault.origin).port}`
        if (request.path === '/sse')
          return new Response(null, { status: 307, headers: { location: `http://${host}/moved` } })
        const stream = eventStream()
        stream.send(`event: endpoint\ndata: /message\n\n`)
        return stream.response
      })
      const guardUrl = async (url: URL, from: URL | null) => {
        asked.push(`${from?.hostname ?? 'nowhere'} → ${url.hostname}`)
        return proxied ? undefined : ['127.0.0.1']
      }
      const session = await openTransport(transportTo(`${fault.origin}/sse`, { guardUrl }))
      session.start('call')
      expect((await fault.request(isPost)).path).toBe('/message')
      expect(asked).toEqual(['nowhere → 127.0.0.1', '127.0.0.1 → localhost'])
    })

    test('is taken once; a later one changes nothing', async () => {
      await using fault = server()
      const session = await openTransport(transportTo(fault.http.url))
      fault.streams[0]?.send('event: endpoint\ndata: /elsewhere\n\n')
      fault.streams[0]?.send('data: {"jsonrpc":"2.0","method":"n"}\n\n')
      await session.recorder.until(isKind('message'))
      session.start('call')
      expect((await fault.http.request(isPost)).path).toBe('/message?sessionId=1')
    })
  })

  describe('opening', () => {
    const rows: { why: string; answer: () => Response; code: string; status?: number }[] = [
      {
        why: 'a server that has no such stream',
        answer: () => new Response(null, { status: 405 }),
        code: 'UPSTREAM_ERROR',
        status: 405,
      },
      {
        why: 'wrong credentials',
        answer: () => new Response('secret', { status: 401 }),
        code: 'UPSTREAM_UNAUTHORIZED',
      },
      {
        why: 'a web page',
        answer: () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
        code: 'UPSTREAM_ERROR',
      },
      {
        why: 'a stream that ends without an endpoint',
        answer: () => new Response(': hi\n\n', { headers: { 'content-type': 'text/event-stream' } }),
        code: 'UPSTREAM_CLOSED',
      },
    ]
    for (const { why, answer, code, status } of rows) {
      test(`rejects for ${why}`, async () => {
        await using fault = startFaultHttp(answer)
        const error = await openError(transportTo(fault.url))
        expect(error).toMatchObject(status === undefined ? { code } : { code, upstreamStatus: status })
      })
    }

    test('rejects when nobody listens', async () => {
      expect((await openError(transportTo('http://127.0.0.1:1/sse'))).code).toBe('SERVER_UNAVAILABLE')
    })

    test('rejects when the signal says so, and leaves nothing open', async () => {
      await using fault = startFaultHttp(() => eventStream().response)
      const error = await openError(transportTo(fault.url), AbortSignal.timeout(100))
      expect(error.code).toBe('UPSTREAM_TIMEOUT')
      await fault.seen[0]?.gone
    })
  })

  describe('messages', () => {
    test('of the server arrive without attribution, also in several data lines', async () => {
      await using fault = server()
      const session = await openTransport(transportTo(fault.http.url))
      fault.streams[0]?.send(
        'event: message\ndata: {"jsonrpc":"2.0",\ndata: "method":"n","params":{"n":1.10}}\n\n',
      )
      expect(await session.recorder.until(isKind('message'))).toEqual({
        kind: 'message',
        text: '{"jsonrpc":"2.0",\n"method":"n","params":{"n":1.10}}',
        requestId: null,
      })
    })

    test('to the server keep their order although every one is a POST of its own', async () => {
      let nth = 0
      await using fault = server('/m', async () => {
        await Bun.sleep(nth++ % 3)
        return null
      })
      const session = await openTransport(transportTo(fault.http.url))
      const ids = Array.from({ length: 40 }, () => session.start('call'))
      await fault.http.request(isPost, ids.length)
      expect(fault.http.seen.filter(isPost).map((request) => request.message.id)).toEqual(ids)
    })

    test('are not held up for long by a POST that is answered when its call is done', async () => {
      const done = Promise.withResolvers<null>()
      await using fault = server('/m', (request) => (request.message.id === 1 ? done.promise : null))
      const session = await openTransport(transportTo(fault.http.url))
      session.start('call')
      session.start('call')
      await fault.http.request((request) => request.message.id === 2)
      done.resolve(null)
    })

    test('may come in the body of a POST, where a word that is none of them is nothing', async () => {
      const bodies = ['{"jsonrpc":"2.0","id":1,"result":{}}', '{"status":"accepted"}', '']
      await using fault = server('/m', (request) => {
        const body = bodies[Number(request.message.id) - 1] ?? ''
        return new Response(body, { headers: { 'content-type': 'application/json' } })
      })
      const session = await openTransport(transportTo(fault.http.url))
      for (const _ of bodies) session.start('call')
      await fault.http.request(isPost, bodies.length)
      fault.streams[0]?.send('data: {"jsonrpc":"2.0","id":2,"result":{}}\n\n')
      await session.recorder.answerTo(2)
      expect(session.recorder.events).toEqual([
        { kind: 'message', text: '{"jsonrpc":"2.0","id":1,"result":{}}', requestId: 1 },
        { kind: 'message', text: '{"jsonrpc":"2.0","id":2,"result":{}}', requestId: null },
      ])
    })

    test('over the cap are left out, and fail the call that they answer', async () => {
      await using fault = server()
      const session = await openTransport(transportTo(fault.http.url, { lineBytesMax: 1_000 }))
      fault.streams[0]?.send(`data: {"result":"${'x'.repeat(2_000)}","jsonrpc":"2.0","id":7}\n\n`)
      fault.streams[0]?.send(`data: {"method":"${'x'.repeat(2_000)}","jsonrpc":"2.0","id":8}\n\n`)
      fault.streams[0]?.send('data: {"jsonrpc":"2.0","method":"n"}\n\n')
      await session.recorder.until(isKind('message'))
      expect(session.recorder.of('requestFailed').map((event) => event.requestId)).toEqual([7])
      expect(session.recorder.of('noise').length).toBe(2)
    })
  })

  describe('a flood of notifications', () => {
    test('is cut off at a bound while the server takes none of them', async () => {
      await using fault = server('/message', () => new Promise(() => {}))
      const session = await openTransport(transportTo(fault.http.url))
      for (let sent = 0; sent < 300; sent++) session.notify('notifications/flood')
      const dropped = session.recorder.events.filter((event) => event.kind === 'noise')
      // One is on its way, the bound waits.
      expect(dropped).toHaveLength(300 - 256 - 1)
      expect(JSON.stringify(dropped[0])).toContain('notifications/flood was dropped')
    })
  })

  describe('failing', () => {
    test('a POST that is refused fails its request; the wire stays', async () => {
      await using fault = server('/m', (request) =>
        request.message.id === 1 ? new Response('broken', { status: 500 }) : null,
      )
      const session = await openTransport(transportTo(fault.http.url))
      session.start('call')
      const { requestId, error } = await session.recorder.until(isKind('requestFailed'))
      expect([requestId, error.code]).toEqual([1, 'UPSTREAM_ERROR'])
      session.start('call')
      await fault.http.request(isPost, 2)
      expect(session.recorder.of('closed')).toEqual([])
    })

    test('an error with the id of its request is the answer to it, whatever it says; the wire stays', async () => {
      const text = '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Invalid session"}}'
      for (const status of [400, 404]) {
        const headers = { 'content-type': 'application/json' }
        await using fault = server('/m', () => new Response(text, { status, headers }))
        const session = await openTransport(transportTo(fault.http.url))
        session.start('call')
        await session.recorder.until(isKind('message'))
        session.start('call')
        await fault.http.request(isPost, 2)
        expect(session.recorder.events[0]).toEqual({ kind: 'message', text, requestId: 1 })
        expect(session.recorder.of('closed')).toEqual([])
      }
    })

    test('a POST that is dropped is answered all the same when the answer comes on the stream', async () => {
      let stream: Socket | null = null
      await using http = await startRawHttp((socket, body) => {
        if (body !== '') {
          socket.destroy()
          return
        }
        stream = socket
        socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n')
        socket.write('event: endpoint\ndata: /m\n\n')
      })
      const session = await openTransport(transportTo(http.url))
      session.start('call')
      await poll('the POST', async () => http.bodies.length === 2)
      await Bun.sleep(100)
      expect(session.recorder.events).toEqual([])
      ;(stream as Socket | null)?.write('data: {"jsonrpc":"2.0","id":1,"result":{"late":true}}\n\n')
      expect(await session.recorder.answerTo(1)).toMatchObject({ result: { late: true } })
      expect(http.bodies.length).toBe(2)
    })

    test('so is one that a proxy has given up', async () => {
      await using fault = server('/m', () => new Response(null, { status: 504 }))
      const session = await openTransport(transportTo(fault.http.url))
      session.start('call')
      await fault.http.request(isPost)
      await Bun.sleep(100)
      expect(session.recorder.events).toEqual([])
      fault.streams[0]?.send('data: {"jsonrpc":"2.0","id":1,"result":{"late":true}}\n\n')
      expect(await session.recorder.answerTo(1)).toMatchObject({ result: { late: true } })
      expect(fault.http.seen.filter(isPost).length).toBe(1)
    })

    test('a server that does not know the session any more closes the wire', async () => {
      await using fault = server('/m', () => new Response(null, { status: 404 }))
      const session = await openTransport(transportTo(fault.http.url))
      session.start('call')
      expect((await session.recorder.until(isKind('closed'))).error.code).toBe('UPSTREAM_CLOSED')
      await (await fault.http.request((request) => request.method === 'GET')).gone
    })

    test('a stream that drops closes the wire, once, and nothing is sent afterwards', async () => {
      await using fault = server()
      const session = await openTransport(transportTo(fault.http.url))
      fault.streams[0]?.end()
      const { error } = await session.recorder.until(isKind('closed'))
      expect(error.details).toContain('ended the event stream')
      session.start('call')
      await Bun.sleep(20)
      expect(session.recorder.events.length).toBe(1)
      expect(fault.http.seen.filter(isPost)).toEqual([])
    })

    test('close ends the stream at the server', async () => {
      await using fault = server('/m', () => new Promise(() => {}))
      const session = await openTransport(transportTo(fault.http.url))
      session.start('call')
      const post = await fault.http.request(isPost)
      await session.transport.close()
      await Promise.all([post.gone, fault.http.seen[0]?.gone])
      expect(session.recorder.events).toEqual([])
    })
  })
})

test('a request whose POST was lost fails once no answer has come on the stream for ten seconds', async () => {
  await using fault = server('/m', () => new Response(null, { status: 504 }))
  const transport = createSseTransport({ url: fault.http.url, headers: {}, lineBytesMax: 1 << 20 })
  open.push(transport)
  const session = await openTransport(transport)
  session.start('call')
  await fault.http.request(isPost)
  const sentMs = performance.now()
  await poll('the failure', async () => session.recorder.of('requestFailed').length === 1, 15_000)
  expect(performance.now() - sentMs).toBeGreaterThan(9_000)
  expect(session.recorder.of('requestFailed')[0]?.error.details).toContain('answered HTTP 504')
  expect(session.recorder.of('closed')).toEqual([])
}, 20_000)
