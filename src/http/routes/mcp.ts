/** What the routes of both MCP faces share: their parts, reading a message, and the shape of a failure. */

import { itemIn } from '../../access/items.ts'
import { type CredentialOwner, ownerOf } from '../../access/owner/credential-owner.ts'
import type { Principal } from '../../access/principal.ts'
import { GatewayError, reasonOf, shownError } from '../../errors.ts'
import type { Directory } from '../../group/directory.ts'
import type { GroupFace } from '../../group/face.ts'
import type { GroupWays } from '../../group/legacy/session-members.ts'
import { isObject } from '../../protocol/json.ts'
import { idTextOf, type MessageText, memberSpan, onOneLine, scanMessage } from '../../protocol/jsonrpc.ts'
import { parsed } from '../../protocol/spans.ts'
import { incomingContext } from '../../protocol/traces/trace-context.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { ByteLedger } from '../../runtime/byte-ledger.ts'
import type { AnsweringServer, Exchange } from '../../session/legacy/exchange.ts'
import { initializeSession } from '../../session/legacy/initialize.ts'
import { keepLane } from '../../session/legacy/lane-lease.ts'
import { sendRequest, tell } from '../../session/legacy/send.ts'
import type { Endpoint, Session } from '../../session/legacy/session.ts'
import type { Sessions } from '../../session/legacy/sessions.ts'
import type { ModernCallDriver } from '../../session/modern/call-driver.ts'
import type { ModernRequests } from '../../session/modern/requests.ts'
import { endingOfError, type LiveCall } from '../../telemetry/call-ending.ts'
import { clientOf, shownText } from '../../telemetry/callers.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Server } from '../../upstream/server/server.ts'
import type { Servers } from '../../upstream/server/servers.ts'
import { readBodyText } from '../body.ts'
import { clientKeyOf, type RequestContext, requireAdmitted } from '../context.ts'
import type { Access } from '../hooks/access.ts'
import { type AccessRecorder, recordEnding } from '../hooks/access-log.ts'
import { replyRpcError, replyRpcFailure, unreadId } from '../reply.ts'
import type { Elsewhere } from './elsewhere.ts'

export interface McpParts {
  readonly servers: Servers
  readonly groups: Pick<Directory, 'group'>
  readonly requests: ModernRequests<ModernCallDriver>
  readonly clientInputMs: number
  readonly sessions: Sessions
  readonly log: Log
  /** Where it is noted how calls end. */
  readonly recorder: AccessRecorder
  readonly bodyBytesMax: number
  /** What is held for clients. */
  readonly ledger: ByteLedger
  readonly access: Pick<Access, 'headersForUpstream' | 'admits' | 'version'>
  /** Absent where this process is all there is; set once when a cluster is opened, before anybody asks. */
  elsewhere?: Elsewhere
}

/** The same, with the settings that are read at each request. */
export function mcpParts(
  bounds: Pick<McpParts, 'bodyBytesMax' | 'clientInputMs'>,
  parts: Omit<McpParts, 'bodyBytesMax' | 'clientInputMs'>,
): McpParts {
  return {
    ...parts,
    get bodyBytesMax() {
      return bounds.bodyBytesMax
    },
    get clientInputMs() {
      return bounds.clientInputMs
    },
  }
}

/** A body as read: its text on one line, its parsed form for decisions, and its spans when it is one message. */
export interface Inbound {
  readonly text: string
  readonly body: unknown
  readonly message: MessageText | null
  /** True from when on whatever fails is the answer to the request, and no refusal of it. */
  accepted: boolean
}

/** What an MCP endpoint leads to. */
export type McpTarget = Server | GroupFace

/** The server or the group of that name, an empty one for what is at `/mcp`. Throws SERVER_UNKNOWN. */
export function targetOf(
  { servers, groups }: McpParts,
  name: string,
  context: RequestContext,
): McpTarget | Promise<GroupFace> {
  const server = servers.get(name)
  if (server) {
    context.log.mcp = name
    return server.perOwner ? server.as(ownerOf(context.principal)) : server
  }
  const entry = groups.group(name)
  if (entry === undefined) {
    if (name !== '') return servers.require(name)
    throw new GatewayError('SERVER_UNKNOWN', 'No group is served here (default_group).')
  }
  context.log.mcp = context.log.group = entry.definition.name
  return entry.ready()
}

export function isGroup(target: McpTarget): target is GroupFace {
  return 'isGroup' in target
}

export function definitionOf(target: McpTarget): ServerDefinition {
  return isGroup(target) ? target.group.definition : target.definition
}

/** What the sessions of a target are filed under. */
export function sessionKeyOf(target: McpTarget): string {
  return isGroup(target) ? target.key : target.name
}

/** Whose credentials a session of this principal uses at a target; null where it uses nobody's. */
export function ownerAt(target: McpTarget, principal: Principal): CredentialOwner | null {
  return isGroup(target) ? ownerOf(principal) : target.owner
}

