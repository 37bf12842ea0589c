/**
 * A client of revision 2026-07-28 that hides nothing: every request stands alone, with whatever envelope and
 * headers the test wants, right or wrong.
 */
import { readEvents } from './event-reader.ts'
import { type Exchange, type RpcId, type RpcMessage, readExchange } from './raw-client.ts'

export const MODERN = '2026-07-28'
const PREFIX = 'io.modelcontextprotocol/'
export const SUBSCRIPTION_ID = `${PREFIX}subscriptionId`

export interface ModernPost {
  /** 1 unless said otherwise. */
  readonly id?: RpcId
  readonly params?: Readonly<Record<string, unknown>>
  /** Merged into `_meta`. */
  readonly meta?: Readonly<Record<string, unknown>>
  readonly capabilities?: Readonly<Record<string, unknown>>
  readonly logLevel?: string
  /** Over those that the request asks for; null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly token?: string
  readonly signal?: AbortSignal
}

export interface ModernReply extends Exchange {
  readonly status: number
}

/** The text of one request. */
export function modernText(method: string, post: ModernPost = {}): string {
  const { id = 1, params, meta, capabilities = {}, logLevel } = post
  const _meta = {
    [`${PREFIX}protocolVersion`]: MODERN,
    [`${PREFIX}clientInfo`]: { name: 'raw-modern', version: '1.0.0' },
    [`${PREFIX}clientCapabilities`]: capabilities,
    ...(logLevel !== undefined && { [`${PREFIX}logLevel`]: logLevel }),
    ...meta,
  }
  return JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta } })
}

/** The headers that mirror it. */
export function modernHeaders(method: string, post: ModernPost = {}): Record<string, string> {
  const { params, token } = post
  const name = params?.['name'] ?? params?.['uri']
  const all: Record<string, string | null> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': MODERN,
    'mcp-method': method,
    ...(typeof name === 'string' && method !== 'completion/complete' && { 'mcp-name': name }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...post.headers,
  }
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null),
  )
}

/** Sends one request and gives the response as it comes. */
export function sendModern(url: URL, method: string, post: ModernPost = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: modernHeaders(method, post),
    body: modernText(method, post),
    signal: post.signal ?? null,
  })
}

/** Sends one request and reads its response to the answer. */
export async function askModern(url: URL, method: string, post: ModernPost = {}): Promise<ModernReply> {
  const response = await sendModern(url, method, post)
  return { status: response.status, ...(await readExchange(response, post.id ?? 1)) }
}

/** Calls a tool. */
export function callModern(
  url: URL,
  name: string,
  args: Readonly<Record<string, unknown>>,
  post: ModernPost = {},
): Promise<ModernReply> {
  return askModern(url, 'tools/call', { ...post, params: { name, arguments: args, ...post.params } })
}

/** An open `subscriptions/listen`. */
export class Listening implements AsyncDisposable {
  /** Everything that has come, the acknowledgement first. */
  readonly messages: RpcMessage[] = []
  /** Resolves when the stream has ended, whoever ended it. */
  readonly ended: Promise<void>
  readonly #aborted: AbortController

  private constructor(response: Response, aborted: AbortController) {
    this.#aborted = aborted
    this.ended = this.#read(response)
  }

  /** Opens one; resolves with the first byte. */
  static async open(
    url: URL,
    notifications: Readonly<Record<string, unknown>>,
    post: ModernPost = {},
  ): Promise<Listening> {
    const aborted = new AbortController()
    const whole = { ...post, params: { notifications }, signal: aborted.signal }
    const response = await sendModern(url, 'subscriptions/listen', whole)
    if (response.headers.get('content-type') !== 'text/event-stream')
      throw new Error(`${response.status} ${await response.text()}`)
    return new Listening(response, aborted)
  }

  /** Closes the stream, which is the cancel. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#aborted.abort()
    await this.ended
  }

  async #read(response: Response): Promise<void> {
    try {
      if (response.body === null) return
      for await (const { data } of readEvents(response.body))
        this.messages.push(JSON.parse(data) as RpcMessage)
    } catch {
      // The stream was closed, by either side.
    }
  }
}
