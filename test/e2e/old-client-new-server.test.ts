/**
 * A client with a session of a stateless server, row by row: what each of them gets (src/protocol/README.md).
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { readEvents } from '../support/event-reader.ts'
import {
  type Answer,
  type EventStream,
  eventStream,
  type FaultHttp,
  jsonAnswer,
  type SeenRequest,
} from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { MODERN } from '../support/modern-client.ts'
import { clientRequests, rpcError, startModernUpstream } from '../support/modern-upstream.ts'
import { type OpenOptions, RawClient, type RpcMessage } from '../support/raw-client.ts'
import { awaitTallied, tallied } from '../support/tally.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const PREFIX = 'io.modelcontextprotocol/'
const pipeServer = resolve(import.meta.dir, '../support/modern-raw-server.ts')
const directory = temporaryDirectory()
const tally = join(directory.path, 'pipe')
const tools = [
  {
    name: 'deploy',
    inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } },
  },
  {
    name: 'count',
    inputSchema: { type: 'object' },
    outputSchema: { type: 'array', items: { $ref: '#/$defs/n' }, $defs: { n: { type: 'integer' } } },
  },
  {
    name: 'broken',
    inputSchema: { type: 'object', properties: { a: { type: 'number', 'x-mcp-header': 'A' } } },
  },
]
const capabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  logging: {},
  extensions: { [`${PREFIX}tasks`]: {}, 'com.vendor/x': {} },
}
let answer: ((request: SeenRequest) => Answer) | null = null
let upstream: FaultHttp
let gateway: RunningGateway

beforeAll(async () => {
  upstream = startModernUpstream({ tools, capabilities, answer: (request) => answer?.(request) })
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
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

function open(name: 'http' | 'pipe' = 'http', options: OpenOptions = {}): Promise<RawClient> {
  return RawClient.open(gateway.face(name, 'stream'), options)
}

/** What the server was sent last for this method: parameters and headers. */
function lastOf(method: string): {
  params: Record<string, unknown>
  headers: SeenRequest['headers']
  body: string
} {
  const request = upstream.seen.findLast(({ message }) => message.method === method)
  if (request === undefined) throw new Error(`the server was not sent ${method}`)
  return {
    params: request.message.params as Record<string, unknown>,
    headers: request.headers,
    body: request.body,
  }
}

describe('initialize', () => {
  test('is answered from the kept server/discover, in the client’s own version, with tasks hidden', async () => {
    // The first client of the era asks whether the server speaks it.
    await (await open()).close()
    const before = upstream.seen.length
    await using client = await open('http', { version: '2025-06-18' })
    expect(client.greeting).toEqual({
      jsonrpc: '2.0',
      id: 'hello',
      result: {
        protocolVersion: '2025-06-18',
        capabilities: { ...capabilities, extensions: { 'com.vendor/x': {} } },
        serverInfo: { name: 'modern-upstream', version: '1.0.0' },
      },
    })
    expect(upstream.seen).toHaveLength(before)
  })

  test('notifications of the handshake and of roots go nowhere; others that nobody knows do', async () => {
    await using client = await open()
    const before = upstream.seen.length
    await client.notify('notifications/roots/list_changed')
    await client.notify('notifications/progress', { progressToken: 1, progress: 1 })
    await client.notify('notifications/vendor/old', { n: 1 })
    const { headers, message } = await upstream.request(
      (request) => request.message.method === 'notifications/vendor/old',
    )
    expect(message).toEqual({ jsonrpc: '2.0', method: 'notifications/vendor/old', params: { n: 1 } } as never)
    expect(headers).toMatchObject({
      'mcp-protocol-version': MODERN,
      'mcp-method': 'notifications/vendor/old',
    })
    expect(upstream.seen).toHaveLength(before + 1)
  })
})

