/**
 * When a call is settled, and what proves that it did not run. Every kind of response that is not the answer is
 * given to many calls; the server counts how often each of them came and ran.
 */
import { expect, test } from 'bun:test'
import type { ServerResponse } from 'node:http'
import { type CallerWay, openCaller } from '../support/callers.ts'
import { json, startCountedHttp } from '../support/counted-http.ts'
import { type EventStream, eventStream, type SeenRequest, startFaultHttp } from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { statusOf } from '../support/supervised.ts'

const callsPerRound = 5
const roundsPerKind = Math.ceil(Number(process.env['SETTLED_CALLS'] ?? 30) / callsPerRound)
/** One round more than fits at once, if calls kept their places. */
const inFlightMax = 8

interface Kind {
  readonly why: string
  readonly respond: (response: ServerResponse, id: number) => void
  /** True when the server runs the call before it says this. */
  readonly runs?: boolean
  /** What the client is told: the answer of a second try, the server's own error, or one of the gateway's. */
  readonly outcome: 'again' | number | 'UPSTREAM_ERROR' | 'UPSTREAM_CLOSED' | 'UPSTREAM_UNAUTHORIZED'
  /** True when the gateway must greet the server anew. */
  readonly renews?: boolean
}

const rpc = (id: unknown, code: number, message: string): object => ({
  jsonrpc: '2.0',
  ...(id === undefined ? {} : { id }),
  error: { code, message },
})

function text(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type }).end(body)
}

