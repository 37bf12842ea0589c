/**
 * Requests of revision 2026-07-28: each stands alone, and is relayed or bridged by what the server speaks.
 *
 * Statuses: 200, also for most errors, those of the gateway among them; 202 for a notification; 400 for what its
 * envelope or headers get wrong, and for a missing capability; 404 for a method that does not exist.
 */
import { refusedItem } from '../../access/items.ts'
import { type Grants, type ItemKind, reachOf } from '../../access/reach.ts'
import { GatewayError, revokedError } from '../../errors.ts'
import { startModernCall, stepModernCall } from '../../protocol/bridge/modern-call.ts'
import { decisiveParams, salientText } from '../../protocol/bridge/questions.ts'
import { startRelay, stepRelay } from '../../protocol/bridge/relay.ts'
import type { ModernRequestRoute } from '../../protocol/classify.ts'
import { checkParamHeaders, mirroredHeaders, paramHeaders } from '../../protocol/headers.ts'
import { idTextOf, type MessageText, paramSpan, repeatsParam, withParam } from '../../protocol/jsonrpc.ts'
import { endingOfError } from '../../telemetry/call-ending.ts'
import type { RequestTrace } from '../../telemetry/traces/trace.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import type { Server } from '../../upstream/server/server.ts'
import type { Servers } from '../../upstream/server/servers.ts'
import { modernLoginAnswer, withoutLoginAnswer } from '../login-question.ts'
import { isVendorNotification, passVendorNotification } from '../vendor-notification.ts'
import { ModernCallDriver, type ModernRequest } from './call-driver.ts'
import { type StatelessClient, statelessClientFor } from './client.ts'
import { RelayedCall } from './relayed-call.ts'
import { bindState, type StateBinding } from './request-state.ts'
import type { ModernRequests } from './requests.ts'
import type { ModernReply, Respond } from './response.ts'
import { Subscription } from './subscription.ts'

/** What answering takes of the rest of the gateway. */
export interface ModernParts {
  readonly servers: Pick<Servers, 'of'>
  readonly requests: ModernRequests<ModernCallDriver>
  readonly access: ModernAccess
}

export interface ModernAccess {
  /** Counts up when somebody who was let in may have to be let in no more. */
  readonly version: number
  /** Whether a request of this principal to this server could still be let in; `byGroup`, also by a group. */
  admits(principalId: string, grants: Grants | null, server: string, byGroup: boolean): boolean
  /** The client's headers among those that a definition lists; undefined when it lists none. */
  headersForUpstream(
    request: Request,
    listed: readonly string[],
  ): Readonly<Record<string, string>> | undefined
}

/** One classified request and everything that answering it takes. */
export interface InboundRequest {
  readonly parts: ModernParts
  readonly server: Server
  readonly request: Request
  readonly principalId: string
  /** What its client is counted under. */
  readonly clientKey: string
  /** What its client was granted; null for everything. */
  readonly grants: Grants | null
  /** Is told which eras the request joins; knows its trace, where there is one. */
  readonly log: { pair?: string | undefined; readonly trace?: RequestTrace | undefined }
  readonly route: ModernRequestRoute
  readonly message: MessageText
  readonly acceptsStream: boolean
  /** False where the client called the tool by another one, and could not know which arguments travel as headers. */
  readonly mirrorsArguments?: boolean
  /** Takes the answer where it is for no HTTP response alone; null for all others. */
  readonly respond: Respond | null
}

/** Something inside these is the gateway's to change even between modern ends (protocol/bridge/relay.ts). */
const ownResult: ReadonlySet<string> = new Set(['server/discover', 'subscriptions/listen'])
const noHeaders: Readonly<Record<string, string>> = {}

/** Answers it, or where the server is of the same era, sends it: the call's reply is the answer. Throws, and rejects with, a GatewayError. */
export function answerModern(inbound: InboundRequest): Promise<ModernReply> | RelayedCall {
  const modern = withoutLoginAnswer(inbound)
  const answer = answerAdmitted(modern)
  return answer instanceof RelayedCall
    ? answer
    : answer.catch((thrown: unknown) => loginReply(modern, thrown))
}

/** The answer that asks its client for a login where that is what it has failed for. */
function loginReply({ route, message }: InboundRequest, thrown: unknown): ModernReply {
  const error = thrown instanceof GatewayError ? thrown : null
  const text = error && modernLoginAnswer(error, route, idTextOf(message))
  if (error === null || text === null) throw thrown
  const ending = endingOfError(error)
  return { kind: 'text', status: 200, text, call: { ending, whenEnded: (listener) => listener(ending) } }
}

function answerAdmitted(modern: InboundRequest): Promise<ModernReply> | RelayedCall {
  const refused = refusedItem(
    reachOf(modern.grants, modern.server.definition),
    modern.message,
    modern.server.tools,
  )
  if (refused instanceof Promise) {
    const { version } = modern.parts.access
    return refused.then((late) => answerUnless(late, modern, version))
  }
  requireItem(refused)
  return answerAllowed(modern)
}

