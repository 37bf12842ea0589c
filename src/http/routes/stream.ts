/**
 * `/mcp-proxy/{name}/stream`: Streamable HTTP.
 *
 * One read of the body, one parse for the decisions, then the text itself is relayed. What comes back first
 * decides the form of the response (session/legacy/exchange.ts).
 */
import { GatewayError } from '../../errors.ts'
import { claimsModern, classify, type Rejection } from '../../protocol/classify.ts'
import { idTextOf } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import { heldBytesMin } from '../../runtime/byte-ledger.ts'
import { PostExchange, type PostReply } from '../../session/legacy/exchange.ts'
import type { Session } from '../../session/legacy/session.ts'
import { parseEventId } from '../../session/legacy/streams.ts'
import { answerModern, tellModern } from '../../session/modern/answer.ts'
import { RelayedCall } from '../../session/modern/relayed-call.ts'
import type { ModernReply } from '../../session/modern/response.ts'
import { clientOf } from '../../telemetry/callers.ts'
import { clientKeyOf, type McpHandler, type RequestContext } from '../context.ts'
import {
  replyEmpty,
  replyJsonText,
  replyRpcBytes,
  replyRpcError,
  replyRpcFailure,
  replyRpcText,
  replyToNobody,
} from '../reply.ts'
import { unreadAnswer } from '../unread-answer.ts'
import { answerBatch } from './batch.ts'
import type { Asked } from './elsewhere.ts'
import {
  answererOf,
  beginSessionAt,
  type Inbound,
  isGroup,
  logInbound,
  type McpParts,
  type McpTarget,
  mcpFailure,
  noteEnding,
  noteMessage,
  noteSession,
  oneMessage,
  openSession,
  readBody,
  readMessage,
  sendTo,
  sessionKeyOf,
  targetOf,
  tellTo,
  traceRequest,
} from './mcp.ts'

const sessionHeader = 'mcp-session-id'

export function streamHandler(parts: McpParts): McpHandler {
  return (request, context, serverName) =>
    request.method === 'POST'
      ? post(parts, serverName, request, context)
      : sessionRequest(parts, serverName, request, context)
}

/** GET and DELETE, which only sessions have. */
async function sessionRequest(
  parts: McpParts,
  serverName: string,
  request: Request,
  context: RequestContext,
): Promise<Response> {
  try {
    const target = await targetOf(parts, serverName, context)
    if (claimsModern(request.headers)) return refuseSession()
    if (parts.elsewhere !== undefined) {
      const asking = parts.elsewhere.answer(askedAt(target, request, context, null))
      const answer = asking && (await asking)
      if (answer !== null) return answer
    }
    const session = sessionOf(parts, request, context, sessionKeyOf(target))
    context.log.sessionId = session.shortHash
    if (request.method === 'GET') return standing(session, request)
    parts.sessions.close(session, new GatewayError('SESSION_UNKNOWN', 'The client ended the session.'))
    return replyEmpty(204)
  } catch (thrown) {
    return mcpFailure(thrown, parts, context, null)
  }
}

function refuseSession(): Response {
  const reason = 'This revision has no sessions and no GET stream; use POST.'
  return replyRpcError(new GatewayError('METHOD_NOT_ALLOWED', reason), undefined, { allow: 'POST' })
}

async function post(
  parts: McpParts,
  serverName: string,
  request: Request,
  context: RequestContext,
): Promise<Response> {
  let inbound: Inbound | null = null
  try {
    inbound = readMessage(request, await readBody(request, parts.bodyBytesMax))
    logInbound(parts, context, inbound)
    let target = targetOf(parts, serverName, context)
    if (target instanceof Promise) target = await target
    if (parts.elsewhere !== undefined) {
      const asking = parts.elsewhere.answer(askedAt(target, request, context, inbound))
      const answer = asking && (await asking)
      if (answer !== null) return answer
    }
    const next = route(parts, target, request, context, inbound)
    // Awaited here and not in a function of its own: each costs a small call a turn of the promise queue.
    if (next instanceof PostExchange) return responseOf(await next.reply, next, parts, request, context)
    if (next instanceof RelayedCall) return modernResponseOf(await next.reply, parts, request, context)
    const answer = await next
    return answer instanceof Response ? answer : modernResponseOf(answer, parts, request, context)
  } catch (thrown) {
    return mcpFailure(thrown, parts, context, inbound)
  }
}

function askedAt(
  target: McpTarget,
  request: Request,
  context: RequestContext,
  inbound: Inbound | null,
): Asked {
  return {
    request,
    context,
    target,
    endpoint: 'stream',
    sessionId: request.headers.get(sessionHeader),
    inbound,
  }
}

