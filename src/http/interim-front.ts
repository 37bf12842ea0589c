/** Stands in for the listener until it is there: routing only, loopback only. */
import type { McpHandlers, RequestContext } from './context.ts'
import { attachContext } from './context.ts'
import { replyJson } from './reply.ts'

export function interimFront(
  host: string,
  port: number,
  handlers: McpHandlers,
  admin: (request: Request) => Promise<Response> | Response,
): { url: string; stop: () => Promise<void> } {
  const server = Bun.serve({
    hostname: host,
    port,
    idleTimeout: 0,
    async fetch(request) {
      const url = new URL(request.url)
      const context = {
        requestId: crypto.randomUUID(),
        area: 'mcp',
        path: url.pathname,
        peer: null,
        client: null,
        externalBase: url.origin,
        principal: { id: 'anonymous', role: 'anonymous' },
        startedAtMs: performance.now(),
        log: {},
      } as RequestContext
      attachContext(request, context)
      if (url.pathname === '/healthz' || url.pathname === '/readyz') return replyJson(200, { status: 'ok' })
      const match = /^\/mcp-proxy\/([^/]+)\/(stream|sse|message)(\/|$)/.exec(url.pathname)
      if (!match) return admin(request)
      const handler = handlers[match[2] as 'stream' | 'sse' | 'message']
      return handler(request, context, decodeURIComponent(match[1] ?? ''))
    },
  })
  return { url: server.url.href.replace(/\/$/, ''), stop: () => server.stop(true) }
}
