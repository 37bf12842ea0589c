/**
 * The three ways in which a client calls a tool, behind one interface, as raw as `raw-client.ts`: over
 * Streamable HTTP with a session, over HTTP+SSE, and without a session in revision 2026-07-28.
 */
import { readEvents, type ServerSentEvent } from './event-reader.ts'
import type { RunningGateway } from './gateway.ts'
import { RawClient, type RpcId, type RpcMessage, readExchange } from './raw-client.ts'

export type CallerWay = 'stream' | 'sse' | 'modern'
export const callerWays: readonly CallerWay[] = ['stream', 'sse', 'modern']

/** What came of one call, whichever way it went. */
export interface Outcome {
  /** Of the POST. */
  readonly status: number
  readonly retryAfter: string | null
  readonly answer: RpcMessage
}

export interface Caller extends AsyncDisposable {
  /** Calls a tool and resolves with whatever answer comes; rejects when none does. */
  call(id: RpcId, name: string, args: Readonly<Record<string, unknown>>): Promise<Outcome>
  close(): Promise<void>
}

/** Opens one of them with a server behind the gateway. */
export function openCaller(
  gateway: Pick<RunningGateway, 'face'>,
  name: string,
  way: CallerWay,
): Promise<Caller> {
  if (way === 'sse') return SseCaller.open(gateway.face(name, 'sse'))
  const url = gateway.face(name, 'stream')
  return way === 'stream' ? openStreamCaller(url) : Promise.resolve(modernCaller(url))
}

async function openStreamCaller(url: URL): Promise<Caller> {
  const client = await RawClient.open(url)
  return {
    call: async (id, name, args) => outcomeOf(await client.post(callText(id, name, args)), id),
    close: () => client.close(),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

function modernCaller(url: URL): Caller {
  return {
    async call(id, name, args) {
      const headers = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': name,
      }
      return outcomeOf(
        await fetch(url, { method: 'POST', headers, body: callText(id, name, args, statelessEnvelope) }),
        id,
      )
    },
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}

/** What every request of a client without a session carries in its `_meta`. */
export const statelessEnvelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'raw-caller', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

function callText(id: RpcId, name: string, args: Readonly<Record<string, unknown>>, meta?: object): string {
  const params = { name, arguments: args, ...(meta && { _meta: meta }) }
  return JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params })
}

async function outcomeOf(response: Response, id: RpcId): Promise<Outcome> {
  const { answer } = await readExchange(response, id)
  return { status: response.status, retryAfter: response.headers.get('retry-after'), answer }
}

interface Waiter {
  resolve(answer: RpcMessage): void
  reject(reason: Error): void
}

/** HTTP+SSE: one stream brings every answer. */
class SseCaller implements Caller {
  private readonly waiting = new Map<RpcId, Waiter>()
  private readonly aborted = new AbortController()
  private endpoint: URL | null = null

  static async open(url: URL): Promise<SseCaller> {
    const caller = new SseCaller()
    const response = await fetch(url, { signal: caller.aborted.signal })
    if (!response.ok || response.body === null) throw new Error(`${response.status} ${await response.text()}`)
    const events = readEvents(response.body)
    const { value: first } = (await events.next()) as { value: ServerSentEvent }
    caller.endpoint = new URL(first.data, url)
    void caller.read(events)
    const hello = {
      protocolVersion: '2024-11-05',
      capabilities: {},
      clientInfo: { name: 'raw-caller', version: '1.0.0' },
    }
    await caller.send(
      'hello',
      JSON.stringify({ jsonrpc: '2.0', id: 'hello', method: 'initialize', params: hello }),
    )
    await caller.post('{"jsonrpc":"2.0","method":"notifications/initialized"}')
    return caller
  }

  call(id: RpcId, name: string, args: Readonly<Record<string, unknown>>): Promise<Outcome> {
    return this.send(id, callText(id, name, args))
  }

  async close(): Promise<void> {
    this.aborted.abort()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private async send(id: RpcId, text: string): Promise<Outcome> {
    const answered = new Promise<RpcMessage>((resolve, reject) => this.waiting.set(id, { resolve, reject }))
    answered.catch(() => {})
    const response = await this.post(text)
    const { status } = response
    const retryAfter = response.headers.get('retry-after')
    const body = await response.text()
    // Accepted: the answer comes on the stream. Refused: it is here.
    return { status, retryAfter, answer: status === 202 ? await answered : (JSON.parse(body) as RpcMessage) }
  }

  private post(text: string): Promise<Response> {
    if (this.endpoint === null) throw new Error('the stream is not open')
    const headers = { 'content-type': 'application/json' }
    return fetch(this.endpoint, { method: 'POST', headers, body: text })
  }

  private async read(events: AsyncGenerator<ServerSentEvent>): Promise<void> {
    try {
      for await (const { data } of events) {
        const message = JSON.parse(data) as RpcMessage
        if (message.method === undefined && message.id !== undefined)
          this.waiting.get(message.id)?.resolve(message)
      }
    } catch {
      // Closed by either side.
    }
    for (const { reject } of this.waiting.values()) reject(new Error('the event stream has ended'))
  }
}
