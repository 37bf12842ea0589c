/** JSON-RPC batches, which only revision 2025-03-26 has. Their answers travel as one event stream. */
import { GatewayError } from '../../errors.ts'
import { legacyVersionHas } from '../../protocol/eras.ts'
import {
  batchMessagesMax,
  idTextOf,
  type MessageText,
  scanMessage,
  skipValue,
} from '../../protocol/jsonrpc.ts'
import { BatchExchange } from '../../session/legacy/exchange.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { RequestContext } from '../context.ts'
import { replyEmpty } from '../reply.ts'
import {
  answererOf,
  contextOfOne,
  type Inbound,
  type McpParts,
  type McpTarget,
  sendTo,
  tellTo,
} from './mcp.ts'

export function answerBatch(
  parts: McpParts,
  target: McpTarget,
  session: Session,
  request: Request,
  context: RequestContext,
  inbound: Inbound,
): Response {
  if (!legacyVersionHas(session.protocolVersion, 'batch'))
    throw new GatewayError(
      'BATCH_UNSUPPORTED',
      'Only revision 2025-03-26 has batches; send one message per request.',
    )
  if (Array.isArray(inbound.body) && inbound.body.length > batchMessagesMax)
    throw new GatewayError(
      'INVALID_REQUEST',
      `A batch may hold ${batchMessagesMax} messages; send the rest in another one.`,
    )
  const messages = split(inbound.text)
  const requests = messages.filter((message) => message.kind === 'request')
  for (const message of messages) if (message.kind !== 'request') tellTo(target, session, message)
  if (requests.length === 0) return replyEmpty(202)
  const channel = session.streams.newChannel()
  const stream = session.streams.openReader(channel, 0)
  let open = requests.length
  const answered = () => {
    open--
    if (open === 0) session.streams.finishChannel(channel)
  }
  const limits = context.principal.grants?.limits ?? null
  for (const [index, message] of requests.entries()) {
    const exchange = new BatchExchange(
      session,
      answererOf(target),
      message,
      idTextOf(message),
      channel,
      answered,
    )
    const own = contextOfOne(parts, request, context, exchange, message)
    // The first was taken out of the rate of a key at the door.
    const refusal = index === 0 ? null : (limits?.checkRate(performance.now()) ?? null)
    if (refusal === null) sendTo(parts, target, session, exchange, request, own)
    else exchange.refuse(refusal)
  }
  return stream.response
}

/** The messages of a batch, each with its own text. */
function split(text: string): MessageText[] {
  const messages: MessageText[] = []
  let at = text.indexOf('[') + 1
  while (at < text.length) {
    if (text[at] !== '{') {
      at++
      continue
    }
    const end = skipValue(text, at)
    const message = end < 0 ? null : scanMessage(text.slice(at, end))
    if (!message || message.method === 'initialize')
      throw new GatewayError(
        'INVALID_REQUEST',
        'The batch holds a message that cannot stand in one; send it by itself.',
      )
    messages.push(message)
    at = end
  }
  return messages
}
