/** The matrix servers on Streamable HTTP, and the one of SDK 1.x on HTTP+SSE too. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { WebStandardStreamableHTTPServerTransport as StreamableV1 } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { Transport as TransportV1 } from '@modelcontextprotocol/sdk/shared/transport.js'
import { createMcpHandler, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server'
import type { Marks } from './offer.ts'
import { createOfferV1 } from './offer-v1.ts'
import { createOfferV2 } from './offer-v2.ts'

/** Starts them all; answers their URLs by name. They run until the process ends. */
export function serveMatrixOverHttp(marks: Marks): Record<string, string> {
  const modern = createMcpHandler(() => createOfferV2('modern', marks, listeners), { legacy: 'reject' })
  const listeners = {
    toolsChanged: () => modern.notify.toolsChanged(),
    resourceUpdated: (_server: unknown, uri: string) => modern.notify.resourceUpdated(uri),
  }
  const inSession = {
    toolsChanged: (server: ReturnType<typeof createOfferV2>) => server.sendToolListChanged(),
    resourceUpdated: (server: ReturnType<typeof createOfferV2>, uri: string) =>
      server.server.sendResourceUpdated({ uri }),
  }
  const v1 = sessions((sessionIdGenerator, onsessioninitialized) => {
    const transport = new StreamableV1({ sessionIdGenerator, onsessioninitialized })
    return { transport, connect: () => createOfferV1(marks).connect(transport as TransportV1) }
  })
  const legacy = sessions((sessionIdGenerator, onsessioninitialized) => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator,
      onsessioninitialized,
    })
    return { transport, connect: () => createOfferV2('legacy', marks, inSession).connect(transport) }
  })
  const { port } = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    routes: { '/v1': v1, '/v2-legacy': legacy, '/v2-modern': (request) => modern.fetch(request) },
  })
  const origin = `http://127.0.0.1:${port}`
  return {
    'v1-http': `${origin}/v1`,
    'v2-legacy-http': `${origin}/v2-legacy`,
    'v2-modern-http': `${origin}/v2-modern`,
    'v1-sse': serveSse(() => createOfferV1(marks)),
  }
}

interface Serving {
  readonly transport: { handleRequest(request: Request): Promise<Response> }
  connect(): Promise<void>
}

/** One transport and one server for each session, as both SDKs want it. */
export function sessions(
  open: (generate: () => string, opened: (id: string) => void) => Serving,
): (request: Request) => Promise<Response> {
  const byId = new Map<string, Serving['transport']>()
  return async (request) => {
    const id = request.headers.get('mcp-session-id')
    const known = id === null ? undefined : byId.get(id)
    if (known) return known.handleRequest(request)
    if (id !== null) return new Response('no such session', { status: 404 })
    const { transport, connect } = open(
      () => crypto.randomUUID(),
      (opened) => byId.set(opened, transport),
    )
    await connect()
    return transport.handleRequest(request)
  }
}

/** HTTP+SSE at a free port, with one server of SDK 1.x for each session. Answers its URL. */
export function serveSse(open: () => Server): string {
  const byId = new Map<string, SSEServerTransport>()
  const server = createServer((request, response) => void answer(request, response))
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'GET') {
      const transport = new SSEServerTransport('/message', response)
      byId.set(transport.sessionId, transport)
      await open().connect(transport as TransportV1)
      return
    }
    const id = new URL(request.url ?? '/', 'http://localhost').searchParams.get('sessionId') ?? ''
    const transport = byId.get(id)
    if (transport) await transport.handlePostMessage(request, response)
    else response.writeHead(404).end()
  }
  server.listen(0, '127.0.0.1')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/sse`
}
