/**
 * One request of a modern client on its way through a legacy server.
 *
 *   running → gathering → parked → running → … → over
 *
 * While the call runs, the server may ask its client something. The modern client cannot be asked, so the
 * questions are gathered for a moment, the response ends with `input_required`, and the call stays parked
 * upstream until the client makes the request again with the answers.
 *
 * Keys, time and wires belong to the session room: it seals the state of a parked call, verifies it, and
 * tells `retry` only for the call, principal, method and parameters that it was sealed for.
 *
 * Spec: 2026-07-28, basic/patterns/mrtr; 2025-11-25, client/elicitation (-32042).
 */
import type { Envelope } from '../envelope.ts'
import { clientRequests, reachesLevel, rpcCodes } from '../eras.ts'
import { isObject } from '../json.ts'
import { hasDoubled, memberText, parsed } from '../spans.ts'
import { discoverResult } from './facts.ts'
import { demandUrls, question, retryUrls, withdraw } from './modern-call-asking.ts'
import { fail, failForCapability, type ModernCall, type ModernStep, over, park } from './modern-call-state.ts'
import { decisiveParams, inputResponses, isAnswer } from './questions.ts'
import { legacyParams, modernFailure, modernResult, rpcFailure } from './results.ts'
import type { CallEffect, CallEvent, Outcome, ServerFacts } from './types.ts'

/** What a modern request is, as classify read it; `paramsText` is the raw text of its `params`. */
export interface ModernRequest {
  readonly method: string
  readonly paramsText: string
  readonly envelope: Envelope
}

/** Begins a call. `server/discover` and what the legacy era lacks are answered at once. */
export function startModernCall(request: ModernRequest, server: ServerFacts): ModernStep {
  const { method, paramsText, envelope } = request
  const params = legacyParams(paramsText)
  const supplied = inputResponses(paramsText)
  const call: ModernCall = {
    phase: 'running',
    method,
    logLevel: envelope.logLevel,
    clientCapabilities: envelope.clientCapabilities,
    identity: server.identity,
    questions: [],
    asked: 0,
    supplied: supplied ?? new Map(),
    lacked: null,
    outcome: null,
    urls: null,
    params: params ?? '{}',
    urlRounds: 0,
  }
  if (method === 'server/discover') return over(call, { kind: 'answer', result: discoverResult(server) })
  const row = clientRequests.modern.get(method)
  // A legacy method without a row in the modern table does not exist for this client; what neither era
  // knows is relayed, because the server may.
  if (row?.extension || (row === undefined && clientRequests.legacy.has(method))) {
    return fail(call, rpcFailure(rpcCodes.methodNotFound, `${method} is not a method of this revision`))
  }
  if (params === null || supplied === null || hasDoubled(paramsText, decisiveParams)) {
    return fail(call, rpcFailure(rpcCodes.invalidParams, 'params or inputResponses are malformed'))
  }
  const logs = envelope.logLevel !== null && isObject(server.capabilities['logging'])
  const send: CallEffect = { kind: 'send', method, params, headers: {} }
  return [call, logs ? [{ kind: 'raiseLogLevel', level: envelope.logLevel }, send] : [send]]
}

/** Goes on with a call. Events after its end change nothing, but a server that asks even then must not hang. */
export function stepModernCall(call: ModernCall, event: CallEvent): ModernStep {
  if (call.phase === 'over')
    return [call, event.kind === 'serverRequest' ? [{ kind: 'handBack', id: event.id }] : []]
  switch (event.kind) {
    case 'result':
    case 'failure':
      return settle(call, event)
    case 'notification':
      return [call, notification(call, event.method, event.params)]
    case 'serverRequest':
      return question(call, event)
    case 'serverWithdrew':
      return withdraw(call, event.id)
    case 'retry':
      return retry(
        { ...call, logLevel: event.logLevel, clientCapabilities: event.clientCapabilities },
        event.params,
      )
    case 'cancelled':
      return abandon(call)
    case 'timer':
      if (event.timer === 'expiry') return call.phase === 'parked' ? abandon(call) : [call, []]
      return event.timer === 'gather' && call.phase === 'gathering' ? parkQuestions(call) : [call, []]
    case 'clientAnswer':
    case 'toolsRefreshed':
      return [call, []]
  }
}

