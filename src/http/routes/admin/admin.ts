/**
 * The admin API: which handler answers which path. The hooks have admitted the request already.
 *
 * Statuses: 200, 201, 204; 400 bad body, query or definition; 403 command not allowed; 404 unknown server;
 * 409 name taken or server from the file; 413 body too large; 422 command missing or URL forbidden;
 * 503 and 504 from the server behind a tool call.
 */
import { Elysia } from 'elysia'
import { ConfigError, GatewayError, internalError, reasonOf } from '../../../errors.ts'
import { everythingGroup } from '../../../registry/definition-schema.ts'
import type { ListedRoute } from '../../api/openapi.ts'
import { answer as answerOf, routeOf } from '../../api/operation.ts'
import { contextOf } from '../../context.ts'
import { replyError } from '../../reply.ts'
import { explainAccess } from './access.ts'
import { approveTools, listApprovals, revokeApprovals } from './approvals.ts'
import { followEvents } from './events.ts'
import { getGroup, listGroups } from './groups.ts'
import { type AdminOptions, type AdminParts, withDefaults } from './parts.ts'
import { serverActions } from './server-actions.ts'
import { serverHandlers } from './servers.ts'
import { callTool, listTools } from './tools.ts'

/** Gets the name of a server or group in the path, or the id of a key; and the name of a credential behind it. */
type Handler = (request: Request, name: string, credential: string) => Response | Promise<Response>

/** The route group. */
export function adminRoutes(options: AdminOptions) {
  const parts = withDefaults(options)
  const servers = serverHandlers(parts, parts.order)
  const actions = serverActions(parts, parts.order)
  const route: Route = (handler) => {
    // Elysia leaves params out where a path has none, whatever its types say.
    return ({ request, params }) => answer(parts, request, params ?? {}, handler)
  }
  return new Elysia()
    .use(configurationRoutes(parts, route))
    .get('/admin/mcps', route(servers.list), routeOf('listServers'))
    .post('/admin/mcps', route(servers.create), routeOf('createServer'))
    .get('/admin/mcps/:name', route(servers.get), routeOf('getServer'))
    .put('/admin/mcps/:name', route(servers.replace), routeOf('replaceServer'))
    .delete('/admin/mcps/:name', route(servers.remove), routeOf('removeServer'))
    .post('/admin/try', route(actions.try), routeOf('tryServer'))
    .post('/admin/mcps/:name/restart', route(actions.restart), routeOf('restartServer'))
    .post('/admin/mcps/:name/enable', route(actions.enable), routeOf('enableServer'))
    .post('/admin/mcps/:name/disable', route(actions.disable), routeOf('disableServer'))
    .use(loginRoutes(parts, route))
    .get('/admin/mcps/:name/logs', route(actions.logs), routeOf('getServerLogs'))
    .get(
      '/admin/events',
      route((request) => followEvents(parts, request)),
      routeOf('followEvents'),
    )
    .get(
      '/admin/access',
      route((request) => explainAccess(parts, request)),
      routeOf('explainAccess'),
    )
    .get(
      '/admin/groups',
      route(() => listGroups(parts)),
      routeOf('listGroups'),
    )
    .get(
      '/admin/groups/:name',
      route((_request, name) => getGroup(parts, name)),
      routeOf('getGroup'),
    )
    .use(mcpRoutes(parts, route))
    .use(keyRoutes(parts, route))
    .use(clusterRoutes(parts, route))
    .use(credentialRoutes(parts, route))
    .get(
      '/admin/approvals',
      route((request) => listApprovals(parts, request)),
      routeOf('listApprovals'),
    )
    .post(
      '/admin/approvals/:name',
      route((request, name) => approveTools(parts, request, name)),
      routeOf('approveTools'),
    )
    .delete(
      '/admin/approvals/:name',
      route((request, name) => revokeApprovals(parts, request, name)),
      routeOf('revokeApprovals'),
    )
    .get(
      '/admin/tools',
      route((request) => listTools(parts, request)),
      routeOf('listTools'),
    )
    .post(
      '/admin/tools/call',
      route((request) => callTool(parts, request)),
      routeOf('callTool'),
    )
}

/** What makes a handler one of a route. */
type Route = (handler: Handler) => (call: { request: Request; params?: Named }) => Promise<Response>

interface Named {
  readonly name?: string
  readonly id?: string
  readonly credential?: string
}

function configurationRoutes(parts: AdminParts, route: Route) {
  return (
    new Elysia()
      .post(
        '/admin/reload',
        route((request) => reload(parts, request)),
        routeOf('reload'),
      )
      // Most gateways are never asked.
      .get(
        '/admin/config',
        route(async () => (await import('../configuration.ts')).showConfiguration(parts.settings)),
        routeOf('getConfig'),
      )
  )
}

const raw = { parse: 'none' } as const

/** `/admin/mcps/{name}/stream`: MCP for admins, as a client speaks it at the endpoint of that server or group. */
function mcpRoutes(parts: AdminParts, route: Route) {
  const speak = route((request, name) => speakMcp(parts, request, name))
  return new Elysia()
    .post('/admin/mcps/:name/stream', speak, raw)
    .get('/admin/mcps/:name/stream', speak, raw)
    .delete('/admin/mcps/:name/stream', speak, raw)
}

