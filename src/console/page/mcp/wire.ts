/** How the page speaks MCP: over Streamable HTTP to the door for admins, with the cookie, as a client would speak it. */
import { isObject, objectIn } from '../../../protocol/json.ts'
import { ApiFailure, connection, csrfHeaders, failureOf, unreachable } from '../api/api.ts'
import { Frames } from '../api/frames.ts'

export type Era = 'legacy' | 'modern'

/** What went over the wire, for whoever wants to see it. */
export type OnWire = (direction: 'sent' | 'received', text: string) => void

/** What a server asks its client in the middle of a call. */
export interface Question {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/** JSON text of a result, or why there is none. */
export type Reply = { readonly result: string } | { readonly refused: string }

/** Whoever follows a request. */
export interface Watch {
  readonly signal?: AbortSignal
  /** A notification of the server's: progress, a line of its log. */
  onNotification?(method: string, params: Readonly<Record<string, unknown>>): void
  ask?(question: Question): Promise<Reply>
}

/** What the server says of itself. */
export interface Greeting {
  readonly protocolVersion: string
  readonly serverInfo: Readonly<Record<string, unknown>>
  readonly capabilities: Readonly<Record<string, unknown>>
  readonly instructions: string | null
}

/** A client of one server, in one of the eras. */
export interface McpClient {
  readonly era: Era
  readonly greeting: Greeting
  /**
   * Resolves with the JSON text of the result. `params` are JSON texts by name. Rejects with an RpcFailure for an
   * error of the server's, with an ApiFailure for whatever the gateway refused.
   */
  request(
    method: string,
    params: Readonly<Record<string, string>>,
    watch?: Watch,
    headers?: Headers,
  ): Promise<string>
  close(): void
}

export type Headers = Readonly<Record<string, string>>

/** An error that the server, or the gateway in its name, has answered a request with. */
export class RpcFailure extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly data: unknown,
  ) {
    super(message)
  }
}

/** A request was given up by the person. */
export class CancelledFailure extends Error {}

export function givenUp(): CancelledFailure {
  return new CancelledFailure('The call was given up.')
}

/** A response has ended before its request was answered. */
export function streamEnded(): ApiFailure {
  return new ApiFailure(0, 'STREAM_ENDED', 'The stream has ended', 'The response ended without an answer.')
}

/** JSON text of what the page calls itself. */
export const clientInfo = '{"name":"compozy-console","version":"1"}'

export function greetingOf(result: Readonly<Record<string, unknown>>, protocolVersion: string): Greeting {
  const { instructions } = result
  return {
    protocolVersion,
    serverInfo: recordOf(result['serverInfo']),
    capabilities: recordOf(result['capabilities']),
    instructions: typeof instructions === 'string' ? instructions : null,
  }
}

export interface Message {
  readonly id?: unknown
  readonly method?: unknown
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: unknown
}

/** JSON texts by name, as one object. */
export function objectText(members: Readonly<Record<string, string>>): string {
  return `{${Object.entries(members)
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(',')}}`
}

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {}
}

export class Wire {
  readonly #url: string
  readonly #onWire: OnWire

  constructor(server: string, onWire: OnWire) {
    this.#url = `${connection.prefix}/admin/mcps/${encodeURIComponent(server)}/stream`
    this.#onWire = onWire
  }

  /** The response to one message, whatever its status. Rejects when nothing answers, or when the gateway refuses. */
  async post(text: string, headers: Headers, signal?: AbortSignal): Promise<Response> {
    this.#onWire('sent', text)
    const response = await this.#fetch('POST', headers, signal, text)
    if (response.ok) return response
    // A status may stand beside the JSON-RPC error that is the answer.
    if (objectIn(await response.clone().text())?.['jsonrpc'] === '2.0') return response
    throw await failureOf(response)
  }

  async end(headers: Headers): Promise<void> {
    // Also when the page goes: a server keeps a process for a session.
    await this.#fetch('DELETE', headers, undefined, undefined, true).catch(() => {})
  }

  /** Each message of a response, as text; `isLast` says when no more is waited for. */
  async read(response: Response, take: (text: string, message: Message) => boolean): Promise<boolean> {
    const receive = (text: string): boolean => {
      this.#onWire('received', text)
      return take(text, JSON.parse(text) as Message)
    }
    if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      const text = await response.text()
      return text !== '' && receive(text)
    }
    let done = false
    const frames = new Frames((_name, data) => {
      // The first event of a stream that can be resumed holds an id and nothing else.
      if (!done && data !== '') done = receive(data)
    })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    while (!done && reader !== undefined) {
      const chunk = await reader.read()
      if (chunk.done) return false
      frames.take(chunk.value)
    }
    void reader?.cancel().catch(() => {})
    return done
  }

  async #fetch(
    method: string,
    headers: Headers,
    signal?: AbortSignal,
    body?: string,
    keepalive = false,
  ): Promise<Response> {
    return fetch(this.#url, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      keepalive,
      headers: {
        accept: 'application/json, text/event-stream',
        ...csrfHeaders(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    }).catch(() => {
      throw signal?.aborted === true ? givenUp() : unreachable()
    })
  }
}

/** The text of the result of an answer. Throws the RpcFailure of one that is an error. */
export function resultIn(message: Message, resultText: string | null): string {
  if (message.error !== undefined && message.error !== null) {
    const { code, message: said, data } = recordOf(message.error)
    throw new RpcFailure(
      typeof code === 'number' ? code : 0,
      typeof said === 'string' ? said : 'An error.',
      data,
    )
  }
  return resultText ?? 'null'
}