/** What a group needs of the request that brings it a message. */
export function waysOf({ access }: McpParts, request: Request, context: RequestContext): GroupWays {
  const { principal, client, log } = context
  return {
    principal,
    address: client,
    log,
    headersFor: (listed) => access.headersForUpstream(request, listed),
  }
}

/** Sends one request of a session's to where it goes; what becomes of it reaches its exchange. */
export function sendTo(
  parts: McpParts,
  target: McpTarget,
  session: Session,
  exchange: Exchange,
  request: Request,
  context: RequestContext,
): void {
  if (context.log.trace !== undefined) exchange.trace = context.log.trace.call()
  if (isGroup(target)) target.request(session, exchange, waysOf(parts, request, context))
  else {
    exchange.headers = parts.access.headersForUpstream(request, target.definition.forwardHeaders)
    sendRequest(parts, session, exchange)
  }
}

/** Answers the `initialize` of a session. Rejects with a GatewayError; the caller ends the session. */
export function beginSessionAt(
  parts: McpParts,
  target: McpTarget,
  session: Session,
  message: MessageText,
  request: Request,
  context: RequestContext,
  { body }: Inbound,
): string | Promise<string> {
  if (isGroup(target)) return target.initialize(session, message, body, waysOf(parts, request, context))
  session.headers = parts.access.headersForUpstream(request, target.definition.forwardHeaders)
  return initializeSession(parts, session, message, body)
}

/** What answers for a target in the books of an exchange. */
export function answererOf(target: McpTarget): AnsweringServer {
  return isGroup(target) ? target.group : target
}

/** Passes on a notification of a session's client, or its answer to a question. */
export function tellTo(target: McpTarget, session: Session, message: MessageText): void {
  if (isGroup(target)) target.tell(session, message)
  else tell(session, message)
}

/** The body of a POST, read once. Rejects with a GatewayError (413, 415, 400 when it breaks off). */
export function readBody(request: Request, bodyBytesMax: number): Promise<string> {
  const type = request.headers.get('content-type')
  // No type is let through for clients that send none; another one is a browser form or a mistake.
  if (type !== null && type !== 'application/json' && !/^application\/(json|.+\+json)\b/i.test(type))
    throw new GatewayError(
      'UNSUPPORTED_MEDIA_TYPE',
      'The body must be JSON; send Content-Type: application/json.',
    )
  return readBodyText(request, bodyBytesMax)
}

/** Parses the body of this request. Throws PARSE_ERROR, or UNSUPPORTED_MEDIA_TYPE when it is compressed. */
export function readMessage(request: Request, bodyText: string): Inbound {
  const text = onOneLine(bodyText)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    // Asked only now: no compressed body is JSON, and the many that are need not pay for the question.
    const encoding = request.headers.get('content-encoding')
    if (encoding !== null && encoding !== 'identity')
      throw new GatewayError(
        'UNSUPPORTED_MEDIA_TYPE',
        'The body must not be compressed; send the body without Content-Encoding.',
      )
    const what = text.trim() === '' ? 'is empty; send one JSON-RPC message.' : 'is not valid JSON.'
    throw new GatewayError('PARSE_ERROR', `The body ${what}`)
  }
  return { text, body, message: scanMessage(text), accepted: false }
}

/** The raw id that a failure is answered with; null when the body has none that could be read. */
export function requestIdText({ text, body, message }: Inbound): string | null {
  if (message !== null) return message.kind === 'request' ? idTextOf(message) : null
  const id = isObject(body) ? body['id'] : undefined
  const span = typeof id === 'string' || typeof id === 'number' ? memberSpan(text, 0, 'id') : null
  return span && text.slice(span.start, span.end)
}

/** The message, or INVALID_REQUEST when the body is none that a relay can pass on unchanged. */
export function oneMessage(inbound: Inbound): MessageText {
  if (inbound.message) return inbound.message
  throw new GatewayError(
    'INVALID_REQUEST',
    'The body is no JSON-RPC message, or names one of its members twice.',
  )
}

/**
 * Any failure as the JSON-RPC answer that it calls for; `inbound` is null while the body is not read. What is not a
 * GatewayError is logged and says nothing outside.
 */
export function mcpFailure(
  thrown: unknown,
  parts: McpParts,
  context: RequestContext,
  inbound: Inbound | null,
): Response {
  const error = shownError(thrown, context.requestId)
  context.log.code = error.code
  context.log.ending = endingOfError(error)
  if (error !== thrown)
    parts.log.error(
      { mcp: context.log.mcp, requestId: context.requestId, reason: reasonOf(thrown) },
      'request failed',
    )
  const idText = inbound && requestIdText(inbound)
  if (idText === null) return replyRpcError(error, unreadId(context.request))
  return inbound?.accepted === true ? replyRpcFailure(error, idText) : replyRpcError(error, idText)
}

