/**
 * Reads the body of an HTTP error and decides what it means for the request that got it.
 *
 * Bodies are not shown: an error page may hold anything, above all the headers of the request that it is
 * about. Only a JSON-RPC error is, its message cut, and without the credentials that the server was sent.
 */
import { GatewayError } from '../../../errors.ts'
import { retryAfterSeconds } from '../../../net/retry-after.ts'
import { type Mask, maskJson, maskStart } from '../../../telemetry/redaction.ts'
import type { TransportReceiver } from '../transport.ts'
import {
  answererOf,
  type HttpAnswer,
  notAnAnswer,
  proxyCredentials,
  readBody,
} from './client/answer/answer.ts'
import { readSaidError, saysSessionUnknown } from './lost-session.ts'
import { credentialsRemedy, type HttpTransport, redirection, refusalRemedy } from './refusal.ts'

/** What came of a request that was not answered as it should be. */
export type HttpFailure = {
  /** True when the session is lost, whatever became of the request. */
  readonly sessionLost: boolean
} & (
  | /** The text is the JSON-RPC answer to the request; it need not carry the id. */
  { readonly kind: 'answer'; readonly text: string }
  /** It is proved that the request did not run. */
  | { readonly kind: 'unrun' }
  | { readonly kind: 'error'; readonly error: GatewayError }
)

const errorBodyBytesMax = 64 * 1024
const errorBodyMsMax = 3_000
const shownCharsMax = 300

export interface FailedRequest {
  readonly requestId: number | null
  /** True when nothing but the era of the server is asked: an outage must not be taken for an answer. */
  readonly probing?: boolean
  /** True when the request carried a session id. */
  readonly inSession: boolean
  /** Set for the first message of a connection, which shows whether the URL is right. */
  readonly greets?: HttpTransport
  /** Names of the headers in which the gateway has sent credentials. */
  readonly credentials: readonly string[]
  /** Who answered, as `answererOf` says it. */
  readonly host: string
  readonly mask: Mask
}

/**
 * `answer` has a status of 300 or more, or a body that is no JSON-RPC. Reads or discards its body; rejects with a
 * GatewayError when that cannot be read and the status does not say enough.
 */
export async function readFailure(answer: HttpAnswer, failed: FailedRequest): Promise<HttpFailure> {
  const { status } = answer
  const { inSession, requestId, host, mask } = failed
  const gone = inSession && (status === 404 || status === 410)
  const refused = status === 401 || status === 403
  let body: string | null = null
  try {
    body = await readErrorBody(answer, failed)
  } catch (thrown) {
    if (!(thrown instanceof GatewayError) || !(gone || refused)) throw thrown
    // Nobody knows whether it was the answer.
    if (gone) return { kind: 'error', error: thrown, sessionLost: true }
  }
  const said = body === null ? null : readSaidError(body, requestId)
  const isRpc = said !== null && said.code !== null
  // A result, a batch, an event: whatever it is, the server has read the request.
  const mayHaveRun = body !== null && !isRpc && /"(?:jsonrpc|result)"/.test(body)
  const sessionLost = gone || (inSession && said !== null && saysSessionUnknown(said))
  const silent = failed.probing === true && status >= 500
  if (said?.own === true && isRpc && !refused && !silent)
    return {
      kind: 'answer',
      text: maskJson(mask, said.text),
      sessionLost: saysSessionUnknown(said) && inSession,
    }
  if (sessionLost && status < 500 && said?.own !== true && !mayHaveRun) return { kind: 'unrun', sessionLost }
  if (refused) {
    const words = isRpc ? `: ${maskStart(mask, said?.message ?? '', shownCharsMax)}` : ''
    const remedy = credentialsRemedy(answer, failed.credentials, mask)
    const details = `${host} answered HTTP ${status}${words}: ${remedy}.`
    return { kind: 'error', error: new GatewayError('UPSTREAM_UNAUTHORIZED', details), sessionLost: false }
  }
  // A 5xx without the id is a fault of something in between.
  if (isRpc && said?.unnamed === true && requestId !== null && status < 500)
    return { kind: 'answer', text: maskJson(mask, said.text), sessionLost }
  const shown = isRpc ? `: ${maskStart(mask, said?.message ?? '', shownCharsMax)}` : ''
  const remedy = failed.greets === undefined ? '' : refusalRemedy(answer, failed.greets, body)
  const advice = remedy === '' ? '' : `: ${remedy}`
  return { kind: 'error', error: statusError(answer, failed, shown, advice), sessionLost }
}

function statusError(
  answer: HttpAnswer,
  { host, mask }: FailedRequest,
  shown: string,
  advice: string,
): GatewayError {
  const { status, proxy } = answer
  if (status < 300) return notAnAnswer(answer, `HTTP ${status} and ${answer.mediaType}`)
  if (status === 407 && typeof proxy === 'string')
    return new GatewayError(
      'SERVER_UNAVAILABLE',
      `${answer.url.host} cannot be reached: ${proxyCredentials}.`,
    )
  const said = `${host} answered HTTP ${status}${shown}${redirection(answer, mask)}${advice}`
  const asked = status === 429 || status === 503 ? answer.header('retry-after') : null
  return new HttpStatusError(status, said, retryAfterSeconds(asked, new Date().getTime()))
}

/**
 * The body, or null where it is of no interest: plain text may speak of a session. Rejects with a GatewayError when
 * it breaks off, is too large or does not end in time: a request must not wait for an error page.
 */
async function readErrorBody(
  answer: HttpAnswer,
  { inSession, greets }: FailedRequest,
): Promise<string | null> {
  const type = answer.mediaType
  // What was sent in clear text to a port of TLS is answered by a page that says so.
  const mayWantTls = greets !== undefined && answer.status === 400 && answer.url.protocol === 'http:'
  if (type !== 'application/json' && !mayWantTls && (!inSession || type === 'text/html')) {
    answer.discard()
    return null
  }
  const { status } = answer
  const tooLong = new HttpStatusError(
    status,
    `${answererOf(answer)} answered HTTP ${status} with a body without end.`,
  )
  const late = Promise.withResolvers<null>()
  const timer = setTimeout(late.resolve, errorBodyMsMax, null)
  try {
    const body = await Promise.race([readBody(answer, errorBodyBytesMax), late.promise])
    if (body !== null) return body
    answer.discard()
    throw tooLong
  } finally {
    clearTimeout(timer)
  }
}

/** Tells the receiver what became of the request; nothing when it did not run. It is settled afterwards. */
export function tellFailure(
  failure: HttpFailure,
  requestId: number | null,
  receiver: TransportReceiver,
): void {
  if (failure.kind === 'unrun') return
  if (failure.kind === 'error') {
    if (requestId === null) receiver.noise(failure.error.details)
    else receiver.requestFailed(requestId, failure.error)
  } else if (requestId !== null) {
    receiver.message(failure.text, requestId)
    // What JSON.parse takes, with a member that stands twice.
    if (receiver.settled(requestId)) return
    const details = 'The server answered with an error that is no JSON-RPC message.'
    receiver.requestFailed(requestId, new GatewayError('UPSTREAM_ERROR', details))
  }
}

/** A server answered with an HTTP status that says nothing about the request itself. */
export class HttpStatusError extends GatewayError {
  constructor(
    /** What the server answered; 404 or 405 to an `initialize` may mean the older HTTP+SSE transport. */
    readonly upstreamStatus: number,
    details: string,
    retryAfterSeconds?: number,
  ) {
    super('UPSTREAM_ERROR', details, retryAfterSeconds)
  }
}