describe('a request', () => {
  test('arrives with the envelope, its headers and every digit; tasks and chance members stay behind', async () => {
    await using client = await open('http', {
      capabilities: { sampling: {}, roots: { listChanged: true }, tasks: { list: {} }, 'x-own': {} },
    })
    await client.request('list', 'tools/list')
    const text =
      `{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"deploy","task":{"ttl":1},
      "requestState":"chance","arguments":{"region":"é","n":12345678901234567890},"x-unknown":1.10,
      "_meta":{"traceparent":"t","${PREFIX}protocolVersion":"2025-11-25"}}}`.replaceAll('\n', ' ')
    await client.requestText(
      'mine',
      text.replace(`"${PREFIX}protocolVersion":"2025-11-25"`, '"vendor/key":{}'),
    )
    const { params, headers, body } = lastOf('tools/call')
    expect(params['_meta']).toEqual({
      traceparent: 't',
      'vendor/key': {},
      [`${PREFIX}protocolVersion`]: MODERN,
      [`${PREFIX}clientInfo`]: { name: 'raw-client', version: '1.0.0' },
      [`${PREFIX}clientCapabilities`]: { sampling: {}, roots: {}, 'x-own': {} },
      [`${PREFIX}logLevel`]: 'debug',
    })
    expect(Object.keys(params).toSorted()).toEqual(['_meta', 'arguments', 'name', 'x-unknown'])
    expect(body).toContain('"n":12345678901234567890')
    expect(body).toContain('"x-unknown":1.10')
    expect(headers).toMatchObject({
      'mcp-protocol-version': MODERN,
      'mcp-method': 'tools/call',
      'mcp-name': 'deploy',
      'mcp-param-region': '=?base64?w6k=?=',
      accept: 'application/json, text/event-stream',
    })
    expect(headers).not.toHaveProperty('mcp-session-id')
  })

  test('has its header arguments also where nobody has read the tools yet', async () => {
    const name = `fresh${crypto.randomUUID().slice(0, 8)}`
    await gateway.register({ name, transport: 'streamable-http', url: upstream.url })
    await using client = await RawClient.open(gateway.face(name, 'stream'))
    const lists = clientRequests(upstream, 'tools/list').length
    await Promise.all([1, 2].map((id) => client.callTool(id, 'deploy', { region: 'eu' })))
    const calls = clientRequests(upstream, 'tools/call').slice(-2)
    expect(calls.map(({ headers }) => headers['mcp-param-region'])).toEqual(['eu', 'eu'])
    expect(clientRequests(upstream, 'tools/list').length - lists).toBe(1)
  })

  test('a method that nobody has heard of goes through, and its result and error come back', async () => {
    answer = (request) =>
      request.message.method === 'x-vendor/none'
        ? rpcError(request, -32601, 404)
        : request.message.method === 'x-vendor/reverse'
          ? jsonAnswer(request, { resultType: 'complete', 'x-vendor': [1], ttlMs: 5 })
          : null
    await using client = await open()
    const known = await client.request(1, 'x-vendor/reverse', { a: 1 })
    // Hints are only those of methods that have them.
    expect(known.answer.result).toEqual({ 'x-vendor': [1], ttlMs: 5 })
    expect(lastOf('x-vendor/reverse').headers['mcp-method']).toBe('x-vendor/reverse')
    const unknown = await client.request(2, 'x-vendor/none')
    expect(unknown.answer.error).toMatchObject({ code: -32601 })
  })

  test.each(['tasks/get', 'tasks/list', 'tasks/result', 'tasks/cancel'])(
    '%s does not exist',
    async (method) => {
      await using client = await open()
      const before = upstream.seen.length
      const { answer: reply } = await client.request(1, method, { taskId: 't' })
      expect(reply.error?.code).toBe(-32601)
      expect(upstream.seen).toHaveLength(before)
    },
  )

  test('refused for its headers reads the tools again and is made once more, not twice', async () => {
    let wants = 'Region'
    let refusals = 0
    answer = (request) => {
      const { method, id } = request.message
      if (method === 'tools/list') {
        const properties = { region: { type: 'string', 'x-mcp-header': wants } }
        const changed = { name: 'moved', inputSchema: { type: 'object', properties } }
        return jsonAnswer(request, {
          resultType: 'complete',
          ttlMs: 0,
          cacheScope: 'private',
          tools: [changed],
        })
      }
      if (method !== 'tools/call' || request.headers['mcp-param-zone'] === 'eu') return null
      refusals++
      return rpcError({ message: { id } } as SeenRequest, -32020, 400)
    }
    await using client = await open()
    await client.request('list', 'tools/list')
    wants = 'Zone'
    const lists = clientRequests(upstream, 'tools/list').length
    const { answer: kept } = await client.callTool(1, 'moved', { region: 'eu' })
    expect(kept.error).toBeUndefined()
    expect({ refusals, lists: clientRequests(upstream, 'tools/list').length - lists }).toEqual({
      refusals: 1,
      lists: 1,
    })
    // What it says of itself is no header, so no list will help.
    refusals = 0
    const { answer: lost } = await client.callTool(2, 'moved', { region: 'us' })
    expect({ refusals, code: lost.error?.code }).toEqual({ refusals: 2, code: -32603 })
  })
})

