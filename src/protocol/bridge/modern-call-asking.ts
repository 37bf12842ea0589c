/** What a legacy server asks during a modern client's call (modern-call.ts). */
import { clientRequests, rpcCodes, serverRequests } from '../eras.ts'
import { isObject } from '../json.ts'
import { memberText, parsed } from '../spans.ts'
import {
  fail,
  failForCapability,
  handBacks,
  type ModernCall,
  type ModernStep,
  park,
  refusal,
} from './modern-call-state.ts'
import {
  inputRequest,
  isAnswer,
  missingCapabilities,
  neededCapabilities,
  questionKey,
  questionsOpenMax,
  questionsTotalMax,
  urlElicitations,
} from './questions.ts'
import { modernFailure } from './results.ts'
import type { CallEffect, CallEvent, RpcFailure } from './types.ts'

/** Questions that a server asks in one breath arrive within this time of each other. */
export const gatherMs = 25
/** Times that a call may be made again because its server wants URLs visited first. */
const urlRoundsMax = 8

/** Takes a request of the server's: answers it, refuses it, or keeps it for the client. */
export function question(call: ModernCall, event: Extract<CallEvent, { kind: 'serverRequest' }>): ModernStep {
  const { id, method, params, guessed = false } = event
  const refuse = (code: number, message: string): ModernStep => [call, [refusal(id, code, message)]]
  const respond = (result: string): CallEffect => ({
    kind: 'respondUpstream',
    id,
    outcome: { kind: 'result', result },
  })
  if (method === 'ping') return [call, [respond('{}')]]
  const value = params === null ? {} : parsed(params)
  const needed = neededCapabilities(method, isObject(value) ? value : {})
  if (needed === null) return refuse(rpcCodes.methodNotFound, `The client has no method ${method}`)
  // A call that waits to be made again is over for the server.
  if (!mayAsk(call) || call.urls !== null) {
    return refuse(rpcCodes.internalError, `A client cannot be asked during ${call.method}`)
  }
  const missing = missingCapabilities(needed, call.clientCapabilities)
  if (missing !== null) {
    // A capability without the mode that is asked for is a wrong parameter (2025-11-25, client/elicitation).
    const known = isObject(call.clientCapabilities[serverRequests.get(method) ?? ''])
    const [next, effects] = refuse(
      known ? rpcCodes.invalidParams : rpcCodes.methodNotFound,
      'The client did not declare the capability for this',
    )
    // What another call may have lacked is no reason for the failure of this one.
    return [guessed ? next : { ...next, lacked: { ...call.lacked, ...missing } }, effects]
  }
  if (call.questions.length >= questionsOpenMax || call.asked >= questionsTotalMax) {
    return refuse(rpcCodes.internalError, 'Too many requests to one client')
  }
  const asked = call.asked + 1
  const key = uniqueKey(call, questionKey(id, method, asked))
  const answer = call.supplied.get(key)
  // A consent that was given to this call's question must not answer another call's.
  if (!guessed && answer !== undefined && isAnswer(method, answer)) {
    const supplied = new Map(call.supplied)
    supplied.delete(key)
    return [{ ...call, asked, supplied }, [respond(answer)]]
  }
  const questions = [...call.questions, { key, id, method, request: inputRequest(method, params) }]
  // A parked call's client is not told of it before it comes back.
  if (call.phase === 'parked') return [{ ...call, asked, questions }, []]
  return [
    { ...call, phase: 'gathering', asked, questions },
    [{ kind: 'timer', timer: 'gather', ms: gatherMs }],
  ]
}

function mayAsk(call: ModernCall): boolean {
  return clientRequests.modern.get(call.method)?.mayAsk === true
}

/** Keys are unique within the request, also when a server uses one name twice. */
function uniqueKey(call: ModernCall, key: string): string {
  return call.questions.some((open) => open.key === key) ? `${key}_${call.asked + 1}` : key
}

/** The server no longer wants to know. */
export function withdraw(call: ModernCall, id: string): ModernStep {
  const questions = call.questions.filter((open) => open.id !== id)
  if (call.phase !== 'gathering' || questions.length > 0) return [{ ...call, questions }, []]
  return [{ ...call, phase: 'running', questions }, [{ kind: 'stopTimer', timer: 'gather' }]]
}

/**
 * A legacy -32042 says: have these URLs visited, then call again. The modern words for it are
 * `input_required`; the call is made again, as it would have been by a legacy client.
 */
export function demandUrls(call: ModernCall, failure: RpcFailure): ModernStep {
  const requests = urlElicitations(failure)
  if (requests === null || !mayAsk(call) || call.urlRounds >= urlRoundsMax) {
    return fail(call, modernFailure(failure))
  }
  const needed = { elicitation: { url: {} } }
  if (missingCapabilities(needed, call.clientCapabilities) !== null) return failForCapability(call, needed)
  const urls = { keys: [...requests.keys()], failure }
  const [next, effects] = park(
    { ...call, outcome: null, urls, questions: [], urlRounds: call.urlRounds + 1 },
    requests,
  )
  return [next, [...handBacks(call), ...effects]]
}

/** The client is back from the URLs: consent sends the request again, refusal gives it the server's error. */
export function retryUrls(
  call: ModernCall,
  failure: RpcFailure,
  keys: readonly string[],
  answers: ReadonlyMap<string, string>,
): ModernStep {
  const running: ModernCall = { ...call, phase: 'running', urls: null }
  const actions = keys.map((key) => memberText(answers.get(key) ?? '{}', 'action'))
  if (actions.includes('"decline"') || actions.includes('"cancel"'))
    return fail(running, modernFailure(failure))
  if (!actions.every((action) => action === '"accept"')) return demandUrls(running, failure)
  return [running, [{ kind: 'send', method: call.method, params: call.params, headers: {} }]]
}
