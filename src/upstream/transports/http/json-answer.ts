/** Reads the JSON body that answers one POST. */
import { GatewayError } from '../../../errors.ts'
import { largeAnswerBytesMin, lengthOf, type MessagePieces, textOf } from '../../../protocol/large-answer.ts'
import { messagesIn } from '../message-text.ts'
import type { TransportReceiver } from '../transport.ts'
import type { HttpAnswer } from './client/answer/answer.ts'

/**
 * Tells the receiver the messages of a body. `pieces` are null when it has more than `bytesMax` bytes. Answers
 * false: the request need not be sent again. Throws a GatewayError when the body is no message.
 */
export function deliverJson(
  answer: HttpAnswer,
  pieces: MessagePieces | null,
  bytesMax: number,
  requestId: number,
  receiver: TransportReceiver | null,
): false {
  if (pieces === null) throw notAnAnswer(answer, `more than ${bytesMax} bytes`)
  const large = lengthOf(pieces) >= largeAnswerBytesMin
  if (large && receiver?.large(pieces, requestId) === true) return false
  const messages = messagesIn(textOf(pieces).trim())
  if (messages === null) throw notAnAnswer(answer, 'no JSON object')
  for (const message of messages) receiver?.message(message, requestId)
  return false
}

/** The server answered with something else, in a few words. */
export function notAnAnswer({ url }: HttpAnswer, what: string): GatewayError {
  const details = `${url.host} answered with ${what} where a JSON-RPC message was due.`
  return new GatewayError('UPSTREAM_ERROR', details)
}