const kinds: readonly Kind[] = [
  // The session is unknown, and the request was not read.
  { why: '404 without a body', respond: (r) => text(r, 404, ''), outcome: 'again', renews: true },
  {
    why: '404 with a null id',
    respond: (r) => json(r, 404, rpc(null, -32001, 'Session not found')),
    outcome: 'again',
    renews: true,
  },
  {
    why: '404 with an id of nobody, as an SDK sends it',
    respond: (r) => json(r, 404, rpc('server-error', -32600, 'Session not found')),
    outcome: 'again',
    renews: true,
  },
  { why: '410', respond: (r) => text(r, 410, 'Gone'), outcome: 'again', renews: true },
  {
    why: '400 without an id, in the words of an example',
    respond: (r) => json(r, 400, rpc(undefined, -32000, 'Bad Request: No valid session ID provided')),
    outcome: 'again',
    renews: true,
  },
  {
    why: '400 in plain text',
    respond: (r) => text(r, 400, 'Invalid session ID\n'),
    outcome: 'again',
    renews: true,
  },
  {
    why: '200 in plain text',
    respond: (r) => text(r, 200, 'Session not found'),
    outcome: 'again',
    renews: true,
  },
  {
    why: '401 in JSON of its own',
    respond: (r) => json(r, 401, { error: 'invalid session' }),
    outcome: 'again',
    renews: true,
  },
  {
    why: '200 with a null id',
    respond: (r) => json(r, 200, rpc(null, -32600, 'Session not found')),
    outcome: 'again',
    renews: true,
  },
  {
    why: '200 of a server that was never greeted',
    respond: (r) => json(r, 200, rpc(null, -32002, 'Server not initialized')),
    outcome: 'again',
    renews: true,
  },
  // The session is unknown, but the error carries the id: it is the answer.
  {
    why: '404 with the id, about the session',
    respond: (r, id) => json(r, 404, rpc(id, -32001, 'Session not found')),
    runs: true,
    outcome: -32001,
    renews: true,
  },
  {
    why: '400 with the id, about the session',
    respond: (r, id) => json(r, 400, rpc(id, -32000, 'No valid session ID provided')),
    runs: true,
    outcome: -32000,
    renews: true,
  },
  {
    why: '200 with the id, about the session',
    respond: (r, id) => json(r, 200, rpc(id, -32001, 'Session not found')),
    runs: true,
    outcome: -32001,
    renews: true,
  },
  {
    why: '500 in the words of a check of sessions',
    respond: (r) => text(r, 500, 'Session not found'),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
    renews: true,
  },
  {
    why: '404 whose body breaks off',
    respond: (r) => {
      r.writeHead(404, { 'content-type': 'application/json', 'content-length': '100' })
      r.write('{"jsonrpc":"2.0",', () => r.destroy())
    },
    runs: true,
    outcome: 'UPSTREAM_CLOSED',
    renews: true,
  },
  {
    why: '404 whose body is larger than an error',
    respond: (r, id) => json(r, 404, rpc(id, -32602, 'x'.repeat(100_000))),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
    renews: true,
  },
  {
    why: '404 with the result',
    respond: (r, id) => json(r, 404, { jsonrpc: '2.0', id, result: {} }),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
    renews: true,
  },
  {
    why: '404 with the error in a batch',
    respond: (r, id) => json(r, 404, [rpc(id, -32001, 'Session not found')]),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
    renews: true,
  },
  {
    why: '404 with the error in an event',
    respond: (r, id) =>
      text(r, 404, `data: ${JSON.stringify(rpc(id, -32001, 'Session not found'))}\n\n`, 'text/event-stream'),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
    renews: true,
  },
  {
    why: '400 with the id and an error that is a text',
    respond: (r, id) => json(r, 400, { id, error: 'Session not found' }),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
    renews: true,
  },
  // The session has nothing to do with it.
  {
    why: '400 with the id, of a tool that speaks of a session of its own',
    respond: (r, id) => json(r, 400, rpc(id, -32000, 'Your bank session has expired')),
    runs: true,
    outcome: -32000,
  },
  {
    why: '400 without an id, likewise',
    respond: (r) => json(r, 400, rpc(null, -32000, 'Your bank session has expired')),
    runs: true,
    outcome: -32000,
  },
  {
    why: '404 with the id, as a stateless server refuses a method',
    respond: (r, id) => json(r, 404, rpc(id, -32601, 'Method not found')),
    runs: true,
    outcome: -32601,
  },
  {
    why: '404 with the id in quotes',
    respond: (r, id) => json(r, 404, rpc(String(id), -32602, 'Unknown tool')),
    runs: true,
    outcome: -32602,
  },
  { why: '401', respond: (r) => text(r, 401, 'no'), runs: true, outcome: 'UPSTREAM_UNAUTHORIZED' },
  { why: '500', respond: (r) => text(r, 500, 'broken'), runs: true, outcome: 'UPSTREAM_ERROR' },
  // The connection breaks.
  { why: 'reset before the answer', respond: (r) => r.destroy(), runs: true, outcome: 'UPSTREAM_CLOSED' },
  {
    why: 'reset within the head',
    respond: (r) => r.socket?.write('HTTP/1.1 404 Not', () => r.destroy()),
    runs: true,
    outcome: 'UPSTREAM_CLOSED',
  },
  {
    why: 'reset within the answer',
    respond: (r) => {
      r.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      r.write('{"jsonrpc":"2.0",', () => r.destroy())
    },
    runs: true,
    outcome: 'UPSTREAM_CLOSED',
  },
  {
    why: 'an event stream that ends without the answer',
    respond: (r) => text(r, 200, 'data: {"jsonrpc":"2.0","id":999999,"result":{}}\n\n', 'text/event-stream'),
    runs: true,
    outcome: 'UPSTREAM_CLOSED',
  },
  // A whole body that is not the answer.
  {
    why: 'an error with a null id, which is the answer',
    respond: (r) => json(r, 200, rpc(null, -32603, 'boom')),
    runs: true,
    outcome: -32603,
  },
  {
    why: 'an error without an id, likewise',
    respond: (r) => json(r, 200, rpc(undefined, -32603, 'boom')),
    runs: true,
    outcome: -32603,
  },
  {
    why: 'an error with a null id in an event stream',
    respond: (r) =>
      text(r, 200, `data: ${JSON.stringify(rpc(null, -32603, 'boom'))}\n\n`, 'text/event-stream'),
    runs: true,
    outcome: -32603,
  },
  {
    why: 'a result for another id',
    respond: (r) => json(r, 200, { jsonrpc: '2.0', id: 999_999, result: {} }),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
  },
  {
    why: 'a large result for another id',
    respond: (r) => json(r, 200, { jsonrpc: '2.0', id: 999_999, result: { x: 'x'.repeat(100_000) } }),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
  },
  {
    why: 'a batch of another id',
    respond: (r) => json(r, 200, [{ jsonrpc: '2.0', id: 999_999, result: {} }]),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
  },
  {
    why: 'JSON that is no JSON-RPC',
    respond: (r) => json(r, 200, { error: 'unauthorized', message: 'token expired' }),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
  },
  { why: 'a text', respond: (r) => text(r, 200, 'ok'), runs: true, outcome: 'UPSTREAM_ERROR' },
  {
    why: 'a notification alone',
    respond: (r) => json(r, 200, { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
  },
  {
    why: 'a result that stands twice',
    respond: (r, id) =>
      text(r, 200, `{"jsonrpc":"2.0","id":${id},"result":{},"result":{}}`, 'application/json'),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
  },
  {
    why: 'an error that stands twice, with 400',
    respond: (r, id) =>
      text(
        r,
        400,
        `{"jsonrpc":"2.0","id":${id},"error":{"code":1,"message":""},"error":{"code":2,"message":""}}`,
        'application/json',
      ),
    runs: true,
    outcome: 'UPSTREAM_ERROR',
  },
]

async function startGateway(mcps: readonly object[]): Promise<RunningGateway> {
  return startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { limits: { in_flight_per_server_max: inFlightMax } }, mcps },
  })
}

