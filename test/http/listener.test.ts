/** The socket's life: ports and hosts, slow peers, draining and stopping. */
import { describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import type { McpHandler } from '../../src/http/context.ts'
import { EventStream, eventStreamHeaders } from '../../src/session/event-stream.ts'
import { Events } from '../../src/telemetry/events.ts'
import { rawRequest, sendRaw, startFront } from './front.ts'

const path = '/mcp-proxy/files/stream'

describe('the port', () => {
  test('0 picks a free one and says which', async () => {
    await using front = await startFront()
    expect(front.port).toBeGreaterThan(0)
    expect(front.url).toBe(`http://127.0.0.1:${front.port}`)
  })

  test('that is taken is told in one line, with the code that the command line knows', async () => {
    await using front = await startFront()
    const { startListener } = await import('../../src/http/listener.ts')
    const options = { ...listenerParts(front), host: '127.0.0.1', port: front.port }
    const failure = await startListener(options).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'EADDRINUSE',
      message: `cannot listen on 127.0.0.1 port ${front.port}: the port is already in use`,
    })
  })

  test('of a name that does not resolve is not called taken', async () => {
    await using front = await startFront()
    const { startListener } = await import('../../src/http/listener.ts')
    const failure = await startListener({ ...listenerParts(front), host: 'no.such.invalid', port: 0 }).catch(
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ code: 'ENOTFOUND' })
  })

  test.each(['localhost', '::1', '[::1]', '0.0.0.0', '::'])('can be had on %s', async (bind) => {
    await using front = await startFront({ bind })
    expect(front.url).toMatch(/^http:\/\/(localhost|0\.0\.0\.0|\[::1?\]):\d+$/)
    expect((await front.send('/healthz')).status).toBe(200)
  })

  test('on a dual-stack socket sees IPv4 clients by their IPv4 address', async () => {
    await using front = await startFront({ bind: '::' })
    await sendRaw(front.port, rawRequest('GET /healthz'))
    expect(front.entries.at(-1)?.clientIp).toBe('127.0.0.1')
    expect((await fetch(`http://127.0.0.1:${front.port}/admin/mcps`)).status).toBe(200)
  })
})

/** The parts of a listener that never gets as far as serving. */
function listenerParts(front: Awaited<ReturnType<typeof startFront>>) {
  const quiet = () => {}
  return {
    access: front.access,
    metrics: front.metrics,
    events: new Events(),
    app: { fetch: () => new Response() },
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet, access: quiet, call: quiet },
    state: { draining: false, listening: null },
  }
}

