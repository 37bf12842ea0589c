/**
 * A stateless client of a server with sessions, row by row: what each of them gets (src/protocol/README.md).
 * The questions of a call have a file of their own, request-state.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type EventStream, eventStream, type FaultHttp, startFaultHttp } from '../support/fault-http.ts'
import { poll } from '../support/gateway.ts'
import {
  askModern,
  callModern,
  MODERN,
  type ModernPost,
  modernHeaders,
  modernText,
  sendModern,
} from '../support/modern-client.ts'
import type { RpcMessage } from '../support/raw-client.ts'
import { type RawFixture, type RawName, startRawFixture } from '../support/raw-fixture.ts'

const names: readonly RawName[] = ['raw-stdio', 'raw-http']
const initializeResult = {
  protocolVersion: '2025-11-25',
  capabilities: {
    tools: {},
    prompts: { listChanged: true },
    tasks: { list: {} },
    extensions: { 'io.modelcontextprotocol/tasks': {}, 'com.vendor/x': { deep: 1 } },
    'x-vendor': {},
  },
  serverInfo: { name: 'old', version: '9', title: 'Old' },
  instructions: 'Use me.',
  'x-unknown': { kept: true },
}
const results: Readonly<Record<string, unknown>> = {
  'tools/list': {
    tools: [
      { name: 'plain', inputSchema: { type: 'object' }, execution: { taskSupport: 'optional' } },
      { name: 'task', inputSchema: { type: 'object' }, execution: { taskSupport: 'required' } },
    ],
    ttlMs: 99,
  },
  'resources/templates/list': { resourceTemplates: [] },
  'completion/complete': { completion: { values: ['a'] } },
}
const errors: Readonly<Record<string, number>> = {
  'file:///gone': -32002,
  'file:///odd': -32050,
  'file:///own': -5,
}

let fixture: RawFixture
let old: FaultHttp
/** The streams of `prompts/get` and of `resources/read` of `file:///asks`, in order. */
const streams: EventStream[] = []

beforeAll(async () => {
  old = startFaultHttp((request) => {
    const { id, method, params } = request.message as RpcMessage
    if (request.method !== 'POST' || method === 'server/discover') return new Response(null, { status: 405 })
    if (id === undefined || method === undefined) return null
    const uri = String(params?.['uri'])
    const code = errors[uri]
    if (code !== undefined)
      return Response.json({ jsonrpc: '2.0', id, error: { code, message: 'no', data: { uri } } })
    if (method === 'prompts/get' || uri === 'file:///asks' || params?.['cursor'] === 'asks') {
      const stream = eventStream()
      streams.push(stream)
      return stream.response
    }
    const result = method === 'initialize' ? initializeResult : (results[method] ?? { contents: [] })
    return Response.json({ jsonrpc: '2.0', id, result })
  })
  fixture = await startRawFixture({
    settings: {
      auth: { global_tokens: ['token-of-ada', 'token-of-bob'] },
      limits: { sessions_per_client_max: 8 },
    },
  })
  await fixture.gateway.register({ name: 'old', transport: 'streamable-http', url: old.url })
}, 30_000)
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  await old[Symbol.asyncDispose]()
})

const ada = { token: 'token-of-ada' }
const bob = { token: 'token-of-bob' }
const oldUrl = () => fixture.gateway.face('old', 'stream')

async function heardBy(name: RawName, part: string, post: ModernPost = ada): Promise<RpcMessage[]> {
  const { answer } = await callModern(fixture.url(name), 'received', { part }, post)
  return arrivalsIn(answer).map(({ text }) => JSON.parse(text) as RpcMessage)
}

interface Arrival {
  readonly text: string
  readonly receivedAtMs: number
}

function arrivalsIn({ result }: RpcMessage): Arrival[] {
  return ((result?.structuredContent ?? {}) as { found?: Arrival[] }).found ?? []
}

describe('server/discover', () => {
  test('is answered from what initialize had said, with tasks hidden and the rest as it was', async () => {
    // Whoever comes first has a connection opened for what follows.
    await askModern(oldUrl(), 'server/discover', ada)
    // Only requests count: the end of that handshake and its GET may still be on their way.
    const requests = () => old.seen.filter(({ message }) => message.id !== undefined).length
    const before = requests()
    const { answer } = await askModern(oldUrl(), 'server/discover', { ...ada, id: 'd' })
    const { protocolVersion: _, serverInfo, capabilities, ...rest } = initializeResult
    const { tasks: __, extensions, ...others } = capabilities
    expect(answer.result).toEqual({
      ...rest,
      resultType: 'complete',
      supportedVersions: [MODERN],
      capabilities: { ...others, extensions: { 'com.vendor/x': extensions['com.vendor/x'] } },
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
      ttlMs: 0,
      cacheScope: 'private',
    })
    expect(requests()).toBe(before)
  })
})

