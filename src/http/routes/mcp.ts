/** What the routes of both MCP faces share: their parts, reading a message, and the shape of a failure. */
import { GatewayError, reasonOf, shownError } from '../../errors.ts'
import { isObject } from '../../protocol/json.ts'
import { idTextOf, type MessageText, memberSpan, onOneLine, scanMessage } from '../../protocol/jsonrpc.ts'
import type { ByteLedger } from '../../runtime/byte-ledger.ts'
import { keepLane } from '../../session/legacy/lane-lease.ts'
import type { Endpoint, Session } from '../../session/legacy/session.ts'
import type { Sessions } from '../../session/legacy/sessions.ts'
import type { ModernCallDriver } from '../../session/modern/call-driver.ts'
import type { ModernRequests } from '../../session/modern/requests.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Server } from '../../upstream/server/server.ts'
import type { Servers } from '../../upstream/server/servers.ts'
import { readBodyText } from '../body.ts'
import { clientKeyOf, type RequestContext } from '../context.ts'
import type { Access } from '../hooks/access.ts'
import { replyRpcError, replyRpcFailure, unreadId } from '../reply.ts'

export interface McpParts {
  readonly servers: Servers
  readonly requests: ModernRequests<ModernCallDriver>
  readonly clientInputMs: number
  readonly sessions: Sessions
  readonly log: Log
  readonly bodyBytesMax: number
  /** What is held for clients. */
  readonly ledger: ByteLedger
  readonly access: Pick<Access, 'headersForUpstream'>
}

/** A body as read: its text on one line, its parsed form for decisions, and its spans when it is one message. */
export interface Inbound {
  readonly text: string
  readonly body: unknown
  readonly message: MessageText | null
  /** True from when on whatever fails is the answer to the request, and no refusal of it. */
  accepted: boolean
}

/** The server of that name. Throws SERVER_UNKNOWN. */
export function serverOf(parts: McpParts, name: string, context: RequestContext): Server {
  const server = parts.servers.require(name)
  context.log.mcp = name
  return server
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
  if (error !== thrown)
    parts.log.error(
      { mcp: context.log.mcp, requestId: context.requestId, reason: reasonOf(thrown) },
      'request failed',
    )
  const idText = inbound && requestIdText(inbound)
  if (idText === null) return replyRpcError(error, unreadId(context.request))
  return inbound?.accepted === true ? replyRpcFailure(error, idText) : replyRpcError(error, idText)
}

/** Opens a session whose lane is found again when it is lost. Throws SESSIONS_EXHAUSTED. */
export function openSession(
  { sessions, servers }: McpParts,
  context: RequestContext,
  serverName: string,
  endpoint: Endpoint,
): Session {
  const principalId = context.principal.id
  return sessions.open(
    { principalId, clientKey: clientKeyOf(context), serverName, endpoint },
    (lost) => void keepLane(servers, lost),
  )
}

/** Puts a session into the access log, and which eras it joins. */
export function noteSession(context: RequestContext, session: Session): void {
  context.log.sessionId = session.shortHash
  if (session.state !== 'opening') context.log.pair = session.bridge ? 'legacy-modern' : 'legacy-legacy'
}

/** Puts into the access log what is known of a message. */
export function noteMessage(context: RequestContext, session: Session | null, inbound: Inbound): void {
  if (session) noteSession(context, session)
  const { message, body } = inbound
  if (message?.method == null) return
  context.log.rpcMethod = message.method.slice(0, 128)
  if (message.method !== 'tools/call' || !isObject(body) || !isObject(body['params'])) return
  const name = body['params']['name']
  if (typeof name === 'string') context.log.tool = name.slice(0, 128)
}
