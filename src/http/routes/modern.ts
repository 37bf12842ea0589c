/**
 * Requests of revision 2026-07-28: each stands alone, and is relayed or bridged by what the server speaks.
 *
 * Statuses: 200; 202 for a notification; 400 for what its envelope or headers get wrong, and for a missing
 * capability; 404 for a method that does not exist; the gateway's own from the catalogue.
 */
import { GatewayError } from '../../errors.ts'
import { startModernCall, stepModernCall } from '../../protocol/bridge/modern-call.ts'
import { salientText } from '../../protocol/bridge/questions.ts'
import { startRelay, stepRelay } from '../../protocol/bridge/relay.ts'
import type { ModernRequestRoute } from '../../protocol/classify.ts'
import { CLIENT_REQUESTS } from '../../protocol/eras.ts'
import { checkParamHeaders, paramHeaders } from '../../protocol/headers.ts'
import { idTextOf, type MessageText } from '../../protocol/jsonrpc.ts'
import { type Asker, askerFor } from '../../session/asker.ts'
import { ListenCall } from '../../session/listen-call.ts'
import { StatelessCall, type StatelessRequest } from '../../session/stateless-call.ts'
import type { StatelessReply } from '../../session/stateless-response.ts'
import type { StatelessLease } from '../../upstream/lane-pool.ts'
import type { StatelessUse } from '../../upstream/lane-roles.ts'
import type { Server } from '../../upstream/server.ts'
import { allowsTool } from '../../upstream/server-tools.ts'
import type { RequestContext } from '../context.ts'
import { replyJsonText } from '../reply.ts'
import { forwardedHeaders, type McpParts } from './mcp.ts'

/** Answers one classified request. Rejects with a GatewayError. */
export async function answerModern(
  parts: McpParts,
  server: Server,
  request: Request,
  context: RequestContext,
  route: ModernRequestRoute,
  message: MessageText,
  acceptsStream: boolean,
): Promise<Response> {
  const stateless = readRequest(parts, server, request, context, route, message, acceptsStream)
  if (route.method === 'tools/call') requireTool(server, route)
  const resumed = await resumedCall(parts, server, route, stateless)
  if (resumed) {
    context.log.pair = 'modern-legacy'
    resumed.resume(stateless)
    return responseOf(await resumed.reply)
  }
  const headers = await paramHeadersOf(server, request, route)
  const asker = askerFor(route.envelope, context.principal.id, server.identity)
  const lease = await server.leaseStateless(context.principal.id, asker, useOf(route.method))
  context.log.pair = `modern-${lease.lane.era}`
  return responseOf(await begin(parts, server, lease, asker, route, stateless, headers))
}

function useOf(method: string): StatelessUse {
  if (method === 'subscriptions/listen') return 'listen'
  return CLIENT_REQUESTS.modern.get(method)?.mayAsk === true ? 'ask' : 'plain'
}

async function begin(
  parts: McpParts,
  server: Server,
  lease: StatelessLease,
  asker: Asker | null,
  route: ModernRequestRoute,
  stateless: StatelessRequest,
  headers: Readonly<Record<string, string>>,
): Promise<StatelessReply> {
  try {
    const facts = lease.lane.handshake?.facts
    if (!facts) throw new GatewayError('SERVER_UNAVAILABLE', `${server.name} was lost`, 1)
    if (lease.lane.era === 'modern') {
      const { method, idText, paramsText } = stateless
      const relay = startRelay({
        method,
        idText,
        paramsText,
        params: route.params,
        version: route.envelope.version,
        paramHeaders: headers,
      })
      return await new StatelessCall(parts, server, lease, stateless, stepRelay, relay).reply
    }
    if (route.method === 'subscriptions/listen') {
      const { principalId } = stateless.binding
      const again = () => parts.servers.get(server.name)?.leaseStateless(principalId, asker, 'listen')
      return await new ListenCall(parts.calls, again, lease.lane, facts, stateless, route.params).reply
    }
    return await new StatelessCall(
      parts,
      server,
      lease,
      stateless,
      stepModernCall,
      startModernCall(stateless, facts),
    ).reply
  } catch (thrown) {
    lease.giveBack()
    throw thrown
  }
}

function readRequest(
  parts: McpParts,
  server: Server,
  request: Request,
  context: RequestContext,
  route: ModernRequestRoute,
  message: MessageText,
  acceptsStream: boolean,
): StatelessRequest {
  const salient = salientText(route.method, route.params)
  if (salient === null) throw new GatewayError('INVALID_PARAMS', 'the parameters nest too deep')
  return {
    method: route.method,
    idText: idTextOf(message),
    paramsText: message.text.slice(message.paramsStart, message.paramsEnd),
    envelope: route.envelope,
    binding: { principalId: context.principal.id, serverName: server.name, salient },
    acceptsStream,
    signal: request.signal,
    forwardedHeaders: forwardedHeaders(parts, server, request),
  }
}

/**
 * The parked call that a retry belongs to, or null for a request that begins one. A state is the gateway's own
 * only where the server is of the other era; a modern server's state is its own business.
 */
async function resumedCall(
  parts: McpParts,
  server: Server,
  route: ModernRequestRoute,
  stateless: StatelessRequest,
): Promise<StatelessCall | null> {
  const state = route.params['requestState']
  if (state === undefined) return null
  const { lane, giveBack } = await server.leaseStateless(stateless.binding.principalId, null, 'plain')
  giveBack()
  if (lane.era === 'modern') return null
  const call = typeof state === 'string' ? parts.calls.unpark(state, stateless.binding) : null
  if (!call)
    throw new GatewayError(
      'INVALID_PARAMS',
      'requestState is unknown, expired, used already or was given for another request; call again without it',
    )
  return call
}

/**
 * The headers that a call's arguments travel as, by the marks of its tool. Those that the client sent are held to
 * the body, whatever the server speaks: here is where they end, and nobody behind the gateway could check them.
 */
async function paramHeadersOf(
  server: Server,
  request: Request,
  route: ModernRequestRoute,
): Promise<Record<string, string>> {
  const { name, arguments: args } = route.params
  if (route.method !== 'tools/call' || typeof name !== 'string') return {}
  const read = (header: string) => request.headers.get(header)
  let tool = await server.tools.find(name)
  let problem = tool && checkParamHeaders(read, tool.marks, args)
  if (problem !== null) {
    // The tool may have changed since its list was read.
    tool = await server.tools.reread(name)
    problem = tool && checkParamHeaders(read, tool.marks, args)
  }
  if (problem !== null) throw new GatewayError('HEADER_MISMATCH', problem)
  return tool ? paramHeaders(tool.marks, args) : {}
}

function requireTool(server: Server, route: ModernRequestRoute): void {
  const name = route.params['name']
  if (typeof name === 'string' && !allowsTool(server.definition.toolFilter, name))
    throw new GatewayError('INVALID_PARAMS', 'there is no such tool')
}

function responseOf(reply: StatelessReply): Response {
  return reply.kind === 'stream' ? reply.stream.response : replyJsonText(reply.status, reply.text)
}
