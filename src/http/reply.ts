/**
 * Turns a value or a GatewayError into a Response; the only place that does it.
 *
 * Two error forms (CONTRACT.md, "Errors"): plain JSON for admin and health, a JSON-RPC error object
 * on MCP endpoints. Event streams set their own headers; everything else takes them from here.
 */
import { ChallengeError, type GatewayError, rpcErrorText } from '../errors.ts'
import { claimsModern } from '../protocol/classify.ts'
import { modernErrorStatus } from '../protocol/eras.ts'
import type { HeaderReader } from '../protocol/headers.ts'
import type { Area } from './context.ts'

/** Extra response headers, set over the built-in ones. */
export type ReplyHeaders = Readonly<Record<string, string>>

/**
 * Sent with every answer that is not an event stream: no sniffing, no caching of answers that depend
 * on who asks, nothing to run or frame if a browser shows one. A ready-made Headers object costs half
 * of a plain record per response.
 */
const security = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const
const jsonHeaders = new Headers({ 'content-type': 'application/json', ...security })
const bareHeaders = new Headers(security)
const okJson: ResponseInit = { status: 200, headers: jsonHeaders }

/** A JSON answer. `value` must be serialisable. */
export function replyJson(status: number, value: unknown, headers?: ReplyHeaders): Response {
  return jsonText(status, JSON.stringify(value), headers)
}

/** An answer without a body, such as 202 for a notification and 204. */
export function replyEmpty(status: 202 | 204): Response {
  return new Response(null, { status, headers: bareHeaders })
}

/** What stands in the log for a response that its client has not waited for; nobody ever reads it. */
export function replyToNobody(): Response {
  return new Response(null, { status: 499, headers: bareHeaders })
}

/** A text answer of another content type, such as the Prometheus page. */
export function replyText(status: number, text: string, contentType: string): Response {
  const response = new Response(text, { status, headers: bareHeaders })
  response.headers.set('content-type', contentType)
  return response
}

/** The plain form: `{"error","details","code"}` with the headers that the status asks for. */
export function replyError(error: GatewayError, headers?: ReplyHeaders): Response {
  const body = JSON.stringify({ error: error.title, details: error.details, code: error.code })
  return withErrorHeaders(jsonText(error.status, body, headers), error)
}

/**
 * The JSON-RPC form for MCP endpoints. `idText` is the raw JSON text of the request's id; null answers
 * `"id":null`, undefined leaves the id out (2026-07-28: an id that could not be read).
 */
export function replyRpcError(
  error: GatewayError,
  idText: string | null | undefined,
  headers?: ReplyHeaders,
): Response {
  return withErrorHeaders(jsonText(error.status, rpcErrorText(error, idText), headers), error)
}

/**
 * What became of a request that was accepted: 200, whatever failed. A status of the gateway's own would end the
 * session of clients that take it for the end of their connection, and proxies on the way replace its body. Those
 * that revision 2026-07-28 asks for stay.
 */
export function replyRpcFailure(error: GatewayError, idText: string): Response {
  return jsonText(modernErrorStatus(error.rpcCode), rpcErrorText(error, idText))
}

/** The form that the area's clients expect, for an answer given before or without a JSON-RPC body. */
export function replyErrorIn(
  area: Area,
  request: { readonly headers: HeaderReader },
  error: GatewayError,
  headers?: ReplyHeaders,
): Response {
  return area === 'mcp' ? replyRpcError(error, unreadId(request), headers) : replyError(error, headers)
}

/**
 * What stands for an id that could not be read: null (JSON-RPC 2.0, 5), without which clients with a session take
 * the answer for no message at all; nothing where revision 2026-07-28 is claimed, which has no null ids.
 */
export function unreadId(request: { readonly headers: HeaderReader }): null | undefined {
  return claimsModern(request.headers) ? undefined : null
}

/** A ready JSON-RPC text, forwarded byte for byte with status 200. */
export function replyRpcText(text: string, headers?: ReplyHeaders): Response {
  return withHeaders(new Response(text, okJson), headers)
}

/**
 * A ready JSON-RPC message of many bytes, with any status: in the bytes in which it came, because joining its
 * pieces first costs a third more. `body` is that of http/unread-answer.ts.
 */
export function replyRpcBytes(status: number, body: ReadableStream<Uint8Array> | null): Response {
  return Object.assign(new Response(body, { status, headers: jsonHeaders }), { [streamed]: true })
}

const streamed = Symbol('streamed')

/** Whether a response was made by `replyRpcBytes`. Asking for its body would make a stream of a text. */
export function isStreamed(response: Response): boolean {
  return streamed in response
}

/** A ready JSON text with any status. */
export function replyJsonText(status: number, text: string): Response {
  return status === 200 ? new Response(text, okJson) : jsonText(status, text)
}

function jsonText(status: number, text: string, headers?: ReplyHeaders): Response {
  return withHeaders(new Response(text, { status, headers: jsonHeaders }), headers)
}

function withHeaders(response: Response, headers: ReplyHeaders | undefined): Response {
  if (headers !== undefined) {
    for (const name in headers) response.headers.set(name, headers[name] ?? '')
  }
  return response
}

function withErrorHeaders(response: Response, error: GatewayError): Response {
  if (error instanceof ChallengeError) response.headers.set('www-authenticate', error.challenge)
  else if (error.status === 401) response.headers.set('www-authenticate', 'Bearer')
  const retryAfterSeconds = error.comeBackInSeconds
  if (retryAfterSeconds !== undefined) {
    response.headers.set('retry-after', String(Math.max(1, Math.ceil(retryAfterSeconds))))
  }
  return response
}