describe('a slow peer', () => {
  // Bun looks at its timers every four seconds, so one second means four to eight.
  test.concurrent.each([
    { why: 'opens a connection and says nothing', pieces: [''] },
    { why: 'sends half a head', pieces: ['GET /healthz HTTP/1.1\r\nHost: loc'] },
    {
      why: 'sends a header a second',
      pieces: ['GET /healthz HTTP/1.1\r\n', ...new Array(30).fill('X-A: b\r\n')],
    },
    {
      why: 'never finishes its body',
      pieces: [`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc`],
    },
    {
      why: 'sends its body a byte a second',
      pieces: [
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n`,
        ...new Array(30).fill('a'),
      ],
    },
    { why: 'keeps the connection after its answer', pieces: [rawRequest('GET /healthz')] },
    {
      why: 'keeps it after a call',
      pieces: [rawRequest(`POST ${path}`, ['Host: localhost', 'Content-Length: 2'], '{}')],
    },
  ])(
    'that $why is cut off, and the gateway serves on',
    async ({ pieces }) => {
      await using front = await startFront({ idleSeconds: 1 })
      const closed = Promise.withResolvers<void>()
      const socket = connect(front.port, '127.0.0.1', () => socket.write(pieces[0] ?? ''))
      socket.on('error', () => {})
      socket.on('close', () => closed.resolve())
      socket.resume()
      let next = 1
      const sending = setInterval(() => {
        const piece = pieces[next++]
        if (piece !== undefined) socket.write(piece)
      }, 1000)
      await closed.promise
      clearInterval(sending)
      expect((await front.send('/healthz')).status).toBe(200)
    },
    20_000,
  )

  test.concurrent('is the gateway itself while it works on a call: that may take its time', async () => {
    const slow: McpHandler = async (request) => {
      const { readBodyText } = await import('../../src/http/body.ts')
      await readBodyText(request, 100)
      // Longer than the limit, and the four-second clock by which the runtime looks for it.
      await Bun.sleep(10_000)
      return new Response('late')
    }
    await using front = await startFront({ idleSeconds: 5, mcp: { stream: slow } })
    const answer = await front.send(path, { method: 'POST', body: '{}' })
    expect(await answer.text()).toBe('late')
  }, 20_000)
})

describe('draining', () => {
  test('answers health with 503, and everything else with an error that says to come back', async () => {
    await using front = await startFront()
    await front.listener.drain()
    const health = await front.send('/healthz')
    expect(health.status).toBe(503)
    expect(await health.json()).toEqual({ status: 'draining' })
    expect((await front.send('/readyz')).status).toBe(503)
    const call = await front.send(path, { method: 'POST', body: '{}' })
    expect(call.status).toBe(503)
    expect(call.headers.get('retry-after')).toBe('1')
    expect(await call.json()).toMatchObject({ jsonrpc: '2.0', error: { data: { code: 'DRAINING' } } })
    expect(await (await front.send('/admin/mcps')).json()).toMatchObject({ code: 'DRAINING' })
    expect(front.reached).toEqual([])
  })

  test('lets a call under way finish before it stops', async () => {
    const arrived = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const held: McpHandler = async () => {
      arrived.resolve()
      await release.promise
      return new Response('finished')
    }
    await using front = await startFront({ mcp: { stream: held } })
    const call = front.send(path).then((answer) => answer.text())
    await arrived.promise
    const stopped = front.listener.stop(10_000)
    expect(
      await fetch(`${front.url}/healthz`).then(
        () => 'open',
        () => 'closed',
      ),
    ).toBe('closed')
    release.resolve()
    expect(await call).toBe('finished')
    await stopped
  })

  test('cuts what does not end by the deadline', async () => {
    const arrived = Promise.withResolvers<void>()
    const endless: McpHandler = () => {
      arrived.resolve()
      return new Promise(() => {})
    }
    await using front = await startFront({ mcp: { stream: endless } })
    const call = front.send(path).then(
      () => 'answered',
      () => 'cut',
    )
    await arrived.promise
    await front.listener.stop(50)
    expect(await call).toBe('cut')
  })

  test('is not held up by an event stream that nobody closes', async () => {
    await using front = await startFront({ mcp: { sse: endlessStream } })
    const answer = await front.send('/mcp-proxy/files/sse')
    expect(answer.status).toBe(200)
    await front.listener.stop(50)
    await answer.body?.cancel().catch(() => {})
  })
})

const endlessStream: McpHandler = async () =>
  new EventStream(
    1024,
    null,
    eventStreamHeaders,
    () => expect.unreachable(),
    () => {},
  ).response

describe('the access log', () => {
  test('has one line for each request, refused or served, with what is known of it', async () => {
    const handler: McpHandler = async (_request, context) => {
      Object.assign(context.log, {
        mcp: 'files',
        rpcMethod: 'tools/call',
        tool: 'echo',
        sessionId: 'ab12',
        pair: 'legacy-legacy',
      })
      return Response.json({})
    }
    await using front = await startFront({
      settings: { auth: { globalTokens: ['g1'] } },
      mcp: { stream: handler },
    })
    await front.send(`${path}?secret=1`, { headers: { authorization: 'Bearer g1' } })
    await front.send(path)
    await front.send('/nothing')
    const ids = new Set(front.entries.map(({ requestId }) => requestId))
    expect(ids.size).toBe(3)
    const common = { method: 'GET', clientIp: '127.0.0.1', stream: false }
    expect(front.entries).toEqual([
      expect.objectContaining({
        ...common,
        path,
        status: 200,
        mcp: 'files',
        rpcMethod: 'tools/call',
        tool: 'echo',
        sessionId: 'ab12',
        pair: 'legacy-legacy',
      }),
      expect.objectContaining({ ...common, path, status: 401, code: 'UNAUTHENTICATED' }),
      expect.objectContaining({ ...common, path: '/nothing', status: 404, code: 'NOT_FOUND' }),
    ])
    for (const { durationMs } of front.entries) expect(durationMs).toBeWithin(0, 1000)
  })

  test('tells an event stream when it begins', async () => {
    await using front = await startFront({ mcp: { sse: endlessStream } })
    const answer = await front.send('/mcp-proxy/files/sse')
    expect(front.entries.at(-1)).toMatchObject({ status: 200, stream: true })
    await answer.body?.cancel()
  })

  test('counts each answer by area and status', async () => {
    await using front = await startFront()
    await front.send('/healthz')
    await front.send('/healthz')
    await front.send('/nothing')
    expect(front.metrics.snapshot([], 0).http).toEqual([
      { area: 'health', status: 200, count: 2 },
      { area: 'unknown', status: 404, count: 1 },
    ])
  })
})
