/** The dual-era fixture on Streamable HTTP, at a free loopback port. */
import {
  createMcpHandler,
  type EventId,
  type EventStore,
  hostHeaderValidationResponse,
  isLegacyRequest,
  type JSONRPCMessage,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  type McpHttpHandler,
  originValidationResponse,
  type StreamId,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import type { Eras } from '../dual-era-server.ts'
import { labelled } from './labelled-transport.ts'
import { createOffer, type Offer } from './offer.ts'

const bodyBytesMax = 64 * 1024 * 1024
/** How long `test_reconnection` works after it closed the stream: longer than `retryMs`. */
const reconnectionMs = 1_200
/** What clients are told to wait before they reconnect. */
const retryMs = 300

/** Starts the server and says where it listens. It runs until the process ends. */
export function serveOverHttp(era: Eras): { url: string } {
  const modern: McpHttpHandler = createMcpHandler((context) => createOffer(offerOf(context.era)), {
    legacy: 'reject',
    maxRequestBodySize: bodyBytesMax,
  })
  const offerOf = (served: 'legacy' | 'modern'): Offer => ({
    era: served,
    reconnectionMs,
    toolsChanged: (server) =>
      served === 'modern' ? modern.notify.toolsChanged() : server.sendToolListChanged(),
    promptsChanged: (server) =>
      served === 'modern' ? modern.notify.promptsChanged() : server.sendPromptListChanged(),
  })
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    maxRequestBodySize: bodyBytesMax,
    fetch: async (request) => {
      const refused =
        hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
        originValidationResponse(request, localhostAllowedOrigins())
      if (refused) return refused
      if (era === 'modern') return modern.fetch(request)
      if (era === 'both' && !(await isLegacyRequest(request))) return modern.fetch(request)
      return serveSession(request, sessions, () => createOffer(offerOf('legacy')))
    },
  })
  return { url: `http://127.0.0.1:${server.port}/mcp` }
}

async function serveSession(
  request: Request,
  sessions: Map<string, WebStandardStreamableHTTPServerTransport>,
  offer: () => ReturnType<typeof createOffer>,
): Promise<Response> {
  const sessionId = request.headers.get('mcp-session-id')
  const known = sessionId === null ? undefined : sessions.get(sessionId)
  if (known) return known.handleRequest(request)
  if (sessionId !== null) return rpcError(404, -32001, 'Session not found')
  const body: unknown = await request
    .clone()
    .json()
    .catch(() => null)
  const opens = typeof body === 'object' && body !== null && 'method' in body && body.method === 'initialize'
  if (request.method !== 'POST' || !opens) return rpcError(400, -32000, 'Session id required')
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => crypto.randomUUID(),
    eventStore: memoryEventStore(),
    retryInterval: retryMs,
    maxRequestBodySize: bodyBytesMax,
    onsessioninitialized: (id) => {
      sessions.set(id, transport)
    },
    onsessionclosed: (id) => {
      sessions.delete(id)
    },
  })
  await offer().connect(labelled(transport))
  return transport.handleRequest(request)
}

function rpcError(status: number, code: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', id: null, error: { code, message } }, { status })
}

/** Events in the order they were sent; an id is `stream/position`, so replay is a slice. */
function memoryEventStore(): EventStore {
  const streams = new Map<StreamId, JSONRPCMessage[]>()
  return {
    storeEvent: async (streamId, message) => {
      const events = streams.get(streamId) ?? []
      streams.set(streamId, events)
      events.push(message)
      return `${streamId}/${events.length}`
    },
    getStreamIdForEventId: async (eventId) => streamOf(eventId),
    replayEventsAfter: async (lastEventId, { send }) => {
      const streamId = streamOf(lastEventId)
      const events = streams.get(streamId) ?? []
      for (let position = positionOf(lastEventId); position < events.length; position++) {
        const message = events[position]
        // A priming event is stored as an empty message and is not worth repeating.
        if (message && 'jsonrpc' in message) await send(`${streamId}/${position + 1}`, message)
      }
      return streamId
    },
  }
}

function streamOf(eventId: EventId): StreamId {
  return eventId.slice(0, eventId.lastIndexOf('/'))
}

function positionOf(eventId: EventId): number {
  return Number(eventId.slice(eventId.lastIndexOf('/') + 1))
}
