/** Last hook, on the way out: one log line and one count for each request, whatever became of it. */
import type { AccessEntry } from '../../telemetry/access-line.ts'
import type { RequestContext } from '../context.ts'

/** What the outgoing hook writes to. */
export interface AccessRecorder {
  readonly log: { access(entry: AccessEntry): void }
  readonly metrics: { httpAnswered(area: string, status: number): void }
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
  const { log } = context
  recorder.metrics.httpAnswered(context.area, response.status)
  recorder.log.access({
    method: request.method,
    path: context.path,
    status: response.status,
    durationMs: performance.now() - context.startedAtMs,
    clientIp: context.client,
    requestId: context.requestId,
    stream,
    code: log.code,
    mcp: log.mcp,
    rpcMethod: log.rpcMethod,
    tool: log.tool,
    sessionId: log.sessionId,
    pair: log.pair,
  })
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
  })
}
