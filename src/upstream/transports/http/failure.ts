/**
 * Reads the body of an HTTP error and decides what it means for the request that got it.
 *
 * Bodies are not shown: an error page may hold anything, above all the headers of the request that it is
 * about. Only a JSON-RPC error is, its message cut, and without the credentials that the server was sent.
 */
import { GatewayError } from '../../../errors.ts'
import { memberSpan, replaceSpan, type Span } from '../../../protocol/jsonrpc.ts'
import { type Mask, maskJson, maskStart } from '../mask.ts'
import { type HttpAnswer, mediaType, readBody } from './client/answer/answer.ts'

/** What an HTTP error status means. */
export type HttpFailure =
  /** The body is the JSON-RPC answer to the request. */
  | { readonly kind: 'answer'; readonly text: string }
  /** The server does not know the session; the request was not delivered. */
  | { readonly kind: 'sessionLost' }
  | { readonly kind: 'error'; readonly error: GatewayError }

const errorBodyBytesMax = 64 * 1024
const shownCharsMax = 300

export interface FailedRequest {
  readonly requestId: number | null
  /** True when nothing but the era of the server is asked: an outage must not be taken for an answer. */
  readonly probing?: boolean
  /** True when the request carried a session id. */
  readonly inSession: boolean
  readonly host: string
  readonly mask: Mask
}

/** `answer` has a status of 300 or more. Reads or discards its body; rejects only when that breaks off. */
export async function readFailure(answer: HttpAnswer, failed: FailedRequest): Promise<HttpFailure> {
  const { status } = answer
  const { host } = failed
  if (status === 404 && failed.inSession) {
    answer.discard()
    return { kind: 'sessionLost' }
  }
  if (status === 401 || status === 403) {
    answer.discard()
    const details = `${host} answered HTTP ${status}: check the credentials in the headers of this server.`
    return { kind: 'error', error: new GatewayError('UPSTREAM_UNAUTHORIZED', details) }
  }
  const body = mediaType(answer) === 'application/json' ? await readBody(answer, errorBodyBytesMax) : null
  if (body === null) answer.discard()
  const rpcError = body === null ? null : readRpcError(body)
  if (rpcError !== null) {
    if (failed.inSession && status === 400 && saysSessionUnknown(rpcError)) return { kind: 'sessionLost' }
    const silent = failed.probing === true && status >= 500
    const text = silent ? null : asAnswer(rpcError, failed.requestId, status)
    if (text !== null) return { kind: 'answer', text: maskJson(failed.mask, text) }
  }
  const said = rpcError === null ? '' : `: ${maskStart(failed.mask, rpcError.message, shownCharsMax)}`
  return { kind: 'error', error: new HttpStatusError(status, `${host} answered HTTP ${status}${said}`) }
}

/** A server answered with an HTTP status that says nothing about the request itself. */
export class HttpStatusError extends GatewayError {
  constructor(
    /** What the server answered; 404 or 405 to an `initialize` may mean the older HTTP+SSE transport. */
    readonly upstreamStatus: number,
    details: string,
  ) {
    super('UPSTREAM_ERROR', details)
  }
}

interface RpcError {
  readonly text: string
  /** Where the id stands; null when there is none. */
  readonly idSpan: Span | null
  readonly code: number
  readonly message: string
}

function readRpcError(body: string): RpcError | null {
  const text = body.trim()
  try {
    const parsed = JSON.parse(text) as { error?: { code?: unknown; message?: unknown } } | null
    const error = parsed?.error
    if (typeof error !== 'object' || error === null || typeof error.code !== 'number') return null
    const idSpan = memberSpan(text, 0, 'id')
    return { text, idSpan, code: error.code, message: String(error.message ?? '') }
  } catch {
    return null
  }
}

/**
 * The text as the answer to this request, or null when it is another's. A server that refuses a request
 * before it has read the id leaves it out or sends null; the response that carries it says whose it is.
 * A 5xx without the id is a fault of something in between.
 */
function asAnswer({ text, idSpan }: RpcError, requestId: number | null, status: number): string | null {
  if (requestId === null) return null
  const idText = idSpan === null ? '' : text.slice(idSpan.start, idSpan.end)
  if (idText === String(requestId)) return text
  if (status >= 500) return null
  if (idSpan === null) return text.replace('{', `{"id":${requestId},`)
  return idText === 'null' ? replaceSpan(text, idSpan, String(requestId)) : null
}

/** What SDKs answer for a request outside a session, or to a session unknown. */
const sessionCodes = [-32000, -32001, -32600]

/**
 * The specification asks for 404, but the pattern that many servers copied from an SDK's example answers
 * 400 "No valid session ID provided". They would otherwise never recover from a restart.
 */
function saysSessionUnknown({ code, message }: RpcError): boolean {
  return sessionCodes.includes(code) && /\bsession\b/i.test(message)
}
