/** One trace from a client through the gateway to an instrumented server, against a receiver of OTLP. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { resolve } from 'node:path'
import { documentedFetch } from '../support/api-document.ts'
import { openCaller } from '../support/callers.ts'
import { type FaultHttp, jsonAnswer, type SeenRequest, startFaultHttp } from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { askModern } from '../support/modern-client.ts'
import { startModernUpstream } from '../support/modern-upstream.ts'
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts'
import { RawClient, type RpcMessage } from '../support/raw-client.ts'

setDefaultTimeout(30_000)

const server = resolve(import.meta.dir, '../support/instrumented-server.ts')
const secret = 'sk-not-in-any-span-4711'

let receiver: OtlpReceiver
let gateway: RunningGateway
let oldHttp: FaultHttp
let newHttp: FaultHttp
let sseServer: FaultHttp

/** A server over HTTP in the process of the test, which answers with what it was sent. */
function echo(request: SeenRequest, more: object): Response | undefined {
  const { method, params } = request.message
  if (method !== 'tools/call') return undefined
  const { _meta } = params as { _meta?: unknown }
  const { traceparent, tracestate, baggage } = request.headers
  return jsonAnswer(request, {
    ...more,
    content: [],
    structuredContent: { _meta, headers: { traceparent, tracestate, baggage } },
  })
}

/** A server of 2024-11-05: answers travel on the one stream. */
function startSseServer(): FaultHttp {
  const encoder = new TextEncoder()
  let stream: ReadableStreamDefaultController<Uint8Array> | null = null
  const say = (event: string, data: string) =>
    stream?.enqueue(encoder.encode(`event: ${event}\ndata: ${data}\n\n`))
  return startFaultHttp(({ method, message }) => {
    if (method === 'GET')
      return new Response(
        new ReadableStream({
          start(controller) {
            stream = controller
            say('endpoint', '/message')
          },
        }),
        { headers: { 'content-type': 'text/event-stream' } },
      )
    const capabilities = { tools: {} }
    const greeting = { protocolVersion: '2024-11-05', capabilities, serverInfo: { name: 's', version: '1' } }
    const result = message.method === 'initialize' ? greeting : { tools: [], content: [] }
    if (message.id !== undefined) say('message', JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
    return undefined
  })
}

beforeAll(async () => {
  receiver = startOtlpReceiver()
  oldHttp = startFaultHttp((request) => {
    const { method } = request.message
    if (method === 'initialize')
      return jsonAnswer(request, {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'old', version: '1.0.0' },
      })
    if (method === 'tools/list') return jsonAnswer(request, { tools: [] })
    return echo(request, {})
  })
  sseServer = startSseServer()
  newHttp = startModernUpstream({
    capabilities: { tools: {} },
    tools: [{ name: 'work', inputSchema: { type: 'object' } }],
    answer: (request) => echo(request, { resultType: 'complete' }),
  })
  const stdio = (name: string, ...args: string[]) => ({
    name,
    transport: 'stdio',
    command: process.execPath,
    args: [server, ...args],
    env: { OTLP_URL: receiver.url, API_KEY: secret },
  })
  const http = (name: string, { url }: FaultHttp) => ({
    name,
    transport: 'streamable-http',
    url,
    headers: { authorization: `Bearer ${secret}` },
  })
  gateway = await startGatewayProcess({
    via: 'executable',
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_HEADERS: `x-key=${secret}`,
      OTEL_SERVICE_NAME: 'gateway',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test,team=a%20b',
      OTEL_BSP_SCHEDULE_DELAY: '20',
    },
    config: {
      mcps: [
        stdio('old-stdio'),
        stdio('new-stdio', '--modern'),
        http('old-http', oldHttp),
        http('new-http', newHttp),
        { ...http('old-sse', sseServer), transport: 'sse' },
        {
          ...http('forwarding', oldHttp),
          headers: { traceparent: clientSpan().traceparent, 'x-more': '1' },
          forwardHeaders: ['traceparent', 'baggage'],
        },
        { name: 'team', transport: 'group', members: [{ server: 'old-stdio' }, { server: 'new-http' }] },
      ],
    },
  })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const each of [oldHttp, newHttp, sseServer, receiver]) await each[Symbol.asyncDispose]()
})

const hex = (digits: number) =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(digits / 2))).toString('hex')

