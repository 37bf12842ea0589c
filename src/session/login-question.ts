/**
 * What becomes of a request that lacks a credential of its user's: a question with the link, where the client can be
 * asked to open one, and a tool error with the link in its text elsewhere. The link leads to a page of the gateway,
 * which finds out by itself who opens it. Pure, but for the id of a question.
 *
 * Spec: 2025-11-25, client/elicitation, URL Mode with Elicitation Required Error; 2026-07-28, basic/patterns/mrtr.
 */
import { randomUUID } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import type { RpcFailure } from '../protocol/bridge/types.ts'
import type { ModernRequestRoute } from '../protocol/classify.ts'
import { isObject, type JsonObject } from '../protocol/json.ts'
import { type MessageText, replaceSpan, rpcError, rpcResult, scanMessage } from '../protocol/jsonrpc.ts'
import { editObject, memberText, parsed } from '../protocol/spans.ts'

/** What is missing, and where a person sees to it. */
interface Missing {
  readonly message: string
  readonly url: string
}

/** The code that 2025-11-25 has for it. */
const urlElicitationRequired = -32042
/** The gateway's own question among those of a request. */
const questionKey = 'com.compozy/login'
/** Whose results may be a question (2026-07-28, basic/patterns/mrtr, Supported Requests). */
const mayAsk: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

/** Whether a client of this version with these capabilities can be asked to open a URL (2025-11-25, client/elicitation). */
export function takesUrls(
  version: string,
  { elicitation }: JsonObject & { readonly elicitation?: unknown },
): boolean {
  return version >= '2025-11-25' && isObject(elicitation) && isObject(elicitation['url'])
}

/** The answer of a session's request that has failed so; null where it fails as any other. */
export function legacyLoginAnswer(
  error: GatewayError,
  method: string,
  idText: string,
  asksByUrl: boolean,
): string | null {
  const missing = missingIn(error)
  if (missing === null) return null
  if (!asksByUrl) return method === 'tools/call' ? rpcResult(idText, toolError(missing, {})) : null
  const { url, message } = missing
  const elicitations = [{ mode: 'url', elicitationId: randomUUID(), url, message }]
  const failure = { code: urlElicitationRequired, message, data: { elicitations } }
  return rpcError(idText, JSON.stringify(failure))
}

/** The same of a request without a session. Who has declined, or comes back without the credential, is not asked again. */
export function modernLoginAnswer(
  failed: GatewayError | RpcFailure,
  { method, params, envelope }: ModernRequestRoute,
  idText: string,
): string | null {
  const missing = missingIn(failed)
  if (missing === null) return null
  if (takesUrls(envelope.version, envelope.clientCapabilities) && mayAsk.has(method) && !wasAsked(params)) {
    const { url, message } = missing
    const question = { method: 'elicitation/create', params: { mode: 'url', url, message } }
    const result = { resultType: 'input_required', inputRequests: { [questionKey]: question } }
    return rpcResult(idText, JSON.stringify(result))
  }
  return method === 'tools/call' ? rpcResult(idText, toolError(missing, { resultType: 'complete' })) : null
}

/** The request without the answer to this question, which its server has not put. `route` still has it. */
export function withoutLoginAnswer<
  R extends { readonly route: ModernRequestRoute; readonly message: MessageText },
>(request: R): R {
  const { route, message } = request
  if (!wasAsked(route.params)) return request
  const { text, paramsStart, paramsEnd } = message
  const params = text.slice(paramsStart, paramsEnd)
  const others = editObject(memberText(params, 'inputResponses') ?? '{}', {
    drop: (key) => key === questionKey,
  })
  const edited =
    others === null || others === '{}'
      ? editObject(params, { drop: (key) => key === 'inputResponses' })
      : editObject(params, { set: { inputResponses: others } })
  if (edited === null) return request
  const shorter = scanMessage(replaceSpan(text, { start: paramsStart, end: paramsEnd }, edited))
  return shorter === null ? request : { ...request, message: shorter }
}

function wasAsked(params: JsonObject): boolean {
  const responses = params['inputResponses']
  return isObject(responses) && responses[questionKey] !== undefined
}

function missingIn(failed: GatewayError | RpcFailure): Missing | null {
  if (failed instanceof GatewayError)
    return failed.code === 'CREDENTIAL_MISSING' ? linked(failed.details, failed.data?.['url']) : null
  if (failed.by !== 'CREDENTIAL_MISSING') return null
  const error = parsed(failed.text)
  if (!isObject(error)) return null
  const { message, data } = error as { message?: unknown; data?: unknown }
  return linked(String(message), isObject(data) ? data['url'] : null)
}

function linked(message: string, url: unknown): Missing | null {
  return typeof url === 'string' ? { message, url } : null
}

function toolError({ message }: Missing, stamp: object): string {
  return JSON.stringify({ ...stamp, content: [{ type: 'text', text: message }], isError: true })
}
