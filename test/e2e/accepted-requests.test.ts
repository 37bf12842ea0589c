/**
 * Once a session's request is accepted, whatever fails is its answer: under its id, with 200, on the way on which
 * answers travel. A status of the gateway's own would end the whole session of many clients.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { callerWays, openCaller } from '../support/callers.ts'
import { readEvents } from '../support/event-reader.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { RawClient, type RpcMessage } from '../support/raw-client.ts'
import { faultStdio, rawStdio, statusOf, untilStatus } from '../support/supervised.ts'

type Gateway = Awaited<ReturnType<typeof startGatewayProcess>>

/** What an HTTP+SSE client sends before anything is agreed, and what comes on its stream. */
async function openSse(gateway: Gateway, name: string, signal: AbortSignal) {
  const response = await fetch(gateway.face(name, 'sse'), { signal })
  if (!response.ok || response.body === null) throw new Error(`${response.status} ${await response.text()}`)
  const events = readEvents(response.body)
  const { value: endpoint } = await events.next()
  const post = (message: object) =>
    fetch(endpoint?.data ?? '', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    })
  const next = async () => JSON.parse((await events.next()).value?.data ?? 'null') as RpcMessage
  return { post, next }
}

const initialize = {
  id: 'hello',
  method: 'initialize',
  params: {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'early', version: '1' },
  },
}

describe('on the old endpoint', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await startGatewayProcess({ via: 'executable', config: { mcps: [rawStdio('raw')] } })
  }, 30_000)
  afterAll(() => gateway.stop())

  test.each([
    { method: 'server/discover', why: 'with which newer SDKs find out what a server speaks' },
    { method: 'tools/list', why: 'of a client that knows no handshake' },
    { method: 'x-vendor/hello', why: 'that nobody has heard of' },
  ])(
    '$method before initialize is 202 and -32601 on the stream, and initialize works then: $why',
    async ({ method }) => {
      const gone = new AbortController()
      const { post, next } = await openSse(gateway, 'raw', gone.signal)
      expect((await post({ id: 'early', method })).status).toBe(202)
      expect(await next()).toMatchObject({
        id: 'early',
        error: {
          code: -32601,
          message: expect.stringContaining('initialize'),
          data: { code: 'METHOD_NOT_FOUND' },
        },
      })
      expect((await post({ method: 'notifications/initialized' })).status).toBe(202)
      expect((await post({ id: 1, method: 'ping' })).status).toBe(202)
      expect(await next()).toMatchObject({ id: 1, result: {} })
      expect((await post(initialize)).status).toBe(202)
      expect(await next()).toMatchObject({ id: 'hello', result: { protocolVersion: '2025-06-18' } })
      expect((await post({ id: 2, method: 'tools/list' })).status).toBe(202)
      expect(await next()).toMatchObject({ id: 2, result: { tools: expect.any(Array) } })
      gone.abort()
    },
  )

  test('a request while initialize is under way is told to wait, and that is no "method not found"', async () => {
    await using slow = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: { mcps: [faultStdio('slow', 'deaf')] },
    })
    await untilStatus(slow, 'slow', 'connecting')
    const gone = new AbortController()
    const { post, next } = await openSse(slow, 'slow', gone.signal)
    expect((await post(initialize)).status).toBe(202)
    expect((await post({ id: 'hasty', method: 'tools/list' })).status).toBe(202)
    expect(await next()).toMatchObject({ id: 'hasty', error: { code: -32600 } })
    gone.abort()
  })

  test('what is no message is refused as before, with 400', async () => {
    const gone = new AbortController()
    const { post } = await openSse(gateway, 'raw', gone.signal)
    const refused = await post({ id: {}, method: 'ping' })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ id: null, error: { code: -32600 } })
    gone.abort()
  })
})

