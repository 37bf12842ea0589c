/**
 * What a response says: whose it is, whether it is a failure, and of which kind.
 *
 * Pure, never throws. Cases: test/protocol/response.test.ts
 */
import { type MessageText, memberSpan } from './jsonrpc.ts'

/** As other languages print a whole number (`1.0`, `1e0`), in quotes or not. */
const wholeNumber = /^("?)\d{1,15}(?:\.0{1,15})?(?:[eE][+-]?\d{1,2})?\1$/
const numberCharsMax = 40

/**
 * The whole number, zero or more, that stands between two places, or -1. The gateway's own ids are such numbers,
 * so that whatever reads as the same number, or is its text in quotes, can only mean that one.
 */
export function integerAt(text: string, start: number, end: number): number {
  let value = 0
  // Fifteen digits are exact in a number.
  if (start < 0 || end <= start) return -1
  for (let at = start; at < end && at < start + 15; at++) {
    const digit = text.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) return oddlySpelled(text, start, end)
    value = value * 10 + digit
  }
  return end - start <= 15 ? value : oddlySpelled(text, start, end)
}

function oddlySpelled(text: string, start: number, end: number): number {
  if (end - start > numberCharsMax) return -1
  const spelled = text.slice(start, end)
  if (!wholeNumber.test(spelled)) return -1
  const value = Number(spelled.replaceAll('"', ''))
  return Number.isSafeInteger(value) ? value : -1
}

/** True for a response that names no request: its id is null or not there. */
export function isUnnamed({ text, idStart }: MessageText): boolean {
  return idStart < 0 || text.startsWith('null', idStart)
}

/** The code of an error response; null where there is none. */
export function errorCodeOf({ text }: MessageText): number | null {
  const error = memberSpan(text, 0, 'error')
  const code = error && memberSpan(text, error.start, 'code')
  const number = code ? Number(text.slice(code.start, code.end)) : Number.NaN
  return Number.isNaN(number) ? null : number
}

/** What an answer makes of its request. */
export type AnswerKind = 'ok' | 'tool_error' | 'rpc_error' | 'input_required'

/** What this answer to a request of this method is; `mayAsk` where results may ask the client for input. */
export function kindOfAnswer(method: string, message: MessageText, mayAsk: boolean): AnswerKind {
  if (message.failed) return 'rpc_error'
  if (mayAsk && message.asksForInput) return 'input_required'
  return message.toolError && givesToolResult(method) ? 'tool_error' : 'ok'
}

/** Whether results of this method have an `isError`. */
export function givesToolResult(method: string): boolean {
  return method === 'tools/call' || method === 'tasks/result'
}

/** Whether the text of a result to this method says that a tool failed. */
export function isToolError(method: string, resultText: string): boolean {
  const span = givesToolResult(method) ? memberSpan(resultText, 0, 'isError') : null
  return span !== null && resultText.startsWith('true', span.start)
}
