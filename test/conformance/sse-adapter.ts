/**
 * Streamable HTTP in front, HTTP+SSE behind: lets the suite, which speaks only the former, test the
 * gateway's `/sse` face. It keeps no more state than it must: one SSE connection for each session, and
 * which POST waits for which answer. What the old transport cannot attribute goes to the oldest POST
 * that is still open, else to the standing stream.
 */
import { findEvent, readEvents, type ServerSentEvent } from '../support/event-reader.ts'

export interface SseAdapter {
  readonly url: string
  stop(): Promise<void>
}

type RpcId = string | number

interface Message {
  readonly id?: RpcId
  readonly method?: string
  readonly params?: { readonly progressToken?: RpcId; readonly _meta?: { readonly progressToken?: RpcId } }
}

interface Outlet {
  readonly progressToken: RpcId | undefined
  send(text: string): void
  close(): void
}

/** Headers that the gateway judges a caller by. */
const passedOn = ['host', 'origin', 'authorization']
const encoder = new TextEncoder()

/** Listens on a free port and bridges to one `/sse` URL. */
export function startSseAdapter(sse: URL): SseAdapter {
  const sessions = new Map<string, SseSession>()
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      const id = request.headers.get('mcp-session-id')
      const body = request.method === 'POST' ? await request.text() : ''
      if (id === null) return open(request, body)
      const session = sessions.get(id)
      if (session === undefined) return new Response('unknown session', { status: 404 })
      if (request.method === 'GET') return session.stand()
      if (request.method === 'POST') return session.post(body)
      sessions.delete(id)
      session.close()
      return new Response(null, { status: 204 })
    },
  })
  const open = async (request: Request, body: string): Promise<Response> => {
    if ((safeParse(body) as Message | null)?.method !== 'initialize') {
      return new Response('no session', { status: 400 })
    }
    const headers = Object.fromEntries(passedOn.map((name) => [name, request.headers.get(name) ?? '']))
    const session = await SseSession.open(sse, headers)
    if (session instanceof Response) return session
    const id = crypto.randomUUID()
    sessions.set(id, session)
    const answer = await session.post(body)
    answer.headers.set('mcp-session-id', id)
    return answer
  }
  return {
    url: `http://127.0.0.1:${server.port}/mcp`,
    stop: async () => {
      for (const session of sessions.values()) session.close()
      await server.stop(true)
    },
  }
}

class SseSession {
  private readonly waiting = new Map<RpcId, Outlet>()
  private readonly early: string[] = []
  private standing: Outlet | undefined

  private constructor(
    private readonly endpoint: URL,
    private readonly headers: Readonly<Record<string, string>>,
    private readonly connection: AbortController,
  ) {}

  /** Connects, or hands back the refusal. */
  static async open(sse: URL, given: Record<string, string>): Promise<SseSession | Response> {
    // The adapter's own port is no business of the gateway's Host check; a foreign name is.
    const host = given['host']?.replace(/:\d+$/, `:${sse.port}`) ?? sse.host
    const headers = Object.fromEntries(Object.entries({ ...given, host }).filter(([, value]) => value !== ''))
    if (
      headers['origin']?.startsWith('http://127.0.0.1') ||
      headers['origin']?.startsWith('http://localhost')
    ) {
      headers['origin'] = `http://${host}`
    }
    const connection = new AbortController()
    const response = await fetch(sse, {
      headers: { ...headers, accept: 'text/event-stream' },
      signal: connection.signal,
    })
    if (!response.ok || response.body === null) {
      return new Response(await response.text(), { status: response.status })
    }
    const events = readEvents(response.body)
    const { data } = await findEvent(events, ({ type }) => type === 'endpoint')
    const endpoint = new URL(data, sse)
    // A server that believes a foreign Host names it here; the suite is to see that it was accepted.
    endpoint.host = sse.host
    const session = new SseSession(endpoint, headers, connection)
    void session.pump(events)
    return session
  }

  async post(body: string): Promise<Response> {
    const message = safeParse(body) as Message | null
    const id = message?.method === undefined ? undefined : message.id
    const answer = id === undefined ? null : this.stream(id, message?.params?._meta?.progressToken)
    const accepted = await fetch(this.endpoint, {
      method: 'POST',
      headers: { ...this.headers, 'content-type': 'application/json' },
      body,
    })
    const text = await accepted.text()
    if (!accepted.ok) {
      if (id !== undefined) this.waiting.delete(id)
      const type = accepted.headers.get('content-type') ?? 'text/plain'
      return new Response(text, { status: accepted.status, headers: { 'content-type': type } })
    }
    return answer ?? new Response(null, { status: 202 })
  }

  stand(): Response {
    const { response, outlet } = eventStream(undefined, () => {
      this.standing = undefined
    })
    this.standing = outlet
    for (const text of this.early.splice(0)) outlet.send(text)
    return response
  }

  close(): void {
    this.connection.abort()
    for (const outlet of this.waiting.values()) outlet.close()
    this.standing?.close()
  }

  private stream(id: RpcId, progressToken: RpcId | undefined): Response {
    const { response, outlet } = eventStream(progressToken, () => this.waiting.delete(id))
    this.waiting.set(id, outlet)
    return response
  }

  private async pump(events: AsyncGenerator<ServerSentEvent>): Promise<void> {
    try {
      for await (const { data } of events) this.deliver(data)
    } catch {
      // The connection was closed, by either side.
    }
    this.close()
  }

  private deliver(text: string): void {
    const message = JSON.parse(text) as Message
    if (message.method === undefined && message.id !== undefined) {
      const outlet = this.waiting.get(message.id)
      this.waiting.delete(message.id)
      outlet?.send(text)
      outlet?.close()
      return
    }
    const open = [...this.waiting.values()]
    const token = message.params?.progressToken
    const owner = token === undefined ? undefined : open.find((outlet) => outlet.progressToken === token)
    const outlet = owner ?? open[0] ?? this.standing
    if (outlet) outlet.send(text)
    else this.early.push(text)
  }
}

function eventStream(
  progressToken: RpcId | undefined,
  gone: () => void,
): { response: Response; outlet: Outlet } {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(undefined, {
    highWaterMark: Number.MAX_SAFE_INTEGER,
  })
  const writer = writable.getWriter()
  const write = (text: string) => void writer.write(encoder.encode(text)).catch(gone)
  write(': open\n\n')
  return {
    response: new Response(readable, { headers: { 'content-type': 'text/event-stream' } }),
    outlet: {
      progressToken,
      send: (text) => write(`event: message\ndata: ${text}\n\n`),
      close: () => void writer.close().catch(gone),
    },
  }
}

function safeParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
