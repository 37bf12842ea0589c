/** Servers as they are found: what they do that no specification says, and what becomes of it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createServer, type Server, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import {
  type Answer,
  type FaultHttp,
  jsonAnswer,
  type SeenRequest,
  startFaultHttp,
  welcome,
} from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient, type RpcMessage } from '../support/raw-client.ts'
import { statusOf } from '../support/supervised.ts'

const longId = 's'.repeat(12_000)
const done = { content: [], structuredContent: { done: true } }

/** The answer to a request in plain JSON, as a well-behaved legacy server gives it. */
function plain(request: SeenRequest, sessionId: string | null = 'session-1'): Response {
  if (request.method !== 'POST') return new Response(null, { status: 405 })
  if (request.message.id === undefined) return new Response(null, { status: 202 })
  if (request.message.method === 'server/discover') return unknownMethod(request)
  return welcome(request, sessionId) ?? jsonAnswer(request, done)
}

function unknownMethod({ message }: SeenRequest): Response {
  return Response.json({
    jsonrpc: '2.0',
    id: message.id,
    error: { code: -32601, message: 'Method not found' },
  })
}

type Compress = (text: string) => Uint8Array<ArrayBuffer>

/** All of it compressed, event streams and bodies that nobody needs too. */
async function compressed(request: SeenRequest, encoding: string, compress: Compress): Promise<Response> {
  const { status, headers, body } = plain(request)
  const text = body === null ? '' : await new Response(body).text()
  const type = headers.get('content-type') ?? 'text/plain'
  const session = headers.get('mcp-session-id')
  return new Response(compress(text), {
    status,
    headers: {
      'content-encoding': encoding,
      'content-type': type,
      ...(session === null ? {} : { 'mcp-session-id': session }),
    },
  })
}

async function asEvents(
  request: SeenRequest,
  end: string,
  compress: Compress | null = null,
): Promise<Response> {
  const answer = plain(request)
  if (request.message.id === undefined || answer.status !== 200) return answer
  const text = `event: message\ndata: ${await answer.text()}${end}`
  const session = answer.headers.get('mcp-session-id')
  return new Response(compress === null ? text : compress(text), {
    headers: {
      'content-type': 'text/event-stream',
      ...(compress === null ? {} : { 'content-encoding': 'gzip' }),
      ...(session === null ? {} : { 'mcp-session-id': session }),
    },
  })
}

/** By the first part of the path. */
const quirks: Readonly<Record<string, (request: SeenRequest) => Answer>> = {
  gzip: (request) => compressed(request, 'gzip', (text) => gzipSync(text)),
  br: (request) => compressed(request, 'br', (text) => brotliCompressSync(text)),
  deflate: (request) => compressed(request, 'deflate', (text) => deflateSync(text)),
  'deflate-raw': (request) => compressed(request, 'deflate', (text) => deflateRawSync(text)),
  'gzip-events': (request) => asEvents(request, '\n\n', (text) => gzipSync(text)),
  'utf-8': (request) => compressed(request, 'utf-8', (text) => Buffer.from(text)),
  'empty-coding': (request) => compressed(request, '', (text) => Buffer.from(text)),
  // Nobody reads the body of a 202: it need not be what it says.
  'gzip-202': (request) =>
    request.message.id === undefined && request.method === 'POST'
      ? new Response('accepted', { status: 202, headers: { 'content-encoding': 'compress' } })
      : plain(request),
  'no-blank-line': (request) => asEvents(request, '\n'),
  'no-line-end': (request) => asEvents(request, ''),
  'long-id': (request) => {
    const { id, method } = request.message
    const known = request.headers['mcp-session-id'] === longId
    if (request.method === 'POST' && id !== undefined && method === 'tools/call' && !known)
      return Response.json({ error: 'Mcp-Session-Id header is required' }, { status: 400 })
    return plain(request, longId)
  },
}

let upstream: FaultHttp
let gateway: RunningGateway

beforeAll(async () => {
  upstream = startFaultHttp((request) => quirks[request.path.split('/')[1] ?? '']?.(request))
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcps: Object.keys(quirks).map((name) => ({
        name,
        transport: 'streamable-http',
        url: `${upstream.origin}/${name}/mcp`,
      })),
    },
  })
}, 30_000)
afterAll(async () => {
  await gateway.stop()
  await upstream[Symbol.asyncDispose]()
})

