/**
 * The smallest MCP server that answers both protocol eras, so that a benchmark of a gateway measures the
 * gateway. One tool, `echo`: `{text}` comes back, `{size}` makes an answer of that many characters,
 * `{delayMs}` makes it late.
 *
 *   bun bench/echo-server.ts stdio [both|legacy|modern]
 *   bun bench/echo-server.ts http [both|legacy|modern [PORT]]   prints its port; Streamable HTTP, JSON answers
 *   bun bench/echo-server.ts sse                           prints its port; HTTP+SSE of 2024-11-05
 */

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion'
const MODERN_VERSION = '2026-07-28'
const serverInfo = { name: 'echo', version: '1.0.0' }
const tool = {
  name: 'echo',
  description: 'Gives back what it is given.',
  inputSchema: { type: 'object', properties: { text: { type: 'string' }, size: { type: 'integer' } } },
}
const cacheable = { ttlMs: 60_000, cacheScope: 'public' }

interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: {
    readonly protocolVersion?: string
    readonly arguments?: { readonly text?: string; readonly size?: number; readonly delayMs?: number }
    readonly _meta?: Readonly<Record<string, unknown>>
  }
}

const [wire, eras = 'both', port = '0'] = process.argv.slice(2)
const payloads = new Map<number, string>()

function payloadOf(size: number): string {
  let payload = payloads.get(size)
  if (payload === undefined) {
    payload = 'x'.repeat(size)
    payloads.set(size, payload)
  }
  return payload
}

function resultOf(message: Message): Record<string, unknown> | null {
  const { method, params } = message
  const modern = params?._meta?.[VERSION_KEY] !== undefined
  if ((modern && eras === 'legacy') || (!modern && eras === 'modern')) return null
  const complete = modern ? { resultType: 'complete' } : {}
  switch (method) {
    case 'initialize':
      return { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo }
    case 'server/discover':
      if (!modern) return null
      return {
        ...complete,
        supportedVersions: [MODERN_VERSION],
        capabilities: { tools: {} },
        _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
        ...cacheable,
      }
    case 'ping':
      return {}
    case 'tools/list':
      return { ...complete, tools: [tool], ...(modern ? cacheable : {}) }
    case 'tools/call': {
      const { text = '', size } = params?.arguments ?? {}
      return { ...complete, content: [{ type: 'text', text: size ? payloadOf(size) : text }] }
    }
    default:
      return null
  }
}

function answerTo(message: Message): Record<string, unknown> {
  const { id } = message
  const result = resultOf(message)
  if (result !== null) return { jsonrpc: '2.0', id, result }
  return { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } }
}

function serveHttp(): void {
  const server = Bun.serve({
    port: Number(port),
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request) {
      if (request.method !== 'POST') return new Response(null, { status: 405 })
      const message = (await request.json()) as Message
      if (message.id === undefined) return new Response(null, { status: 202 })
      const session = message.method === 'initialize' ? { 'mcp-session-id': crypto.randomUUID() } : {}
      const delayMs = message.params?.arguments?.delayMs ?? 0
      if (delayMs > 0) await Bun.sleep(delayMs)
      return Response.json(answerTo(message), { headers: session })
    },
  })
  console.log(server.port)
}

function serveSse(): void {
  const sessions = new Map<string, ReadableStreamDefaultController<string>>()
  const { port } = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request) {
      const url = new URL(request.url)
      if (request.method === 'GET') return openStream(sessions)
      const stream = sessions.get(url.searchParams.get('session') ?? '')
      if (stream === undefined) return new Response(null, { status: 404 })
      const message = (await request.json()) as Message
      if (message.id !== undefined)
        stream.enqueue(`event: message\ndata: ${JSON.stringify(answerTo(message))}\n\n`)
      return new Response('Accepted', { status: 202 })
    },
  })
  console.log(port)
}

function openStream(sessions: Map<string, ReadableStreamDefaultController<string>>): Response {
  const id = crypto.randomUUID()
  const body = new ReadableStream<string>({
    start(controller) {
      sessions.set(id, controller)
      controller.enqueue(`event: endpoint\ndata: /message?session=${id}\n\n`)
    },
    cancel() {
      sessions.delete(id)
    },
  })
  return new Response(body.pipeThrough(new TextEncoderStream()), {
    headers: { 'content-type': 'text/event-stream' },
  })
}

async function serveStdio(): Promise<void> {
  const output = Bun.stdout.writer()
  const decoder = new TextDecoder()
  let flushing = false
  const flush = () => {
    flushing = false
    output.flush()
  }
  let pieces: Uint8Array[] = []
  for await (const chunk of Bun.stdin.stream()) {
    let from = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      pieces.push(chunk.subarray(from, at))
      from = at + 1
      const line = decoder.decode(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces))
      pieces = []
      const message = JSON.parse(line) as Message
      if (message.id === undefined || message.method === undefined) continue
      const delayMs = message.params?.arguments?.delayMs ?? 0
      if (delayMs > 0) {
        setTimeout(() => {
          output.write(`${JSON.stringify(answerTo(message))}\n`)
          output.flush()
        }, delayMs)
        continue
      }
      output.write(`${JSON.stringify(answerTo(message))}\n`)
      if (flushing) continue
      flushing = true
      queueMicrotask(flush)
    }
    if (from < chunk.length) pieces.push(chunk.slice(from))
  }
}

if (wire === 'http') serveHttp()
else if (wire === 'sse') serveSse()
else await serveStdio()

export {}