describe('a result', () => {
  test('loses what only the new era reads; lists are what an old client can use', async () => {
    await using client = await open()
    const { answer: list } = await client.request(1, 'tools/list')
    expect(list.result).toEqual({
      tools: [
        tools[0],
        {
          name: 'count',
          inputSchema: { type: 'object' },
          outputSchema: {
            type: 'object',
            properties: {
              result: {
                type: 'array',
                items: { $ref: '#/properties/result/$defs/n' },
                $defs: { n: { type: 'integer' } },
              },
            },
            required: ['result'],
          },
        },
      ],
    } as never)
    expect(gateway.lines().some((line) => line.includes('"tool":"broken"'))).toBe(true)
    const { answer: call } = await client.callTool(2, 'deploy', {})
    expect(call.result).toEqual({ content: [] } as never)
  })

  test('whose structure is no object is wrapped, as its schema is, and told as text', async () => {
    answer = ({ message, ...rest }) =>
      message.method === 'tools/call'
        ? jsonAnswer({ message, ...rest } as SeenRequest, {
            resultType: 'complete',
            content: [],
            structuredContent: [1, 2],
          })
        : null
    await using client = await open()
    await client.request(1, 'tools/list')
    const { answer: call } = await client.callTool(2, 'count', {})
    expect(call.result).toEqual({
      content: [{ type: 'text', text: '[1,2]' }],
      structuredContent: { result: [1, 2] },
    } as never)
  })

  test('keeps its digits', async () => {
    const json = '{"n":12345678901234567890,"f":1.10}'
    answer = ({ message }) =>
      message.method === 'tools/call'
        ? new Response(
            `{"jsonrpc":"2.0","id":${message.id},"result":{"resultType":"complete","content":[],"structuredContent":${json}}}`,
            { headers: { 'content-type': 'application/json' } },
          )
        : null
    await using client = await open()
    const { text } = await client.callTool(1, 'deploy', {})
    expect(text).toContain(json)
  })
})

describe('logging and ping', () => {
  test('are answered here; the level goes into the envelope of what follows', async () => {
    await using client = await open()
    const before = upstream.seen.length
    expect((await client.request(1, 'ping')).answer.result).toEqual({})
    expect((await client.request(2, 'logging/setLevel', { level: 'warning' })).answer.result).toEqual({})
    expect((await client.request(3, 'logging/setLevel', { level: 'loud' })).answer.error?.code).toBe(-32602)
    expect(upstream.seen).toHaveLength(before)
    await client.callTool(4, 'deploy', {})
    expect(lastOf('tools/call').params['_meta']).toMatchObject({ [`${PREFIX}logLevel`]: 'warning' })
  })
})

