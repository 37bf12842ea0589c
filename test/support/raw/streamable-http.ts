/** The raw server on Streamable HTTP: every request is answered on an event stream of its own. */
import { Peer, type RpcId, type RpcMessage } from './peer.ts'

const encoder = new TextEncoder()
const bodyBytesMax = 64 * 1024 * 1024

interface Session {
  readonly peer: Peer
  readonly streams: Map<RpcId, WritableStreamDefaultWriter<Uint8Array>>
  /** Written to from the start: what is said before the first GET waits for it. */
  standing: WritableStreamDefaultWriter<Uint8Array>
  unread: Response | null
}

/** Listens on this port, 0 for a free one, and gives the URL. `heard` is told every body. */
export function serveStreamableHttp(port: number, heard: (text: string) => void): string {
  const sessions = new Map<string, Session>()
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port,
    idleTimeout: 0,
    maxRequestBodySize: bodyBytesMax,
    fetch: async (request) => {
      const body = request.method === 'POST' ? await request.text() : ''
      if (body !== '') heard(body)
      const id = request.headers.get('mcp-session-id') ?? openSession(body, sessions)
      const session = id === null ? undefined : sessions.get(id)
      if (id === null) return new Response('no session', { status: 400 })
      if (session === undefined) return new Response('unknown session', { status: 404 })
      if (request.method === 'DELETE') {
        sessions.delete(id)
        return new Response(null, { status: 204 })
      }
      const response = request.method === 'GET' ? stand(session) : post(session, body)
      response.headers.set('mcp-session-id', id)
      return response
    },
  })
  return `http://127.0.0.1:${server.port}/mcp`
}

function openSession(body: string, sessions: Map<string, Session>): string | null {
  if (!body.includes('"initialize"')) return null
  const id = crypto.randomUUID()
  const streams: Session['streams'] = new Map()
  const { response, writer } = eventStream()
  const session: Session = {
    streams,
    standing: writer,
    unread: response,
    peer: new Peer(async (texts, related) => {
      const target = related === null ? session.standing : streams.get(related)
      const frames = texts.map((text) => `event: message\ndata: ${text}\n\n`).join('')
      await target?.write(encoder.encode(frames)).catch(() => undefined)
      if (related === null || !texts.some((text) => answers(text, related))) return
      streams.delete(related)
      await target?.close().catch(() => undefined)
    }, null),
  }
  sessions.set(id, session)
  return id
}

function post(session: Session, body: string): Response {
  const message = JSON.parse(body) as RpcMessage
  if (message.id === undefined || message.method === undefined) {
    void session.peer.receive(body)
    return new Response(null, { status: 202 })
  }
  const { response, writer } = eventStream()
  session.streams.set(message.id, writer)
  void session.peer.receive(body)
  return response
}

function stand(session: Session): Response {
  const { unread } = session
  session.unread = null
  if (unread) return unread
  const { response, writer } = eventStream()
  session.standing = writer
  return response
}

function eventStream() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(undefined, {
    highWaterMark: 1e6,
  })
  const writer = writable.getWriter()
  void writer.write(encoder.encode(': open\n\n')).catch(() => undefined)
  return { writer, response: new Response(readable, { headers: { 'content-type': 'text/event-stream' } }) }
}

function answers(text: string, id: RpcId): boolean {
  const message = JSON.parse(text) as RpcMessage
  return message.method === undefined && message.id === id
}
