/** An MCP server over TLS, in the process of the test, which says who has shown which certificate on which connection. */
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'

export interface TlsServer extends AsyncDisposable {
  readonly origin: string
  readonly url: string
  /** The name in the certificate of each connection, in their order; null for none. */
  readonly connections: (string | null)[]
  /** The same of each request, with its path and the `Authorization` that it came with. */
  readonly requests: {
    readonly who: string | null
    readonly path: string
    readonly authorization: string | undefined
  }[]
}

export interface TlsServerOptions {
  readonly cert: string
  readonly key: string
  /** Path of the authority that clients' certificates must come from; none is asked for without. */
  readonly clientCa?: string
  /** Where `/leave` redirects to. */
  readonly leave?: string
}

/** Its tool `who` answers with the name in the certificate that the call came with. */
export async function startTlsServer(options: TlsServerOptions): Promise<TlsServer> {
  const connections: (string | null)[] = []
  const requests: TlsServer['requests'] = []
  const { clientCa, leave = '' } = options
  const asks = clientCa !== undefined
  const files = { cert: readFileSync(options.cert), key: readFileSync(options.key) }
  const client = asks ? { ca: readFileSync(clientCa), requestCert: true, rejectUnauthorized: true } : {}
  const sockets = new Set<TLSSocket>()
  // The runtime's HTTP server does not tell the certificates of clients; its TLS server does.
  const server = createServer({ ...files, ...client }, (socket) => {
    const who = asks ? String(socket.getPeerCertificate().subject?.CN) : null
    connections.push(who)
    sockets.add(socket)
    let text = ''
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      for (let request = firstRequest(text); request !== null; request = firstRequest(text)) {
        text = text.slice(request.length)
        requests.push({ who, path: request.path, authorization: request.header('authorization') })
        socket.write(answerTo(request, who, leave))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`
  return {
    origin,
    url: `${origin}/mcp`,
    connections,
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface Request {
  readonly method: string
  readonly path: string
  readonly body: string
  /** Characters that it takes. */
  readonly length: number
  header(name: string): string | undefined
}

/** Null until all of it has come. */
function firstRequest(text: string): Request | null {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return null
  const head = text.slice(0, end)
  const [method = '', path = ''] = head.split(' ', 2)
  const header = (name: string) => new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1]?.trim()
  const from = end + 4
  const length = from + Number(header('content-length') ?? 0)
  return text.length < length ? null : { method, path, body: text.slice(from, length), length, header }
}

function answerTo({ method, path, body }: Request, who: string | null, leave: string): string {
  if (path === '/leave') return `HTTP/1.1 307 Leave\r\nlocation: ${leave}\r\ncontent-length: 0\r\n\r\n`
  const message = method === 'POST' ? (JSON.parse(body) as { id?: unknown; method?: string }) : {}
  const result = resultOf(message.method, who)
  if (result === null || message.id === undefined)
    return `HTTP/1.1 ${method === 'POST' ? '202 Taken' : '405 No'}\r\ncontent-length: 0\r\n\r\n`
  const text = JSON.stringify({ jsonrpc: '2.0', id: message.id, ...result })
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`
}

function resultOf(method: string | undefined, who: string | null): object | null {
  const serverInfo = { name: 'tls', version: '1' }
  if (method === 'initialize')
    return { result: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo } }
  if (method === 'tools/list')
    return { result: { tools: [{ name: 'who', inputSchema: { type: 'object' } }] } }
  if (method === 'tools/call') return { result: { content: [{ type: 'text', text: String(who) }] } }
  if (method === 'ping') return { result: {} }
  if (method === undefined || method.startsWith('notifications/')) return null
  return { error: { code: -32601, message: 'unknown' } }
}
