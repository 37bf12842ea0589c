import { afterEach, describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../../src/errors.ts'
import type { HttpOptions } from '../../../../src/upstream/transports/http/client/http-client.ts'
import { createStreamableHttpTransport } from '../../../../src/upstream/transports/http/streamable-http.ts'
import type { UpstreamTransport } from '../../../../src/upstream/transports/transport.ts'
import {
  type Answer,
  eventStream,
  jsonAnswer,
  type SeenRequest,
  startFaultHttp,
  startRawHttp,
  welcome,
} from '../../../support/fault-http.ts'
import { isKind } from '../../../support/transport-recorder.ts'
import { initialize, openSession, openTransport, requestOf } from '../../../support/transport-session.ts'

const open: UpstreamTransport[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()))
})

const isCall = (request: SeenRequest): boolean => request.message.method === 'call'
const isGet = (request: SeenRequest): boolean => request.method === 'GET'

/** A server that welcomes, and answers calls as told. */
function server(
  onCall: (request: SeenRequest) => Answer,
  onGet: (request: SeenRequest) => Answer = () => null,
) {
  return startFaultHttp((request) => {
    if (isGet(request)) return onGet(request)
    return welcome(request) ?? (isCall(request) ? onCall(request) : null)
  })
}

function unsized(text: string): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Buffer.from(text))
      controller.close()
    },
  })
  return new Response(body, { headers: { 'content-type': 'application/json' } })
}

function events(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'text/event-stream' } })
}