async function answerUnless(
  refused: ItemKind | null,
  modern: InboundRequest,
  version: number,
): Promise<ModernReply> {
  if (modern.parts.access.version !== version) await requireAdmitted(modern)
  requireItem(refused)
  const answer = answerAllowed(modern)
  return await (answer instanceof RelayedCall ? answer.reply : answer)
}

function answerAllowed(modern: InboundRequest): Promise<ModernReply> | RelayedCall {
  const { server, route } = modern
  // The usual way to a modern server waits for nothing but the answer.
  const lane = ownResult.has(route.method) ? null : server.modernLane()
  const headers = lane && knownParamHeaders(modern)
  return lane && headers ? relay(modern, lane, headers) : answerOnLane(modern)
}

async function answerOnLane(modern: InboundRequest): Promise<ModernReply> {
  const { parts, server, request, principalId, log, route } = modern
  const { version } = parts.access
  const headers =
    server.definition.transport === 'stdio'
      ? undefined
      : parts.access.headersForUpstream(request, server.definition.forwardHeaders)
  const client = statelessClientFor(route.envelope, modern, server.identity, headers)
  const resumed = await resumedCall(modern, client)
  if (resumed) {
    log.pair = 'modern-legacy'
    resumed.resume(statelessRequest(modern))
    return resumed.reply
  }
  const paramHeaders = await paramHeadersOf(modern)
  const lane = await server.leaseStateless(principalId, client)
  if (parts.access.version !== version) await requireAdmitted(modern)
  if (lane.era === 'modern' && !ownResult.has(route.method)) return relay(modern, lane, paramHeaders).reply
  log.pair = `modern-${lane.era}`
  return begin(modern, lane, client, paramHeaders)
}

/** Takes a notification. What the revision defines means nothing here: cancelling is closing the response. */
export async function tellModern(server: Server, principalId: string, message: MessageText): Promise<void> {
  if (isVendorNotification(message.method)) {
    passVendorNotification(await server.leaseStateless(principalId, null), message.method, message)
  }
}

/** From a modern client to a modern server: the text as it came. */
function relay(
  modern: InboundRequest,
  lane: Lane,
  paramHeaders: Readonly<Record<string, string>>,
): RelayedCall {
  const { parts, server, request, principalId, clientKey, grants } = modern
  const { log, route, acceptsStream, respond } = modern
  const message = asServerKnowsIt(modern.message, parts.requests.statePrefix)
  const connection = lane.ready
  if (!connection) throw new GatewayError('SERVER_UNAVAILABLE', `${server.name} was lost`, 1)
  if (repeatsParam(message, decisiveParams))
    throw new GatewayError('PARAMS_REFUSED', 'A member of params is there twice.')
  log.pair = 'modern-modern'
  lane.touch()
  return new RelayedCall(parts.requests, server, connection, {
    message,
    route,
    principalId,
    clientKey,
    grants,
    acceptsStream,
    respond,
    logs: route.envelope.logLevel !== null,
    client: request,
    trace: log.trace,
    headers: connection.cancelsByClosing ? httpHeaders(modern, paramHeaders) : undefined,
  })
}

/**
 * The request with the state as its server has written it: that of a process comes with a word in front which says
 * whose process that is (RelayedCall).
 */
function asServerKnowsIt(message: MessageText, statePrefix: string): MessageText {
  const span = statePrefix === '' ? null : paramSpan(message, 'requestState')
  if (span === null || !message.text.startsWith(statePrefix, span.start + 1)) return message
  return withParam(message, span, `"${message.text.slice(span.start + 1 + statePrefix.length, span.end)}`)
}

/** The headers of a relayed call to a server over HTTP; most have none but those that mirror the body. */
function httpHeaders(
  { parts, server, request, route }: InboundRequest,
  paramHeaders: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const { method, params, envelope } = route
  const mirrored = mirroredHeaders({ method, params, version: envelope.version })
  const forwarded = parts.access.headersForUpstream(request, server.definition.forwardHeaders) ?? noHeaders
  const stray = strayParamHeaders(request, route)
  if (forwarded === noHeaders && stray === noHeaders && paramHeaders === noHeaders) return mirrored
  return { ...forwarded, ...stray, ...paramHeaders, ...mirrored }
}

function begin(
  modern: InboundRequest,
  lane: Lane,
  client: StatelessClient | null,
  headers: Readonly<Record<string, string>>,
): Promise<ModernReply> {
  const { parts, server, route } = modern
  const stateless = statelessRequest(modern)
  const facts = lane.handshake?.facts
  if (!facts) throw new GatewayError('SERVER_UNAVAILABLE', `${server.name} was lost`, 1)
  if (lane.era === 'modern') {
    const { method, idText, paramsText } = stateless
    const relay = startRelay({
      method,
      idText,
      paramsText,
      params: route.params,
      version: route.envelope.version,
      paramHeaders: headers,
    })
    return new ModernCallDriver(parts, server, lane, stateless, stepRelay, relay).reply
  }
  if (route.method === 'subscriptions/listen') {
    const { principalId } = stateless.binding
    const again = () => parts.servers.of(server.name, server.owner)?.leaseStateless(principalId, client)
    return new Subscription(parts.requests, again, lane, facts, stateless, route.params).reply
  }
  const call = startModernCall(stateless, facts)
  return new ModernCallDriver(parts, server, lane, stateless, stepModernCall, call).reply
}