test.concurrent.each([...callerWays])(
  'a tool that takes its server down is an error under its id (%s), and the client goes on without a new session',
  async (way) => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcps: [rawStdio('raw', { reconnectDelay: '200ms' })] },
    })
    await using caller = await openCaller(gateway, 'raw', way)
    const crash = await caller.call('crash', 'exit', { code: 3 })
    expect(crash).toMatchObject({
      status: way === 'sse' ? 202 : 200,
      answer: { id: 'crash', error: { code: -31502, data: { code: 'UPSTREAM_CLOSED' } } },
    })
    await untilStatus(gateway, 'raw', 'connected')
    const next = await caller.call('next', 'echo', { secret: 'again' })
    expect(next.answer.result?.structuredContent).toEqual({ secret: 'again' })
  },
)

test.concurrent.each([...callerWays])(
  'a call that takes too long, and one that finds no room, are answers too (%s)',
  async (way) => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: { limits: { in_flight_per_server_max: 1 } },
        mcps: [rawStdio('raw', { timeout: '1s' })],
      },
    })
    await using caller = await openCaller(gateway, 'raw', way)
    const slow = caller.call('slow', 'slow', { ms: 60_000 })
    const inFlight = async () =>
      /^compozy_mcp_requests_in_flight\{server="raw"\} 1/m.test(
        await (await fetch(`${gateway.url}/metrics`)).text(),
      )
    await poll('the call to count', inFlight)
    const status = way === 'sse' ? 202 : 200
    expect(await caller.call('full', 'echo', { secret: 's' })).toMatchObject({
      status,
      answer: { id: 'full', error: { data: { code: 'IN_FLIGHT_EXHAUSTED', retryAfterMs: 1000 } } },
    })
    expect(await slow).toMatchObject({
      status,
      answer: { id: 'slow', error: { data: { code: 'UPSTREAM_TIMEOUT' } } },
    })
    expect((await caller.call('next', 'echo', { secret: 's' })).answer.result).toBeDefined()
    // Whoever reads the log still finds what failed.
    if (way !== 'sse')
      await poll('the line', async () =>
        gateway.lines().some((line) => /"status":200.*"code":"IN_FLIGHT_EXHAUSTED"/.test(line)),
      )
  },
)

test.concurrent('of a batch that finds no room for all, each request has its own answer', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { limits: { in_flight_per_server_max: 1 } }, mcps: [rawStdio('raw')] },
  })
  await using client = await RawClient.open(gateway.face('raw', 'stream'), { version: '2025-03-26' })
  const call = (id: number, ms: number) =>
    `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"slow","arguments":{"ms":${ms}}}}`
  const response = await client.post(`[${call(1, 200)},${call(2, 0)},${call(3, 0)}]`)
  expect(response.status).toBe(200)
  if (response.body === null) throw new Error('no stream')
  const answers: RpcMessage[] = []
  for await (const { data } of readEvents(response.body)) answers.push(JSON.parse(data) as RpcMessage)
  expect(answers.map(({ id, error }) => [id, (error?.data as { code?: string } | undefined)?.code])).toEqual([
    [2, 'IN_FLIGHT_EXHAUSTED'],
    [3, 'IN_FLIGHT_EXHAUSTED'],
    [1, undefined],
  ])
})

test.concurrent('what comes before a session keeps its status: initialize at a server that is down is 503', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    untilReady: false,
    config: { mcps: [faultStdio('dead', 'exit-at-once', { autoReconnect: false })] },
  })
  await untilStatus(gateway, 'dead', 'error')
  const refused = await fetch(gateway.face('dead', 'stream'), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', ...initialize }),
  })
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '60'])
  const { error } = (await refused.json()) as RpcMessage
  expect(error?.data).toEqual({ code: 'SERVER_UNAVAILABLE', retryAfterMs: 60_000 })
  // Clients hear the one line that explains; the others are for whoever runs the server.
  expect(error?.message).toContain('set FILES_ROOT')
  expect(error?.message).not.toContain('missing configuration')
  expect((await statusOf(gateway, 'dead')).stderrTail).toEqual(['missing configuration', 'set FILES_ROOT'])
})
