/**
 * Small requests of the gateway's own to whoever it must ask something, such as an authorization server: under the
 * same guard as requests to servers, bounded in bytes and in time, each on a connection of its own.
 */
import { GatewayError } from '../../../../errors.ts'
import type { OutgoingProxies } from '../../../../net/outgoing-proxy.ts'
import { readBody } from './answer/answer.ts'
import { Cancellation } from './answer/cancellation.ts'
import { HttpClient } from './http-client.ts'
import { type UrlPolicy, upstreamGuard } from './url-guard.ts'

export interface SmallRequest {
  readonly url: string
  /** The URL that named this one, which is judged like a redirect from there; null where the settings did. */
  readonly learnedFrom: string | null
  readonly headers?: Readonly<Record<string, string>>
  /** What to post, form-encoded; a GET without it and `json`. A post follows no redirect. */
  readonly form?: string
  /** What to post as JSON. */
  readonly json?: string
}

export interface SmallAnswer {
  readonly status: number
  /** Lower case, without parameters; empty when the answer names none. */
  readonly mediaType: string
  /** `WWW-Authenticate`; empty without one. */
  readonly challenge: string
  /** `DPoP-Nonce` (RFC 9449, 8); empty without one. */
  readonly nonce?: string
  readonly text: string
}

/**
 * Resolves with the answer, whatever its status. Rejects with a GatewayError when the URL may not be reached, nothing
 * answers in time, or the answer is too large.
 */
export type Ask = (request: SmallRequest) => Promise<SmallAnswer>

const answerBytesMax = 256 * 1024

/** The way out for such requests. One that is not answered within `answerMs` is given up. */
export function smallRequests(policy: UrlPolicy, proxies: OutgoingProxies, answerMs = 5_000): Ask {
  const guardUrl = upstreamGuard(policy, proxies)
  return async ({ url, learnedFrom, headers = {}, form, json }) => {
    const client = new HttpClient({
      url: learnedFrom ?? url,
      headers: {},
      guardUrl,
      proxies,
      lineBytesMax: answerBytesMax,
    })
    const cancellation = new Cancellation()
    const timer = setTimeout(() => cancellation.cancel(), answerMs)
    const body = form ?? json
    const type = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded'
    try {
      const answer = await client.request({
        method: body === undefined ? 'GET' : 'POST',
        protocolHeaders: { ...headers, ...(body === undefined ? {} : { 'content-type': type }) },
        url: new URL(url),
        cancellation,
        ...(body === undefined ? {} : { body, stays: true }),
      })
      const text = await readBody(answer, answerBytesMax)
      if (text === null) {
        throw new GatewayError(
          'UPSTREAM_ERROR',
          `${answer.url.host} answered with more than ${answerBytesMax} bytes.`,
        )
      }
      const challenge = answer.header('www-authenticate') ?? ''
      const nonce = answer.header('dpop-nonce') ?? ''
      return { status: answer.status, mediaType: answer.mediaType, challenge, nonce, text }
    } finally {
      clearTimeout(timer)
      client.close()
    }
  }
}
