/** A stateless client of a stateless server: what one says is what the other hears, and nobody hears for another. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import {
  type Answer,
  eventStream,
  type FaultHttp,
  jsonAnswer,
  type SeenRequest,
} from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import {
  askModern,
  callModern,
  Listening,
  MODERN,
  modernHeaders,
  modernText,
  SUBSCRIPTION_ID,
  sendModern,
} from '../support/modern-client.ts'
import { clientRequests, rpcError, startModernUpstream } from '../support/modern-upstream.ts'
import type { RpcId } from '../support/raw-client.ts'
import { awaitTallied, tallied } from '../support/tally.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const pipeServer = resolve(import.meta.dir, '../support/modern-raw-server.ts')
const directory = temporaryDirectory()
const tally = join(directory.path, 'pipe')
const deploy = {
  name: 'deploy',
  inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } },
}
/** What the upstream does with the requests of one test. */
let answer: ((request: SeenRequest) => Answer) | null = null
let upstream: FaultHttp
let gateway: RunningGateway

beforeAll(async () => {
  upstream = startModernUpstream({ tools: [deploy], answer: (request) => answer?.(request) })
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { auth: { global_tokens: ['token-of-ada', 'token-of-bob'] } },
      mcps: [
        { name: 'http', transport: 'streamable-http', url: upstream.url },
        { name: 'pipe', transport: 'stdio', command: process.execPath, args: [pipeServer, '--tally', tally] },
      ],
    },
  })
}, 30_000)
afterEach(() => {
  answer = null
})
afterAll(async () => {
  await gateway.stop()
  await upstream[Symbol.asyncDispose]()
  directory[Symbol.dispose]()
})

const ada = { token: 'token-of-ada' }
const url = (name: 'http' | 'pipe') => gateway.face(name, 'stream')