function statelessRequest(modern: InboundRequest): ModernRequest {
  const { parts, server, request, clientKey, grants, log, route, message, acceptsStream, respond } = modern
  return {
    trace: log.trace,
    route,
    method: route.method,
    idText: idTextOf(message),
    paramsText: message.text.slice(message.paramsStart, message.paramsEnd),
    envelope: route.envelope,
    binding: bindingOf(modern),
    owner: server.owner,
    clientKey,
    grants,
    acceptsStream,
    respond,
    client: request,
    forwardedHeaders: parts.access.headersForUpstream(request, server.definition.forwardHeaders),
  }
}

/** What a parked call is bound to. */
function bindingOf({ server, principalId, route }: InboundRequest): StateBinding {
  return bindState(principalId, server.name, () => salientText(route.method, route.params))
}

/**
 * The parked call that a retry belongs to, or null for a request that begins one. A state is the gateway's own
 * only where the server is of the other era; a modern server's state is its own business.
 */
async function resumedCall(
  modern: InboundRequest,
  client: StatelessClient | null,
): Promise<ModernCallDriver | null> {
  const { parts, server, principalId, route } = modern
  const state = route.params['requestState']
  if (state === undefined) return null
  const call = typeof state === 'string' ? parts.requests.unpark(state, bindingOf(modern)) : null
  if (call) return call
  const lane = await server.leaseStateless(principalId, client)
  if (lane.era === 'modern') return null
  throw new GatewayError(
    'PARAMS_REFUSED',
    'The requestState is unknown, expired, used already or was given for another request; call again without it.',
  )
}

/**
 * The headers that a call's arguments travel as, by the marks of its tool. Those that the client sent are held to
 * the body, whatever the server speaks: here is where they end, and nobody behind the gateway could check them.
 */
async function paramHeadersOf(modern: InboundRequest): Promise<Readonly<Record<string, string>>> {
  const { server, route } = modern
  const known = knownParamHeaders(modern)
  if (known) return known
  const { name, arguments: args } = route.params
  // Not known yet, or changed since its list was read.
  const tool = await server.tools.reread(String(name))
  const problem = tool && paramProblem(modern, tool.marks)
  if (problem !== null) throw new GatewayError('HEADER_MISMATCH', problem)
  return tool ? paramHeaders(tool.marks, args) : noHeaders
}

/** The same from what is known already; null when the tool must be looked up first. */
function knownParamHeaders(modern: InboundRequest): Readonly<Record<string, string>> | null {
  const { server, route } = modern
  const { name, arguments: args } = route.params
  if (route.method !== 'tools/call' || typeof name !== 'string') return noHeaders
  const tool = server.tools.known(name)
  if (tool === undefined) return null
  if (tool === null || tool.marks.length === 0) return noHeaders
  const problem = paramProblem(modern, tool.marks)
  return problem === null ? paramHeaders(tool.marks, args) : null
}

/** What is wrong with the headers that mirror arguments, or null. */
function paramProblem(
  { request, route, mirrorsArguments = true }: InboundRequest,
  marks: Parameters<typeof checkParamHeaders>[1],
): string | null {
  return mirrorsArguments ? checkParamHeaders(request.headers, marks, route.params['arguments']) : null
}

/**
 * `Mcp-Param-*` headers that no known mark accounts for go on as they came: the server may know them, and checks
 * them (streamable-http, Server Behavior for Custom Headers). Those that marks account for are set anew.
 */
function strayParamHeaders(request: Request, route: ModernRequestRoute): Readonly<Record<string, string>> {
  if (route.method !== 'tools/call') return noHeaders
  let found: Record<string, string> | null = null
  for (const name of request.headers.keys()) {
    if (!name.startsWith('mcp-param-')) continue
    found ??= {}
    found[name] = request.headers.get(name) ?? ''
  }
  return found ?? noHeaders
}

/** Rejects for whoever has waited while rules became others, and is let in no more, or may not use this any more. */
async function requireAdmitted(modern: InboundRequest): Promise<void> {
  const { parts, server, principalId, grants, message } = modern
  if (!parts.access.admits(principalId, grants, server.name, true)) throw revokedError()
  requireItem(await refusedItem(reachOf(grants, server.definition), message, server.tools))
}

/** Throws PARAMS_REFUSED for what the client may not use: in this era a server answers so that has no such thing. */
function requireItem(refused: ItemKind | null): void {
  if (refused !== null) throw new GatewayError('PARAMS_REFUSED', `There is no such ${refused}.`)
}