describe('results', () => {
  const identity = { 'io.modelcontextprotocol/serverInfo': { name: 'old', version: '9' } }

  test('of methods that may be cached carry hints, and every one its type and the server’s name', async () => {
    const list = await askModern(oldUrl(), 'resources/templates/list', ada)
    expect(list.answer.result).toEqual({
      resourceTemplates: [],
      resultType: 'complete',
      ttlMs: 0,
      cacheScope: 'private',
      _meta: identity,
    })
    const params = { ref: { type: 'ref/prompt', name: 'x' }, argument: { name: 'a', value: '' } }
    const other = await askModern(oldUrl(), 'completion/complete', { ...ada, params })
    expect(other.answer.result).toEqual({
      ...(results['completion/complete'] as object),
      resultType: 'complete',
      _meta: identity,
    })
  })

  test('tools that run only as tasks are not listed, and nothing of tasks is told', async () => {
    const { answer } = await askModern(oldUrl(), 'tools/list', ada)
    expect(answer.result).toMatchObject({
      tools: [{ name: 'plain', inputSchema: { type: 'object' } }],
      ttlMs: 0,
    })
    expect(JSON.stringify(answer)).not.toContain('execution')
  })

  test.each([
    { uri: 'file:///gone', code: -32602, why: 'a missing resource has another code now' },
    { uri: 'file:///odd', code: -32603, why: 'the specification keeps that range to itself' },
    { uri: 'file:///own', code: -5, why: 'a server’s own codes are its own' },
  ])('error: $why', async ({ uri, code }) => {
    const { answer, status } = await askModern(oldUrl(), 'resources/read', { ...ada, params: { uri } })
    expect({ status, ...answer.error }).toEqual({ status: 200, code, message: 'no', data: { uri } })
  })
})

describe('methods that this revision has not', () => {
  const gone = ['ping', 'initialize', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']
  const tasks = ['tasks/get', 'tasks/list', 'tasks/result', 'tasks/cancel', 'tasks/update']
  test.each([...gone, ...tasks])('%s: 404, and the server does not hear of it', async (method) => {
    const before = old.seen.length
    const { answer, status } = await askModern(oldUrl(), method, ada)
    expect({ status, code: answer.error?.code, id: answer.id }).toEqual({ status: 404, code: -32601, id: 1 })
    expect(old.seen).toHaveLength(before)
  })

  test.each(['GET', 'DELETE'])('%s is 405', async (method) => {
    const headers = {
      'mcp-protocol-version': MODERN,
      accept: 'text/event-stream',
      authorization: 'Bearer token-of-ada',
    }
    const response = await fetch(oldUrl(), { method, headers })
    expect({ status: response.status, allow: response.headers.get('allow') }).toEqual({
      status: 405,
      allow: 'POST',
    })
    await response.text()
  })
})

describe('questions', () => {
  const question = {
    jsonrpc: '2.0',
    id: 'who',
    method: 'elicitation/create',
    params: { message: '?', requestedSchema: {} },
  }
  const send = (message: unknown) => streams.at(-1)?.send(`data: ${JSON.stringify(message)}\n\n`)
  const answered = async () => {
    const request = await old.request(
      ({ message }) => message.method === undefined && message.id === 'who',
      round,
    )
    return JSON.parse(request.body) as RpcMessage
  }
  let round = 0

  test.each([
    { method: 'prompts/get', params: { name: 'p' } },
    { method: 'resources/read', params: { uri: 'file:///asks' } },
  ])('during $method park the call too', async ({ method, params }) => {
    round++
    const opened = streams.length
    const post = { ...ada, params, capabilities: { elicitation: {} } }
    const first = askModern(oldUrl(), method, post)
    await poll('the request', async () => streams.length > opened)
    send(question)
    const { result } = (await first).answer
    expect(result).toMatchObject({
      resultType: 'input_required',
      inputRequests: { who: { method: 'elicitation/create', params: { message: '?', requestedSchema: {} } } },
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'old' } },
    })
    const retry = askModern(oldUrl(), method, {
      ...post,
      id: 2,
      params: {
        ...params,
        requestState: result?.['requestState'],
        inputResponses: { who: { action: 'decline' } },
      },
    })
    expect(await answered()).toMatchObject({ id: 'who', result: { action: 'decline' } })
    const { id } = old.seen.findLast(({ message }) => message.method === method)?.message ?? {}
    send({ jsonrpc: '2.0', id, result: { messages: [], contents: [] } })
    expect((await retry).answer).toMatchObject({ id: 2, result: { resultType: 'complete' } })
  })

  test('during any other method are refused at once, and the call goes on', async () => {
    round++
    const opened = streams.length
    const call = askModern(oldUrl(), 'resources/list', {
      ...ada,
      params: { cursor: 'asks' },
      capabilities: { elicitation: {} },
    })
    await poll('the request', async () => streams.length > opened)
    send(question)
    expect(await answered()).toMatchObject({ id: 'who', error: { code: -32603 } })
    const { id } = old.seen.findLast(({ message }) => message.method === 'resources/list')?.message ?? {}
    send({ jsonrpc: '2.0', id, result: { resources: [] } })
    expect((await call).answer.result).toMatchObject({ resultType: 'complete', resources: [] })
  })

  test('for what the client did not declare are refused; a call that fails for it is -32021', async () => {
    round++
    const opened = streams.length
    const call = askModern(oldUrl(), 'prompts/get', {
      ...ada,
      params: { name: 'p' },
      capabilities: { roots: {} },
    })
    await poll('the request', async () => streams.length > opened)
    send(question)
    expect(await answered()).toMatchObject({ id: 'who', error: { code: -32601 } })
    const { id } = old.seen.findLast(({ message }) => message.method === 'prompts/get')?.message ?? {}
    send({ jsonrpc: '2.0', id, error: { code: -32000, message: 'cannot go on' } })
    const { answer } = await call
    expect(answer.error).toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { elicitation: { form: {} } } },
    })
  })
})