describe('a server over HTTP is served', () => {
  test.each([
    { name: 'gzip', why: 'that compresses although it was declined' },
    { name: 'br', why: 'that does so with brotli' },
    { name: 'deflate', why: 'or with deflate' },
    { name: 'deflate-raw', why: 'or with deflate as half of them mean it' },
    { name: 'gzip-events', why: 'or its event streams' },
    { name: 'utf-8', why: 'that takes content-encoding for a charset' },
    { name: 'empty-coding', why: 'that sends the header and nothing in it' },
    { name: 'gzip-202', why: 'that says of an empty body what it likes' },
    { name: 'no-blank-line', why: 'that ends its stream without the blank line of the last event' },
    { name: 'no-line-end', why: 'or without any end of its last line' },
    { name: 'long-id', why: 'that signs its session id, twelve thousand characters of it' },
  ])('$why', async ({ name }) => {
    await using client = await RawClient.open(gateway.face(name, 'stream'))
    const { answer } = await client.request(1, 'tools/call', { name: 'do' })
    expect(answer.result?.structuredContent).toEqual({ done: true })
    expect((await statusOf(gateway, name)).status).toBe('connected')
  })
})

/** Registers a server that answers like this; resolves with what its status says is wrong. */
async function reasonOf(name: string, definition: object): Promise<string> {
  const registered = await gateway.admin('/mcps', { method: 'POST', body: { name, ...definition } })
  expect(registered.status).toBe(201)
  await poll('the failure', async () => (await statusOf(gateway, name)).status === 'error')
  const { lastError } = await statusOf(gateway, name)
  await gateway.admin(`/mcps/${name}`, { method: 'DELETE' })
  return lastError ?? ''
}

describe('a handshake fails with its reason', () => {
  const rows: { why: string; answer: (request: SeenRequest) => Answer; said: string }[] = [
    {
      why: 'a session id that no header can carry back',
      answer: (request) => plain(request, 'id with spaces'),
      said: 'HOST gave a session id that cannot be sent back: the server must make it of visible ASCII characters, without spaces, and give one only.',
    },
    {
      why: 'a coding that nobody can decode',
      answer: (request) => compressed(request, 'compress', (text) => Buffer.from(text)),
      said: 'HOST compressed its answer (compress) although that was declined, which this gateway cannot decode.',
    },
    {
      why: 'a redirect that would make a POST a GET, to the same URL with a slash',
      answer: () => new Response(null, { status: 301, headers: { location: '/mcp/' } }),
      said: 'HOST answered HTTP 301, a redirect to the same URL with a slash at its end, which is followed for GET only: register the URL that it leads to',
    },
    {
      why: 'one to another origin, whose path and query stay out of it',
      answer: () =>
        new Response(null, { status: 302, headers: { location: 'https://sign-in.example/a?key=b' } }),
      said: 'HOST answered HTTP 302, a redirect to https://sign-in.example, which is followed for GET only: register the URL that it leads to',
    },
    {
      why: 'a scope that the credentials lack',
      answer: () => {
        const challenge = 'Bearer error="insufficient_scope", scope="files:read files:write", x="secret-1"'
        return new Response(null, { status: 403, headers: { 'www-authenticate': challenge } })
      },
      said: 'HOST answered HTTP 403: the credentials in the headers of this server lack the scope files:read files:write.',
    },
    {
      why: 'a scope that repeats a credential',
      answer: ({ headers }) => {
        const challenge = `Bearer error="insufficient_scope", scope="${headers['x-key']}"`
        return new Response(null, { status: 403, headers: { 'www-authenticate': challenge } })
      },
      said: 'HOST answered HTTP 403: the credentials in the headers of this server lack the scope ***.',
    },
  ]
  test.each(rows.map((row, at) => ({ ...row, at })))('$why', async ({ answer, said, at }) => {
    await using http = startFaultHttp(answer)
    const reason = await reasonOf(`reason-${at}`, {
      transport: 'streamable-http',
      url: http.url,
      headers: { 'X-Key': 'key-of-this-server-1' },
    })
    expect(reason).toContain(said.replace('HOST', new URL(http.url).host))
  })
})

