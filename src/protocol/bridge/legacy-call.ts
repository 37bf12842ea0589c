/**
 * One request of a legacy client on its way through a modern server.
 *
 *   running → asking → running → … → over
 *
 * A modern server that needs something from its client answers `input_required` and forgets the request.
 * The legacy client is then asked by real server requests on the stream of its own request, and the
 * request is made again with the answers and the server's state, unread.
 *
 * Spec: 2026-07-28, basic/patterns/mrtr, basic/transports/streamable-http (Client Behavior).
 */
import { clientRequests, rpcCodes, serverRequests } from '../eras.ts'
import { mirroredHeaders } from '../headers.ts'
import { isObject } from '../json.ts'
import { editObject, membersOf, memberText, parsed } from '../spans.ts'
import { missingCapabilities, neededCapabilities, questionsOpenMax } from './questions.ts'
import {
  type ClientFacts,
  legacyFailure,
  legacyResult,
  legacyTools,
  modernParams,
  rpcFailure,
} from './results.ts'
import type { CallEffect, CallEvent, Outcome, RpcFailure, Step, ToolFacts } from './types.ts'

/** Times that one request may come back for more input. */
export const roundsMax = 8
/** How long a client may take to answer one round. */
export const roundMs = 600_000
/** Pause before a request that came back without questions is made again. */
export const paceMs = 250

/** What is known of the two ends when a call begins. */
export interface LegacyEnds {
  readonly client: ClientFacts
  /** What is kept of the tool that `tools/call` names, or null when its list was never read. */
  readonly tool: ToolFacts | null
  /** The upstream is HTTP: its tools may mark arguments for headers. */
  readonly overHttp: boolean
}

interface AskedQuestion {
  readonly handle: number
  readonly key: string
  /** JSON text of the answer, or null while there is none. */
  readonly answer: string | null
}

export interface LegacyCall {
  readonly phase: 'running' | 'asking' | 'pacing' | 'refreshing' | 'over'
  readonly method: string
  /** The parameters with the envelope, without answers: what every round sends. */
  readonly params: string
  readonly client: ClientFacts
  readonly tool: ToolFacts | null
  readonly overHttp: boolean
  readonly round: number
  readonly questions: readonly AskedQuestion[]
  readonly nextHandle: number
  /** JSON text of the server's state for the next round, or null. */
  readonly requestState: string | null
  /** The tool list was read again because of a header mismatch; it helps once. */
  readonly refreshed: boolean
}

type LegacyStep = Step<LegacyCall, CallEffect>

/** Begins a call. `ping`, subscriptions and the like are the session's (legacy-session.ts), not calls. */
export function startLegacyCall(
  request: { readonly method: string; readonly paramsText: string | null },
  ends: LegacyEnds,
): LegacyStep {
  const params = modernParams(request.paramsText, ends.client)
  const call: LegacyCall = {
    phase: 'running',
    method: request.method,
    params: params ?? '{}',
    ...ends,
    round: 0,
    questions: [],
    nextHandle: 1,
    requestState: null,
    refreshed: false,
  }
  const inLegacy = clientRequests.legacy.has(request.method)
  if (inLegacy && !clientRequests.modern.has(request.method)) return unknownMethod(call)
  // Tasks exist in both eras under these names, but not with the same shapes.
  if (clientRequests.modern.get(request.method)?.extension) return unknownMethod(call)
  if (params === null) return fail(call, rpcFailure(rpcCodes.invalidParams, 'params must be an object'))
  return [call, [send(call, params)]]
}

/** Goes on with a call. Events after its end change nothing. */
export function stepLegacyCall(call: LegacyCall, event: CallEvent): LegacyStep {
  if (call.phase === 'over') return [call, []]
  switch (event.kind) {
    case 'result':
      return call.phase === 'running' ? settle(call, event.result) : [call, []]
    case 'failure':
      return call.phase === 'running' ? failed(call, event) : [call, []]
    case 'notification':
      return [call, [{ kind: 'notify', method: event.method, params: event.params }]]
    case 'clientAnswer':
      return collect(call, event.handle, event.outcome)
    case 'toolsRefreshed':
      return call.phase === 'refreshing' ? again({ ...call, tool: event.tool }) : [call, []]
    case 'timer':
      if (event.timer === 'pace' && call.phase === 'pacing') return again(call)
      if (event.timer !== 'round' || call.phase !== 'asking') return [call, []]
      return failAsking(call, 'The client did not answer in time')
    case 'cancelled':
      return cancel(call)
    case 'retry':
    case 'serverRequest':
    case 'serverWithdrew':
      return [call, []]
  }
}

