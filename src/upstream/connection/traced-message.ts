/** Requests to a server, and questions of its, with the context of the trace that they are part of. */

import { isObject } from '../../protocol/json.ts'
import type { MessageText } from '../../protocol/jsonrpc.ts'
import { memberSpan, paramString, scanMessage } from '../../protocol/jsonrpc.ts'
import { errorCodeOf } from '../../protocol/response.ts'
import { parsed } from '../../protocol/spans.ts'
import { parseTraceparent, withTraceContext } from '../../protocol/traces/trace-context.ts'
import type { CallTrace, TraceContext } from '../../telemetry/traces/trace.ts'
import type { UpstreamCall } from './calls.ts'

/** What names the target of a request in its `params`. */
const named: ReadonlySet<string> = new Set(['tools/call', 'prompts/get'])
/** What is shown of a name that a client chose. */
const nameCharsMax = 128

/** The message of a call as it is sent to this server, a process where there is a `pid`. */
export function tracedMessage(
  { message, method, upstreamId }: UpstreamCall,
  trace: CallTrace,
  server: string,
  pid: number | null,
): { readonly message: MessageText; readonly context: TraceContext } {
  const { context, inMessage } = trace.sent(() => {
    const target = named.has(method) ? (paramString(message, 'name')?.slice(0, nameCharsMax) ?? null) : null
    return { server, piped: pid !== null, method: method.slice(0, nameCharsMax), target, upstreamId }
  })
  return { message: inMessage ? message : withTraceContext(message, context), context }
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
