/** Requests to a server as they are sent, and questions of its: ids, and the context of the trace that they are part of. */

import { isObject } from '../../protocol/json.ts'
import {
  type MessageText,
  memberSpan,
  paramString,
  progressTokenSpan,
  replaceSpan,
  scanMessage,
} from '../../protocol/jsonrpc.ts'
import { errorCodeOf } from '../../protocol/response.ts'
import { parsed } from '../../protocol/spans.ts'
import {
  parseTraceparent,
  textWithIdAndContext,
  withTraceContext,
} from '../../protocol/traces/trace-context.ts'
import type { CallTrace, Carried } from '../../telemetry/traces/trace.ts'
import type { UpstreamCall } from './calls.ts'

/** What names the target of a request in its `params`. */
const named: ReadonlySet<string> = new Set(['tools/call', 'prompts/get'])
/** What is shown of a name that a client chose. */
const nameCharsMax = 128

/** Begins the span of a call to this server, a process where there is a `pid`. */
export function carriedBy(
  { message, method, upstreamId }: UpstreamCall,
  trace: CallTrace,
  server: string,
  pid: number | null,
): Carried {
  if (trace.carried !== null) return trace.carried
  const target = named.has(method) ? (paramString(message, 'name')?.slice(0, nameCharsMax) ?? null) : null
  return trace.sent({
    server,
    piped: pid !== null,
    method: method.slice(0, nameCharsMax),
    target,
    upstreamId,
  })
}

/** The text of a call under this upstream id. */
export function sentText({ message, progressTokenText }: UpstreamCall, idText: string): string {
  return textUnderId(message, idText, progressTokenText !== null)
}

/** The same with the context of its span. */
export function tracedText(call: UpstreamCall, idText: string, { context, inMessage }: Carried): string {
  if (inMessage) return sentText(call, idText)
  const { message, progressTokenText } = call
  const quick = progressTokenText === null ? textWithIdAndContext(message, idText, context) : null
  return quick ?? textUnderId(withTraceContext(message, context), idText, progressTokenText !== null)
}

function textUnderId(message: MessageText, idText: string, hasToken: boolean): string {
  const token = hasToken ? progressTokenSpan(message) : null
  let { text } = message
  // The later span is replaced first, so that the earlier one keeps its place.
  if (token && token.start > message.idStart) text = replaceSpan(text, token, idText)
  text = text.slice(0, message.idStart) + idText + text.slice(message.idEnd)
  return token && token.start < message.idStart ? replaceSpan(text, token, idText) : text
}

/** A question of the server's, with the context of its span, and what takes the answer to it. */
export function tracedQuestion(
  trace: CallTrace,
  message: MessageText,
  answer: (text: string) => void,
): { readonly message: MessageText; readonly answer: (text: string) => void } {
  const meta = memberSpan(message.text, message.paramsStart, '_meta')
  const said = meta && parsed(message.text.slice(meta.start, meta.end))
  const parent = isObject(said) ? parseTraceparent(said['traceparent']) : null
  const span = trace.asked((message.method ?? '').slice(0, nameCharsMax), parent)
  if (span === null) return { message, answer }
  return {
    message: withTraceContext(message, span.context),
    answer: (text) => {
      const response = scanMessage(text)
      span.ended(response?.failed === true ? errorCodeOf(response) : null)
      answer(text)
    },
  }
}
