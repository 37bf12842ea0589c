/**
 * What a server may ask of its client while it works: elicitation, sampling and roots. In the legacy era
 * these are JSON-RPC requests, in the modern era entries of an `input_required` result.
 *
 * Spec: 2026-07-28, basic/patterns/mrtr, client/*; 2025-11-25, client/*.
 */
import { metaKeys, serverRequests } from '../eras.ts'
import { canonicalText, isObject, type JsonObject } from '../json.ts'
import { editObject, elementsOf, membersOf, memberText, parsed } from '../spans.ts'
import type { RpcFailure } from './types.ts'

/** The parameters that decide what a request does, and that headers are checked against. */
export const decisiveParams: readonly string[] = [
  '_meta',
  'name',
  'uri',
  'taskId',
  'arguments',
  'inputResponses',
  'requestState',
]

/** Questions of one call that may be open at once, and over its whole life. */
export const questionsOpenMax = 32
export const questionsTotalMax = 256

/** The client capabilities that one question needs, in the shape in which a client declares them. */
export function neededCapabilities(method: string, params: JsonObject): JsonObject | null {
  const capability = serverRequests.get(method)
  if (capability === undefined) return null
  if (capability === 'elicitation')
    return { elicitation: { [params['mode'] === 'url' ? 'url' : 'form']: {} } }
  if (capability === 'sampling' && (params['tools'] !== undefined || params['toolChoice'] !== undefined)) {
    return { sampling: { tools: {} } }
  }
  return { [capability]: {} }
}

/** The part of `needed` that a client did not declare, or null when it declared all of it. */
export function missingCapabilities(needed: JsonObject, declared: JsonObject): JsonObject | null {
  for (const [capability, members] of Object.entries(needed)) {
    const own = declared[capability]
    if (!isObject(own)) return needed
    for (const member of Object.keys(isObject(members) ? members : {})) {
      // `elicitation: {}` means forms (client/elicitation, Capabilities).
      const implied = capability === 'elicitation' && member === 'form' && own['url'] === undefined
      if (own[member] === undefined && !implied) return needed
    }
  }
  return null
}

/**
 * The name of a legacy server's question in the modern era. A string id is the server's own name for it;
 * a number says nothing, so kind and position name it: the same call asks under the same names again.
 */
export function questionKey(idText: string, method: string, position: number): string {
  const id = parsed(idText)
  return typeof id === 'string' && id !== '' ? id : `${serverRequests.get(method) ?? 'question'}_${position}`
}

/** A legacy server's question as an entry of `inputRequests`. */
export function inputRequest(method: string, params: string | null): string {
  // elicitationId and task exist in 2025-11-25 only; a progress token has nothing to report on.
  const dropped = (key: string) => key === 'elicitationId' || key === 'task' || key === '_meta'
  const meta = params === null ? null : memberText(params, '_meta')
  const kept =
    meta === null
      ? null
      : editObject(meta, { drop: (key) => key === 'progressToken' || key === metaKeys.relatedTask })
  const set: Record<string, string> = kept !== null && kept !== '{}' ? { _meta: kept } : {}
  const edited = editObject(params ?? '{}', { drop: dropped, set }) ?? '{}'
  return `{"method":${JSON.stringify(method)},"params":${edited}}`
}

/** The `inputRequests` of several questions, as one object. */
export function inputRequests(entries: Iterable<readonly [key: string, request: string]>): string {
  const members = [...entries].map(([key, request]) => `${JSON.stringify(key)}:${request}`)
  return `{${members.join(',')}}`
}

/** The result that asks the client; `state` is what it must send back, `identity` the server's name and version. */
export function inputRequiredResult(requests: string, state: string, identity: string | null): string {
  const signature = identity === null ? '' : `,"_meta":{${JSON.stringify(metaKeys.serverInfo)}:${identity}}`
  return `{"resultType":"input_required","inputRequests":${requests},"requestState":${JSON.stringify(state)}${signature}}`
}

/**
 * The `inputResponses` of a request as JSON texts by key. Null when they are malformed, which is -32602;
 * empty when there are none.
 */
export function inputResponses(params: string): ReadonlyMap<string, string> | null {
  const responses = new Map<string, string>()
  const text = memberText(params, 'inputResponses')
  if (text === null) return responses
  for (const member of membersOf(text) ?? [null]) {
    if (member === null) return null
    const answer = text.slice(member.valueStart, member.valueEnd)
    if (!isObject(parsed(answer))) return null
    responses.set(member.key, answer)
  }
  return responses
}

/** Whether a text can be the answer to a question of this kind; if not, the question stays open. */
export function isAnswer(method: string, text: string): boolean {
  const answer = parsed(text)
  if (!isObject(answer)) return false
  if (method === 'elicitation/create') {
    return answer['action'] === 'accept' || answer['action'] === 'decline' || answer['action'] === 'cancel'
  }
  if (method === 'roots/list') return Array.isArray(answer['roots'])
  return typeof answer['role'] === 'string' && answer['content'] !== undefined
}

/**
 * The URL elicitations inside a legacy error -32042 as `inputRequests`, or null when the error holds none.
 * Their keys are their own ids, so that the same demand has the same name when the call is made again.
 */
export function urlElicitations(failure: RpcFailure): ReadonlyMap<string, string> | null {
  const data = memberText(failure.text, 'data')
  const list = data === null ? null : memberText(data, 'elicitations')
  const requests = new Map<string, string>()
  for (const [position, element] of (list === null ? [] : (elementsOf(list) ?? [])).entries()) {
    if (position >= questionsOpenMax) break
    const id = parsed(memberText(element, 'elicitationId') ?? 'null')
    const key = typeof id === 'string' && id !== '' ? id : `elicitation_${position + 1}`
    const params = editObject(element, { set: { mode: '"url"' } })
    if (params !== null) requests.set(key, inputRequest('elicitation/create', params))
  }
  return requests.size === 0 ? null : requests
}

/**
 * The part of a request that its retry must repeat, in one spelling: parameters without `_meta`, answers
 * and state, members in order of their names. What a sealed state is bound to.
 */
export function salientText(method: string, params: JsonObject): string {
  const { _meta, inputResponses: _answers, requestState: _state, ...rest } = params
  return `${JSON.stringify(method)} ${canonicalText(rest)}`
}