test.each([
  { status: 429, value: () => '7', seconds: [7, 7], why: 'in seconds' },
  {
    status: 503,
    value: () => new Date(Date.now() + 60_000).toUTCString(),
    seconds: [57, 60],
    why: 'as a date',
  },
])('Retry-After of a $status is passed on, $why', async ({ status, value, seconds }) => {
  await using http = startFaultHttp((request) =>
    request.message.method === 'tools/call'
      ? new Response('<h1>later</h1>', {
          status,
          headers: { 'retry-after': value(), 'content-type': 'text/html' },
        })
      : plain(request),
  )
  const name = `later-${status}`
  await gateway.register({ name, transport: 'streamable-http', url: http.url })
  await using client = await RawClient.open(gateway.face(name, 'stream'))
  const response = await client.post(
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'do' } }),
  )
  const { error } = (await response.json()) as RpcMessage
  const asked = Number((error?.data as { retryAfterMs?: number } | undefined)?.retryAfterMs) / 1_000
  expect(asked).toBeWithin(seconds[0] ?? 0, (seconds[1] ?? 0) + 1)
  expect(error?.message).toContain(`answered HTTP ${status}`)
})

/** HTTP by hand: a connection that was kept is closed as soon as something that matters comes on it. */
class ForgetfulServer implements AsyncDisposable {
  /** Ids of calls, and what was lost, in order. */
  readonly calls: unknown[] = []
  lostPings = 0
  lostCalls = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket))
  }

  static async start(): Promise<ForgetfulServer> {
    const server = new ForgetfulServer()
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/mcp`
  }

  #serve(socket: Socket): void {
    let text = ''
    let asked = 0
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      text += chunk.toString()
      const head = text.indexOf('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
      if (head < 0 || text.length < head + 4 + length) return
      const body = text.slice(head + 4)
      text = ''
      this.#answer(socket, body === '' ? {} : JSON.parse(body), asked++ > 0)
    })
  }

  #answer(socket: Socket, message: SeenRequest['message'], kept: boolean): void {
    const { id, method } = message
    if (method === 'tools/call') this.calls.push(id)
    if (kept && method === 'ping') this.lostPings++
    if (kept && method === 'tools/call') this.lostCalls++
    if (kept && (method === 'ping' || method === 'tools/call')) {
      socket.destroy()
      return
    }
    const initialized = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      serverInfo: { name: 'f', version: '1' },
    }
    const answer =
      method === 'server/discover'
        ? { error: { code: -32601, message: 'Method not found' } }
        : { result: method === 'initialize' ? initialized : done }
    const text = id === undefined ? '' : JSON.stringify({ jsonrpc: '2.0', id, ...answer })
    const status = method === undefined ? '405 No' : id === undefined ? '202 Accepted' : '200 OK'
    socket.write(
      `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

test('a server that closes idle connections without a word is never shown as down, and no call goes twice', async () => {
  await using server = await ForgetfulServer.start()
  await gateway.register({
    name: 'forgetful',
    transport: 'streamable-http',
    url: server.url,
    isolation: 'shared',
    healthCheckInterval: '1s',
  })
  await using client = await RawClient.open(gateway.face('forgetful', 'stream'))
  const seen = new Set<unknown>()
  let asked = 0
  await poll('three probes to be lost', async () => {
    const { status, reconnectAttempts } = await statusOf(gateway, 'forgetful')
    seen.add(`${status} ${reconnectAttempts}`)
    const params = { name: 'do' }
    const { answer } = await client.request(++asked, 'tools/call', params)
    const said = answer.error?.data as { code?: string } | undefined
    if (answer.error !== undefined) expect(said?.code).toBe('UPSTREAM_CLOSED')
    await Bun.sleep(50)
    return server.lostPings >= 3
  })
  expect([...seen]).toEqual(['connected 0'])
  expect(server.lostCalls).toBeGreaterThan(0)
  expect(new Set(server.calls).size).toBe(server.calls.length)
  expect(server.calls.length).toBe(asked)
}, 40_000)

describe('a server over HTTP+SSE is served', () => {
  test.each([301, 302, 303, 307, 308])('whose stream has moved with a %d', async (status) => {
    await using http = startSseServer((request) =>
      request.path === '/sse' ? new Response(null, { status, headers: { location: '/moved/sse' } }) : null,
    )
    await callOverSse(`moved-${status}`, http)
    expect(http.seen.filter(({ method }) => method === 'GET').map(({ path }) => path)).toEqual([
      '/sse',
      '/moved/sse',
    ])
  })

  test('whatever it says of the coding of a 202 that nobody reads', async () => {
    await using http = startSseServer(({ method }) =>
      method === 'POST'
        ? new Response('accepted', { status: 202, headers: { 'content-encoding': 'gzip' } })
        : null,
    )
    await callOverSse('odd-202', http)
  })

  test('although a proxy gives up every POST before the answer', async () => {
    await using http = startSseServer(({ method }) =>
      method === 'POST' ? new Response(null, { status: 504 }) : null,
    )
    await callOverSse('given-up', http)
  })
})

/** A server of 2024-11-05 that answers every request on its stream, a moment after `first` has answered the POST. */
function startSseServer(first: (request: SeenRequest) => Response | null): FaultHttp {
  let say: (text: string) => void = () => {}
  return startFaultHttp((request) => {
    const own = first(request)
    if (request.method === 'GET') {
      if (own !== null) return own
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          say = (text) => controller.enqueue(Buffer.from(text))
          say('event: endpoint\ndata: /message\n\n')
        },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    }
    const answer = plain(request, null)
    if (request.message.id !== undefined)
      setTimeout(async () => say(`event: message\ndata: ${await answer.text()}\n\n`), 50)
    return own ?? new Response(null, { status: 202 })
  })
}