test.each<CallerWay>(['stream', 'modern'])(
  'whatever a server answers, a call is settled at once and never runs twice (%s)',
  async (way) => {
    const firstTimes = Object.fromEntries(
      kinds.map(({ runs, respond }, at) => [`kind-${at}`, { runs: runs === true, respond }]),
    )
    await using server = await startCountedHttp(firstTimes)
    const mcps = kinds.map((_, at) => ({
      name: `kind-${at}`,
      transport: 'streamable-http',
      url: server.url(`kind-${at}`),
      healthCheckEnabled: false,
    }))
    await using gateway = await startGateway(mcps)
    for (const [at, { why, outcome, renews }] of kinds.entries()) {
      const name = `kind-${at}`
      const counts = server.counts(name)
      await using caller = await openCaller(gateway, name, way)
      const before = await caller.call('before', 'plain', { nonce: 'before' })
      expect(before.answer.result, why).toMatchObject({ structuredContent: { nonce: 'before' } })
      const sessionsBefore = counts.sessions
      for (let round = 0; round < roundsPerKind; round++) {
        const nonces = Array.from({ length: callsPerRound }, (_, n) => `${round}-${n}`)
        const told = await Promise.all(
          nonces.map(async (nonce) => {
            const { answer } = await caller.call(nonce, 'odd', { nonce })
            if (answer.result !== undefined) return 'again'
            const code = (answer.error?.data as { code?: string } | undefined)?.code
            return code ?? answer.error?.code
          }),
        )
        expect({ why, told }).toEqual({ why, told: nonces.map(() => outcome) })
      }
      const after = await caller.call('after', 'plain', { nonce: 'after' })
      expect(after.answer.result, why).toMatchObject({ structuredContent: { nonce: 'after' } })
      const arrivals = outcome === 'again' ? 2 : 1
      expect({ why, most: Math.max(...counts.arrivals.values()) }).toEqual({ why, most: arrivals })
      expect({ why, ran: counts.runs.size, most: Math.max(...counts.runs.values()) }).toEqual({
        why,
        ran: roundsPerKind * callsPerRound + 2,
        most: 1,
      })
      expect({ why, renewed: counts.sessions > sessionsBefore }).toEqual({ why, renewed: renews === true })
      // One that is renewed for each call at most.
      expect(counts.sessions - sessionsBefore, why).toBeLessThanOrEqual(roundsPerKind * callsPerRound)
      expect((await statusOf(gateway, name)).status, why).toBe('connected')
    }
  },
  roundsPerKind * 10_000,
)

/** An HTTP+SSE server; what a call gets for its POST is the test's to say. */
function startSse(onCall: (request: SeenRequest, say: (message: object) => void) => Response | null) {
  const streams: EventStream[] = []
  return startFaultHttp((request) => {
    if (request.method === 'GET') {
      const stream = eventStream()
      stream.send(`event: endpoint\ndata: /${streams.push(stream) - 1}\n\n`)
      return stream.response
    }
    const say = (message: object): void =>
      streams[Number(request.path.slice(1))]?.send(`data: ${JSON.stringify(message)}\n\n`)
    const { id, method } = request.message
    if (method === 'tools/call') return onCall(request, say)
    const serverInfo = { name: 'sse', version: '1' }
    const result =
      method === 'initialize'
        ? { protocolVersion: '2024-11-05', capabilities: { tools: {} }, serverInfo }
        : {}
    if (id !== undefined) say({ jsonrpc: '2.0', id, result })
    return null
  })
}

const toolOf = (request: SeenRequest): string => (request.message.params as { name: string }).name

