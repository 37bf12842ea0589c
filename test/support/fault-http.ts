/** A real HTTP server whose every answer the test decides, and which remembers what it was asked. */
import { createServer, type Socket } from 'node:net'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The JSON-RPC message of a POST; empty when there is none. */
  readonly message: { readonly id?: unknown; readonly method?: string; readonly params?: unknown }
  /** Resolves when the client gives the request up. */
  readonly gone: Promise<void>
}

export interface FaultHttp extends AsyncDisposable {
  readonly origin: string
  readonly url: string
  readonly seen: SeenRequest[]
  /** The n-th request (from 1) that fits, past or future. */
  request(fits: (request: SeenRequest) => boolean, nth?: number): Promise<SeenRequest>
}

export type Answer = Response | null | undefined | Promise<Response | null | undefined>

/** `answer` decides every response; without one it is 202, or 405 for a GET. */
export function startFaultHttp(answer: (request: SeenRequest) => Answer): FaultHttp {
  const seen: SeenRequest[] = []
  const watchers = new Set<() => void>()
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(raw) {
      const url = new URL(raw.url)
      const body = await raw.text()
      const request: SeenRequest = {
        method: raw.method,
        path: url.pathname + url.search,
        headers: Object.fromEntries(raw.headers),
        body,
        message: body.startsWith('{') ? JSON.parse(body) : {},
        gone: new Promise((resolve) => raw.signal.addEventListener('abort', () => resolve(), { once: true })),
      }
      seen.push(request)
      for (const watcher of watchers) watcher()
      return (await answer(request)) ?? new Response(null, { status: raw.method === 'GET' ? 405 : 202 })
    },
  })
  return {
    origin: `http://127.0.0.1:${server.port}`,
    url: `http://127.0.0.1:${server.port}/mcp`,
    seen,
    request(fits, nth = 1) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          watchers.delete(check)
          const lines = seen.map(({ method, path, body }) => `${method} ${path} ${body.slice(0, 80)}`)
          reject(new Error(`request ${nth} did not come; seen: ${lines.join(' | ')}`))
        }, 8_000)
        function check(): void {
          const found = seen.filter(fits)[nth - 1]
          if (found === undefined) return
          clearTimeout(timer)
          watchers.delete(check)
          resolve(found)
        }
        watchers.add(check)
        check()
      })
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  }
}

/** The usual answer to `initialize`, with a session. */
export function welcome(request: SeenRequest, sessionId: string | null = 'session-1'): Response | null {
  if (request.message.method !== 'initialize') return null
  const result = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    serverInfo: { name: 'fault', version: '1' },
  }
  const headers: Record<string, string> = sessionId === null ? {} : { 'mcp-session-id': sessionId }
  return Response.json({ jsonrpc: '2.0', id: request.message.id, result }, { headers })
}

export function jsonAnswer(request: SeenRequest, result: unknown = {}): Response {
  return Response.json({ jsonrpc: '2.0', id: request.message.id, result })
}

export interface EventStream {
  readonly response: Response
  send(text: string): void
  end(): void
}

/** An event stream that the test writes to. */
export function eventStream(): EventStream {
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null
  const body = new ReadableStream<Uint8Array>({
    start(created) {
      controller = created
    },
    cancel() {
      controller = null
    },
  })
  return {
    response: new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } }),
    send: (text) => controller?.enqueue(Buffer.from(text)),
    end() {
      controller?.close()
      controller = null
    },
  }
}

export interface RawHttp extends AsyncDisposable {
  readonly url: string
  /** The bodies that arrived, whole. */
  readonly bodies: string[]
}

/** Speaks HTTP by hand, for what no HTTP library would do; `answer` gets the socket once a body is whole. */
export async function startRawHttp(
  answer: (socket: Socket, body: string, nth: number) => void,
): Promise<RawHttp> {
  const bodies: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    let text = ''
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      text += chunk.toString()
      const head = text.indexOf('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
      if (head < 0 || text.length < head + 4 + length) return
      const body = text.slice(head + 4, head + 4 + length)
      text = ''
      bodies.push(body)
      answer(socket, body, bodies.length)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/mcp`,
    bodies,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
