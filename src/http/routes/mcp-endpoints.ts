/** The paths of the MCP faces. What they do is in `stream.ts` and `sse.ts`; who may come is in the hooks. */
import { Elysia } from 'elysia'
import { GatewayError } from '../../errors.ts'
import { contextOf, type McpHandler, type McpHandlers } from '../context.ts'

/** The names that a definition may have; anything else cannot be a server's and goes no further. */
const serverName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** Whether a server could have this name; whether one has it is for the handlers to find out. */
export function isServerName(name: string): boolean {
  return serverName.test(name)
}

/** The route group. `parse: 'none'`: the handlers read the body themselves, once and within its bound. */
export function mcpRoutes(handlers: McpHandlers) {
  const raw = { parse: 'none' } as const
  const stream = route(handlers.stream)
  const sse = route(handlers.sse)
  return new Elysia()
    .post('/mcp-proxy/:name/stream', stream, raw)
    .get('/mcp-proxy/:name/stream', stream, raw)
    .delete('/mcp-proxy/:name/stream', stream, raw)
    .post('/mcp-proxy/:name/stream/*', stream, raw)
    .get('/mcp-proxy/:name/stream/*', stream, raw)
    .delete('/mcp-proxy/:name/stream/*', stream, raw)
    .get('/mcp-proxy/:name/sse', sse, raw)
    .get('/mcp-proxy/:name/sse/*', sse, raw)
    .post('/mcp-proxy/:name/message', route(handlers.message), raw)
    .post('/mcp', stream, raw)
    .get('/mcp', stream, raw)
    .delete('/mcp', stream, raw)
    .get('/mcp/sse', sse, raw)
    .post('/mcp/message', route(handlers.message), raw)
}

function route(handler: McpHandler) {
  return ({ request }: { request: Request }) => {
    const context = contextOf(request)
    // Should the router ever read a path differently from the hooks, the request goes nowhere.
    if (context.area !== 'mcp') throw new GatewayError('NOT_FOUND', 'There is nothing here.')
    // Elysia serves HEAD with the handler of GET, which here opens a stream, and a stream has no head.
    if (request.method === 'HEAD') throw new GatewayError('METHOD_NOT_ALLOWED', 'HEAD is not served here.')
    // As the hooks have read it: an escape stays one, and no name has any.
    if (context.server !== '' && !isServerName(context.server))
      throw new GatewayError('SERVER_UNKNOWN', 'No server has this name.')
    return handler(request, context, context.server)
  }
}