describe.each(names)('%s', (name) => {
  const url = () => fixture.url(name)

  test('a request arrives without its envelope; vendors’ keys, unknown members and digits stay', async () => {
    const text = modernText('tools/call', {
      ...ada,
      id: 'mine',
      params: { name: 'mirror', arguments: { n: 1 }, 'x-unknown': {}, inputResponses: { a: {} } },
      meta: {
        traceparent: '00-1',
        'vendor/key': [1],
        'io.modelcontextprotocol/other': 1,
        progressToken: 'tok',
      },
      logLevel: 'debug',
    }).replace('{"n":1}', '{"n":12345678901234567890,"f":1.10}')
    const headers = modernHeaders('tools/call', { ...ada, params: { name: 'mirror' } })
    const response = await fetch(url(), { method: 'POST', headers, body: text })
    const { result, id } = (await response.json()) as {
      id: unknown
      result: { structuredContent: { text: string } }
    }
    const heard = result.structuredContent.text
    const { id: own, params } = JSON.parse(heard) as { id: number; params: Record<string, unknown> }
    expect(id).toBe('mine')
    expect(params['_meta']).toEqual({ traceparent: '00-1', 'vendor/key': [1], progressToken: own })
    expect(Object.keys(params).toSorted()).toEqual(['_meta', 'arguments', 'name', 'x-unknown'])
    expect(heard).toContain('{"n":12345678901234567890,"f":1.10}')
  })

  test('digits of a result stay', async () => {
    const json = '{"n":12345678901234567890,"f":1.10,"e":1E400}'
    const { text } = await callModern(url(), 'literal', { json }, ada)
    expect(text).toContain(json)
  })

  test('a method that nobody has heard of goes through, and its error is 404', async () => {
    const known = await askModern(url(), 'x-vendor/reverse', { ...ada, params: { a: 1 } })
    expect(known.answer.result).toMatchObject({ 'x-heard': { a: 1 }, 'x-nested': { deep: [1, [2, [3]]] } })
    const unknown = await askModern(url(), 'x-vendor/none', ada)
    expect({ status: unknown.status, code: unknown.answer.error?.code }).toEqual({
      status: 404,
      code: -32601,
    })
  })

  test('a notification that nobody has heard of goes through without its envelope', async () => {
    const method = `notifications/x-${crypto.randomUUID()}`
    const { id: _, ...message } = JSON.parse(modernText(method, { ...ada, params: { a: 1 } })) as RpcMessage
    const response = await fetch(url(), {
      method: 'POST',
      headers: modernHeaders(method, ada),
      body: JSON.stringify(message),
    })
    expect(response.status).toBe(202)
    await poll('the notification', async () => (await heardBy(name, method)).length > 0)
    expect(await heardBy(name, method)).toEqual([{ jsonrpc: '2.0', method, params: { a: 1 } }])
  })

  test('a hundred requests of both kinds of id at once, each with its own answer', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => [index, String(index)]).flat()
    const echoes = await Promise.all(
      ids.map((id) =>
        callModern(
          url(),
          'echo',
          { secret: `${typeof id} ${id}` },
          { ...ada, id, meta: { progressToken: id } },
        ),
      ),
    )
    for (const [index, { answer, before }] of echoes.entries()) {
      const id = ids[index]
      expect(answer.id).toBe(id as number)
      expect(answer.result?.structuredContent).toEqual({ secret: `${typeof id} ${id}` })
      expect(before.map(({ params }) => params?.['progressToken'])).toEqual([id])
    }
  })

  test('the last progress comes before the answer that left in the same write', async () => {
    const { before } = await callModern(url(), 'burst', { count: 5 }, { ...ada, meta: { progressToken: 1 } })
    expect(before.map(({ params }) => params?.['progress'])).toEqual([1, 2, 3, 4, 5])
  })

  test('log messages come from the asked level up; the server hears the most verbose one', async () => {
    const log = (level: string) => ({
      jsonrpc: '2.0',
      method: 'notifications/message',
      params: { level, data: 1 },
    })
    const messages = ['debug', 'info', 'warning', 'error'].map(log)
    const levels = async (logLevel?: string) => {
      const post = { ...bob, ...(logLevel !== undefined && { logLevel }) }
      const { before } = await callModern(url(), 'emit', { messages }, post)
      return before.map(({ params }) => params?.['level'])
    }
    expect(await levels()).toEqual([])
    expect(await levels('warning')).toEqual(['warning', 'error'])
    expect(await levels('info')).toEqual(['info', 'warning', 'error'])
    expect(await levels('error')).toEqual(['error'])
    const set = await heardBy(name, 'logging/setLevel', bob)
    expect(set.map(({ params }) => params?.['level'])).toEqual(['warning', 'info'])
  })

  test('a level that is none is refused before the server hears of it', async () => {
    const { status, answer } = await callModern(url(), 'echo', { secret: '' }, { ...ada, logLevel: 'loud' })
    expect({ status, code: answer.error?.code }).toEqual({ status: 400, code: -32602 })
  })

  test.each(['before its first byte', 'in the middle of its stream'])(
    'closing the response %s cancels the call under the server’s id within 100 ms',
    async (when) => {
      const begun = when.includes('middle')
      const mark = crypto.randomUUID()
      const aborted = new AbortController()
      const [tool, args] = begun ? ['steps', { count: 1e6, everyMs: 5 }] : ['slow', { ms: 60_000 }]
      const response = sendModern(url(), 'tools/call', {
        ...ada,
        id: 'mine',
        params: { name: tool, arguments: { ...args, mark } },
        meta: { progressToken: 'p' },
        signal: aborted.signal,
      })
      response.catch(() => {})
      await poll('the call', async () => (await heardBy(name, mark)).length > 0)
      if (begun) await response
      const [call] = await heardBy(name, mark)
      const closedAtMs = Date.now()
      aborted.abort()
      const cancelOf = async () => {
        const { answer } = await callModern(url(), 'received', { part: 'notifications/cancelled' }, ada)
        return arrivalsIn(answer).find(
          ({ text }) => (JSON.parse(text) as RpcMessage).params?.['requestId'] === call?.id,
        )
      }
      await poll('the cancel', async () => (await cancelOf()) !== undefined)
      expect(Number((await cancelOf())?.receivedAtMs) - closedAtMs).toBeLessThan(100)
    },
  )
})