function notification(call: ModernCall, method: string, params: string | null): CallEffect[] {
  // Between two rounds there is no response that could carry it.
  if (call.phase === 'parked') return []
  if (method === 'notifications/message') {
    const level = parsed(memberText(params ?? '{}', 'level') ?? 'null')
    const wanted = call.logLevel !== null && reachesLevel(level, call.logLevel)
    return wanted ? [{ kind: 'notify', method, params }] : []
  }
  return hiddenNotifications.has(method) ? [] : [{ kind: 'notify', method, params }]
}

/** They belong to subscriptions, or to things that the modern era has not. */
const hiddenNotifications: ReadonlySet<string> = new Set([
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/elicitation/complete',
  'notifications/tasks/status',
  'notifications/cancelled',
])

/** The client came back. What it did not answer is asked again; a malformed answer is none. */
function retry(parked: ModernCall, paramsText: string): ModernStep {
  if (parked.phase !== 'parked') return [parked, []]
  const call: ModernCall = { ...parked, phase: 'running' }
  const answers = inputResponses(paramsText) ?? new Map<string, string>()
  if (call.urls !== null) {
    return withoutExpiry(retryUrls(call, call.urls.failure, call.urls.keys, answers))
  }
  const effects: CallEffect[] = []
  const questions = call.questions.filter(({ key, id, method }) => {
    const answer = answers.get(key)
    if (answer === undefined || !isAnswer(method, answer)) return true
    effects.push({ kind: 'respondUpstream', id, outcome: { kind: 'result', result: answer } })
    return false
  })
  const next: ModernCall = { ...call, questions }
  if (call.outcome !== null) {
    const [settled, last] = settle(next, call.outcome)
    return withoutExpiry([settled, [...effects, ...last]])
  }
  if (questions.length === 0) return withoutExpiry([next, effects])
  const [again, parking] = parkQuestions(next)
  return withoutExpiry([again, [...effects, ...parking]])
}

function withoutExpiry([call, effects]: ModernStep): ModernStep {
  return [call, [{ kind: 'stopTimer', timer: 'expiry' }, ...effects]]
}

function parkQuestions(call: ModernCall): ModernStep {
  return park(
    call,
    call.questions.map(({ key, request }) => [key, request]),
  )
}

function settle(call: ModernCall, outcome: Outcome): ModernStep {
  // What its client has been asked stays open: on a pipe it may be another call that waits for the answer.
  if (call.phase === 'parked') return [{ ...call, outcome }, []]
  if (outcome.kind === 'result') {
    if (call.lacked !== null && memberText(outcome.result, 'isError') === 'true')
      return failForCapability(call, call.lacked)
    const result = modernResult(call.method, outcome.result, call.identity)
    if (result === null)
      return fail(call, rpcFailure(rpcCodes.internalError, 'The server gave an invalid result'))
    return over(call, { kind: 'answer', result })
  }
  if (outcome.lost) return fail(call, outcome.failure)
  if (call.lacked !== null) return failForCapability(call, call.lacked)
  if (outcome.failure.code === rpcCodes.urlElicitationRequired) return demandUrls(call, outcome.failure)
  return fail(call, modernFailure(outcome.failure))
}

/** The client is gone: nothing of the call may stay behind upstream. */
function abandon(call: ModernCall): ModernStep {
  const cancel: CallEffect[] = call.outcome === null && call.urls === null ? [{ kind: 'cancelUpstream' }] : []
  const [next, effects] = over(call, { kind: 'end' })
  return [next, [{ kind: 'stopTimer', timer: 'expiry' }, ...cancel, ...effects]]
}
