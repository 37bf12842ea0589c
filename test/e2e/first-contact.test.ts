/** Servers that break the rules when a connection begins: each that can be used is, and the others say why not. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { openCaller } from '../support/callers.ts'
import {
  type Answer,
  eventStream,
  type FaultHttp,
  jsonAnswer,
  type SeenRequest,
  startFaultHttp,
  welcome,
} from '../support/fault-http.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { rpcError, startModernUpstream } from '../support/modern-upstream.ts'
import { RawClient } from '../support/raw-client.ts'
import { faultStdio, untilStatus } from '../support/supervised.ts'

let gateway: RunningGateway
beforeAll(async () => {
  gateway = await startGatewayProcess({ via: 'executable' })
}, 30_000)
afterAll(() => gateway.stop())

/** A server of the revisions with a handshake; `odd` may answer in its place. */
function legacyServer(odd: (request: SeenRequest) => Answer): FaultHttp {
  return startFaultHttp(async (request) => {
    const answer = await odd(request)
    if (answer) return answer
    if (request.method !== 'POST') return new Response(null, { status: 405 })
    const greeting = welcome(request)
    if (greeting) return greeting
    if (request.message.method === 'server/discover') return rpcError(request, -32601, 200)
    return request.message.id === undefined
      ? new Response(null, { status: 202 })
      : jsonAnswer(request, { content: [], structuredContent: { ok: true } })
  })
}

async function add(url: string, more: object = {}): Promise<string> {
  const name = `s${crypto.randomUUID().slice(0, 8)}`
  const body = { name, transport: 'streamable-http', url, healthCheckEnabled: false, ...more }
  expect((await gateway.admin('/mcps', { method: 'POST', body })).status).toBe(201)
  return name
}

const times = ({ seen }: FaultHttp, method: string) =>
  seen.filter(({ message }) => message.method === method).length

/** The answer to one call of a client of its own. */
async function callOnce(name: string, way: 'stream' | 'modern' = 'stream') {
  await using caller = await openCaller(gateway, name, way)
  return (await caller.call(1, 'any', {})).answer
}

describe('a server that breaks on server/discover is asked to initialize:', () => {
  const never = new Promise<Response>(() => {})
  const text = (body: string, type: string, status = 200) =>
    new Response(body, { status, headers: { 'content-type': type } })
  test.concurrent.each<{ why: string; odd: (request: SeenRequest) => Answer; probes: number; ms: number }>([
    { why: 'it hangs', odd: () => never, probes: 1, ms: 4_000 },
    { why: 'it hangs in a stream', odd: () => eventStream().response, probes: 1, ms: 4_000 },
    { why: 'it fails', odd: () => text('no', 'text/plain', 500), probes: 2, ms: 3_000 },
    { why: 'it fails in JSON-RPC', odd: (request) => rpcError(request, -32603, 500), probes: 2, ms: 3_000 },
    { why: 'it forbids', odd: () => text('no', 'text/plain', 403), probes: 2, ms: 3_000 },
    { why: 'it accepts', odd: () => new Response(null, { status: 202 }), probes: 2, ms: 3_000 },
    { why: 'it says nothing', odd: () => text('', 'application/json'), probes: 2, ms: 3_000 },
    { why: 'it shows a page', odd: () => text('<html>', 'text/html'), probes: 2, ms: 3_000 },
    { why: 'it speaks no JSON-RPC', odd: () => Response.json({ error: 'what?' }), probes: 2, ms: 3_000 },
  ])('$why', async ({ odd, probes, ms }) => {
    await using server = legacyServer((request) =>
      request.message.method === 'server/discover' ? odd(request) : null,
    )
    // Half of the time is for the first question.
    const name = await add(server.url, { startTimeout: '6s' })
    const startedAtMs = performance.now()
    await untilStatus(gateway, name, 'connected')
    expect(performance.now() - startedAtMs).toBeLessThan(ms)
    expect(times(server, 'server/discover')).toBe(probes)
    expect((await callOnce(name)).result?.structuredContent).toEqual({ ok: true })
    // The verdict holds: no request waits for the question once more.
    const answer = await callOnce(name, 'modern')
    expect(answer.result?.structuredContent).toEqual({ ok: true })
    expect(times(server, 'server/discover')).toBe(probes)
  })

  test.concurrent('and once more in the newer way when it was only slow', async () => {
    let discovered = 0
    await using server = startModernUpstream({
      answer: ({ message }) => (message.method === 'server/discover' && ++discovered === 1 ? never : null),
    })
    const name = await add(server.url, { startTimeout: '4s' })
    await untilStatus(gateway, name, 'connected')
    expect((await callOnce(name, 'modern')).error).toBeUndefined()
  })
})

