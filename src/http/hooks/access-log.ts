/** Last hook, on the way out: one log line and one count for each request, and for each call how it ended. */
import type { AuditTrail } from '../../audit/audit-trail.ts'
import { outcomeOfCode } from '../../errors.ts'
import type { AccessEntry, CallEntry } from '../../telemetry/access-line.ts'
import type { EndedCall } from '../../telemetry/call-durations.ts'
import { type CallEnding, endingOfError, plainEndings } from '../../telemetry/call-ending.ts'
import type { Events } from '../../telemetry/events.ts'
import type { Traces } from '../../telemetry/traces/open-traces.ts'
import type { RequestTrace } from '../../telemetry/traces/trace.ts'
import type { RequestContext } from '../context.ts'

/** What the outgoing hook writes to. */
export interface AccessRecorder {
  readonly log: { access(entry: AccessEntry): void; call(entry: CallEntry): void }
  readonly metrics: {
    httpAnswered(area: string, status: number): void
    callEnded(call: EndedCall): void
  }
  readonly events: Events
  /** Absent in tests that have none. */
  readonly traces?: Pick<Traces, 'tracer'> | undefined
  /** Absent in tests that have none. */
  readonly audit?: { readonly trail: AuditTrail | null } | undefined
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
  const entry: AccessEntry = {
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
    group: log.group,
    rpcMethod: log.rpcMethod,
    tool: log.tool,
    outcome: ending?.outcome,
    rpcCode: ending?.rpcCode,
    caller: area === 'mcp' || area === 'admin' ? principal.shown : undefined,
    client: log.client,
    sessionId: log.sessionId,
    pair: log.pair,
    traceId: log.trace?.traceId ?? undefined,
  }
  recorder.metrics.httpAnswered(area, status)
  recorder.log.access(entry)
  recorder.audit?.trail?.answered(context, entry)
  ended(recorder, entry, log.trace)
  if (log.trace !== undefined && ending !== undefined) log.trace.ended(entry)
}

/** Records the end of a call that went on behind the response to its request. */
export function recordEnding(recorder: AccessRecorder, context: RequestContext, ending: CallEnding): void {
  const { log, client, requestId, principal, startedAtMs } = context
  const entry: CallEntry = {
    durationMs: Math.round((performance.now() - startedAtMs) * 1000) / 1000,
    clientIp: client,
    requestId,
    code: ending.code,
    mcp: log.mcp,
    group: log.group,
    rpcMethod: log.rpcMethod,
    tool: log.tool,
    outcome: ending.outcome,
    rpcCode: ending.rpcCode,
    caller: principal.shown,
    client: log.client,
    sessionId: log.sessionId,
    pair: log.pair,
    traceId: log.trace?.traceId ?? undefined,
  }
  recorder.log.call(entry)
  // Whoever was asked something and stays away has a line already: that of the request.
  if (log.ending?.outcome !== 'input_required') recorder.audit?.trail?.ended(context, entry)
  ended(recorder, entry, log.trace)
  log.trace?.ended({ ...entry, method: 'POST', path: context.path })
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

/**
 * Counts requests of clients at a server that there is, and tells whoever follows. What has no method is an answer of
 * a client, or opens and ends a session.
 */
function ended({ metrics, events }: AccessRecorder, entry: CallEntry, trace: RequestTrace | undefined): void {
  const { mcp, group, rpcMethod, outcome, durationMs } = entry
  if (outcome === undefined || mcp === undefined || rpcMethod === undefined) return
  if (rpcMethod.startsWith('notifications/')) return
  const recorded = trace?.recorded === true ? entry.traceId : undefined
  metrics.callEnded({ server: mcp, group, method: rpcMethod, outcome, durationMs, traceId: recorded })
  if (events.followed) events.tell('call', callOf(entry))
}

/** The call alone, of an entry that may be that of a request. */
function callOf(entry: CallEntry & Partial<AccessEntry>): CallEntry {
  const { method: _, path: __, status: ___, stream: ____, probe: _____, ...call } = entry
  return { ...call, durationMs: Math.round(call.durationMs * 1000) / 1000 }
}

/** What an answer says of itself, where nothing knows better. */
function endingOfStatus(status: number, code: RequestContext['log']['code']): CallEnding {
  if (code !== undefined) return endingOfError({ code })
  if (status < 400) return plainEndings.ok
  return { outcome: status < 500 ? 'refused' : 'failed' }
}