/** The whole way of a client's message but for the doors of the server: docs/decisions/playground.md. */
async function speakMcp(
  { mcp, streams, directory }: AdminParts,
  request: Request,
  name: string,
): Promise<Response> {
  if (request.method === 'HEAD') throw new GatewayError('METHOD_NOT_ALLOWED', 'HEAD is not served here.')
  if (mcp === null) throw new GatewayError('NOT_FOUND', 'Nobody here speaks MCP.')
  const context = contextOf(request)
  // What is at /mcp has a name of its own for admins alone.
  const server = name === everythingGroup.name && directory.get(name) === undefined ? '' : name
  const { principal: admin } = context
  // Without admin tokens too, what an admin opens here is nothing of those who come to the endpoints without a token.
  const id = admin.role === 'anonymous' ? 'admin:local' : admin.id
  const principal = { ...admin, id, grants: streams.grantsOf(request) }
  const { streamHandler } = await import('../stream.ts')
  // Another replica knows no admin by what this one has found out, so the session stays here.
  const { elsewhere: _, ...here } = mcp
  return streamHandler(here)(request, { ...context, server, principal }, server)
}

function clusterRoutes(parts: AdminParts, route: Route) {
  return new Elysia().get(
    '/admin/cluster',
    route(() => answerOf('getCluster', 200, { cluster: parts.cluster() })),
    routeOf('getCluster'),
  )
}

/** Loaded when somebody asks: most gateways have no keys, and store no credentials. */
const keys = () => import('./keys.ts')
const credentials = () => import('../credentials/admin-credentials.ts')

/** Loaded when somebody asks: most servers want no login. */
const logins = () => import('../connect/admin-logins.ts')

function loginRoutes(parts: AdminParts, route: Route) {
  return new Elysia()
    .post(
      '/admin/mcps/:name/login',
      route(async (request, name) => (await logins()).login(parts, request, name)),
      routeOf('login'),
    )
    .delete(
      '/admin/mcps/:name/login',
      route(async (request, name) => (await logins()).logout(parts, request, name)),
      routeOf('logout'),
    )
}

function keyRoutes(parts: AdminParts, route: Route) {
  return new Elysia()
    .get(
      '/admin/keys',
      route(async () => (await keys()).listKeys(parts)),
      routeOf('listKeys'),
    )
    .post(
      '/admin/keys',
      route(async (request) => (await keys()).createKey(parts, request)),
      routeOf('createKey'),
    )
    .get(
      '/admin/keys/:id',
      route(async (_request, id) => (await keys()).getKey(parts, id)),
      routeOf('getKey'),
    )
    .patch(
      '/admin/keys/:id',
      route(async (request, id) => (await keys()).changeKey(parts, request, id)),
      routeOf('changeKey'),
    )
    .delete(
      '/admin/keys/:id',
      route(async (request, id) => (await keys()).revokeKey(parts, request, id)),
      routeOf('revokeKey'),
    )
    .post(
      '/admin/keys/:id/rotate',
      route(async (request, id) => (await keys()).rotateKey(parts, request, id)),
      routeOf('rotateKey'),
    )
}

function credentialRoutes(parts: AdminParts, route: Route) {
  return new Elysia()
    .post(
      '/admin/secrets/rotate',
      route(async (request) => (await credentials()).rotateSecrets(parts, request)),
      routeOf('rotateSecrets'),
    )
    .get(
      '/admin/credentials',
      route(async (request) => (await credentials()).listCredentials(parts, request)),
      routeOf('listCredentials'),
    )
    .put(
      '/admin/credentials/:name/:credential',
      route(async (request, ...names) => (await credentials()).setCredential(parts, request, ...names)),
      routeOf('setCredential'),
    )
    .delete(
      '/admin/credentials/:name/:credential',
      route(async (request, ...names) => (await credentials()).removeCredential(parts, request, ...names)),
      routeOf('removeCredential'),
    )
}

/**
 * `/admin/openapi.json`: the document that the routes describe together, itself among them. `routes` is asked with
 * each request, when all are there.
 */
export function documentRoutes(routes: () => readonly ListedRoute[]) {
  return new Elysia().get(
    '/admin/openapi.json',
    async ({ request }) => {
      const { area, externalBase } = contextOf(request)
      // Should the router ever read a path differently from the hooks, the request goes nowhere.
      if (area !== 'admin') throw new GatewayError('NOT_FOUND', 'There is nothing here.')
      // Most gateways are never asked, and the schemas cost time and memory.
      const { openApiDocument } = await import('../../api/openapi.ts')
      return answerOf('getOpenApi', 200, openApiDocument(routes(), externalBase))
    },
    routeOf('getOpenApi'),
  )
}

/** What has changed, or 422 with what is wrong with the configuration: the one that was read before stays then. */
async function reload(parts: AdminParts, request: Request): Promise<Response> {
  try {
    return answerOf(
      'reload',
      200,
      await parts.reload(`POST /admin/reload by ${contextOf(request).principal.shown}`),
    )
  } catch (thrown) {
    if (thrown instanceof ConfigError) throw new GatewayError('CONFIGURATION_INVALID', thrown.message)
    throw thrown
  }
}

/** Turns whatever a handler throws into the contract's error form. */
async function answer(
  parts: AdminParts,
  request: Request,
  { name = '', id = '', credential = '' }: Named,
  handler: Handler,
): Promise<Response> {
  try {
    // Admission hangs on the area that the hooks read out of the path; should the router ever read the
    // path differently, the request goes nowhere.
    if (contextOf(request).area !== 'admin') throw new GatewayError('NOT_FOUND', 'There is nothing here.')
    // Only names that exist: a log field is no place for whatever a client puts in a path.
    if (parts.directory.get(name) !== undefined) contextOf(request).log.mcp = name
    const work = async () => await handler(request, name || id, credential)
    return await (parts.store.confirm?.(work) ?? work())
  } catch (error) {
    if (error instanceof GatewayError) {
      contextOf(request).log.code = error.code
      return replyError(error)
    }
    const { requestId } = contextOf(request)
    parts.log.error({ requestId, reason: reasonOf(error) }, 'admin request failed')
    contextOf(request).log.code = 'INTERNAL'
    return replyError(internalError(requestId))
  }
}
