/**
 * What a person can do about an answer with which a server refuses the first message of a connection. Pure.
 *
 * What is told of the server's own words is a scheme, a scope, an origin: the rest of a challenge or a target may
 * hold what it was sent. Cases: test/upstream/transports/http/refusal.test.ts
 */
import { type Mask, maskStart } from '../../../telemetry/redaction.ts'
import type { HttpAnswer } from './client/answer/answer.ts'

/** Of an answer what a refusal is told by. */
export type Refusal = Pick<HttpAnswer, 'status' | 'url' | 'header' | 'mediaType'>

/** The transport that was tried. */
export type HttpTransport = 'streamable-http' | 'sse'

const shownCharsMax = 200
/** The scopes of a challenge that are repeated; RFC 6749, 3.3 has their characters. */
const scopeForm = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/
const otherTransport = {
  'streamable-http': 'a server of the older HTTP+SSE transport needs transport: sse',
  sse: 'a server of the newer transport needs transport: streamable-http',
} as const
const usualPath = { 'streamable-http': '/mcp', sse: '/sse' } as const
/** How servers and proxies say that TLS was due. */
const wantsTls =
  /plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server|plain HTTP to an SSL-enabled/i

/** A phrase, empty where the status says it all. `body` is its text, as far as it was read. */
export function refusalRemedy(refusal: Refusal, transport: HttpTransport, body: string | null): string {
  const { status, url } = refusal
  if (body !== null && wantsTls.test(body)) return 'it speaks TLS at that port: write https:// in url'
  if (status < 300 || status === 400 || status === 404 || status === 405) return wrongPath(refusal, transport)
  if (status === 406 || status === 415) return `no MCP endpoint answers so: ${wrongPath(refusal, transport)}`
  if (status === 410) return 'it is gone from that URL: look up where it is now'
  if (status === 421)
    return `it does not answer to the name ${url.host}: add that to the host names that it allows, or write another one in url`
  if (status === 429) return 'it has had too many requests: it is tried again later'
  if (status === 502 || status === 503 || status === 504)
    return 'what stands in front of the server cannot reach it: start the server, and look into the log of both'
  return status >= 500 ? 'the server failed at it: look into its log' : ''
}

function wrongPath({ status, url, mediaType }: Refusal, transport: HttpTransport): string {
  const other = transport === 'sse' ? 'streamable-http' : 'sse'
  if (url.pathname.replace(/\/$/, '').endsWith(usualPath[other]))
    return `the path in url is the usual one of the other transport: set transport: ${other}`
  const page = status < 300 && mediaType === 'text/html' ? 'that is a web page: ' : ''
  const path =
    url.pathname === '/'
      ? `url has no path, and servers mostly listen at ${usualPath[transport]}`
      : `check the path in url, mostly ${usualPath[transport]}`
  return `${page}${path}; ${otherTransport[transport]}`
}

/**
 * What is asked for by 401 or 403, as a phrase. `sent` are the names of the headers with which the gateway has
 * identified itself.
 */
export function credentialsRemedy(refusal: Refusal, sent: readonly string[], mask: Mask): string {
  const challenge = refusal.header('www-authenticate') ?? ''
  const scope = missingScope(refusal.status, challenge)
  if (scope !== null)
    return `the credentials in the headers of this server lack the scope ${maskStart(mask, scope, shownCharsMax)}`
  if (sent.length > 0)
    return `check the credentials that are sent (${sent.join(', ')}): they are wrong, have expired, or allow too little`
  const scheme = /^[A-Za-z][A-Za-z0-9-]{0,30}(?=\s|$)/.exec(challenge)?.[0] ?? ''
  if (scheme === '')
    return refusal.status === 403
      ? 'no credentials are sent: put them into headers of this server if it wants some, or let it accept this gateway'
      : 'no credentials are sent: put the header that it wants into headers of this server, such as Authorization: Bearer TOKEN'
  const shown = mask(scheme)
  const form =
    { bearer: 'Bearer TOKEN', basic: 'Basic BASE64(USER:PASSWORD)' }[shown.toLowerCase()] ?? `${shown} …`
  const signIn = /resource_metadata\s*=/i.test(challenge)
    ? ', or set its oauth to {} and log in, which it offers'
    : ''
  return `no credentials are sent: put Authorization: ${form} into headers of this server${signIn}`
}

function missingScope(status: number, challenge: string): string | null {
  const [, quoted, bare] = /(?:^|[\s,])scope\s*=\s*(?:"([^"\\]*)"|([^\s",]+))/i.exec(challenge) ?? []
  const scope = (quoted ?? bare ?? '').trim()
  const insufficient = status === 403 || /(?:^|[\s,])error\s*=\s*"?insufficient_scope\b/i.test(challenge)
  return insufficient && scopeForm.test(scope) ? scope : null
}

/** Where a redirect leads that was not followed: as much of it as holds no secret. Empty for what is none. */
export function redirection(refusal: Refusal, mask: Mask): string {
  const { status, url } = refusal
  if (status !== 301 && status !== 302 && status !== 303) return ''
  const next = URL.parse(refusal.header('location') ?? '', url.href)
  if (next === null) return ', a redirect to nowhere'
  const slash = next.pathname === `${url.pathname}/` ? 'the same URL with a slash at its end' : 'another path'
  const elsewhere = next.origin !== url.origin
  const target = elsewhere ? maskStart(mask, next.origin, shownCharsMax) : slash
  const signIn = elsewhere ? ', or, where people sign in, put credentials into headers of this server' : ''
  return `, a redirect to ${target}, which is followed for GET only: register the URL that it leads to${signIn}`
}

const credentialName = /auth|key|token|secret|cookie|credential|passw/i
const namesMax = 3

/** The headers of a definition that look like credentials, by their names. */
export function credentialHeaders(headers: Readonly<Record<string, string>>, url = ''): string[] {
  const named = Object.keys(headers).filter((name) => credentialName.test(name))
  const inUrl = (URL.parse(url)?.username ?? '') !== ''
  return [...named.slice(0, namesMax), ...(inUrl ? ['user and password in url'] : [])]
}