test("an HTTP+SSE server that refuses one client's call, with its id, ends no call of another client", async () => {
  const slow = Promise.withResolvers<() => void>()
  await using server = startSse((request, say) => {
    const { id } = request.message
    if (toolOf(request) === 'bank')
      return Response.json(rpc(id, -32000, 'Your bank session has expired'), { status: 400 })
    slow.resolve(() => say({ jsonrpc: '2.0', id, result: { content: [] } }))
    return null
  })
  await using gateway = await startGateway([
    { name: 'sse', transport: 'sse', url: server.url, isolation: 'shared' },
  ])
  await using other = await openCaller(gateway, 'sse', 'stream')
  await using caller = await openCaller(gateway, 'sse', 'stream')
  const waiting = other.call('slow', 'slow', {})
  const finish = await slow.promise
  const { answer } = await caller.call('bank', 'bank', {})
  expect(answer).toMatchObject({
    id: 'bank',
    error: { code: -32000, message: 'Your bank session has expired' },
  })
  finish()
  expect((await waiting).answer).toMatchObject({ id: 'slow', result: { content: [] } })
  expect(server.seen.filter(({ method }) => method === 'GET')).toHaveLength(1)
})

test('an HTTP+SSE server may answer in the body of the POST, or refuse there without an id', async () => {
  await using server = startSse((request) => {
    const { id } = request.message
    if (toolOf(request) === 'refused') return Response.json(rpc(null, -32603, 'boom'))
    return Response.json({ jsonrpc: '2.0', id, result: { content: [] } })
  })
  await using gateway = await startGateway([{ name: 'sse', transport: 'sse', url: server.url }])
  await using caller = await openCaller(gateway, 'sse', 'stream')
  expect((await caller.call('a', 'answered', {})).answer).toMatchObject({ id: 'a', result: { content: [] } })
  expect((await caller.call('b', 'refused', {})).answer).toMatchObject({ id: 'b', error: { code: -32603 } })
})

/** Answers on a pipe, as text; N stands for the id of the call. */
const pipeAnswers: readonly { readonly why: string; readonly says: string; readonly told: object }[] = [
  {
    why: 'an error with a null id, with one call in flight',
    says: '{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"boom"}}',
    told: { error: { code: -32603 } },
  },
  {
    why: 'an error without an id, with one call in flight',
    says: '{"jsonrpc":"2.0","error":{"code":-32700,"message":"boom"}}',
    told: { error: { code: -32700 } },
  },
  {
    why: 'two messages on one line',
    says: '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}{"jsonrpc":"2.0","id":N,"result":{"content":[]}}',
    told: { result: { content: [] } },
  },
  {
    why: 'an error that is null beside the result',
    says: '{"jsonrpc":"2.0","id":N,"error":null,"result":{"content":[]}}',
    told: { result: { content: [] } },
  },
  {
    why: 'a method that is null',
    says: '{"jsonrpc":"2.0","id":N,"method":null,"result":{"content":[]}}',
    told: { result: { content: [] } },
  },
  {
    why: 'a result that is null beside the error',
    says: '{"jsonrpc":"2.0","id":N,"result":null,"error":{"code":-32603,"message":"boom"}}',
    told: { error: { code: -32603 } },
  },
  { why: 'the id as 7.0', says: '{"jsonrpc":"2.0","id":N.0,"result":{"content":[]}}', told: { result: {} } },
  { why: 'the id as 7e0', says: '{"jsonrpc":"2.0","id":Ne0,"result":{"content":[]}}', told: { result: {} } },
  {
    why: 'the id as a text',
    says: '{"jsonrpc":"2.0","id":"N","result":{"content":[]}}',
    told: { result: {} },
  },
]

const pipeServer = `
process.stdin.on('data', (chunk) => {
  for (const line of chunk.toString().split('\\n').filter(Boolean)) {
    const { id, method, params } = JSON.parse(line)
    if (id === undefined) { console.log('{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"Method not found"}}'); continue }
    if (method === 'tools/call') { console.log(params.arguments.says.replaceAll('N', id)); continue }
    const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'pipe', version: '1' } }
    console.log(JSON.stringify(method === 'server/discover' ? { jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } } : { jsonrpc: '2.0', id, result: method === 'initialize' ? result : {} }))
  }
})
`

test('over a pipe, odd spellings of an answer settle the call, also of a server that refuses notifications', async () => {
  await using gateway = await startGateway([
    { name: 'pipe', transport: 'stdio', command: process.execPath, args: ['-e', pipeServer] },
  ])
  await poll('the server', async () => (await statusOf(gateway, 'pipe')).status === 'connected')
  for (const way of ['stream', 'modern'] as const) {
    await using caller = await openCaller(gateway, 'pipe', way)
    for (const { why, says, told } of pipeAnswers) {
      const { answer } = await caller.call(why, 'say', { says })
      expect(answer, why).toMatchObject({ id: why, ...told })
      expect(Object.keys(answer), why).not.toContain('method')
      expect(answer.result === undefined, why).toBe(answer.error !== undefined)
    }
  }
})