describe('a cancel', () => {
  test.each(['http', 'pipe'] as const)(
    'closes the response over %s; a client that only goes away cancels nothing',
    async (name) => {
      await using client = await open(name)
      const streams: EventStream[] = []
      answer = ({ message }) => {
        if (message.method !== 'tools/call') return null
        const stream = eventStream()
        streams.push(stream)
        return stream.response
      }
      const mark = crypto.randomUUID()
      const gone = new AbortController()
      const body = (id: number) =>
        JSON.stringify({
          jsonrpc: '2.0',
          id,
          method: 'tools/call',
          params: { name: 'wait', arguments: { mark, id } },
        })
      const leaver = client.post(body(1), { signal: gone.signal }).catch(() => null)
      const call = client.post(body(2)).then((response) => response.text())
      if (name === 'http') {
        const at = (id: number) =>
          upstream.request(({ body: text }) => text.includes(mark) && text.includes(`"id":${id}}`))
        const [left, cancelled] = [await at(1), await at(2)]
        let closed = false
        void left.gone.then(() => {
          closed = true
        })
        gone.abort()
        await leaver
        await client.notify('notifications/cancelled', { requestId: 2 })
        await cancelled.gone
        expect(closed).toBe(false)
      } else {
        const at = (id: number) =>
          awaitTallied(tally, ({ params }) => Bun.deepEquals(params?.['arguments'], { mark, id }))
        const [first, second] = [await at(1), await at(2)]
        gone.abort()
        await leaver
        await client.notify('notifications/cancelled', { requestId: 2 })
        const cancels = () =>
          tallied(tally)
            .filter(({ method }) => method === 'notifications/cancelled')
            .map(({ params }) => params?.['requestId'])
        await poll('the cancel', async () => cancels().includes(second.id))
        expect(cancels()).not.toContain(first.id)
      }
      await call
      for (const stream of streams) stream.end()
    },
  )
})

describe('input_required', () => {
  const form = { message: 'Your name?', requestedSchema: { type: 'object', properties: {} } }
  const ask = (request: SeenRequest, round: number, more: object = {}) =>
    jsonAnswer(request, {
      resultType: 'input_required',
      inputRequests: {
        name: { method: 'elicitation/create', params: form },
        where: { method: 'roots/list' },
      },
      requestState: `state "${round}"`,
      ...more,
    })
  const able = {
    capabilities: { elicitation: {}, roots: {} },
    answer: ({ method }: RpcMessage) =>
      method === 'roots/list' ? { roots: [{ uri: 'file:///w' }] } : { action: 'accept', content: { n: 1 } },
  }
  const rounds = () => clientRequests(upstream, 'tools/call').length

  test('becomes requests on the stream of the call; answers and state go up with the same request', async () => {
    answer = (request) =>
      request.message.method === 'tools/call' && !request.body.includes('inputResponses')
        ? ask(request, 1)
        : null
    await using client = await open('http', able)
    const { before, answer: reply } = await client.callTool('mine', 'deploy', { region: 'eu' })
    expect(reply).toEqual({ jsonrpc: '2.0', id: 'mine', result: { content: [] } } as never)
    expect(before.map(({ method, params }) => [method, params])).toEqual([
      ['elicitation/create', form],
      ['roots/list', {}],
    ])
    const { params, headers } = lastOf('tools/call')
    expect(params).toMatchObject({
      name: 'deploy',
      arguments: { region: 'eu' },
      requestState: 'state "1"',
      inputResponses: {
        name: { action: 'accept', content: { n: 1 } },
        where: { roots: [{ uri: 'file:///w' }] },
      },
    })
    expect(headers['mcp-param-region']).toBe('eu')
    const ids = clientRequests(upstream, 'tools/call')
      .slice(-2)
      .map(({ message }) => message.id)
    expect(new Set(ids).size).toBe(2)
  })

  test('without a state sends none back; without questions is made again', async () => {
    let round = 0
    answer = (request) => {
      if (request.message.method !== 'tools/call') return null
      round++
      if (round === 1) return jsonAnswer(request, { resultType: 'input_required', requestState: 'later' })
      if (round === 2) return ask(request, 2, { requestState: undefined })
      return null
    }
    await using client = await open('http', able)
    const { answer: reply } = await client.callTool(1, 'deploy', {})
    expect(reply.error).toBeUndefined()
    const sent = clientRequests(upstream, 'tools/call')
      .slice(-3)
      .map(({ message }) => message.params as object)
    expect(sent.map((params) => ('requestState' in params ? params['requestState'] : null))).toEqual([
      null,
      'later',
      null,
    ])
  })

  test('for the ninth time is a tool error', async () => {
    answer = (request) => (request.message.method === 'tools/call' ? ask(request, 1) : null)
    await using client = await open('http', able)
    const before = rounds()
    const { answer: reply } = await client.callTool(1, 'deploy', {})
    expect(reply.result).toMatchObject({ isError: true })
    expect(JSON.stringify(reply.result)).toContain('more than 8 times')
    expect(rounds() - before).toBe(9)
  })

  test.each([
    { why: 'a client without the capability', options: {} },
    { why: 'a client that declines to answer', options: { capabilities: { elicitation: {}, roots: {} } } },
  ])('$why: a tool error for a call, -32603 for a prompt', async ({ options }) => {
    answer = (request) =>
      ['tools/call', 'prompts/get'].includes(request.message.method ?? '') ? ask(request, 1) : null
    await using client = await open('http', options)
    const call = await client.callTool(1, 'deploy', {})
    expect(call.answer.result).toMatchObject({ isError: true })
    const prompt = await client.request(2, 'prompts/get', { name: 'p' })
    expect(prompt.answer.error?.code).toBe(-32603)
  })

  test('during a method that may not ask, or of an unknown type, is the server’s fault', async () => {
    answer = (request) =>
      request.message.method === 'completion/complete'
        ? ask(request, 1)
        : request.message.method === 'prompts/get'
          ? jsonAnswer(request, { resultType: 'surprise' })
          : null
    await using client = await open('http', able)
    for (const method of ['completion/complete', 'prompts/get'])
      expect((await client.request(method, method, { name: 'x' })).answer.error?.code).toBe(-32603)
    expect(client.asked).toEqual([])
  })

  test('a URL question has the id that old clients need', async () => {
    const params = { mode: 'url', url: 'https://example.test/', message: 'Go' }
    answer = (request) =>
      request.message.method === 'tools/call' && !request.body.includes('inputResponses')
        ? ask(request, 1, { inputRequests: { go: { method: 'elicitation/create', params } } })
        : null
    await using client = await open('http', {
      capabilities: { elicitation: { url: {} } },
      answer: () => ({ action: 'accept' }),
    })
    const { before } = await client.callTool(1, 'deploy', {})
    expect(before[0]?.params).toEqual({ ...params, elicitationId: expect.any(String) })
  })

  test('over a pipe, eight rounds are answered', async () => {
    await using client = await open('pipe', able)
    const { answer: reply } = await client.callTool(1, 'ask', { rounds: 8 })
    expect(reply.result?.structuredContent).toMatchObject({ rounds: 8 })
    expect(client.asked).toHaveLength(8)
  })

  test('an old client on the SSE face is asked there', async () => {
    answer = (request) =>
      request.message.method === 'tools/call' && !request.body.includes('inputResponses')
        ? ask(request, 1)
        : null
    expect(await callOverSse(able)).toMatchObject({ id: 'call', result: { content: [] } })
  })
})