async function callOverSse(name: string, http: FaultHttp): Promise<void> {
  await gateway.register({ name, transport: 'sse', url: `${http.origin}/sse`, isolation: 'shared' })
  await using client = await RawClient.open(gateway.face(name, 'stream'))
  const { answer } = await client.request(1, 'tools/call', { name: 'do' })
  expect(answer.result?.structuredContent).toEqual({ done: true })
  await gateway.admin(`/mcps/${name}`, { method: 'DELETE' })
}

describe('a server on a pipe', () => {
  const script = resolve(import.meta.dir, '../support/marking-server.ts')

  test.each(['first', 'all'])('that writes byte order marks is served: %s', async (marks) => {
    const name = `marks-${marks}`
    await gateway.register({ name, transport: 'stdio', command: process.execPath, args: [script, marks] })
    await using client = await RawClient.open(gateway.face(name, 'stream'))
    for (const size of [1, 200_000]) {
      const { answer } = await client.request(size, 'tools/call', { name: 'do', arguments: { size } })
      expect(answer.result?.structuredContent).toEqual({ text: 'x'.repeat(size) })
    }
  })
})

test('a process inherits proxies and what the setting names, and what it prints of their credentials is masked', async () => {
  const variables = {
    HTTPS_PROXY: 'http://ada:proxy-password-1@127.0.0.1:9',
    SERVICE_KEY: 'service-key-1',
    OTHER_KEY: 'other-key-1',
    MCP_PROXY_SECURITY_CHILD_ENVIRONMENT: 'SERVICE_KEY',
  }
  await using own = await startGatewayProcess({ via: 'executable', env: variables })
  const tell =
    'echo "proxy=$HTTPS_PROXY key=$SERVICE_KEY other=$OTHER_KEY own=$MCP_PROXY_SECURITY_CHILD_ENVIRONMENT." >&2'
  const args = ['-c', `${tell}; exit 3`]
  const body = { name: 'teller', transport: 'stdio', command: 'sh', args, logEnabled: true }
  await own.admin('/mcps', { method: 'POST', body })
  await poll('its end', async () => (await statusOf(own, 'teller')).status === 'error')
  const { lastError } = await statusOf(own, 'teller')
  expect(lastError).toContain('proxy=http://ada:***@127.0.0.1:9 key=*** other= own=.')
  const shown = own.lines().join('\n') + (await (await own.admin('/mcps')).text())
  for (const secret of ['proxy-password-1', 'service-key-1']) expect(shown).not.toContain(secret)
}, 20_000)

test.each([
  { names: 'MCP_PROXY_ADMIN_TOKENS', said: 'is a variable of the gateway' },
  { names: 'A-B', said: 'is no name of a variable' },
])('security.child_environment refuses $names', async ({ names, said }) => {
  const starting = startGatewayProcess({
    via: 'executable',
    env: { MCP_PROXY_SECURITY_CHILD_ENVIRONMENT: names },
  })
  await expect(starting).rejects.toThrow(said)
})