test('a client that is somebody else with every request runs into a bound, and others do not', async () => {
  const call = (name: string, post: ModernPost) =>
    callModern(
      fixture.url('raw-http'),
      'echo',
      { secret: name },
      {
        ...post,
        capabilities: { sampling: {} },
        meta: { 'io.modelcontextprotocol/clientInfo': { name, version: '1' } },
      },
    )
  const served: boolean[] = []
  for (let index = 0; index < 12; index++)
    served.push((await call(`name ${index}`, ada)).answer.error === undefined)
  expect(new Set(served)).toEqual(new Set([true, false]))
  expect(served.filter(Boolean).length).toBeLessThanOrEqual(8)
  expect((await call('name 0', ada)).answer.error).toBeUndefined()
  expect((await call('name 99', bob)).answer.error).toBeUndefined()
  const { status, answer } = await call('name 98', ada)
  expect({ status, data: answer.error?.data }).toEqual({
    status: 200,
    data: { code: 'SESSIONS_EXHAUSTED', retryAfterMs: expect.any(Number) },
  })
})

test('the log says which eras a request joined', async () => {
  await callModern(fixture.url('raw-http'), 'echo', { secret: 'pair' }, ada)
  await poll('the line', async () =>
    fixture.gateway.lines().some((line) => line.includes('"pair":"modern-legacy"')),
  )
  expect(fixture.gateway.lines().some((line) => line.includes('"pair":"modern-modern"'))).toBe(false)
})