function settle(call: LegacyCall, result: string): LegacyStep {
  const type = parsed(memberText(result, 'resultType') ?? '"complete"')
  if (type === 'input_required') return ask(call, result)
  if (type !== 'complete')
    return fail(call, rpcFailure(rpcCodes.internalError, 'The server gave an unknown result type'))
  if (call.method === 'tools/list') return learn(call, result)
  const translated = legacyResult(call.method, result, call.tool)
  if (translated === null)
    return fail(call, rpcFailure(rpcCodes.internalError, 'The server gave an invalid result'))
  return over(call, { kind: 'answer', result: translated })
}

function learn(call: LegacyCall, result: string): LegacyStep {
  const list = legacyTools(result, call.overHttp)
  if (list === null)
    return fail(call, rpcFailure(rpcCodes.internalError, 'The server gave an invalid tool list'))
  const [next, effects] = over(call, { kind: 'answer', result: list.result })
  return [next, [{ kind: 'learnTools', tools: list.tools, rejected: list.rejected }, ...effects]]
}

function failed(call: LegacyCall, outcome: Extract<Outcome, { kind: 'failure' }>): LegacyStep {
  const tool = call.method === 'tools/call' ? parsed(memberText(call.params, 'name') ?? 'null') : null
  // The tool's schema may have changed its marks (streamable-http, Client Behavior).
  if (outcome.failure.code === rpcCodes.headerMismatch && !call.refreshed && typeof tool === 'string') {
    return [{ ...call, phase: 'refreshing', refreshed: true }, [{ kind: 'refreshTools', tool }]]
  }
  return fail(call, legacyFailure(outcome.failure))
}

/** Asks the client what the server wants to know, all of it at once. */
function ask(call: LegacyCall, result: string): LegacyStep {
  if (clientRequests.modern.get(call.method)?.mayAsk !== true) {
    return fail(call, rpcFailure(rpcCodes.internalError, `The server asked for input during ${call.method}`))
  }
  if (call.round >= roundsMax)
    return failAsking(call, `The server asked for input more than ${roundsMax} times`)
  const requestsText = memberText(result, 'inputRequests')
  const requests = requestsText === null ? [] : membersOf(requestsText)
  const requestState = memberText(result, 'requestState')
  const next: LegacyCall = { ...call, round: call.round + 1, requestState, questions: [] }
  if (requestsText === null || requests === null || requests.length === 0) {
    if (requestState === null)
      return fail(call, rpcFailure(rpcCodes.internalError, 'The server asked for nothing'))
    return [{ ...next, phase: 'pacing' }, [{ kind: 'timer', timer: 'pace', ms: paceMs }]]
  }
  const questions: AskedQuestion[] = []
  const effects: CallEffect[] = []
  for (const { key, valueStart, valueEnd } of requests) {
    const question = readQuestion(call, requestsText.slice(valueStart, valueEnd), `${next.round}-${key}`)
    if (typeof question === 'string') return failAsking(call, question)
    const handle = call.nextHandle + questions.length
    questions.push({ handle, key, answer: null })
    effects.push({ kind: 'ask', handle, ...question })
  }
  if (questions.length > questionsOpenMax) return failAsking(call, 'The server asked too many things at once')
  const nextHandle = call.nextHandle + questions.length
  effects.push({ kind: 'timer', timer: 'round', ms: roundMs })
  return [{ ...next, phase: 'asking', questions, nextHandle }, effects]
}