/** Opens a session whose lane is found again when it is lost. Throws SESSIONS_EXHAUSTED, or rejects with it. */
export function openSession(
  { sessions, servers }: McpParts,
  context: RequestContext,
  target: McpTarget,
  endpoint: Endpoint,
): Session | Promise<Session> {
  const { id: principalId, grants } = context.principal
  const [serverName, owner] = [sessionKeyOf(target), ownerAt(target, context.principal)]
  const clientKey = clientKeyOf(context)
  const open = (): Session => {
    const session = sessions.open(
      { principalId, clientKey, serverName, owner, endpoint },
      (lost) => void keepLane(servers, lost),
    )
    session.grants = grants
    return session
  }
  if (sessions.room === null) return open()
  return sessions.room(clientKey).then((leave) => {
    try {
      requireAdmitted(context)
      return open()
    } finally {
      leave()
    }
  })
}

/** Puts how a call ended into the line of its request; one that goes on has a line of its own at its end. */
export function noteEnding(parts: McpParts, context: RequestContext, call: LiveCall): void {
  const { ending } = call
  if (ending === null) {
    context.log.pending = true
    call.whenEnded((later) => recordEnding(parts.recorder, context, later))
    return
  }
  context.log.ending = ending
  if (ending.outcome === 'input_required')
    call.whenAbandoned?.((later) => recordEnding(parts.recorder, context, later))
}

/** The context of one of several messages that came with one request; its call has a line of its own. */
export function contextOfOne(
  parts: McpParts,
  request: Request,
  context: RequestContext,
  call: LiveCall,
  message: MessageText,
) {
  context.log.pending = true
  const method = message.method ?? ''
  const item = itemIn(message)
  const tool = item?.kind === 'tool' ? shownText(item.name, nameCharsMax) : null
  const named = tool === null ? (item === null ? {} : { item }) : { tool }
  const rpcMethod = shownText(method, nameCharsMax)
  const own: RequestContext = { ...context, log: { ...context.log, ...named, rpcMethod } }
  if (parts.recorder.traces?.tracer) traceRequest(parts, request, own, message, parsed(message.text))
  call.whenEnded((ending) => recordEnding(parts.recorder, own, ending))
  return own
}

/** Begins the span of a request, where somebody has asked for traces. */
export function traceRequest(
  { recorder }: McpParts,
  request: Request,
  { log, startedAtMs }: RequestContext,
  message: MessageText | null,
  body: unknown,
): void {
  const tracer = recorder.traces?.tracer ?? null
  if (tracer === null || message?.kind !== 'request') return
  const params = isObject(body) ? body['params'] : null
  const trace = tracer.begin(incomingContext(request.headers, params))
  log.trace = trace
  if (!trace.recorded) return
  const version = request.headers.get('mcp-protocol-version')
  trace.learn({
    startedAtMs,
    idText: idTextOf(message).slice(0, nameCharsMax),
    prompt: log.item?.kind === 'prompt' ? shownText(log.item.name, nameCharsMax) : null,
    protocolVersion: version === null ? null : shownText(version, nameCharsMax),
  })
}

/** Puts a session into the access log, and which eras it joins. */
export function noteSession(context: RequestContext, session: Session): void {
  context.log.sessionId = session.shortHash
  if (session.clientName !== undefined) context.log.client = session.clientName
  // Of a group it depends on the member.
  if (session.state !== 'opening' && context.log.group === undefined)
    context.log.pair = session.bridge ? 'legacy-modern' : 'legacy-legacy'
}

/** What is shown of the name of a method or a tool. */
const nameCharsMax = 128

/** Puts into the access log what is known of a message. */
export function noteMessage(context: RequestContext, inbound: Inbound): void {
  const { message, body } = inbound
  if (message?.method == null) return
  const { method } = message
  const { log } = context
  const calls = method === 'tools/call'
  log.rpcMethod = calls ? method : shownText(method, nameCharsMax)
  const params = isObject(body) ? body['params'] : null
  if (!isObject(params)) return
  const traceparent = isObject(params['_meta']) ? params['_meta']['traceparent'] : undefined
  if (typeof traceparent === 'string' && traceparent.length <= nameCharsMax) log.traceparent = traceparent
  if (calls) {
    if (typeof params['name'] === 'string') log.tool = shownText(params['name'], nameCharsMax)
  } else if (method === 'initialize') {
    const { name, version } = isObject(params['clientInfo']) ? params['clientInfo'] : {}
    const client = clientOf(name, version)
    if (client !== undefined) log.client = client
  } else {
    const item = itemIn(message)
    if (item !== null) log.item = item
  }
}

/** A debug line for each message that a client sends, without what it says. */
export function logInbound({ log }: McpParts, context: RequestContext, { message, text }: Inbound): void {
  if (log.debugging !== true) return
  const { kind = 'batch', method = null } = message ?? {}
  const id = message === null || kind === 'notification' ? undefined : idTextOf(message)
  const fields = {
    mcp: context.server,
    requestId: context.requestId,
    direction: 'from client',
    kind,
    rpcMethod: method === null ? undefined : shownText(method, nameCharsMax),
    id: id === undefined ? undefined : shownText(id, nameCharsMax),
    bytes: Buffer.byteLength(text),
  }
  log.debug(fields, 'message')
}
