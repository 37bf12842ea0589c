/** The fixture on HTTP+SSE of 2024-11-05, at a free loopback port: the legacy era only, as the transport is. */
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server'
import { labelled } from './labelled-transport.ts'
import { createOffer } from './offer.ts'

/** The transport has no stream of a call to close, so the call must outlast a gateway's patience instead. */
const reconnectionMs = 5_000
const encoder = new TextEncoder()

/** Starts the server and says where it listens. It runs until the process ends. */
export function serveOverSse(): { url: string } {
  const sessions = new Map<string, SseTransport>()
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    maxRequestBodySize: 64 * 1024 * 1024,
    fetch: async (request) => {
      const id = new URL(request.url).searchParams.get('session')
      if (request.method === 'GET') return await openSession(sessions)
      const transport = id === null ? undefined : sessions.get(id)
      if (transport === undefined) return new Response('unknown session', { status: 404 })
      transport.onmessage?.((await request.json()) as JSONRPCMessage)
      return new Response('Accepted', { status: 202 })
    },
  })
  return { url: `http://127.0.0.1:${server.port}/sse` }
}

async function openSession(sessions: Map<string, SseTransport>): Promise<Response> {
  const id = crypto.randomUUID()
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(undefined, {
    highWaterMark: 1e6,
  })
  const transport = new SseTransport(writable.getWriter())
  sessions.set(id, transport)
  transport.event('endpoint', `/message?session=${id}`)
  const offer = createOffer({
    era: 'legacy',
    reconnectionMs,
    toolsChanged: (server) => server.sendToolListChanged(),
    promptsChanged: (server) => server.sendPromptListChanged(),
  })
  await offer.connect(labelled<Transport>(transport))
  return new Response(readable, { headers: { 'content-type': 'text/event-stream' } })
}

class SseTransport implements Transport {
  onmessage?: Transport['onmessage']
  onclose?: () => void

  constructor(private readonly writer: WritableStreamDefaultWriter<Uint8Array>) {}

  async start(): Promise<void> {}

  async send(message: JSONRPCMessage): Promise<void> {
    this.event('message', JSON.stringify(message))
  }

  async close(): Promise<void> {
    await this.writer.close().catch(() => undefined)
    this.onclose?.()
  }

  event(type: string, data: string): void {
    void this.writer.write(encoder.encode(`event: ${type}\ndata: ${data}\n\n`)).catch(() => this.onclose?.())
  }
}