/** What becomes of a message: its response, or for a request that was sent on, whoever will have its reply. */
function route(
  parts: McpParts,
  target: McpTarget,
  request: Request,
  context: RequestContext,
  inbound: Inbound,
): Response | PostExchange | RelayedCall | Promise<Response | ModernReply> {
  const verdict = classify({
    httpMethod: 'POST',
    headers: request.headers,
    body: inbound.body,
  })
  noteMessage(context, inbound)
  traceRequest(parts, request, context, inbound.message, inbound.body)
  if (verdict.kind === 'rejection') throw rejected(verdict)
  if (verdict.kind === 'modern') {
    const message = oneMessage(inbound)
    const { principal, log } = context
    const principalId = principal.id
    const clientKey = clientKeyOf(context)
    if (verdict.message === 'notification')
      return (
        isGroup(target)
          ? target.tellModern({ principal, address: context.client }, message)
          : tellModern(target, principalId, message)
      ).then(() => replyEmpty(202))
    const acceptsStream = accepts(request, 'text/event-stream')
    if (verdict.method === 'subscriptions/listen' && !acceptsStream)
      throw new GatewayError(
        'NOT_ACCEPTABLE',
        'A subscription is an event stream; send Accept: text/event-stream.',
      )
    inbound.accepted = true
    const { clientInfo } = verdict.envelope
    const client = clientOf(clientInfo?.['name'], clientInfo?.['version'])
    if (client !== undefined) log.client = client
    if (isGroup(target))
      return target.answer({
        principal,
        address: context.client,
        request,
        principalId,
        clientKey,
        log,
        route: verdict,
        message,
        acceptsStream,
      })
    return answerModern({
      parts,
      server: target,
      request,
      principalId,
      clientKey,
      grants: principal.grants,
      log,
      route: verdict,
      message,
      acceptsStream,
      respond: null,
    })
  }
  if (verdict.method === 'initialize') return initialize(parts, target, request, context, inbound)
  const session = sessionOf(parts, request, context, sessionKeyOf(target))
  noteSession(context, session)
  if (verdict.message === 'batch') return answerBatch(parts, target, session, request, context, inbound)
  const message = oneMessage(inbound)
  if (message.kind !== 'request') {
    tellTo(target, session, message)
    return replyEmpty(202)
  }
  const acceptsStream = accepts(request, 'text/event-stream')
  inbound.accepted = true
  const exchange = new PostExchange(session, answererOf(target), message, idTextOf(message), acceptsStream)
  sendTo(parts, target, session, exchange, request, context)
  return exchange
}

function modernResponseOf(
  reply: ModernReply,
  parts: McpParts,
  request: Request,
  context: RequestContext,
): Response {
  noteEnding(parts, context, reply.call)
  if (reply.kind === 'stream') return reply.stream.response
  if (reply.kind === 'bytes') return largeResponse(200, reply.pieces, parts, request, context)
  if (reply.kind === 'gone') return replyToNobody()
  const { status, text } = reply
  if (text.length < heldBytesMin) return replyJsonText(status, text)
  return largeResponse(status, [encoder.encode(text)], parts, request, context)
}

function responseOf(
  reply: PostReply,
  exchange: PostExchange,
  parts: McpParts,
  request: Request,
  context: RequestContext,
): Response {
  noteEnding(parts, context, exchange)
  if (reply.kind === 'stream') return reply.stream.response
  if (reply.kind === 'bytes') return largeResponse(200, reply.pieces, parts, request, context)
  if (reply.kind === 'error') return replyRpcFailure(reply.error, exchange.idText)
  if (reply.text.length < heldBytesMin) return replyRpcText(reply.text)
  return largeResponse(200, [encoder.encode(reply.text)], parts, request, context)
}

const encoder = new TextEncoder()

/** A response that is held for its client until it has read it. Throws BYTES_EXHAUSTED. */
function largeResponse(
  status: number,
  pieces: MessagePieces,
  { ledger }: McpParts,
  { signal }: Request,
  context: RequestContext,
): Response {
  return replyRpcBytes(status, unreadAnswer(pieces, { ledger, clientKey: clientKeyOf(context), signal }))
}

/** Opens the session. A stale session id is ignored: a client that initialises wants a new one. */
async function initialize(
  parts: McpParts,
  target: McpTarget,
  request: Request,
  context: RequestContext,
  inbound: Inbound,
): Promise<Response> {
  const message = oneMessage(inbound)
  if (message.kind !== 'request')
    throw new GatewayError('INVALID_REQUEST', 'The message initialize is a request and needs an id.')
  const session = await openSession(parts, context, target, 'stream')
  noteSession(context, session)
  const giveUp = () =>
    parts.sessions.close(session, new GatewayError('SESSION_UNKNOWN', 'The session could not be opened.'))
  // A client that is gone by now will never learn the session's id.
  request.signal.addEventListener('abort', giveUp, { once: true })
  if (request.signal.aborted) giveUp()
  try {
    const text = await beginSessionAt(parts, target, session, message, request, context, inbound)
    noteSession(context, session)
    if (parts.elsewhere !== undefined) await parts.elsewhere.opened(session)
    return replyRpcText(text, { [sessionHeader]: session.id })
  } catch (thrown) {
    giveUp()
    throw thrown
  } finally {
    request.signal.removeEventListener('abort', giveUp)
  }
}

/** GET: the standing stream, or with `Last-Event-ID` the stream that was cut. */
function standing(session: Session, request: Request): Response {
  if (!accepts(request, 'text/event-stream'))
    throw new GatewayError('NOT_ACCEPTABLE', 'GET opens an event stream; send Accept: text/event-stream.')
  const last = request.headers.get('last-event-id')
  return session.streams.openStanding(last === null ? null : parseEventId(last)).response
}

function sessionOf(parts: McpParts, request: Request, context: RequestContext, serverName: string): Session {
  const id = request.headers.get(sessionHeader)
  if (id === null)
    throw new GatewayError(
      'SESSION_MISSING',
      'The request names no session; send the Mcp-Session-Id header that initialize was answered with.',
    )
  const session = parts.sessions.find(id, context.principal.id, serverName, 'stream')
  session.grants = context.principal.grants
  return session
}

/** Lenient as clients differ: no Accept header and `*` accept everything. */
function accepts(request: Request, type: 'text/event-stream'): boolean {
  const accept = request.headers.get('accept')
  if (accept === null || accept.includes(type) || accept.includes('*/*')) return true
  // Media types have no case (RFC 9110, 8.3.1).
  return /text\/(event-stream|\*)/i.test(accept)
}

function rejected(rejection: Rejection): GatewayError {
  return new GatewayError(rejection.code, rejection.message, undefined, rejection.data)
}
