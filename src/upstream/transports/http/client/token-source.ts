/**
 * Tokens that a server is shown, asked for with each request: they change while connections stay.
 *
 * What a server refuses with 401 is sent once more with a new token, and only where its answer proves that the request
 * did not run: it is an HTTP refusal, and no JSON-RPC answer that somebody who has read the request has written.
 */
import { GatewayError } from '../../../../errors.ts'
import { createMask, type Mask } from '../../../../telemetry/redaction.ts'
import { type HttpAnswer, readBody } from './answer/answer.ts'

/** How a server refused a request. */
export interface TokenRefusal {
  /** 403 only where it says that scopes are missing. */
  readonly status: 401 | 403
  /** Its `WWW-Authenticate`; empty without one. */
  readonly challenge: string
  /** True where the same request was refused before, with another token. */
  readonly again: boolean
}

export interface TokenSource {
  /**
   * The token of a request that is sent now; null for none. A promise only where one has to be had first, which
   * rejects with a GatewayError.
   */
  current(): string | null | Promise<string | null>
  /**
   * A request with this token was refused. Resolves when another one is there to be tried, and rejects with the
   * GatewayError with which the request ends.
   */
  refused(token: string | null, refusal: TokenRefusal): Promise<void>
  /** Where tokens are bound to a key: what proves with this request that the gateway has it (RFC 9449). */
  readonly proofs?: TokenProofs | null
}

export interface TokenProofs {
  /** Null for a token that is bound to none. */
  of(token: string, method: string, url: URL): string | null
  /** The server wants this in the next ones. */
  wants(nonce: string): void
}

/** Somebody else may have renewed the token meanwhile, whose own is refused as well. */
const triesMax = 3
const refusalBytesMax = 64 * 1024
/** Of a server that goes on asking for other ones. */
const noncesMax = 2
const nonceCharsMax = 1_024

/** The token that was sent last, and a mask of it. */
const sent = new WeakMap<TokenSource, { readonly token: string; readonly mask: Mask }>()

/** This mask, which takes out as well what a server repeats of the token that it was shown last. */
export function maskOfSent(mask: Mask, tokens: TokenSource | null): Mask {
  if (tokens === null) return mask
  return (text) => mask(sent.get(tokens)?.mask(text) ?? text)
}

/** Sends with a token of this source. `origin` is where tokens go; an answer from elsewhere says nothing of them. */
export async function requestWithToken(
  tokens: TokenSource,
  origin: string,
  { method, url }: { readonly method: string; readonly url: URL },
  send: (token: string | null, proof: string | null) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const { proofs = null } = tokens
  let noncesAsked = 0
  for (let tried = 1; ; ) {
    const current = tokens.current()
    const token = typeof current === 'string' || current === null ? current : await current
    if (token !== null && sent.get(tokens)?.token !== token)
      sent.set(tokens, { token, mask: createMask([token]) })
    const proof = proofs === null || token === null ? null : proofs.of(token, method, url)
    const answer = await send(token, proof)
    const refusal = refusalIn(answer, origin, tried > 1)
    const nonce = proofs === null || answer.url.origin !== origin ? null : answer.header('dpop-nonce')
    if (nonce !== null && nonce.length <= nonceCharsMax) proofs?.wants(nonce)
    if (refusal === null || tried >= triesMax) return answer
    // It says nothing of the token.
    if (proof !== null && /\buse_dpop_nonce\b/.test(refusal.challenge)) {
      if (nonce === null || ++noncesAsked > noncesMax) return answer
      answer.discard()
      continue
    }
    const mayRun = refusal.challenge === '' && (await answersTheMessage(answer))
    answer.discard()
    await tokens.refused(token, refusal)
    tried++
    if (mayRun) throw renewedError(answer)
  }
}

function refusalIn(answer: HttpAnswer, origin: string, again: boolean): TokenRefusal | null {
  const { status } = answer
  if ((status !== 401 && status !== 403) || answer.url.origin !== origin) return null
  const challenge = answer.header('www-authenticate') ?? ''
  // Without these words it is a door that no token opens.
  if (status === 403 && !/\binsufficient_scope\b/.test(challenge)) return null
  return { status, challenge, again }
}

/** True for a body that carries the id of a message. Takes it. */
async function answersTheMessage(answer: HttpAnswer): Promise<boolean> {
  if (answer.mediaType !== 'application/json') return answer.mediaType === 'text/event-stream'
  const body = await readBody(answer, refusalBytesMax)
  return body === null || (body.includes('"jsonrpc"') && /"id"\s*:\s*["\d-]/.test(body))
}

function renewedError({ url }: HttpAnswer): GatewayError {
  return new GatewayError(
    'UPSTREAM_UNAUTHORIZED',
    `${url.host} refused the token in an answer to the message itself, which may have run. There is a new token: send it again if it may run twice.`,
  )
}