describe('subscriptions', () => {
  interface Listen {
    readonly id: unknown
    readonly filter: unknown
    readonly stream: EventStream
    readonly gone: Promise<void>
    open: boolean
  }
  let listens: Listen[] = []
  afterEach(() => {
    listens = []
  })

  /** Acknowledges every listen in full, and remembers them. */
  const listening = (request: SeenRequest): Answer => {
    if (request.message.method !== 'subscriptions/listen') return null
    const { id, params } = request.message as RpcMessage
    const filter = params?.['notifications']
    const listen: Listen = { id, filter, stream: eventStream(), gone: request.gone, open: true }
    void request.gone.then(() => {
      listen.open = false
    })
    listens.push(listen)
    tell(listen, 'notifications/subscriptions/acknowledged', { notifications: filter })
    return listen.stream.response
  }

  function tell({ id, stream }: Listen, method: string, params: object = {}): void {
    const message = {
      jsonrpc: '2.0',
      method,
      params: { ...params, _meta: { [`${PREFIX}subscriptionId`]: id } },
    }
    stream.send(`data: ${JSON.stringify(message)}\n\n`)
  }

  test('are one listen; a changed filter is listened to before the old one is given up', async () => {
    answer = listening
    await using client = await open()
    await client.stand()
    await poll('the first listen', async () => listens.length === 1)
    expect(listens[0]?.filter).toEqual({ toolsListChanged: true, resourcesListChanged: true })
    expect((await client.request(1, 'resources/subscribe', { uri: 'r://1' })).answer.result).toEqual({})
    expect(listens).toHaveLength(2)
    expect(listens[1]?.filter).toEqual({
      toolsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: ['r://1'],
    })
    expect(listens[0]?.open).toBe(true)
    await listens[0]?.gone
    expect(listens[1]?.open).toBe(true)
    const [, now] = listens
    if (now === undefined) throw new Error('unreachable')
    tell(now, 'notifications/resources/updated', { uri: 'r://2' })
    tell(now, 'notifications/resources/updated', { uri: 'r://1' })
    tell(now, 'notifications/tools/list_changed')
    await poll('the changes', async () => client.standing.length >= 2)
    // The listen id is no business of the client's.
    expect(client.standing.map(({ method, params }) => [method, params ?? {}])).toEqual([
      ['notifications/resources/updated', { uri: 'r://1' }],
      ['notifications/tools/list_changed', {}],
    ])
    expect((await client.request(2, 'resources/unsubscribe', { uri: 'r://1' })).answer.result).toEqual({})
    await poll('the narrower listen', async () => listens.length === 3)
    expect(listens[2]?.filter).toEqual({ toolsListChanged: true, resourcesListChanged: true })
  }, 20_000)

  test('that were cut are listened to anew, and the client is told that all may have changed', async () => {
    answer = listening
    await using client = await open()
    await client.request(1, 'resources/subscribe', { uri: 'r://1' })
    await client.stand()
    await poll('both listens', async () => listens.length === 2)
    await listens[0]?.gone
    listens[1]?.stream.end()
    await poll('the next listen', async () => listens.length === 3)
    await poll('the news', async () => client.standing.length >= 3)
    expect(client.standing.map(({ method }) => method).toSorted()).toEqual([
      'notifications/resources/list_changed',
      'notifications/resources/updated',
      'notifications/tools/list_changed',
    ])
  }, 20_000)

  test('that the server does not honour are refused', async () => {
    answer = (request) => {
      if (request.message.method !== 'subscriptions/listen') return null
      const stream = eventStream()
      const listen: Listen = { id: request.message.id, filter: {}, stream, gone: request.gone, open: true }
      tell(listen, 'notifications/subscriptions/acknowledged', { notifications: {} })
      return stream.response
    }
    await using client = await open()
    const { answer: reply } = await client.request(1, 'resources/subscribe', { uri: 'r://1' })
    expect(reply.error?.code).toBe(-32602)
  })

  test('end with the session', async () => {
    answer = listening
    const client = await open()
    await client.stand()
    await poll('the listen', async () => listens.length === 1)
    await client.close()
    await listens[0]?.gone
    expect(listens[0]?.open).toBe(false)
  })
})

