/** Last hook, on the way out: one log line and one count for each request, and for each call how it ended. */
import { outcomeOfCode } from '../../errors.ts'
import type { AccessEntry, CallEntry } from '../../telemetry/access-line.ts'
import {
  type CallEnding,
  type CallOutcome,
  endingOfError,
  plainEndings,
} from '../../telemetry/call-ending.ts'
import type { RequestContext } from '../context.ts'

/** What the outgoing hook writes to. */
export interface AccessRecorder {
  readonly log: { access(entry: AccessEntry): void; call(entry: CallEntry): void }
  readonly metrics: {
    httpAnswered(area: string, status: number): void
    callEnded(server: string, outcome: CallOutcome): void
  }
}

/** Which of several requests an ending is of, where one HTTP request brought them. */
export interface CalledMethod {
  readonly rpcMethod: string
  readonly tool?: string | undefined
}

/**
 * Records an answer when its head is known. For an event stream that is its beginning: the line says
 * `"stream":true` and the duration is the time to the first byte, so that an open stream can be seen
 * while it lasts instead of after it.
 */
export function recordAnswer(
  recorder: AccessRecorder,
  request: Request,
  response: Response,
  context: RequestContext,
  stream: boolean,
): void {
  const { log, area, principal } = context
  const { status } = response
  const ending = log.ending ?? (log.pending === true ? undefined : endingOfStatus(status, log.code))
  recorder.metrics.httpAnswered(area, status)
  recorder.log.access({
    method: request.method,
    path: context.path,
    status,
    durationMs: performance.now() - context.startedAtMs,
    clientIp: context.client,
    requestId: context.requestId,
    stream,
    probe: area === 'health' || area === 'metrics',
    code: ending?.code ?? log.code,
    mcp: log.mcp,
    rpcMethod: log.rpcMethod,
    tool: log.tool,
    outcome: ending?.outcome,
    rpcCode: ending?.rpcCode,
    caller: area === 'mcp' || area === 'admin' ? principal.shown : undefined,
    client: log.client,
    sessionId: log.sessionId,
    pair: log.pair,
  })
  if (ending !== undefined) count(recorder, log.mcp, log.rpcMethod, ending)
}

/** Records the end of a call that went on behind the response to its request. */
export function recordEnding(
  recorder: AccessRecorder,
  context: RequestContext,
  ending: CallEnding,
  called: CalledMethod | null = null,
): void {
  const { log, client, requestId, principal, startedAtMs } = context
  const rpcMethod = called === null ? log.rpcMethod : called.rpcMethod
  recorder.log.call({
    durationMs: Math.round((performance.now() - startedAtMs) * 1000) / 1000,
    clientIp: client,
    requestId,
    code: ending.code,
    mcp: log.mcp,
    rpcMethod,
    tool: called === null ? log.tool : called.tool,
    outcome: ending.outcome,
    rpcCode: ending.rpcCode,
    caller: principal.shown,
    client: log.client,
    sessionId: log.sessionId,
    pair: log.pair,
  })
  count(recorder, log.mcp, rpcMethod, ending)
}

/** Records the refusal of a request that never got a context, because its target has no clear meaning. */
export function recordMalformed(recorder: AccessRecorder, request: Request, response: Response): void {
  recorder.metrics.httpAnswered('unknown', response.status)
  recorder.log.access({
    method: request.method,
    path: request.url.split('?', 1)[0] ?? '',
    status: response.status,
    durationMs: 0,
    clientIp: null,
    requestId: '',
    stream: false,
    code: 'BAD_REQUEST',
    outcome: outcomeOfCode('BAD_REQUEST'),
  })
}

/** Requests of clients at a server that there is: what has no method is an answer, or opens and ends a session. */
function count(
  { metrics }: AccessRecorder,
  mcp: string | undefined,
  rpcMethod: string | undefined,
  { outcome }: CallEnding,
): void {
  if (mcp === undefined || rpcMethod === undefined || rpcMethod.startsWith('notifications/')) return
  metrics.callEnded(mcp, outcome)
}

/** What an answer says of itself, where nothing knows better. */
function endingOfStatus(status: number, code: RequestContext['log']['code']): CallEnding {
  if (code !== undefined) return endingOfError({ code })
  if (status < 400) return plainEndings.ok
  return { outcome: status < 500 ? 'refused' : 'failed' }
}