describe.each([
  { way: 'over connections of its own', proxied: false },
  { way: 'over fetch, as where an outgoing proxy is configured', proxied: true },
])('$way', ({ proxied }) => {
  const proxies = { carriesClearText: proxied, of: () => null }

  function transportTo(url: string, options: Partial<HttpOptions> = {}): UpstreamTransport {
    const fixed = { url, proxies, headers: {}, lineBytesMax: 1 << 20 }
    const transport = createStreamableHttpTransport({ ...fixed, ...options })
    open.push(transport)
    return transport
  }

  describe('an answer', () => {
    test('in JSON arrives with the digits that were sent', async () => {
      const text = '{"jsonrpc":"2.0","id":1,"result":{"n":12345678901234567890,"f":1.10,"s":"é😀"}}'
      await using http = startFaultHttp(
        () => new Response(` ${text}\n`, { headers: { 'content-type': 'application/json; charset=utf-8' } }),
      )
      const { recorder, start } = await openTransport(transportTo(http.url))
      start('call')
      const message = await recorder.until(isKind('message'))
      expect(message).toEqual({ kind: 'message', text, requestId: 1 })
    })

    test('in a stream comes after what was said before it, all of it attributed to the request', async () => {
      await using http = startFaultHttp((request) => {
        const stream = eventStream()
        stream.send(`: hello\n\nid: 0\ndata:\n\nevent: other\ndata: {"x":1}\n\n`)
        stream.send(`data: {"jsonrpc":"2.0","method":"n","params":{}}\n\n`)
        stream.send(`data: {"jsonrpc":"2.0","id":${request.message.id},\ndata: "result":{}}\n\n`)
        stream.end()
        return stream.response
      })
      const session = await openTransport(transportTo(http.url))
      await session.call('call')
      expect(session.recorder.events).toEqual([
        { kind: 'message', text: '{"jsonrpc":"2.0","method":"n","params":{}}', requestId: 1 },
        { kind: 'message', text: '{"jsonrpc":"2.0","id":1,\n"result":{}}', requestId: 1 },
      ])
    })

    test('does not hold the stream open when the server forgets to end it', async () => {
      await using http = startFaultHttp((request) => {
        const stream = eventStream()
        stream.send(`data: {"jsonrpc":"2.0","id":${request.message.id},"result":{}}\n\n`)
        return stream.response
      })
      const session = await openTransport(transportTo(http.url))
      await session.call('call')
      await (await http.request(isCall)).gone
      expect(session.recorder.of('requestFailed')).toEqual([])
    })

    const bad: { why: string; answer: () => Response; code: string }[] = [
      {
        why: 'a web page',
        answer: () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
        code: 'UPSTREAM_ERROR',
      },
      { why: 'nothing', answer: () => new Response(null, { status: 202 }), code: 'UPSTREAM_ERROR' },
      { why: 'JSON that is no object', answer: () => Response.json('hello'), code: 'UPSTREAM_ERROR' },
      {
        why: 'a body over the cap',
        answer: () => Response.json({ x: 'x'.repeat(1 << 21) }),
        code: 'RESULT_TOO_LARGE',
      },
      {
        why: 'a body over the cap whose size was not announced',
        answer: () => unsized('x'.repeat(1 << 21)),
        code: 'RESULT_TOO_LARGE',
      },
      {
        why: 'an event over the cap',
        answer: () => events(`data: {"result":"${'x'.repeat(1 << 21)}","id":1}\n\n`),
        code: 'RESULT_TOO_LARGE',
      },
      {
        why: 'the answer to another request',
        answer: () => Response.json({ jsonrpc: '2.0', id: 999, result: {} }),
        code: 'UPSTREAM_ERROR',
      },
      {
        why: 'a result without id',
        answer: () => Response.json({ jsonrpc: '2.0', id: null, result: {} }),
        code: 'UPSTREAM_ERROR',
      },
      { why: 'JSON of another kind', answer: () => Response.json({ error: 'no' }), code: 'UPSTREAM_ERROR' },
      { why: 'plain text', answer: () => new Response('ok'), code: 'UPSTREAM_ERROR' },
      {
        why: 'a body that is not compressed as it says',
        answer: () =>
          new Response('x', { headers: { 'content-encoding': 'gzip', 'content-type': 'application/json' } }),
        code: 'UPSTREAM_ERROR',
      },
      {
        why: 'a stream that ends without it',
        answer: () => events('data: {"jsonrpc":"2.0","method":"n"}\n\n'),
        code: 'UPSTREAM_CLOSED',
      },
      {
        why: 'a redirect that would make it a GET',
        answer: () => new Response(null, { status: 302, headers: { location: '/x' } }),
        code: 'UPSTREAM_ERROR',
      },
    ]
    for (const { why, answer, code } of bad) {
      test(`that is ${why} fails the request`, async () => {
        await using http = startFaultHttp(answer)
        const { recorder, start } = await openTransport(transportTo(http.url))
        start('call')
        const { requestId, error } = await recorder.until(isKind('requestFailed'))
        expect([requestId, error.code]).toEqual([1, code as typeof error.code])
        expect(http.seen.length).toBe(1)
      })
    }
  })

  describe('the handshake', () => {
    test('brings the session and the version to every later message, and not before', async () => {
      await using http = server((request) => jsonAnswer(request))
      const session = await openSession(transportTo(http.url, { headers: { 'X-Key': 'k' } }))
      await session.call('call')
      const [first, second, ...rest] = http.seen.filter((request) => request.method === 'POST')
      expect(first?.headers).toMatchObject({
        accept: 'application/json, text/event-stream',
        'accept-encoding': 'identity',
        'content-type': 'application/json',
        'x-key': 'k',
      })
      expect(first?.headers['mcp-session-id']).toBeUndefined()
      expect(first?.headers['mcp-protocol-version']).toBeUndefined()
      expect(rest.length).toBe(1)
      for (const request of [second, ...rest]) {
        expect(request?.headers).toMatchObject({
          'mcp-session-id': 'session-1',
          'mcp-protocol-version': '2025-11-25',
          'x-key': 'k',
        })
      }
    })

    test('holds calls back until the server has taken notifications/initialized', async () => {
      const taken = Promise.withResolvers<Response>()
      await using http = startFaultHttp((request) => {
        if (request.message.method === 'notifications/initialized') return taken.promise
        return welcome(request) ?? (isCall(request) ? jsonAnswer(request) : null)
      })
      const session = await openSession(transportTo(http.url))
      session.notify('notifications/cancelled', { requestId: 99 })
      const id = session.start('call')
      const withdrawn = session.start('call')
      session.transport.abort(withdrawn)
      await http.request((request) => request.message.method === 'notifications/cancelled')
      expect(http.seen.filter(isCall)).toEqual([])
      taken.resolve(new Response(null, { status: 202 }))
      await session.recorder.answerTo(id)
      expect(http.seen.filter(isCall).map((request) => request.message.id)).toEqual([id])
    })

    test('is not waited for by servers without one', async () => {
      await using http = startFaultHttp((request) => (isCall(request) ? jsonAnswer(request) : null))
      const session = await openTransport(transportTo(http.url))
      session.transport.send({
        ...requestOf(1, 'call'),
        headers: { 'Mcp-Method': 'call', 'MCP-Protocol-Version': '2026-07-28' },
      })
      await session.recorder.answerTo(1)
      expect(http.seen[0]?.headers).toMatchObject({
        'mcp-method': 'call',
        'mcp-protocol-version': '2026-07-28',
      })
    })

    test('that fails lets the next one through', async () => {
      let refusals = 1
      await using http = startFaultHttp((request) =>
        refusals-- > 0 ? new Response('no', { status: 503 }) : (welcome(request) ?? jsonAnswer(request)),
      )
      const session = await openTransport(transportTo(http.url))
      session.start('initialize')
      await session.recorder.until(isKind('requestFailed'))
      await session.call('call')
    })
  })

  describe('the standing stream', () => {
    test('opens after the handshake and brings what belongs to no request', async () => {
      const stream = eventStream()
      await using http = server(
        () => null,
        () => stream.response,
      )
      const session = await openSession(transportTo(http.url))
      const get = await http.request(isGet)
      expect(get.headers).toMatchObject({
        accept: 'text/event-stream',
        'mcp-session-id': 'session-1',
        'mcp-protocol-version': '2025-11-25',
      })
      const posts = http.seen.slice(0, http.seen.indexOf(get)).map((request) => request.message.method)
      expect(posts).toEqual(['initialize', 'notifications/initialized'])
      stream.send('data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n')
      const event = await session.recorder.until(
        (event): event is Extract<typeof event, { kind: 'message' }> =>
          event.kind === 'message' && event.text.includes('list_changed'),
      )
      expect(event.requestId).toBeNull()
    })

    test('is asked for again no sooner than the server has said', async () => {
      const askedMs: number[] = []
      await using http = server(
        () => null,
        () => {
          askedMs.push(performance.now())
          return new Response(null, { status: 503, headers: { 'retry-after': '2' } })
        },
      )
      await openSession(transportTo(http.url))
      await http.request(isGet, 2)
      expect((askedMs[1] ?? 0) - (askedMs[0] ?? 0)).toBeGreaterThan(1_900)
    })

    for (const status of [405, 404, 501]) {
      test(`is not asked for again when the server answers ${status}`, async () => {
        await using http = server(
          (request) => jsonAnswer(request),
          () => new Response(null, { status }),
        )
        const session = await openSession(transportTo(http.url))
        await http.request(isGet)
        await Bun.sleep(150)
        expect(http.seen.filter(isGet).length).toBe(1)
        await session.call('call')
        expect(session.recorder.of('sessionLost')).toEqual([])
      })
    }

    test('is resumed after the delay that the server asked for', async () => {
      const streams = [eventStream(), eventStream()]
      let opened = 0
      const openedAtMs: number[] = []
      await using http = server(
        () => null,
        () => {
          openedAtMs.push(performance.now())
          return streams[opened++]?.response
        },
      )
      await openSession(transportTo(http.url))
      await http.request(isGet)
      streams[0]?.send('retry: 250\nid: e7\ndata: {"jsonrpc":"2.0","method":"a"}\n\n')
      streams[0]?.end()
      const second = await http.request(isGet, 2)
      expect(second.headers['last-event-id']).toBe('e7')
      expect((openedAtMs[1] ?? 0) - (openedAtMs[0] ?? 0)).toBeGreaterThanOrEqual(240)
    })

    test('tells of a doubt about the session when a server that offered it refuses it', async () => {
      let restarted = false
      await using http = server(
        () => null,
        () => {
          if (restarted) return new Response(null, { status: 404 })
          restarted = true
          return events('retry: 100\n\n')
        },
      )
      const session = await openSession(transportTo(http.url))
      await session.recorder.until(isKind('sessionDoubted'))
      // Whether it is lost a request must find out.
      expect(session.recorder.of('sessionLost')).toEqual([])
    })
  })

  describe('a stream that ends before its answer', () => {
    test('is resumed from its last event, after the delay asked for, without sending the request again', async () => {
      let endedAtMs = 0
      let resumedAtMs = 0
      await using http = server(
        (request) => {
          endedAtMs = performance.now()
          return events(
            `id: p-0\nretry: 300\ndata: \n\nid: p-1\ndata: {"jsonrpc":"2.0","method":"n","params":{"id":${request.message.id}}}\n\n`,
          )
        },
        (request) => {
          if (request.headers['last-event-id'] === undefined) return null
          resumedAtMs = performance.now()
          return events('id: p-2\ndata: {"jsonrpc":"2.0","id":2,"result":{"resumed":true}}\n\n')
        },
      )
      const session = await openSession(transportTo(http.url))
      expect(await session.call('call')).toMatchObject({ result: { resumed: true } })
      expect(http.seen.filter(isCall).length).toBe(1)
      const resume = http.seen.find((request) => request.headers['last-event-id'] !== undefined)
      expect(resume?.headers).toMatchObject({ 'last-event-id': 'p-1', 'mcp-session-id': 'session-1' })
      expect(resumedAtMs - endedAtMs).toBeGreaterThanOrEqual(290)
      expect(session.recorder.of('message').map((event) => event.requestId)).toEqual([1, 2, 2])
    })

    test('fails the request when the server does not let it be resumed', async () => {
      await using http = server(() => events('id: 1\nretry: 0\ndata: \n\n'))
      const session = await openSession(transportTo(http.url))
      const id = session.start('call')
      const { requestId, error } = await session.recorder.until(isKind('requestFailed'))
      expect([requestId, error.code]).toEqual([id, 'UPSTREAM_CLOSED'])
      expect(error.details).toContain('HTTP 405')
      expect(http.seen.filter(isCall).length).toBe(1)
    })

    test('fails the request when resuming brings nothing new, time after time', async () => {
      await using http = server(
        () => events('id: 1\nretry: 0\ndata: \n\n'),
        (request) => (request.headers['last-event-id'] === undefined ? null : events(': nothing\n\n')),
      )
      const session = await openSession(transportTo(http.url))
      session.start('call')
      await session.recorder.until(isKind('requestFailed'))
      expect(http.seen.filter((request) => request.headers['last-event-id'] === '1').length).toBe(5)
    })

    test('is not resumed after the request was given up', async () => {
      await using http = server(() => events('id: 1\nretry: 100\ndata: \n\n'))
      const session = await openSession(transportTo(http.url))
      const id = session.start('call')
      await http.request(isCall)
      session.transport.abort(id)
      await Bun.sleep(250)
      expect(http.seen.filter((request) => request.headers['last-event-id'] !== undefined)).toEqual([])
      expect(session.recorder.of('requestFailed')).toEqual([])
    })
  })

  describe('a connection that breaks', () => {
    const rows: { why: string; answer: string; cut: boolean }[] = [
      { why: 'before the answer', answer: '', cut: true },
      { why: 'within the headers', answer: 'HTTP/1.1 200 OK\r\ncontent-ty', cut: true },
      {
        why: 'within a JSON body',
        answer: 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"json',
        cut: true,
      },
      {
        why: 'within an event',
        answer: 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"json',
        cut: true,
      },
    ]
    for (const { why, answer } of rows) {
      test(`${why} fails the request once; it is never sent a second time`, async () => {
        await using http = await startRawHttp((socket, _body, nth) => {
          // The first is answered, so that the second goes over a connection that was kept alive.
          if (nth === 1)
            socket.write(
              'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n{"jsonrpc":"2.0","id":1,"result":{}}',
            )
          else socket.end(answer, () => socket.destroy())
        })
        const session = await openTransport(transportTo(http.url))
        await session.call('call')
        const id = session.start('call')
        const { requestId, error } = await session.recorder.until(isKind('requestFailed'))
        expect([requestId, error.code]).toEqual([id, 'UPSTREAM_CLOSED'])
        await Bun.sleep(50)
        expect(http.bodies.length).toBe(2)
      })
    }

    test('although it was kept does not fail a probe, which goes over a new one; a call goes once', async () => {
      const asked = new WeakSet<object>()
      await using http = await startRawHttp((socket, body) => {
        // Closed without a word while it was idle: whatever comes next on it is lost.
        if (asked.has(socket)) {
          socket.destroy()
          return
        }
        asked.add(socket)
        const text = JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(body).id, result: {} })
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
        )
      })
      const session = await openTransport(transportTo(http.url))
      await session.call('call')
      session.start('call')
      const { requestId, error } = await session.recorder.until(isKind('requestFailed'))
      expect([requestId, error.code]).toEqual([2, 'UPSTREAM_CLOSED'])
      await session.call('call')
      session.transport.send({ ...requestOf(4, 'ping'), repeatable: true })
      expect(await session.recorder.answerTo(4)).toMatchObject({ result: {} })
      expect(http.bodies.map((body) => JSON.parse(body).id)).toEqual([1, 2, 3, 4, 4])
    })

    test('or cannot be made fails the request and leaves the wire usable', async () => {
      const { recorder, start } = await openTransport(transportTo('http://127.0.0.1:1/mcp'))
      start('call')
      const { error } = await recorder.until(isKind('requestFailed'))
      expect(error.code).toBe('SERVER_UNAVAILABLE')
      expect(error.details).toBe(
        '127.0.0.1:1 cannot be reached (ECONNREFUSED): nothing listens there: start the server, or check host and port in url.',
      )
      start('call')
      await recorder.until((event): event is typeof event => recorder.of('requestFailed').length === 2)
      expect(recorder.of('closed')).toEqual([])
    })
  })

  describe('an HTTP error', () => {
    const rows: { why: string; answer: (request: SeenRequest) => Response; event: object }[] = [
      {
        why: '404 in a session: the session is lost',
        answer: () => new Response('Not found', { status: 404 }),
        event: { kind: 'sessionLost', requestId: 2 },
      },
      {
        why: '400 of servers that copied an example which does not know 404',
        answer: () =>
          Response.json(
            { jsonrpc: '2.0', error: { code: -32000, message: 'Bad Request: No valid session ID provided' } },
            { status: 400 },
          ),
        event: { kind: 'sessionLost', requestId: 2 },
      },
      {
        why: 'a JSON-RPC error with the id is the answer',
        answer: () =>
          new Response('{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"bad"}}', {
            status: 400,
            headers: { 'content-type': 'application/json' },
          }),
        event: {
          kind: 'message',
          text: '{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"bad"}}',
          requestId: 2,
        },
      },
      {
        why: 'a JSON-RPC error with a null id answers the request that it came for',
        answer: () =>
          new Response('{"jsonrpc":"2.0","error":{"code":-32700,"message":"bad"},"id":null}', {
            status: 400,
            headers: { 'content-type': 'application/json' },
          }),
        event: {
          kind: 'message',
          text: '{"jsonrpc":"2.0","error":{"code":-32700,"message":"bad"},"id":null}',
          requestId: 2,
        },
      },
      {
        why: 'a JSON-RPC error without an id, likewise',
        answer: () =>
          new Response('{"jsonrpc":"2.0","error":{"code":-32022,"message":"bad"}}', {
            status: 400,
            headers: { 'content-type': 'application/json' },
          }),
        event: {
          kind: 'message',
          text: '{"jsonrpc":"2.0","error":{"code":-32022,"message":"bad"}}',
          requestId: 2,
        },
      },
      {
        why: 'a 5xx without the id is a fault of something in between',
        answer: () =>
          Response.json(
            { jsonrpc: '2.0', error: { code: -32603, message: 'no worker; key secret-key-1' } },
            { status: 503 },
          ),
        event: {
          kind: 'requestFailed',
          requestId: 2,
          error: {
            code: 'UPSTREAM_ERROR',
            details: expect.stringMatching(/ answered HTTP 503: no worker; key \*\*\*$/),
          },
        },
      },
      {
        why: 'an answer that repeats the credentials of its request goes on without them',
        answer: (request) =>
          Response.json(
            {
              jsonrpc: '2.0',
              id: request.message.id,
              error: { code: -32602, message: 'bad', data: { headers: request.headers } },
            },
            { status: 400 },
          ),
        event: {
          kind: 'message',
          text: expect.stringContaining('"authorization":"Bearer ***"'),
        },
      },
      {
        why: 'a page of anything is not shown',
        answer: () =>
          new Response('<html>stack trace with secrets', {
            status: 500,
            headers: { 'content-type': 'text/html' },
          }),
        event: {
          kind: 'requestFailed',
          requestId: 2,
          error: { code: 'UPSTREAM_ERROR', details: expect.stringMatching(/ answered HTTP 500$/) },
        },
      },
      {
        why: 'a media type is shown without the credentials in it',
        answer: () => new Response('', { headers: { 'content-type': 'text/x-Secret-Key-1' } }),
        event: {
          kind: 'requestFailed',
          requestId: 2,
          error: { code: 'UPSTREAM_ERROR', details: expect.stringContaining('HTTP 200 and text/x-***') },
        },
      },
      {
        why: 'a JSON-RPC error is shown without the credentials that name its members',
        answer: (request) =>
          Response.json(
            { id: null, error: { code: -32000, message: 'no', data: { 'secret-key-1': request.path } } },
            { status: 400 },
          ),
        event: { kind: 'message', text: expect.stringContaining('"data":{"***":') },
      },
      {
        why: '401 names the status and what to check, and no body',
        answer: (request) => new Response(`bad token ${request.headers['authorization']}`, { status: 401 }),
        event: {
          kind: 'requestFailed',
          requestId: 2,
          error: {
            code: 'UPSTREAM_UNAUTHORIZED',
            details: expect.stringMatching(/ answered HTTP 401: check the credentials/),
          },
        },
      },
      {
        why: '403, likewise',
        answer: () => new Response('no', { status: 403 }),
        event: { kind: 'requestFailed', requestId: 2, error: { code: 'UPSTREAM_UNAUTHORIZED' } },
      },
    ]
    for (const { why, answer, event } of rows) {
      test(`is read for what it means: ${why}`, async () => {
        await using http = server(answer)
        const session = await openSession(
          transportTo(http.url, {
            headers: { Authorization: 'Bearer secret-key-1' },
            secrets: ['secret-key-1'],
          }),
        )
        session.start('call')
        await session.recorder.until(
          (seen): seen is typeof seen => session.recorder.events.indexOf(seen) === 1,
        )
        expect(session.recorder.events[1]).toMatchObject(event)
        expect(JSON.stringify(session.recorder.events)).not.toContain('secret-key-1')
      })
    }

    const sessionUnknown = { code: -32001, message: 'Session not found' }
    const news: { why: string; status: number; body: unknown; kinds: string[] }[] = [
      {
        why: '404 with the id: the answer, and a lost session',
        status: 404,
        body: { jsonrpc: '2.0', id: 2, error: sessionUnknown },
        kinds: ['message for 2', 'sessionLost for null'],
      },
      {
        why: '200 with the id, likewise',
        status: 200,
        body: { jsonrpc: '2.0', id: 2, error: sessionUnknown },
        kinds: ['message for 2', 'sessionLost for null'],
      },
      {
        why: '404 with the id, about the method: the answer alone',
        status: 404,
        body: { jsonrpc: '2.0', id: 2, error: { code: -32601, message: 'Method not found' } },
        kinds: ['message for 2'],
      },
      {
        why: '400 with the id, about a session of the tool: the answer alone',
        status: 400,
        body: { jsonrpc: '2.0', id: 2, error: { code: -32000, message: 'Your bank session has expired' } },
        kinds: ['message for 2'],
      },
      {
        why: '404 with the id of nobody: it did not run',
        status: 404,
        body: { jsonrpc: '2.0', id: 'server-error', error: { code: -32600, message: 'Not here' } },
        kinds: ['sessionLost for 2'],
      },
      {
        why: '200 without the id: it did not run',
        status: 200,
        body: { jsonrpc: '2.0', id: null, error: sessionUnknown },
        kinds: ['sessionLost for 2'],
      },
      { why: '410: it did not run', status: 410, body: {}, kinds: ['sessionLost for 2'] },
      {
        why: '500 in the words of a check: it may have run',
        status: 500,
        body: { error: 'Session not found' },
        kinds: ['requestFailed for 2', 'sessionLost for null'],
      },
    ]
    for (const { why, status, body, kinds } of news) {
      test(`tells what became of the request and of the session: ${why}`, async () => {
        await using http = server((request) =>
          request.message.id === 2 ? Response.json(body, { status }) : jsonAnswer(request),
        )
        const session = await openSession(transportTo(http.url))
        session.start('call')
        await session.recorder.until(
          (seen): seen is typeof seen => session.recorder.events.length > kinds.length,
        )
        await session.call('call')
        const told = session.recorder.events.slice(1, -1)
        expect(told.map((seen) => `${seen.kind} for ${'requestId' in seen ? seen.requestId : ''}`)).toEqual(
          kinds,
        )
        expect(http.seen.filter((request) => request.message.id === 2)).toHaveLength(1)
      })
    }

    test('is not waited for when its body does not end: the call fails and the session is lost', async () => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(Buffer.from('{"jsonrpc":"2.0",')),
      })
      const headers = { 'content-type': 'application/json' }
      await using http = server(() => new Response(body, { status: 404, headers }))
      const session = await openSession(transportTo(http.url))
      session.start('call')
      expect((await session.recorder.until(isKind('sessionLost'))).requestId).toBeNull()
      expect(session.recorder.of('requestFailed').map(({ requestId }) => requestId)).toEqual([2])
    }, 10_000)

    test('404 outside a session is an error of the address, not of a session', async () => {
      await using http = startFaultHttp(() => new Response(null, { status: 404 }))
      const { recorder, start } = await openTransport(transportTo(http.url))
      start('initialize')
      const { error } = await recorder.until(isKind('requestFailed'))
      expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', upstreamStatus: 404 })
    })
  })

  describe('a lost session', () => {
    test('can be replaced: initialize goes out without it and the new one is used', async () => {
      let sessions = 0
      await using http = startFaultHttp((request) => {
        if (isGet(request)) return null
        const welcomed = welcome(request, `session-${sessions + 1}`)
        if (welcomed !== null) sessions++
        if (welcomed !== null || !isCall(request)) return welcomed
        return request.headers['mcp-session-id'] === `session-${sessions}` && sessions > 1
          ? jsonAnswer(request)
          : new Response(null, { status: 404 })
      })
      const session = await openSession(transportTo(http.url))
      session.start('call')
      expect((await session.recorder.until(isKind('sessionLost'))).requestId).toBe(2)
      session.transport.resetSession()
      await initialize(session)
      await session.call('call')
      const again = await http.request((request) => request.message.method === 'initialize', 2)
      expect(again.headers['mcp-session-id']).toBeUndefined()
      expect(again.headers['mcp-protocol-version']).toBeUndefined()
    })

    test('takes the calls of its last turn along into the new one', async () => {
      let sessions = 0
      await using http = startFaultHttp((request) => {
        if (isGet(request)) return null
        const welcomed = welcome(request, `session-${sessions + 1}`)
        if (welcomed !== null) sessions++
        return welcomed ?? (isCall(request) ? jsonAnswer(request) : null)
      })
      const session = await openSession(transportTo(http.url))
      await session.call('call')
      const id = session.start('call')
      session.transport.resetSession()
      await initialize(session)
      await session.recorder.answerTo(id)
      expect(http.seen.filter(isCall).map((request) => request.headers['mcp-session-id'])).toEqual([
        'session-1',
        'session-2',
      ])
    })

    test('refuses a late call that still carried it, which then goes out in the new one', async () => {
      const late = Promise.withResolvers<Response>()
      let sessions = 0
      await using http = startFaultHttp((request) => {
        if (isGet(request)) return null
        const welcomed = welcome(request, `session-${sessions + 1}`)
        if (welcomed !== null) sessions++
        if (welcomed !== null || !isCall(request)) return welcomed
        return request.headers['mcp-session-id'] === 'session-1' ? late.promise : jsonAnswer(request)
      })
      const session = await openSession(transportTo(http.url))
      const id = session.start('call')
      await http.request(isCall)
      session.transport.resetSession()
      await initialize(session)
      late.resolve(new Response(null, { status: 404 }))
      await session.recorder.answerTo(id)
      expect(session.recorder.of('sessionLost')).toEqual([])
      expect(http.seen.filter(isCall).map((request) => request.headers['mcp-session-id'])).toEqual([
        'session-1',
        'session-2',
      ])
    })
  })

  test.each([
    { headers: {}, via: '1.1 compozy', why: 'alone' },
    { headers: { Via: '1.0 office' }, via: '1.0 office, 1.1 compozy', why: 'behind whoever came before' },
  ])('a request names the gateway in Via, $why', async ({ headers, via }) => {
    await using http = startFaultHttp((request) => jsonAnswer(request))
    const session = await openTransport(transportTo(http.url, { headers }))
    await session.call('call')
    expect(http.seen[0]?.headers['via']).toBe(via)
  })

  describe('a redirect', () => {
    const headers = { Authorization: 'Bearer secret-key-1', Cookie: 'a=b', 'X-Key': 'k' }

    test('within the origin is followed with the same method, body and headers', async () => {
      await using http = startFaultHttp((request) =>
        request.path === '/mcp'
          ? new Response(null, { status: 307, headers: { location: '/other?x=1' } })
          : jsonAnswer(request),
      )
      const session = await openTransport(transportTo(http.url, { headers }))
      await session.call('call')
      const [first, second] = http.seen
      expect(second).toMatchObject({ method: 'POST', path: '/other?x=1', body: first?.body ?? '' })
      expect(second?.headers).toMatchObject({
        authorization: 'Bearer secret-key-1',
        cookie: 'a=b',
        'x-key': 'k',
      })
    })

    test('to another origin takes no credentials along', async () => {
      await using other = startFaultHttp((request) => jsonAnswer(request))
      await using http = startFaultHttp(
        (request) =>
          welcome(request) ??
          (isCall(request)
            ? new Response(null, { status: 308, headers: { location: `${other.origin}/mcp` } })
            : null),
      )
      const session = await openSession(
        transportTo(http.url.replace('//', '//user:password1@'), {
          headers: { Cookie: 'a=b', 'X-Key': 'k' },
        }),
      )
      session.transport.send({
        ...requestOf(2, 'call'),
        headers: { 'X-User': 'me', 'Mcp-Method': 'call', 'Mcp-Session-Id': 'forged' },
      })
      await session.recorder.answerTo(2)
      expect(http.seen[0]?.headers['authorization']).toBe(`Basic ${btoa('user:password1')}`)
      const { headers } = other.seen[0] ?? { headers: {} }
      expect(Object.keys(headers).sort()).toEqual([
        'accept',
        'accept-encoding',
        'connection',
        'content-length',
        'content-type',
        'host',
        'mcp-method',
        'mcp-protocol-version',
        'user-agent',
        'via',
      ])
    })

    test('to another origin takes no cookie of the session along, and brings none back', async () => {
      const setting = (answer: Response, cookie: string): Response => {
        answer.headers.set('set-cookie', cookie)
        return answer
      }
      await using other = startFaultHttp((request) => setting(jsonAnswer(request), 'planted=1'))
      await using http = startFaultHttp((request) => {
        const greeting = welcome(request)
        if (greeting) return setting(greeting, 'node=secret; Path=/')
        const location = `${other.origin}/mcp`
        return isCall(request) ? new Response(null, { status: 308, headers: { location } }) : null
      })
      const session = await openSession(transportTo(http.url, { headers: { Cookie: 'a=b' } }))
      for (const id of [2, 3]) {
        session.transport.send(requestOf(id, 'call'))
        await session.recorder.answerTo(id)
      }
      expect(other.seen.map(({ headers }) => headers['cookie'])).toEqual([undefined, undefined])
      const sent = http.seen.filter(isCall).map(({ headers }) => headers['cookie'])
      expect(sent).toEqual(['a=b; node=secret', 'a=b; node=secret'])
      // Another session begins without them.
      session.transport.resetSession()
      session.transport.send(requestOf(4, 'initialize'))
      await session.recorder.answerTo(4)
      expect(http.seen.at(-1)?.headers['cookie']).toBe('a=b')
    })

    test('to another origin that opens a session is told its session, and the first origin is not', async () => {
      await using other = server((request) => jsonAnswer(request))
      await using http = startFaultHttp(
        () => new Response(null, { status: 307, headers: { location: `${other.origin}/mcp` } }),
      )
      const session = await openSession(transportTo(http.url))
      await session.call('call')
      expect(other.seen.find(isCall)?.headers['mcp-session-id']).toBe('session-1')
      expect(http.seen.find(isCall)?.headers['mcp-session-id']).toBeUndefined()
    })

    test('is followed three times and not a fourth', async () => {
      await using http = startFaultHttp(
        () => new Response(null, { status: 307, headers: { location: '/mcp' } }),
      )
      const { recorder, start } = await openTransport(transportTo(http.url))
      start('call')
      expect((await recorder.until(isKind('requestFailed'))).error.code).toBe('UPSTREAM_ERROR')
      expect(http.seen.length).toBe(4)
    })

    test('is asked about before it is followed, and so is the URL itself', async () => {
      await using http = startFaultHttp(
        () => new Response(null, { status: 307, headers: { location: 'http://169.254.169.254/x' } }),
      )
      const asked: string[] = []
      const guardUrl = async (url: URL): Promise<undefined> => {
        asked.push(url.hostname)
        if (url.hostname === '169.254.169.254') throw new GatewayError('URL_FORBIDDEN', 'no')
        return undefined
      }
      const { recorder, start } = await openTransport(transportTo(http.url, { guardUrl }))
      start('call')
      expect((await recorder.until(isKind('requestFailed'))).error.code).toBe('URL_FORBIDDEN')
      expect(asked).toEqual(['127.0.0.1', '169.254.169.254'])
      const refused = transportTo('http://169.254.169.254/mcp', { guardUrl })
      await expect(openTransport(refused)).rejects.toMatchObject({ code: 'URL_FORBIDDEN' })
    })

    test('that comes back to the origin brings no credentials back with it', async () => {
      await using other = startFaultHttp(
        () => new Response(null, { status: 307, headers: { location: `${http.origin}/chosen` } }),
      )
      await using http = startFaultHttp((request) =>
        request.path === '/mcp'
          ? new Response(null, { status: 307, headers: { location: `${other.origin}/mcp` } })
          : jsonAnswer(request),
      )
      const session = await openTransport(transportTo(http.url, { headers }))
      await session.call('call')
      expect(http.seen.map(({ path }) => path)).toEqual(['/mcp', '/chosen'])
      expect(http.seen[0]?.headers['x-key']).toBe('k')
      expect(JSON.stringify(http.seen[1]?.headers)).not.toMatch(/secret-key-1|a=b|x-key/)
    })

    test('to something that is not the web is refused', async () => {
      await using http = startFaultHttp(
        () => new Response(null, { status: 307, headers: { location: 'file:///etc/passwd' } }),
      )
      const { recorder, start } = await openTransport(transportTo(http.url))
      start('call')
      expect((await recorder.until(isKind('requestFailed'))).error.code).toBe('URL_FORBIDDEN')
    })
  })

  describe('a flood of notifications', () => {
    test('is cut off at a bound while the server takes none of them', async () => {
      const never = new Promise<Response>(() => {})
      await using http = startFaultHttp((request) =>
        request.message.method === 'notifications/flood' ? never : (welcome(request) ?? jsonAnswer(request)),
      )
      const session = await openSession(transportTo(http.url))
      for (let sent = 0; sent < 300; sent++) session.notify('notifications/flood')
      const dropped = session.recorder.events.filter((event) => event.kind === 'noise')
      // `notifications/initialized` may still be on its way.
      expect([300 - 256, 300 - 255]).toContain(dropped.length)
      expect(JSON.stringify(dropped[0])).toContain('notifications/flood was dropped')
    })
  })

  describe('giving up', () => {
    const never = (): Promise<Response> => new Promise(() => {})

    test('one request closes its response and says nothing; the others go on', async () => {
      const slow = Promise.withResolvers<Response>()
      await using http = server((request) => (request.message.id === 2 ? never() : slow.promise))
      const session = await openSession(transportTo(http.url))
      const [given, kept] = [session.start('call'), session.start('call')]
      const request = await http.request((request) => request.message.id === given)
      const other = await http.request((request) => request.message.id === kept)
      session.transport.abort(given)
      await request.gone
      slow.resolve(jsonAnswer(other))
      await session.recorder.answerTo(kept)
      expect(session.recorder.of('requestFailed')).toEqual([])
    })

    test('a cancelled request frees its connection although the server never answers it', async () => {
      await using http = server(() => eventStream().response)
      const session = await openSession(transportTo(http.url))
      const id = session.start('call')
      const request = await http.request(isCall)
      session.notify('notifications/cancelled', { requestId: id })
      await request.gone
      expect(session.recorder.of('requestFailed')).toEqual([])
    })

    test('everything ends the session at the server and aborts what is open', async () => {
      await using http = server(never, () => eventStream().response)
      const session = await openSession(transportTo(http.url))
      session.start('call')
      const [call, get] = [await http.request(isCall), await http.request(isGet)]
      await session.transport.close()
      const deleted = await http.request((request) => request.method === 'DELETE')
      expect(deleted.headers).toMatchObject({
        'mcp-session-id': 'session-1',
        'mcp-protocol-version': '2025-11-25',
      })
      await Promise.all([call.gone, get.gone])
      expect(session.recorder.of('requestFailed')).toEqual([])
    })

    test('does not wait for a server that never answers the DELETE', async () => {
      await using http = startFaultHttp((request) =>
        request.method === 'DELETE' ? never() : welcome(request),
      )
      const session = await openSession(transportTo(http.url))
      const startedMs = performance.now()
      await session.transport.close()
      expect(performance.now() - startedMs).toBeLessThan(3_000)
    })
  })

  describe('memory', () => {
    test('does not grow with the number of calls, however they are answered', async () => {
      const body = 'x'.repeat(2_000)
      await using http = server((request) => {
        const id = Number(request.message.id)
        if (id % 4 === 0) return events(`data: {"jsonrpc":"2.0","id":${id},"result":"${body}"}\n\n`)
        if (id % 4 === 1) return new Response(body, { status: 500 })
        if (id % 4 === 2) return new Response(null, { status: 202 })
        return jsonAnswer(request, body)
      })
      const session = await openSession(transportTo(http.url))
      async function run(calls: number): Promise<number> {
        for (let done = 0; done < calls; done += 50) {
          const before = session.recorder.events.length
          for (let n = 0; n < 50; n++) session.start('call')
          await session.recorder.until(
            (event): event is typeof event => session.recorder.events.length >= before + 50,
          )
          session.recorder.events.splice(0)
          http.seen.splice(0)
        }
        Bun.gc(true)
        return process.memoryUsage().rss
      }
      await run(5_000)
      const warm = await run(1_000)
      const after = await run(10_000)
      expect((after - warm) / (1 << 20)).toBeLessThan(24)
    }, 30_000)
  })
})
