/**
 * The three ways in which a client asks anything, not only for a tool, behind one interface: over Streamable HTTP with
 * a session, over HTTP+SSE, and without a session in revision 2026-07-28. One asker asks as often as it likes.
 */
import type { CallerWay } from './callers.ts'
import { readEvents } from './event-reader.ts'
import { askModern, Listening } from './modern-client.ts'
import { RawClient, type RpcMessage } from './raw-client.ts'

export interface Asker extends AsyncDisposable {
  ask(method: string, params: Readonly<Record<string, unknown>>): Promise<RpcMessage>
  /** Whether the server takes a subscription to this resource. */
  subscribes(uri: string): Promise<boolean>
}

/** The server was not there, or not for this token. */
export class NotLetIn extends Error {
  constructor(
    readonly status: number,
    said = '',
  ) {
    super(`answered ${status} ${said}`.trimEnd())
  }
}

/** Opens one at `path` below the gateway, such as `/mcp-proxy/docs` or `/mcp`. Rejects with NotLetIn. */
export function openAsker(base: string, path: string, way: CallerWay, token: string | null): Promise<Asker> {
  const known = token === null ? {} : { token }
  const stream = new URL(path === '/mcp' ? `${base}/mcp` : `${base}${path}/stream`)
  if (way === 'modern') return modernAsker(stream, known)
  return way === 'sse' ? sseAsker(new URL(`${base}${path}/sse`), token) : streamAsker(stream, known)
}

async function modernAsker(url: URL, known: { readonly token?: string }): Promise<Asker> {
  const { status } = await askModern(url, 'server/discover', known)
  if (status === 401 || status === 403 || status === 404) throw new NotLetIn(status)
  return {
    ask: async (method, params) => (await askModern(url, method, { params, ...known })).answer,
    async subscribes(uri) {
      const opened = await Listening.open(url, { resourceSubscriptions: [uri] }, known).catch(() => null)
      if (opened === null) return false
      await using listening = opened
      while (listening.messages.length === 0) await Bun.sleep(1)
      return JSON.stringify(listening.messages[0]).includes(JSON.stringify(uri))
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

async function streamAsker(url: URL, known: { readonly token?: string }): Promise<Asker> {
  const client = await RawClient.open(url, known).catch((thrown: unknown) => {
    throw new NotLetIn(Number.parseInt(String(thrown).replace(/\D*/, ''), 10))
  })
  let id = 0
  const ask: Asker['ask'] = async (method, params) => (await client.request(++id, method, params)).answer
  return { ask, subscribes: subscribesBy(ask), [Symbol.asyncDispose]: () => client.close() }
}

async function sseAsker(url: URL, token: string | null): Promise<Asker> {
  const left = new AbortController()
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(url, { headers, signal: left.signal })
  if (!response.ok || response.body === null) {
    await response.arrayBuffer()
    throw new NotLetIn(response.status)
  }
  const waiting = new Map<unknown, { resolve(answer: RpcMessage): void; reject(reason: Error): void }>()
  const events = readEvents(response.body)
  const endpoint = new URL((await events.next()).value?.data ?? '', url)
  const read = async (): Promise<void> => {
    for await (const { data } of events) {
      const message = JSON.parse(data) as RpcMessage
      if (message.method === undefined) waiting.get(message.id)?.resolve(message)
    }
  }
  const ended = (): void => {
    for (const { reject } of waiting.values()) reject(new Error(`${url.pathname} has ended its event stream`))
  }
  read().then(ended, ended)
  const post = async (message: object): Promise<void> => {
    const posted = await fetch(endpoint, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    })
    const said = await posted.text()
    // No answer of a refused message comes on the stream.
    if (!posted.ok) throw new NotLetIn(posted.status, said)
  }
  let id = 0
  const ask: Asker['ask'] = async (method, params) => {
    const own = ++id
    const { promise: answered, resolve, reject } = Promise.withResolvers<RpcMessage>()
    waiting.set(own, { resolve, reject })
    // The stream may end before the POST is answered.
    answered.catch(() => {})
    try {
      await post({ id: own, method, params })
      return await answered
    } finally {
      waiting.delete(own)
    }
  }
  const clientInfo = { name: 'asker', version: '1.0.0' }
  await ask('initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo })
  await post({ method: 'notifications/initialized' })
  return { ask, subscribes: subscribesBy(ask), [Symbol.asyncDispose]: async () => left.abort() }
}

function subscribesBy(ask: Asker['ask']): Asker['subscribes'] {
  return async (uri) => (await ask('resources/subscribe', { uri })).error === undefined
}
