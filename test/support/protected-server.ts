/**
 * An MCP server that asks for tokens of an authorization server, in either era, in the process of the test: its tool `whoami`
 * says whose token a call came with. It notes every request, with the token that it brought.
 */
import type { IssuedToken } from './token-issuer.ts'

/** Whoever knows which tokens count: a `TokenIssuer`, or a real authorization server. */
export interface TokenJudge {
  readonly issuer: string
  holder(token: string): IssuedToken | null | Promise<IssuedToken | null>
}

export interface SeenRequest {
  readonly httpMethod: string
  readonly method: string
  readonly token: string | null
  readonly params: Readonly<Record<string, unknown>> | undefined
  readonly headers: Headers
}

export interface ProtectedOptions {
  readonly era?: 'legacy' | 'modern'
  readonly path?: string
  /** What its metadata says, over the usual. */
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Where the metadata is: named in the challenge, at its path, at the root, or nowhere. Default `named`. */
  readonly place?: 'named' | 'path' | 'root' | 'nowhere'
  /** Scopes that it asks for in the challenge. */
  readonly scopes?: readonly string[]
}

interface Message {
  readonly id?: number | string
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

export class ProtectedServer implements AsyncDisposable {
  readonly seen: SeenRequest[] = []
  readonly #letIn = new WeakSet<SeenRequest>()
  /** Paths of its metadata in the order in which they were asked for. */
  readonly metadataAsked: string[] = []
  /** Scopes that a tool takes. */
  readonly toolScopes = new Map<string, readonly string[]>()
  /** How long a tool takes. */
  delayMs = 0
  /** Answers before anything else; undefined leaves it to the usual answers. */
  answer: (message: Message, request: Request) => Response | undefined = () => undefined
  readonly #issuer: () => TokenJudge
  readonly #options: ProtectedOptions
  readonly #http: ReturnType<typeof Bun.serve>

  constructor(issuer: TokenJudge | (() => TokenJudge), options: ProtectedOptions = {}) {
    this.#issuer = typeof issuer === 'function' ? issuer : () => issuer
    this.#options = options
    this.#http = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      idleTimeout: 0,
      fetch: (request) => this.#take(request),
    })
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#http.port}`
  }

  get url(): string {
    return `${this.origin}${this.#options.path ?? '/mcp'}`
  }

  /** A definition with this `oauth`. */
  definition(
    name: string,
    oauth: Readonly<Record<string, unknown>> = {},
  ): { name: string } & Record<string, unknown> {
    return { name, transport: 'streamable-http', url: this.url, oauth }
  }

  /** Calls of a tool that were answered. */
  calls(): SeenRequest[] {
    return this.seen.filter((request) => request.method === 'tools/call' && this.#letIn.has(request))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    void this.#http.stop(true)
  }

  async #take(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname.includes('/.well-known/') || pathname === '/elsewhere.json') return this.#metadata(pathname)
    const token = /^(?:Bearer|DPoP) (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? null
    const message: Message =
      request.method === 'POST' ? ((await request.json()) as Message) : { method: request.method }
    const { method, params } = message
    const seen = { httpMethod: request.method, method, params, token, headers: request.headers }
    this.seen.push(seen)
    const chosen = this.answer(message, request)
    if (chosen !== undefined) return chosen
    const holder = token === null ? null : await this.#issuer().holder(token)
    if (holder === null) return this.#challenge(401, token === null ? null : 'invalid_token')
    this.#letIn.add(seen)
    return await this.#serve(request, message, holder)
  }

  async #serve(request: Request, message: Message, holder: IssuedToken): Promise<Response> {
    if (request.method !== 'POST') return new Response(null, { status: request.method === 'GET' ? 405 : 200 })
    if (message.id === undefined) return new Response(null, { status: 202 })
    const name = String(message.params?.['name'] ?? '')
    const needed = message.method === 'tools/call' ? (this.toolScopes.get(name) ?? []) : []
    const lacking = needed.filter((scope) => !holder.scopes.includes(scope))
    if (lacking.length > 0) return this.#challenge(403, 'insufficient_scope', lacking)
    if (message.method === 'tools/call' && this.delayMs > 0) await Bun.sleep(this.delayMs)
    const modern = this.#options.era === 'modern'
    const result = resultOf(message, holder, modern)
    if (result === null) {
      const error = { code: -32601, message: 'Method not found' }
      return Response.json({ jsonrpc: '2.0', id: message.id, error }, { status: modern ? 400 : 200 })
    }
    const meta = { 'io.modelcontextprotocol/serverInfo': info }
    const complete = modern ? { resultType: 'complete', _meta: meta, ...result } : result
    return Response.json({ jsonrpc: '2.0', id: message.id, result: complete })
  }

  #metadata(path: string): Response {
    this.metadataAsked.push(path)
    const { place = 'named', metadata = {} } = this.#options
    const own = this.#options.path ?? '/mcp'
    const here = {
      named: '/elsewhere.json',
      path: `/.well-known/oauth-protected-resource${own}`,
      root: '/.well-known/oauth-protected-resource',
      nowhere: '',
    }[place]
    if (path !== here) return new Response(null, { status: 404 })
    return Response.json({ resource: this.url, authorization_servers: [this.#issuer().issuer], ...metadata })
  }

  #challenge(status: 401 | 403, error: string | null, scopes = this.#options.scopes): Response {
    const { place = 'named' } = this.#options
    const parts = [
      ...(place === 'named' ? [`resource_metadata="${this.origin}/elsewhere.json"`] : []),
      ...(error === null ? [] : [`error="${error}"`]),
      ...(scopes === undefined ? [] : [`scope="${scopes.join(' ')}"`]),
    ]
    return Response.json(
      { error: error ?? 'unauthorized' },
      { status, headers: { 'www-authenticate': `Bearer ${parts.join(', ')}`.trim() } },
    )
  }
}

const info = { name: 'protected', version: '1.0.0' }

function resultOf(
  { method }: Message,
  { subject, scopes, resource }: IssuedToken,
  modern: boolean,
): object | null {
  const listHints = modern ? { ttlMs: 0, cacheScope: 'private' } : {}
  switch (method) {
    case 'initialize':
      return modern ? null : { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: info }
    case 'server/discover':
      return modern ? { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ...listHints } : null
    case 'ping':
      return {}
    case 'tools/list':
      return {
        tools: ['whoami', 'write'].map((name) => ({ name, inputSchema: { type: 'object' } })),
        ...listHints,
      }
    case 'tools/call':
      return { content: [{ type: 'text', text: JSON.stringify({ subject, scopes, resource }) }] }
    default:
      return null
  }
}