describe('a version that the server refuses', () => {
  test.concurrent('over HTTP is followed by the best of those it lists, for clients too', async () => {
    await using server = legacyServer((request) => {
      const { protocolVersion } = (request.message.params ?? {}) as { protocolVersion?: string }
      return request.message.method === 'initialize' && protocolVersion !== '2025-03-26'
        ? rpcError(request, -32602, 200, { supported: ['2024-11-05', '2025-03-26'] })
        : null
    })
    const name = await add(server.url)
    await untilStatus(gateway, name, 'connected')
    expect((await callOnce(name)).result?.structuredContent).toEqual({ ok: true })
    // Twice for the gateway, twice for the client.
    expect(times(server, 'initialize')).toBe(4)
  })

  test.concurrent('over a pipe likewise, when it names them in words', async () => {
    const name = `v${crypto.randomUUID().slice(0, 8)}`
    const body = faultStdio(name, 'one-version')
    expect((await gateway.admin('/mcps', { method: 'POST', body })).status).toBe(201)
    await untilStatus(gateway, name, 'connected')
    await using client = await RawClient.open(gateway.face(name, 'stream'))
    expect((await client.callTool(1, 'any', {})).answer.result).toBeDefined()
  })
})

describe('the reason', () => {
  test.concurrent('of a server that takes one session only names it, and the setting with which it serves', async () => {
    let sessions = 0
    await using server = legacyServer((request) => {
      if (request.message.method !== 'initialize' || ++sessions === 1) return null
      const error = { code: -32600, message: 'Invalid Request: Server already initialized' }
      return Response.json({ jsonrpc: '2.0', id: null, error }, { status: 400 })
    })
    const name = await add(server.url)
    await untilStatus(gateway, name, 'connected')
    const refusal = await RawClient.open(gateway.face(name, 'stream')).then(
      () => 'opened',
      (thrown: Error) => thrown.message,
    )
    expect(refusal).toContain('Server already initialized')
    expect(refusal).toContain('isolation: shared')
    sessions = 0
    const shared = await add(server.url, { isolation: 'shared' })
    await untilStatus(gateway, shared, 'connected')
    expect((await callOnce(shared)).result?.structuredContent).toEqual({ ok: true })
  })

  test.concurrent('of a server that refuses everything is what it says itself', async () => {
    await using server = startFaultHttp((request) =>
      Response.json(
        { jsonrpc: '2.0', id: request.message.id, error: { code: -32000, message: 'Missing API key' } },
        { status: 400 },
      ),
    )
    const name = await add(server.url)
    expect((await untilStatus(gateway, name, 'error')).lastError).toBe(
      'the server answered initialize with error -32000: Missing API key',
    )
  })
})

describe('a URL of the older transport', () => {
  function sseServer(): FaultHttp {
    let stream = eventStream()
    return startFaultHttp((request) => {
      if (request.path === '/mcp' && request.method === 'GET') {
        stream = eventStream()
        stream.send('event: endpoint\ndata: /message\n\n')
        return stream.response
      }
      if (request.path === '/mcp') return new Response(null, { status: 405 })
      const { id, method } = request.message
      const initialize = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 'old' } }
      const result = method === 'initialize' ? initialize : { content: [], structuredContent: { ok: true } }
      if (id !== undefined) stream.send(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`)
      return new Response(null, { status: 202 })
    })
  }

  test.concurrent('that names no transport is served over that one', async () => {
    await using server = sseServer()
    await using own = await startGatewayProcess({
      via: 'executable',
      config: { mcpServers: { old: { url: server.url } } },
    })
    await untilStatus(own, 'old', 'connected')
    await using client = await RawClient.open(own.face('old', 'stream'))
    expect(await client.call(1, 'any', {})).toEqual({ ok: true })
  })

  test.concurrent('that names the newer one is told which setting it needs', async () => {
    await using server = sseServer()
    const name = await add(server.url)
    const { lastError } = await untilStatus(gateway, name, 'error')
    expect(lastError).toContain('HTTP 405')
    expect(lastError).toContain('transport: sse')
    expect(server.seen.filter(({ method }) => method === 'GET')).toEqual([])
  })

  test.concurrent('and the other way round', async () => {
    await using server = legacyServer(() => null)
    const name = await add(server.url, { transport: 'sse' })
    expect((await untilStatus(gateway, name, 'error')).lastError).toContain('transport: streamable-http')
  })
})

test.concurrent('a server that does not answer notifications/initialized holds the first call back for a moment only', async () => {
  await using server = legacyServer((request) =>
    request.message.method === 'notifications/initialized' ? new Promise<Response>(() => {}) : null,
  )
  const name = await add(server.url)
  await untilStatus(gateway, name, 'connected')
  const startedAtMs = performance.now()
  expect((await callOnce(name)).result?.structuredContent).toEqual({ ok: true })
  expect(performance.now() - startedAtMs).toBeLessThan(6_000)
})
