/**
 * A Streamable HTTP server that keeps state for each session, as the specification lets it: it counts what begins and
 * ends them, refuses a second standing stream, and sees whether an id is used twice in one session.
 */

interface Kept {
  count: number
  readonly ids: Set<number>
  standing: ReadableStreamDefaultController<Uint8Array> | null
}

interface Inbound {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly name?: string }
}

const encoder = new TextEncoder()

export class StatefulHttp implements AsyncDisposable {
  /** Refuses who comes with a session that there is, as a server that binds it to an address. */
  refusesKnown = false
  begun = 0
  ended = 0
  announced = 0
  /** Ids of requests that came twice in one session. */
  readonly repeatedIds: number[] = []
  readonly #sessions = new Map<string, Kept>()
  readonly #server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch: (request) => this.#serve(request),
  })

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}/mcp`
  }

  get open(): number {
    return this.#sessions.size
  }

  /** Sessions whose standing stream is there. */
  get listening(): number {
    return [...this.#sessions.values()].filter(({ standing }) => standing !== null).length
  }

  /** As when it is started anew. */
  forgetAll(): void {
    for (const { standing } of this.#sessions.values()) standing?.close()
    this.#sessions.clear()
  }

  /** Tells all sessions something on their standing streams. */
  tell(text: string): void {
    const params = { level: 'info', data: text }
    const message = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params })
    for (const { standing } of this.#sessions.values())
      standing?.enqueue(encoder.encode(`data: ${message}\n\n`))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true)
  }

  async #serve(request: Request): Promise<Response> {
    const id = request.headers.get('mcp-session-id') ?? ''
    const kept = this.#sessions.get(id)
    if (request.method === 'DELETE') {
      if (this.#sessions.delete(id)) this.ended++
      kept?.standing?.close()
      return new Response(null, { status: 200 })
    }
    if (request.method === 'GET') return kept === undefined ? unknownSession() : listen(request, kept)
    const message = (await request.json()) as Inbound
    if (message.method === 'server/discover') return unknownSession()
    if (message.method === 'initialize') return this.#begin(message)
    if (kept === undefined) return unknownSession()
    if (this.refusesKnown) return new Response('not yours', { status: 403 })
    if (message.method === 'notifications/initialized') this.announced++
    if (message.id === undefined) return new Response(null, { status: 202 })
    if (kept.ids.has(message.id)) this.repeatedIds.push(message.id)
    kept.ids.add(message.id)
    return Response.json({ jsonrpc: '2.0', id: message.id, result: resultOf(message, kept) })
  }

  #begin({ id }: Inbound): Response {
    this.begun++
    this.refusesKnown = false
    const session = crypto.randomUUID()
    this.#sessions.set(session, { count: 0, ids: new Set(), standing: null })
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {}, logging: {} },
      serverInfo: { name: 'stateful', version: '1' },
    }
    return Response.json({ jsonrpc: '2.0', id, result }, { headers: { 'mcp-session-id': session } })
  }
}

const unknownSession = (): Response => new Response('no such session', { status: 404 })

function listen(request: Request, kept: Kept): Response {
  if (kept.standing !== null) return new Response('one stream is open already', { status: 409 })
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      kept.standing = controller
      controller.enqueue(encoder.encode(': here\n\n'))
      request.signal.addEventListener('abort', () => {
        kept.standing = null
      })
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

function resultOf({ method, params }: Inbound, kept: Kept): object {
  if (method === 'tools/list') return { tools: [{ name: 'count', inputSchema: { type: 'object' } }] }
  if (method !== 'tools/call' || params?.name !== 'count') return {}
  return { content: [], structuredContent: { count: ++kept.count } }
}
