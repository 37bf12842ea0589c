/**
 * The routes of the gateway, as a table of contents. Requests come here from the listener, admitted
 * by the hooks; whatever a route throws leaves in the error form of its area.
 */
import { type AnyElysia, Elysia } from 'elysia'
import { GatewayError, internalError, reasonOf } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import type { Log } from '../telemetry/log.ts'
import type { ListedRoute } from './api/openapi.ts'
import { type Area, contextOf, type McpHandlers, type RequestContext } from './context.ts'
import { replyErrorIn } from './reply.ts'
import { documentRoutes } from './routes/admin/admin.ts'
import { type ConnectParts, connectRoutes } from './routes/connect/connect.ts'
import { consoleRoutes } from './routes/console.ts'
import { discoveryRoutes } from './routes/discovery.ts'
import { type HealthParts, healthRoutes } from './routes/health.ts'
import { isServerName, mcpRoutes } from './routes/mcp-endpoints.ts'
import { type MeParts, meRoutes } from './routes/me.ts'
import { type MetricsSource, metricsRoutes } from './routes/metrics.ts'

export interface AppParts extends HealthParts {
  readonly metrics: MetricsSource
  /** The admin route group, `adminRoutes(…)`. */
  readonly admin: AnyElysia
  readonly mcp: McpHandlers
  readonly me: MeParts
  readonly connect: ConnectParts
  /** Null without OAuth. */
  identity(): Pick<Identity, 'metadataAt'> | null
  readonly log: Log
}

/** What the listener needs of the app, and what tests enumerate. */
export interface App {
  /** Never rejects; `context` is what the hooks have settled about the request. */
  fetch(request: Request, context: RequestContext): Response | Promise<Response>
  readonly routes: readonly ListedRoute[]
}

/** Puts the route groups together. A request that the hooks never saw is answered 500, whatever it asks. */
export function createApp(parts: AppParts): App {
  const app: AnyElysia = new Elysia({ handler: { standardHostname: false }, normalize: false })
    .onError(({ code, error, request }) => answerError(parts.log, methodsOf, code, error, request))
    .use(healthRoutes(parts)) //            /livez  /healthz  /readyz
    .use(metricsRoutes(parts.metrics)) //   /metrics  /admin/metrics
    .use(parts.admin) //                    /admin/reload  /admin/mcps…  /admin/tools…
    .use(documentRoutes(() => app.routes)) // /admin/openapi.json
    .use(mcpRoutes(parts.mcp)) //           /mcp-proxy/{name}/stream  …/sse  …/message
    .use(meRoutes(parts.me)) //             /me…  /oauth/callback/login
    .use(consoleRoutes(parts.me)) //        /console  /console/session  /console/{file}
    .use(connectRoutes(parts.connect)) //   /connect/{name}  /oauth/callback/{id}  /oauth/clients/{id}
    .use(discoveryRoutes(parts.identity)) // /.well-known/oauth-protected-resource/…
  const methodsOf = routeTable(app.routes)
  return {
    fetch(request, context) {
      // The one route of nearly all requests needs no router: its way through Elysia costs as much as its relay.
      const { server, endpoint } = context
      const busy =
        endpoint === 'stream' &&
        request.method === 'POST' &&
        (isServerName(server) || context.path === '/mcp')
      return busy ? parts.mcp.stream(request, context, server) : app.fetch(request)
    },
    routes: app.routes,
  }
}

type MethodsOf = (path: string) => readonly string[]

/** Which methods a path knows: off the hot path, asked only when no route has matched. */
function routeTable(routes: App['routes']): MethodsOf {
  const rows = routes.map(({ method, path }) => ({ method, pattern: patternOf(path) }))
  return (path) => {
    const methods = rows.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
    // HEAD comes with GET, except where GET opens a stream.
    return methods.includes('GET') && !path.startsWith('/mcp') ? [...methods, 'HEAD'] : methods
  }
}

function patternOf(path: string): RegExp {
  const source = path
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:[A-Za-z]+/g, '[^/]+')
    .replace(/\/\*$/, '/.*')
  return new RegExp(`^${source}/?$`)
}

function answerError(
  log: Log,
  methodsOf: MethodsOf,
  code: unknown,
  thrown: unknown,
  request: Request,
): Response {
  const context = contextOf(request)
  const methods = context.area === 'unknown' ? [] : methodsOf(context.path)
  const error = errorOf(code, thrown, methods, context)
  context.log.code = error.code
  if (error.code === 'INTERNAL') {
    log.error(
      { requestId: context.requestId, path: context.path, reason: reasonOf(thrown) },
      'request failed',
    )
  }
  const headers = error.code === 'METHOD_NOT_ALLOWED' ? { allow: methods.join(', ') } : undefined
  return replyErrorIn(context.area, request, error, headers)
}

function errorOf(
  code: unknown,
  thrown: unknown,
  methods: readonly string[],
  { area, requestId }: RequestContext,
): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  if (code === 'NOT_FOUND') {
    if (methods.length === 0) return new GatewayError('NOT_FOUND', noSuchPath(area))
    return new GatewayError('METHOD_NOT_ALLOWED', `This path takes ${methods.join(', ')}.`)
  }
  return internalError(requestId)
}

/** People paste the address without the face, or without anything behind the port. */
function noSuchPath(area: Area): string {
  const servers = 'an MCP server is at /mcp-proxy/{name}/stream or /mcp-proxy/{name}/sse'
  const admin = 'the admin API at /admin/mcps and /admin/tools'
  const known = area === 'mcp' ? servers : area === 'admin' ? admin : `${servers}, ${admin}`
  return `The gateway has no such path; ${known}.`
}
