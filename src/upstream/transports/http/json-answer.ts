/** Reads the JSON body that answers one POST. */
import { resultTooLargeError } from '../../../errors.ts'
import { batchMessagesMax } from '../../../protocol/jsonrpc.ts'
import { largeAnswerBytesMin, lengthOf, type MessagePieces, textOf } from '../../../protocol/large-answer.ts'
import { isOverfullBatch, messagesIn } from '../message-text.ts'
import type { TransportReceiver } from '../transport.ts'
import { type HttpAnswer, notAnAnswer } from './client/answer/answer.ts'
import type { HttpFailure } from './failure.ts'
import { readSessionError } from './lost-session.ts'

const overfull = `a batch of more than ${batchMessagesMax} messages`

/** The request that a body is due for. */
export interface DueRequest {
  readonly requestId: number
  /** True when it carried a session id. */
  readonly inSession: boolean
}

/**
 * Tells the receiver the messages of a body. `pieces` are null when it has more than `bytesMax` bytes. Answers
 * what else it means, or null when the request is answered and there is nothing more to it. Throws a GatewayError
 * when the body does not answer the request, which then has failed: no other answer will come.
 */
export function deliverJson(
  answer: HttpAnswer,
  pieces: MessagePieces | null,
  bytesMax: number,
  { requestId, inSession }: DueRequest,
  receiver: TransportReceiver | null,
): HttpFailure | null {
  if (receiver === null) return null
  if (pieces === null) throw resultTooLargeError(bytesMax, 'limits.line_bytes_max')
  const large = lengthOf(pieces) >= largeAnswerBytesMin
  if (!large || !receiver.large(pieces, requestId)) {
    if (large && isOverfullBatch(pieces)) throw notAnAnswer(answer, overfull)
    const text = textOf(pieces).trim()
    const sessionError = inSession ? readSessionError(text, requestId) : null
    if (sessionError !== null)
      return sessionError.own
        ? { kind: 'answer', text, sessionLost: true }
        : { kind: 'unrun', sessionLost: true }
    const messages = messagesIn(text)
    if (messages === null) throw notAnAnswer(answer, 'no JSON object')
    for (const message of messages) receiver.message(message, requestId)
  }
  if (!receiver.settled(requestId)) throw notAnAnswer(answer, 'JSON that does not answer the request')
  return null
}