test('the log says which eras a request joined', async () => {
  await using client = await open()
  await client.request(1, 'tools/list')
  const pairs = () =>
    gateway
      .lines()
      .filter((line) => line.includes('/stream') && /"rpcMethod":"(tools\/list|initialize)"/.test(line))
      .map((line) => (JSON.parse(line) as { pair?: string }).pair)
  await poll('the line', async () => pairs().length > 0)
  expect(new Set(pairs())).toEqual(new Set(['legacy-modern']))
})

/** Opens a session on the SSE face, makes one call, answers what is asked meanwhile, and gives the answer. */
async function callOverSse(
  options: Required<Pick<OpenOptions, 'answer'>> & OpenOptions,
): Promise<RpcMessage> {
  const aborted = new AbortController()
  const url = gateway.face('http', 'sse')
  const response = await fetch(url, { signal: aborted.signal })
  if (response.body === null) throw new Error('no stream')
  const events = readEvents(response.body)
  const { value: first } = await events.next()
  const post = (message: object) =>
    fetch(new URL(first?.data ?? '', url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    })
  const { capabilities: declared } = options
  const clientInfo = { name: 'sse', version: '1' }
  const hello = { protocolVersion: '2024-11-05', capabilities: declared, clientInfo }
  await post({ id: 'hello', method: 'initialize', params: hello })
  for (;;) {
    const { value: event } = await events.next()
    if (!event) throw new Error('the stream ended')
    const message = JSON.parse(event.data) as RpcMessage
    if (message.method !== undefined && message.id !== undefined)
      await post({ id: message.id, result: options.answer(message) })
    else if (message.id === 'hello') {
      await post({ method: 'notifications/initialized' })
      await post({ id: 'call', method: 'tools/call', params: { name: 'deploy', arguments: {} } })
    } else if (message.id === 'call') {
      aborted.abort()
      return message
    }
  }
}