/** One entry of `inputRequests` as a request to the client, or why it cannot be asked. */
function readQuestion(
  call: LegacyCall,
  text: string,
  elicitationId: string,
): { method: string; params: string } | string {
  const method = parsed(memberText(text, 'method') ?? 'null')
  const params = memberText(text, 'params') ?? '{}'
  const value = parsed(params)
  if (typeof method !== 'string' || !serverRequests.has(method) || !isObject(value)) {
    return 'The server asked for something that this revision does not know'
  }
  const declared = parsed(call.client.clientCapabilities)
  const capabilities = isObject(declared) ? declared : {}
  const needed = neededCapabilities(method, value)
  if (needed !== null && missingCapabilities(needed, capabilities) !== null) {
    return `The server asked for ${method}, which the client did not declare`
  }
  // 2025-11-25 requires an id in URL mode, which the modern era has not.
  const url = value['mode'] === 'url' && value['elicitationId'] === undefined
  const edited = url ? editObject(params, { set: { elicitationId: JSON.stringify(elicitationId) } }) : params
  return { method, params: edited ?? params }
}

function collect(call: LegacyCall, handle: number, outcome: Outcome): LegacyStep {
  if (
    call.phase !== 'asking' ||
    !call.questions.some((open) => open.handle === handle && open.answer === null)
  ) {
    return [call, []]
  }
  const answer = outcome.kind === 'result' ? outcome.result : null
  const questions = call.questions.map((open) => (open.handle === handle ? { ...open, answer } : open))
  if (outcome.kind === 'failure') {
    const reason = parsed(memberText(outcome.failure.text, 'message') ?? 'null')
    const rest = { ...call, questions: call.questions.filter((open) => open.handle !== handle) }
    return failAsking(rest, typeof reason === 'string' ? reason : 'The client refused')
  }
  if (questions.some((open) => open.answer === null)) return [{ ...call, questions }, []]
  const [next, effects] = again({ ...call, questions })
  return [next, [{ kind: 'stopTimer', timer: 'round' }, ...effects]]
}

/** Makes the request again: the same parameters, this round's answers, the server's own state. */
function again(call: LegacyCall): LegacyStep {
  const answers = call.questions.map(({ key, answer }) => `${JSON.stringify(key)}:${answer ?? '{}'}`)
  const params = editObject(call.params, {
    set: {
      ...(answers.length === 0 ? {} : { inputResponses: `{${answers.join(',')}}` }),
      ...(call.requestState === null ? {} : { requestState: call.requestState }),
    },
  })
  return [{ ...call, phase: 'running' }, [send(call, params ?? call.params)]]
}

function send(call: LegacyCall, params: string): CallEffect {
  const value = parsed(params)
  const request = { method: call.method, params: isObject(value) ? value : {}, version: call.client.version }
  return { kind: 'send', method: call.method, params, headers: mirroredHeaders(request, call.tool?.marks) }
}

/** The client gave up on the request: its upstream response is closed, its open questions are withdrawn. */
function cancel(call: LegacyCall): LegacyStep {
  const [next, effects] = over(call, { kind: 'end' })
  return [next, call.phase === 'running' ? [{ kind: 'cancelUpstream' }, ...effects] : effects]
}

/** What a legacy tool says when it cannot get its input is a tool error; other methods fail. */
function failAsking(call: LegacyCall, reason: string): LegacyStep {
  const message = `The server needs input that it did not get: ${reason}`
  if (call.method !== 'tools/call') return fail(call, rpcFailure(rpcCodes.internalError, message))
  const result = JSON.stringify({ content: [{ type: 'text', text: message }], isError: true })
  return over(call, { kind: 'answer', result })
}

function unknownMethod(call: LegacyCall): LegacyStep {
  return fail(call, rpcFailure(rpcCodes.methodNotFound, `The server has no method ${call.method}`))
}

function fail(call: LegacyCall, failure: RpcFailure): LegacyStep {
  return over(call, { kind: 'fail', failure })
}

function over(call: LegacyCall, last: CallEffect): LegacyStep {
  const effects: CallEffect[] = []
  if (call.phase === 'asking') effects.push({ kind: 'stopTimer', timer: 'round' })
  if (call.phase === 'pacing') effects.push({ kind: 'stopTimer', timer: 'pace' })
  for (const { handle, answer } of call.questions) {
    if (call.phase === 'asking' && answer === null) effects.push({ kind: 'withdraw', handle })
  }
  return [{ ...call, phase: 'over', questions: [] }, [...effects, last]]
}