/** What a client sends of its own span. */
function clientSpan(flags = '01') {
  const [traceId, spanId] = [hex(32), hex(16)]
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` }
}

interface Echoed {
  readonly _meta?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

type Era = 'old' | 'new'

/** Calls a tool as a client of this era; gives what the server says that it was sent. */
async function call(
  era: Era,
  name: string,
  tool: string,
  sent: { meta?: Record<string, unknown>; headers?: Record<string, string> },
): Promise<Echoed> {
  const url = gateway.face(name, 'stream')
  if (era === 'new') {
    const { answer } = await askModern(url, 'tools/call', {
      params: { name: tool, arguments: { key: secret } },
      ...(sent.meta && { meta: sent.meta }),
      ...(sent.headers && { headers: sent.headers }),
    })
    return (answer.result?.structuredContent ?? {}) as Echoed
  }
  await using session = await RawClient.open(url, {
    capabilities: { roots: {} },
    answer: () => ({ roots: [] }),
  })
  const params = { name: tool, arguments: { key: secret }, ...(sent.meta && { _meta: sent.meta }) }
  const response = await session.post(
    JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params }),
    { headers: sent.headers ?? {} },
  )
  const { result } = JSON.parse(await response.text()) as RpcMessage
  return (result?.structuredContent ?? {}) as Echoed
}

/** The spans of a trace by what they are. */
async function spansOf(traceId: string, count: number): Promise<ReceivedSpan[]> {
  return await receiver.until(count, (span) => span.traceId === traceId)
}

const isServed = ({ resource, kind }: ReceivedSpan) => resource['service.name'] === 'gateway' && kind === 2
const isSent = ({ resource, kind }: ReceivedSpan) => resource['service.name'] === 'gateway' && kind === 3
const isBehind = ({ resource }: ReceivedSpan) => resource['service.name'] === 'server'

const eras: readonly Era[] = ['old', 'new']
const pairs = eras.flatMap((client) =>
  (['old-stdio', 'new-stdio', 'old-http', 'new-http'] as const).map((name) => [client, name] as const),
)

describe('one trace', () => {
  test.each(pairs)(
    'from a client of the %s era to %s, each span under the one before',
    async (client, name) => {
      const own = clientSpan()
      const echoed = await call(client, name, 'work', {
        meta: { traceparent: own.traceparent, tracestate: 'vendor=1', baggage: 'user=a' },
      })
      const piped = name.endsWith('stdio')
      const spans = await spansOf(own.traceId, piped ? 3 : 2)
      const served = spans.find(isServed)
      const sent = spans.find(isSent)
      expect(served).toMatchObject({
        parentSpanId: own.spanId,
        traceState: 'vendor=1',
        name: 'tools/call work',
        status: {},
        attributes: {
          'mcp.method.name': 'tools/call',
          'gen_ai.tool.name': 'work',
          'gen_ai.operation.name': 'execute_tool',
          'http.request.method': 'POST',
          'http.response.status_code': 200,
          'url.path': `/mcp-proxy/${name}/stream`,
          'client.address': '127.0.0.1',
          'compozy.server': name,
          'compozy.caller': 'anonymous',
        },
        resource: { 'service.name': 'gateway', 'deployment.environment': 'test', team: 'a b' },
      })
      expect(sent).toMatchObject({
        parentSpanId: served?.spanId ?? '',
        name: 'tools/call work',
        attributes: {
          'mcp.method.name': 'tools/call',
          'compozy.server': name,
          'network.transport': piped ? 'pipe' : 'tcp',
          ...(!piped && { 'server.address': '127.0.0.1' }),
        },
      })
      const traceparent = `00-${own.traceId}-${sent?.spanId}-01`
      const carried = { traceparent, tracestate: 'vendor=1', baggage: 'user=a' }
      expect(echoed._meta).toMatchObject(carried)
      if (piped)
        expect(spans.find(isBehind)).toMatchObject({ parentSpanId: sent?.spanId, name: 'served work' })
      else expect(echoed.headers).toEqual(carried)
      expect(served && sent && served.startNs <= sent.startNs && sent.endNs <= served.endNs).toBe(true)
    },
  )

  test.each(eras)('goes on from headers, of a client of the %s era', async (client) => {
    const own = clientSpan()
    const echoed = await call(client, 'old-stdio', 'work', {
      headers: { traceparent: own.traceparent, tracestate: 'vendor=2', baggage: 'user=b' },
    })
    const spans = await spansOf(own.traceId, 3)
    expect(spans.find(isServed)?.parentSpanId).toBe(own.spanId)
    expect(spans.find(isBehind)?.parentSpanId).toBe(spans.find(isSent)?.spanId ?? '')
    expect(echoed._meta).toMatchObject({ tracestate: 'vendor=2', baggage: 'user=b' })
  })

  test('has the message before the headers, and a link to what those name', async () => {
    const [own, around] = [clientSpan(), clientSpan()]
    await call('new', 'new-stdio', 'work', {
      meta: { traceparent: own.traceparent },
      headers: { traceparent: around.traceparent },
    })
    const served = (await spansOf(own.traceId, 3)).find(isServed)
    expect(served?.parentSpanId).toBe(own.spanId)
    expect(served?.links).toMatchObject([{ traceId: around.traceId, spanId: around.spanId }])
  })

  test('begins at the gateway where a client has none, or one without a form', async () => {
    const forged = { traceparent: 'nonsense', tracestate: 'a=1' }
    const echoed = await call('old', 'old-http', 'work', { meta: forged })
    const [, traceId = ''] = echoed._meta?.['traceparent']?.split('-') ?? []
    const served = (await spansOf(traceId, 2)).find(isServed)
    expect(served?.parentSpanId).toBeUndefined()
    // What came without a trace belongs to none.
    expect(echoed._meta).not.toHaveProperty('tracestate')
  })

  test('goes through a group, under the member in its own words', async () => {
    const own = clientSpan()
    await call('old', 'team', 'old-stdio__work', { meta: { traceparent: own.traceparent } })
    const spans = await spansOf(own.traceId, 3)
    expect(spans.find(isServed)).toMatchObject({
      parentSpanId: own.spanId,
      attributes: { 'compozy.group': 'team', 'compozy.server': 'old-stdio' },
    })
    expect(spans.find(isSent)).toMatchObject({ name: 'tools/call work' })
    expect(spans.find(isBehind)?.parentSpanId).toBe(spans.find(isSent)?.spanId ?? '')
  })

  test.each(eras)(
    'has the lists that a group asks its members for, of a client of the %s era',
    async (client) => {
      const own = clientSpan()
      const url = gateway.face('team', 'stream')
      const meta = { traceparent: own.traceparent }
      if (client === 'new') await askModern(url, 'tools/list', { meta })
      else {
        await using session = await RawClient.open(url)
        await session.request(1, 'tools/list', { _meta: meta })
      }
      const spans = await receiver.until(2, (span) => span.traceId === own.traceId)
      const served = spans.find(isServed)
      for (const sent of spans.filter(isSent)) {
        expect(sent).toMatchObject({ name: 'tools/list', parentSpanId: served?.spanId ?? '' })
      }
    },
  )

  test('has the questions of a server, under the span from which it asks', async () => {
    const own = clientSpan()
    const asked: RpcMessage[] = []
    await using session = await RawClient.open(gateway.face('old-stdio', 'stream'), {
      capabilities: { roots: {} },
      answer: (request) => {
        asked.push(request)
        return { roots: [] }
      },
    })
    await session.request(1, 'tools/call', { name: 'ask', _meta: { traceparent: own.traceparent } })
    const spans = await spansOf(own.traceId, 4)
    const question = spans.find(({ name }) => name === 'roots/list')
    expect(question).toMatchObject({ kind: 3, parentSpanId: spans.find(isBehind)?.spanId ?? '' })
    expect(asked[0]?.params?.['_meta']).toEqual({ traceparent: `00-${own.traceId}-${question?.spanId}-01` })
  })

  test('has the questions of an older server to a stateless client, and the requests on both sides of them', async () => {
    const [first, second] = [clientSpan(), clientSpan()]
    const url = gateway.face('old-stdio', 'stream')
    const params = { name: 'ask', arguments: {} }
    const capabilities = { roots: {} }
    const parked = await askModern(url, 'tools/call', {
      ...{ params, capabilities, meta: { traceparent: first.traceparent } },
    })
    const { requestState, inputRequests } = parked.answer.result as {
      requestState: string
      inputRequests: Record<string, { params?: { _meta?: Record<string, string> } }>
    }
    const [key = '', asked] = Object.entries(inputRequests)[0] ?? []
    expect(asked?.params?._meta?.['traceparent']).toContain(first.traceId)
    const inputResponses = { [key]: { roots: [] } }
    await askModern(url, 'tools/call', {
      params: { ...params, requestState, inputResponses },
      ...{ capabilities, meta: { traceparent: second.traceparent } },
    })
    const spans = await spansOf(first.traceId, 4)
    const served = spans.find(isServed)
    expect(served).toMatchObject({
      ...{ parentSpanId: first.spanId, status: {}, attributes: { 'compozy.outcome': 'input_required' } },
    })
    const question = spans.find(({ name }) => name === 'roots/list')
    expect(question?.parentSpanId).toBe(spans.find(isBehind)?.spanId ?? '')
    const [answered] = await spansOf(second.traceId, 1)
    expect(answered).toMatchObject({ parentSpanId: second.spanId, status: {} })
  })

  test('stands once in the headers, whatever a definition and a client put there', async () => {
    const own = clientSpan()
    const around = clientSpan()
    await call('old', 'forwarding', 'work', {
      meta: { traceparent: own.traceparent },
      headers: { traceparent: around.traceparent, baggage: 'of=headers' },
    })
    const request = await oldHttp.request(({ body }) => body.includes(own.traceId))
    const sent = (await spansOf(own.traceId, 2)).find(isSent)
    expect(request.headers['traceparent']).toBe(`00-${own.traceId}-${sent?.spanId}-01`)
    expect(request.headers).not.toHaveProperty('baggage')
    expect(request.headers['x-more']).toBe('1')
  })

  test.each([
    ['other types', { traceparent: 7, tracestate: {}, baggage: [] }],
    ['zeros', { traceparent: `${'0'.repeat(2)}-${'0'.repeat(32)}-${'0'.repeat(16)}-01` }],
    ['another header', { traceparent: clientSpan().traceparent, baggage: 'a=\r\nx-admin: 1' }],
    ['a very long one', { traceparent: clientSpan().traceparent, tracestate: 'a'.repeat(100_000) }],
    ['no ASCII', { traceparent: clientSpan().traceparent, baggage: '\u2028=1' }],
  ])('lets no form but its own through, as %s', async (_why, meta) => {
    const before = oldHttp.seen.length
    const echoed = await call('old', 'old-http', 'work', { meta })
    const { headers } =
      oldHttp.seen.slice(before).find(({ message }) => message.method === 'tools/call') ?? {}
    expect(headers?.['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    for (const name of ['tracestate', 'baggage', 'x-admin']) expect(headers).not.toHaveProperty(name)
    expect(echoed._meta).toEqual({ traceparent: headers?.['traceparent'] ?? '' })
  })

  test.each([
    ['stream', 'stream'],
    ['sse', 'message'],
    ['modern', 'stream'],
  ] as const)('has a call that comes by way of %s, once', async (way, endpoint) => {
    const before = receiver.spans.length
    const path = `/mcp-proxy/old-http/${endpoint}`
    await using caller = await openCaller(gateway, 'old-http', way)
    await caller.call(`by ${way}`, 'work', {})
    const isIt = (span: ReceivedSpan) =>
      span.attributes['jsonrpc.request.id'] === `"by ${way}"` && span.attributes['url.path'] === path
    const [served] = await receiver.until(1, isIt)
    const { traceId = '' } = served ?? {}
    await spansOf(traceId, 2)
    expect(receiver.spans.slice(before).filter((span) => span.traceId === traceId)).toHaveLength(2)
  })

  test('goes to a server over HTTP+SSE, in the message and in the headers', async () => {
    const own = clientSpan()
    const [posted] = await Promise.all([
      sseServer.request(({ body }) => body.includes(own.traceId)),
      call('old', 'old-sse', 'work', { meta: { traceparent: own.traceparent } }),
    ])
    const sent = (await spansOf(own.traceId, 2)).find(isSent)
    const traceparent = `00-${own.traceId}-${sent?.spanId}-01`
    expect(posted.headers['traceparent']).toBe(traceparent)
    expect(posted.body).toContain(`"traceparent":"${traceparent}"`)
  })

  test('says how a call ended', async () => {
    const own = clientSpan()
    await call('old', 'old-stdio', 'fail', { meta: { traceparent: own.traceparent } })
    for (const span of (await spansOf(own.traceId, 3)).filter((each) => !isBehind(each)))
      expect(span).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'tool_error' } })
    const refused = clientSpan()
    await askModern(gateway.face('old-stdio', 'stream'), 'no/such', {
      meta: { traceparent: refused.traceparent },
    })
    expect((await spansOf(refused.traceId, 1)).find(isServed)?.status).toEqual({ code: 2 })
  })

  test('has each message of a batch by itself', async () => {
    const [one, other] = [clientSpan(), clientSpan()]
    await using session = await RawClient.open(gateway.face('old-stdio', 'stream'), { version: '2025-03-26' })
    const batch = [one, other].map(({ traceparent }, id) => ({
      ...{ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'work', _meta: { traceparent } } },
    }))
    await (await session.post(JSON.stringify(batch))).text()
    for (const { traceId, spanId } of [one, other])
      expect((await spansOf(traceId, 3)).find(isServed)?.parentSpanId).toBe(spanId)
  })

  test('is not recorded where its client says so, and goes on as it came', async () => {
    const own = clientSpan('00')
    const meta = { traceparent: own.traceparent, tracestate: 'vendor=3' }
    const echoed = await call('new', 'new-http', 'work', { meta })
    expect(echoed._meta).toMatchObject(meta)
    expect(echoed.headers).toEqual(meta)
    const later = clientSpan()
    await call('new', 'new-http', 'work', { meta: { traceparent: later.traceparent } })
    await spansOf(later.traceId, 2)
    expect(receiver.spans.filter(({ traceId }) => traceId === own.traceId)).toEqual([])
  })

  test.each([
    ['application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2', true],
    ['application/openmetrics-text', true],
    ['text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.3', false],
    ['application/openmetrics-text;version=1.0.0;q=0', false],
    ['application/openmetrics-text;version=0.0.1', false],
    ['*/*', false],
  ])('is an exemplar of the figures for whoever asks with %s: %p', async (accept, expected) => {
    const own = clientSpan()
    const unrecorded = clientSpan('00')
    for (const { traceparent } of [own, unrecorded])
      await call('new', 'new-http', 'work', { meta: { traceparent } })
    const answer = await documentedFetch(`${gateway.url}/metrics`, { headers: { accept } })
    const page = await answer.text()
    const exemplars = page.split('\n').filter((line) => line.includes(`# {trace_id="${own.traceId}"}`))
    expect(page).not.toContain(unrecorded.traceId)
    expect([exemplars.length, page.endsWith('\n# EOF\n')]).toEqual(expected ? [1, true] : [0, false])
  })

  test('stands in the lines of the log', async () => {
    const own = clientSpan()
    await call('new', 'old-stdio', 'work', { meta: { traceparent: own.traceparent } })
    await spansOf(own.traceId, 3)
    const found = () => gateway.lines().filter((line) => line.includes(own.traceId))
    await poll('the line', async () => found().length > 0, 5_000)
    expect(found().map((line) => JSON.parse(line))).toMatchObject([{ msg: 'request', traceId: own.traceId }])
  })

  test('has neither contents of calls nor secrets, and the receiver finds nothing wrong with it', () => {
    expect(receiver.faults).toEqual([])
    expect(receiver.bodies.length).toBeGreaterThan(0)
    for (const body of receiver.bodies) expect(body).not.toContain(secret)
    expect(receiver.headers[0]?.get('x-key')).toBeOneOf([secret, null])
    expect(receiver.headers.some((headers) => headers.get('x-key') === secret)).toBe(true)
    expect(gateway.lines().join('\n')).not.toContain(secret)
  })
})