describe('over HTTP', () => {
  test.each([
    { code: -32601, upstreamStatus: 404, status: 404 },
    { code: -32020, upstreamStatus: 400, status: 400 },
    { code: -32021, upstreamStatus: 400, status: 400 },
    { code: -32022, upstreamStatus: 400, status: 400 },
    { code: -32602, upstreamStatus: 200, status: 200 },
    { code: -32603, upstreamStatus: 500, status: 200 },
    { code: 7, upstreamStatus: 200, status: 200 },
  ])('error $code is the client’s, with status $status', async ({ code, upstreamStatus, status }) => {
    answer = ({ message }) =>
      message.method === 'prompts/get'
        ? rpcError({ message } as SeenRequest, code, upstreamStatus, { n: 1 })
        : null
    const reply = await askModern(url('http'), 'prompts/get', { ...ada, params: { name: 'x' } })
    expect(reply.status).toBe(status)
    expect(reply.answer.error).toEqual({ code, message: `error ${code}`, data: { n: 1 } })
  })

  test('headers of arguments that no known mark accounts for go on; a marked one is the gateway’s own', async () => {
    const headers = { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Later': '=?base64?w6k=?=', 'X-Other': 'no' }
    await callModern(url('http'), 'deploy', { region: 'eu' }, { ...ada, headers })
    const seen = clientRequests(upstream, 'tools/call').at(-1)
    expect(seen?.headers).toMatchObject({
      'mcp-param-region': 'eu',
      'mcp-param-later': '=?base64?w6k=?=',
      'mcp-protocol-version': MODERN,
      'mcp-method': 'tools/call',
      'mcp-name': 'deploy',
    })
    expect(seen?.headers).not.toHaveProperty('x-other')
    expect(seen?.headers).not.toHaveProperty('authorization')
  })

  test('a tool that marks an argument after its list was read is called with the client’s own header', async () => {
    answer = (request) =>
      request.message.method === 'tools/call' && request.headers['mcp-param-zone'] !== 'b'
        ? rpcError(request, -32020, 400)
        : null
    const known = await callModern(
      url('http'),
      'deploy',
      { zone: 'b' },
      { ...ada, headers: { 'Mcp-Param-Zone': 'b' } },
    )
    expect(known.answer.error).toBeUndefined()
    const unaware = await callModern(url('http'), 'deploy', { zone: 'b' }, ada)
    expect({ status: unaware.status, code: unaware.answer.error?.code }).toEqual({
      status: 400,
      code: -32020,
    })
  })

  test('input_required and its state are the server’s own, both ways', async () => {
    const state = 'opaque "é" 12345678901234567890'
    answer = (request) =>
      request.message.method === 'tools/call' && !request.body.includes('inputResponses')
        ? jsonAnswer(request, { resultType: 'input_required', requestState: state, inputRequests: {} })
        : null
    const first = await callModern(url('http'), 'deploy', {}, ada)
    expect(first.answer.result).toMatchObject({ resultType: 'input_required', requestState: state })
    const params = { requestState: state, inputResponses: { a: { roots: [] } } }
    await callModern(url('http'), 'deploy', {}, { ...ada, params })
    const seen = clientRequests(upstream, 'tools/call').at(-1)
    expect(seen?.message.params).toMatchObject({ requestState: state })
  })

  test.each(['before its first byte', 'in the middle of its stream'])(
    'closing the response %s closes the server’s within 100 ms',
    async (when) => {
      const stream = eventStream()
      const pending = Promise.withResolvers<Response>()
      const begun = when.includes('middle')
      const nth = clientRequests(upstream, 'tools/call').length + 1
      const aborted = new AbortController()
      answer = ({ message }) =>
        message.method === 'tools/call' ? (begun ? stream.response : pending.promise) : null
      if (begun) {
        const note = { jsonrpc: '2.0', method: 'notifications/x', params: {} }
        stream.send(`data: ${JSON.stringify(note)}\n\n`)
      }
      const response = sendModern(url('http'), 'tools/call', {
        ...ada,
        params: { name: 'deploy', arguments: {} },
        signal: aborted.signal,
      })
      const seen = await upstream.request(({ message }) => message.method === 'tools/call', nth)
      if (begun) await response
      response.catch(() => {})
      const closedAtMs = performance.now()
      aborted.abort()
      await seen.gone
      expect(performance.now() - closedAtMs).toBeLessThan(100)
      pending.resolve(new Response(null, { status: 202 }))
    },
  )

  test('notifications that no revision defines go on, those of the revisions do not', async () => {
    const send = (method: string) =>
      fetch(url('http'), {
        method: 'POST',
        headers: modernHeaders(method, ada),
        body: `{"jsonrpc":"2.0","method":"${method}","params":{"n":12345678901234567890}}`,
      })
    for (const method of ['notifications/cancelled', 'notifications/initialized', 'notifications/vendor/x']) {
      const { status, headers } = await send(method)
      expect({ status, type: headers.get('content-type') }).toEqual({ status: 202, type: null })
    }
    const { body, headers } = await upstream.request(
      ({ message }) => message.method === 'notifications/vendor/x',
    )
    expect(body).toContain('12345678901234567890')
    expect(headers).toMatchObject({ 'mcp-protocol-version': MODERN, 'mcp-method': 'notifications/vendor/x' })
    expect(upstream.seen.filter(({ message }) => message.method?.startsWith('notifications/'))).toHaveLength(
      1,
    )
  })

  test('a subscription that cannot be a stream is refused', async () => {
    const response = await sendModern(url('http'), 'subscriptions/listen', {
      ...ada,
      params: { notifications: {} },
      headers: { accept: 'application/json' },
    })
    expect(response.status).toBe(406)
    await response.body?.cancel()
  })
})

describe('over a pipe', () => {
  test('the request arrives as the text that it was, but for its id and token', async () => {
    const text = modernText('tools/call', {
      id: 'mine',
      params: { name: 'mirror', arguments: {}, 'x-unknown': [1.1] },
      meta: { progressToken: 'tok', traceparent: 't', 'vendor/key': true },
    }).replace('[1.1]', '[12345678901234567890, 1.10]')
    const headers = modernHeaders('tools/call', { ...ada, params: { name: 'mirror' } })
    const response = await fetch(url('pipe'), { method: 'POST', headers, body: text })
    const { result, id } = (await response.json()) as {
      result: { structuredContent: { text: string } }
      id: RpcId
    }
    const heard = result.structuredContent.text
    const own = (JSON.parse(heard) as { id: RpcId }).id
    expect(id).toBe('mine')
    expect(heard).toBe(
      text.replace('"id":"mine"', `"id":${own}`).replace('"progressToken":"tok"', `"progressToken":${own}`),
    )
  })

  test('closing the response is notifications/cancelled with the server’s id within 100 ms', async () => {
    const mark = crypto.randomUUID()
    const aborted = new AbortController()
    const response = sendModern(url('pipe'), 'tools/call', {
      ...ada,
      id: 'mine',
      params: { name: 'wait', arguments: { mark } },
      signal: aborted.signal,
    })
    response.catch(() => {})
    const { id } = await awaitTallied(tally, ({ params }) => JSON.stringify(params ?? {}).includes(mark))
    const closedAtMs = performance.now()
    aborted.abort()
    await awaitTallied(
      tally,
      ({ method, params }) => method === 'notifications/cancelled' && params?.['requestId'] === id,
    )
    expect(performance.now() - closedAtMs).toBeLessThan(100)
  })

  test('a request of the server’s, which this revision has none of, is refused at once: its tool would wait for ever', async () => {
    const messages = [
      { jsonrpc: '2.0', id: 'q1', method: 'roots/list' },
      { jsonrpc: '2.0', id: 'q2', method: 'ping' },
    ]
    const { before, answer: final } = await callModern(url('pipe'), 'say', { messages }, ada)
    expect({ before, failed: final.error }).toEqual({ before: [], failed: undefined })
    await awaitTallied(tally, ({ id, method }) => id === 'q2' && method === undefined)
    const answers = tallied(tally).filter(({ method }) => method === undefined)
    expect(answers.map(({ id, error }) => [id, error?.code])).toEqual([
      ['q1', -32601],
      ['q2', -32601],
    ])
  })

  test('log messages go to the request that asked for them, and to no other one', async () => {
    const log = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } }
    const aborted = new AbortController()
    const post = { ...ada, logLevel: 'info', id: 'logs' }
    // Somebody else's request is in flight, which asked for none.
    const waiting = sendModern(url('pipe'), 'tools/call', {
      token: 'token-of-bob',
      params: { name: 'wait', arguments: { mark: 'bob' } },
      signal: aborted.signal,
    })
    waiting.catch(() => {})
    await awaitTallied(tally, ({ params }) => JSON.stringify(params ?? {}).includes('"bob"'))
    const asked = await callModern(url('pipe'), 'say', { messages: [log] }, post)
    const silent = await callModern(url('pipe'), 'say', { messages: [log] }, ada)
    aborted.abort()
    expect(asked.before.map(({ method }) => method)).toEqual(['notifications/message'])
    expect(silent.before).toEqual([])
  })

  test('changes without a listen id go to every subscription that asks for them, and to no call', async () => {
    const tools = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }
    const updated = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'a:1' } }
    await using first = await Listening.open(url('pipe'), { toolsListChanged: true }, { ...ada, id: 'one' })
    await using second = await Listening.open(
      url('pipe'),
      { toolsListChanged: true, resourceSubscriptions: ['a:1'] },
      { ...ada, id: 2 },
    )
    await using other = await Listening.open(
      url('pipe'),
      { promptsListChanged: true, resourceSubscriptions: ['a:2'] },
      { ...ada, id: 3 },
    )
    await poll('all', async () => [first, second, other].every(({ messages }) => messages.length === 1))
    const { before } = await callModern(
      url('pipe'),
      'say',
      { messages: [tools, updated] },
      { ...ada, logLevel: 'debug' },
    )
    expect(before).toEqual([])
    await poll('both changes', async () => first.messages.length + second.messages.length === 5)
    const heard = ({ messages }: Listening) =>
      messages.slice(1).map(({ method, params }) => [method, (params as unknown as Stamped)._meta])
    expect(heard(first)).toEqual([[tools.method, { [SUBSCRIPTION_ID]: 'one' }]])
    expect(heard(second)).toEqual([
      [tools.method, { [SUBSCRIPTION_ID]: 2 }],
      [updated.method, { [SUBSCRIPTION_ID]: 2 }],
    ])
    expect(heard(other)).toEqual([])
  })

  test('two subscriptions each see their own id; one that the server ends has a result', async () => {
    const first = await Listening.open(url('pipe'), { toolsListChanged: true }, { ...ada, id: 3 })
    const second = await Listening.open(url('pipe'), { toolsListChanged: true }, { ...ada, id: '3' })
    await poll('both', async () => first.messages.length + second.messages.length === 2)
    expect(idsOf(first)).toEqual([3])
    expect(idsOf(second)).toEqual(['3'])
    await callModern(url('pipe'), 'tear', {}, ada)
    await Promise.all([first.ended, second.ended])
    for (const [{ messages }, id] of [
      [first, 3],
      [second, '3'],
    ] as const)
      expect(messages.at(-1)).toEqual({
        jsonrpc: '2.0',
        id,
        result: { resultType: 'complete', _meta: { [SUBSCRIPTION_ID]: id } },
      } as never)
    expect(first.messages.some(({ method }) => method === 'notifications/cancelled')).toBe(false)
  })
})

interface Stamped {
  readonly _meta: Readonly<Record<string, unknown>>
}

function idsOf({ messages }: Listening): unknown[] {
  return messages.map(({ params }) => (params as unknown as Stamped)._meta[SUBSCRIPTION_ID])
}
