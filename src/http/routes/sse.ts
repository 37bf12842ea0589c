/**
 * `/mcp-proxy/{name}/sse` and `/message`: HTTP+SSE of revision 2024-11-05.
 *
 * The session begins with the stream and ends with it; every answer travels on it, and a POST is only
 * acknowledged.
 */
import { GatewayError, reasonOf, rpcErrorText, shownError } from '../../errors.ts'
import { idTextOf, rpcResult } from '../../protocol/jsonrpc.ts'
import { SseExchange } from '../../session/legacy/exchange.ts'
import type { Session } from '../../session/legacy/session.ts'
import { endingOfError, plainEndings } from '../../telemetry/call-ending.ts'
import type { McpHandler, RequestContext } from '../context.ts'
import { recordEnding } from '../hooks/access-log.ts'
import { replyText } from '../reply.ts'
import type { Asked } from './elsewhere.ts'
import {
  answererOf,
  beginSessionAt,
  type Inbound,
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

/** Opens the stream; its first event tells the client where to post. */
export function sseHandler(parts: McpParts): McpHandler {
  return async (_request, context, serverName) => {
    try {
      const target = await targetOf(parts, serverName, context)
      const session = await openSession(parts, context, target, 'sse')
      context.log.sessionId = session.shortHash
      const path = serverName === '' ? '/mcp' : `/mcp-proxy/${serverName}`
      const endpoint = `${context.externalBase}${path}/message?sessionId=${session.id}`
      const stream = session.streams.openSse(endpoint, () =>
        parts.sessions.close(session, new GatewayError('SESSION_UNKNOWN', 'The client closed its stream.')),
      )
      return stream.response
    } catch (thrown) {
      return mcpFailure(thrown, parts, context, null)
    }
  }
}

/** Takes one message; its answer travels on the stream. */
export function messageHandler(parts: McpParts): McpHandler {
  return async (request, context, serverName) => {
    let inbound: Inbound | null = null
    try {
      inbound = readMessage(request, await readBody(request, parts.bodyBytesMax))
      logInbound(parts, context, inbound)
      const target = await targetOf(parts, serverName, context)
      const id = new URL(request.url).searchParams.get('sessionId')
      if (id === null)
        throw new GatewayError(
          'SESSION_MISSING',
          'The URL names no session; post to the URL that the endpoint event named.',
        )
      if (parts.elsewhere !== undefined) {
        const asked: Asked = { request, context, target, endpoint: 'sse', sessionId: id, inbound }
        const asking = parts.elsewhere.answer(asked)
        const answer = asking && (await asking)
        if (answer !== null) return answer
      }
      noteMessage(context, inbound)
      traceRequest(parts, request, context, inbound.message, inbound.body)
      const session = parts.sessions.find(id, context.principal.id, sessionKeyOf(target), 'sse')
      session.grants = context.principal.grants
      noteSession(context, session)
      take(parts, target, session, request, context, inbound)
      return replyText(202, 'Accepted', 'text/plain')
    } catch (thrown) {
      return mcpFailure(thrown, parts, context, inbound)
    }
  }
}

/** Every answer of a session travels on its stream: also that the session is not open yet, or the server too busy. */
function take(
  parts: McpParts,
  target: McpTarget,
  session: Session,
  request: Request,
  context: RequestContext,
  inbound: Inbound,
): void {
  const message = oneMessage(inbound)
  if (message.kind !== 'request') {
    tellTo(target, session, message)
    return
  }
  if (message.method === 'initialize') {
    context.log.pending = true
    void initialize(parts, target, session, request, context, inbound)
    return
  }
  const idText = idTextOf(message)
  if (session.state === 'open') {
    const exchange = new SseExchange(session, answererOf(target), message, idText)
    sendTo(parts, target, session, exchange, request, context)
    noteEnding(parts, context, exchange)
  } else if (message.method === 'ping') session.streams.sendStanding(rpcResult(idText, '{}'))
  else {
    const error = earlyRequest(session, message.method)
    context.log.ending = endingOfError(error)
    session.streams.sendStanding(rpcErrorText(error, idText))
  }
}

/** Clients of both eras ask for `server/discover` first, and take -32601 as the sign to send initialize. */
function earlyRequest(session: Session, method: string | null): GatewayError {
  if (session.greeted)
    return new GatewayError(
      'INVALID_REQUEST',
      'The session is not open yet; wait for the answer to initialize.',
    )
  return new GatewayError(
    'METHOD_NOT_FOUND',
    `A session of this endpoint begins with initialize; ${JSON.stringify(method?.slice(0, 128))} comes too early.`,
  )
}

async function initialize(
  parts: McpParts,
  target: McpTarget,
  session: Session,
  request: Request,
  context: RequestContext,
  inbound: Inbound,
): Promise<void> {
  const message = oneMessage(inbound)
  try {
    const text = await beginSessionAt(parts, target, session, message, request, context, inbound)
    session.streams.sendStanding(text)
    noteSession(context, session)
    recordEnding(parts.recorder, context, plainEndings.ok)
  } catch (thrown) {
    const error = shownError(thrown, context.requestId)
    if (error !== thrown)
      parts.log.error(
        { mcp: session.serverName, requestId: context.requestId, reason: reasonOf(thrown) },
        'request failed',
      )
    session.streams.sendStanding(rpcErrorText(error, idTextOf(message)))
    recordEnding(parts.recorder, context, endingOfError(error))
  }
}
