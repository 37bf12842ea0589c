/** What an answer of a server's, or a failure on the way to it, says of how its call ended. */
import { isErrorCode, outcomeOfCode } from '../../errors.ts'
import type { RpcFailure } from '../../protocol/bridge/types.ts'
import { rpcCodes } from '../../protocol/eras.ts'
import type { MessageText } from '../../protocol/jsonrpc.ts'
import { kindOfLarge, type MessagePieces } from '../../protocol/large-answer.ts'
import { errorCodeOf, isToolError, kindOfAnswer } from '../../protocol/response.ts'
import { type CallEnding, plainEndings } from '../../telemetry/call-ending.ts'

/** By an answer; `mayAsk` where it may be a question to the client (2026-07-28, `input_required`). */
export function endingOfAnswer(method: string, message: MessageText, mayAsk: boolean): CallEnding {
  const kind = kindOfAnswer(method, message, mayAsk)
  if (kind !== 'rpc_error') return byKind[kind]
  return { outcome: kind, rpcCode: errorCodeOf(message) ?? rpcCodes.internalError }
}

/** By the text of a result. */
export function endingOfResult(method: string, resultText: string): CallEnding {
  return isToolError(method, resultText) ? plainEndings.toolError : plainEndings.ok
}

/** By a large answer that is no error. */
export function endingOfLarge(method: string, pieces: MessagePieces, mayAsk: boolean): CallEnding {
  return byKind[kindOfLarge(method, pieces, mayAsk)]
}

/** By a failure that a bridge passes on or has found. */
export function endingOfFailure({ by, code }: RpcFailure): CallEnding {
  if (by === 'server') return { outcome: 'rpc_error', rpcCode: code }
  if (by !== undefined && isErrorCode(by)) return { outcome: outcomeOfCode(by), code: by }
  return { outcome: code === rpcCodes.internalError ? 'failed' : 'refused', rpcCode: code }
}

const byKind = {
  ok: plainEndings.ok,
  rpc_error: { outcome: 'rpc_error' },
  tool_error: plainEndings.toolError,
  input_required: plainEndings.inputRequired,
} as const
