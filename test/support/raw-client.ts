/**
 * A Streamable HTTP client of the revisions with a handshake that hides nothing: it keeps every text as
 * it came, uses the ids that it is told to use, and opens a standing stream only when asked to.
 */
import { readEvents, type ServerSentEvent } from './event-reader.ts'

export type RpcId = string | number

export interface RpcMessage {
  readonly jsonrpc?: string
  readonly id?: RpcId
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: Readonly<Record<string, unknown>> & { readonly structuredContent?: unknown }
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

export interface OpenOptions {
  readonly capabilities?: unknown
  readonly version?: string
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Answers what the server asks, as a result; what it throws becomes the error. */
  readonly answer?: (request: RpcMessage) => unknown
}

/** What one request brought back on its own response. */
export interface Exchange {
  /** Everything before the answer, in order. */
  readonly before: readonly RpcMessage[]
  readonly answer: RpcMessage
  /** The answer as text. */
  readonly text: string
  readonly contentType: string
}

export class RawClient implements AsyncDisposable {
  /** What arrived on the standing stream. */
  readonly standing: RpcMessage[] = []
  /** What the server asked, on whatever stream. */
  readonly asked: RpcMessage[] = []
  private readonly aborted = new AbortController()

  private constructor(
    readonly url: URL,
    readonly sessionId: string,
    readonly greeting: RpcMessage,
    private readonly options: OpenOptions,
  ) {}

  /** Shakes hands; rejects with status and body when the server will not. */
  static async open(url: URL, options: OpenOptions = {}): Promise<RawClient> {
    const response = await fetch(url, {
      method: 'POST',
      headers: headersOf(options),
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 'hello',
        method: 'initialize',
        params: {
          protocolVersion: options.version ?? '2025-11-25',
          capabilities: options.capabilities ?? {},
          clientInfo: { name: 'raw-client', version: '1.0.0' },
        },
      }),
    })
    const sessionId = response.headers.get('mcp-session-id')
    if (!response.ok || sessionId === null) throw new Error(`${response.status} ${await response.text()}`)
    const { answer } = await readExchange(response, 'hello')
    const client = new RawClient(url, sessionId, answer, options)
    await client.notify('notifications/initialized')
    return client
  }

  /** POSTs any text with the session's headers. */
  post(
    text: string,
    init: { signal?: AbortSignal; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    return fetch(this.url, {
      method: 'POST',
      headers: { ...this.headers(), ...init.headers },
      body: text,
      signal: init.signal ?? null,
    })
  }

  /** GETs a stream, with `Last-Event-ID` when given. */
  get(lastEventId?: string, init: { signal?: AbortSignal; headers?: Record<string, string> } = {}) {
    const { 'content-type': _, ...headers } = this.headers()
    return fetch(this.url, {
      headers: {
        ...headers,
        accept: 'text/event-stream',
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
        ...init.headers,
      },
      signal: init.signal ?? this.aborted.signal,
    })
  }

  async notify(method: string, params?: unknown): Promise<void> {
    const response = await this.post(JSON.stringify({ jsonrpc: '2.0', method, params }))
    const text = await response.text()
    if (response.status !== 202) throw new Error(`${method}: ${response.status} ${text}`)
  }

  /** Sends a request and reads its response to the answer, answering the server's questions meanwhile. */
  async request(id: RpcId, method: string, params?: unknown): Promise<Exchange> {
    return this.requestText(id, JSON.stringify({ jsonrpc: '2.0', id, method, params }))
  }

  /** The same with a text of the caller's own making. */
  async requestText(id: RpcId, text: string): Promise<Exchange> {
    const response = await this.post(text)
    return readExchange(response, id, (message) => this.serve(message))
  }

  /** Calls a tool of the raw server and gives its `structuredContent`. */
  async call<T = Record<string, unknown>>(
    id: RpcId,
    name: string,
    args: Record<string, unknown>,
    progressToken?: RpcId,
  ): Promise<T> {
    const { answer } = await this.callTool(id, name, args, progressToken)
    if (answer.error) throw new Error(`${name}: ${answer.error.code} ${answer.error.message}`)
    return answer.result?.structuredContent as T
  }

  callTool(id: RpcId, name: string, args: Record<string, unknown>, progressToken?: RpcId): Promise<Exchange> {
    const meta = progressToken === undefined ? {} : { _meta: { progressToken } }
    return this.request(id, 'tools/call', { name, arguments: args, ...meta })
  }

  /** Opens the standing stream; resolves when its first byte is there. */
  async stand(): Promise<void> {
    const response = await this.get()
    if (!response.ok || response.body === null) throw new Error(`GET: ${response.status}`)
    void this.pump(response.body)
  }

  /** Ends the session and every stream. */
  async close(): Promise<void> {
    this.aborted.abort()
    await fetch(this.url, { method: 'DELETE', headers: this.headers() }).then((response) => response.text())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  headers(): Record<string, string> {
    return {
      ...headersOf(this.options),
      'mcp-session-id': this.sessionId,
      'mcp-protocol-version': String(this.greeting.result?.['protocolVersion']),
    }
  }

  private async pump(body: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const { data } of readEvents(body)) {
        const message = JSON.parse(data) as RpcMessage
        this.standing.push(message)
        await this.serve(message)
      }
    } catch {
      // The stream was closed, by either side.
    }
  }

  /** Answers a question of the server; nothing to do for notifications. */
  private async serve(message: RpcMessage): Promise<void> {
    if (message.method === undefined || message.id === undefined) return
    this.asked.push(message)
    const body = await answerOf(this.options, message)
    const response = await this.post(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...body }))
    await response.text()
  }
}

async function answerOf(options: OpenOptions, message: RpcMessage): Promise<Record<string, unknown>> {
  try {
    if (!options.answer) throw new Error('this client answers nothing')
    return { result: await options.answer(message) }
  } catch (thrown) {
    return { error: { code: -32601, message: String(thrown) } }
  }
}

/** Reads a response, JSON or event stream, to the answer with this id. */
export async function readExchange(
  response: Response,
  id: RpcId,
  onOther: (message: RpcMessage) => Promise<void> = async () => {},
): Promise<Exchange> {
  const contentType = response.headers.get('content-type') ?? ''
  if (!contentType.startsWith('text/event-stream') || response.body === null) {
    const text = await response.text()
    return { before: [], answer: parse(text, response.status), text, contentType }
  }
  const before: RpcMessage[] = []
  for await (const { data } of readEvents(response.body)) {
    const message = parse(data, response.status)
    if (message.method === undefined && message.id === id)
      return { before, answer: message, text: data, contentType }
    before.push(message)
    // Not awaited: an answer to the server must not hold up what follows on the stream.
    void onOther(message)
  }
  throw new Error(`the stream ended without an answer to ${JSON.stringify(id)}`)
}

/** Collects events until the stream ends or `wanted` is met. */
export async function collectEvents(
  body: ReadableStream<Uint8Array>,
  enough: (event: ServerSentEvent, all: readonly ServerSentEvent[]) => boolean,
): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = []
  for await (const event of readEvents(body, { all: true })) {
    events.push(event)
    if (enough(event, events)) break
  }
  return events
}

function parse(text: string, status: number): RpcMessage {
  try {
    return JSON.parse(text) as RpcMessage
  } catch {
    throw new Error(`${status}: not JSON: ${text.slice(0, 200)}`)
  }
}

function headersOf(options: OpenOptions): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
    ...options.headers,
  }
}