describe('without an endpoint', () => {
  test('a context is relayed as any other text, headers stay where they are, and no line has a trace', async () => {
    await using off = await startGatewayProcess({
      via: 'executable',
      config: { mcps: [{ name: 'old', transport: 'streamable-http', url: oldHttp.url }] },
    })
    const session = await RawClient.open(off.face('old', 'stream'))
    const own = clientSpan()
    const sent = `"_meta":{"tracestate" : "a=1","traceparent":"${own.traceparent}"}`
    const text = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"work",${sent}}}`
    await (await session.post(text, { headers: { traceparent: clientSpan().traceparent } })).text()
    const request = await oldHttp.request(({ body }) => body.includes(own.traceId))
    expect(request.body).toContain(sent)
    expect(request.headers).not.toHaveProperty('traceparent')
    await session.close()
    await off.stop()
    expect(off.lines().join('\n')).not.toContain('traceId')
  })
})

describe('a collector that is away', () => {
  test('costs no call anything, and its spans are counted as dropped', async () => {
    await using lonely = await startGatewayProcess({
      via: 'executable',
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
        OTEL_BSP_SCHEDULE_DELAY: '10',
        OTEL_BSP_MAX_QUEUE_SIZE: '20',
      },
      config: { mcps: [{ name: 'old', transport: 'streamable-http', url: oldHttp.url }] },
    })
    const session = await RawClient.open(lonely.face('old', 'stream'))
    for (let at = 0; at < 40; at++) await session.callTool(at, 'work', {})
    const page = await (await fetch(`${lonely.url}/metrics`)).text()
    const dropped = /^compozy_trace_spans_dropped_total (\d+)$/m.exec(page)?.[1]
    expect(Number(dropped)).toBeGreaterThanOrEqual(40)
    await session.close()
    expect(await lonely.stop()).toBe(0)
  })
})
