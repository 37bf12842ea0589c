/**
 * The headers of requests to one server: what each is made of, who may see which, and how they look on the
 * wire. Requests in a row nearly always have the same ones, so the last are kept.
 *
 * Everything passes through `Headers`, which refuses names and values that would end a line: text that a
 * client or a definition brought must not become a header, or a request, of its own.
 */

import { type Cookies, cookieHeader, cookiesAfter } from '../../../../net/cookies.ts'
import { framingHeaders } from '../../../../net/header-policy.ts'
import type { TraceContext } from '../../../../telemetry/traces/trace.ts'
import type { RequestHead } from './http1/connection.ts'
import type { Route } from './routes.ts'

/** A session that a server has issued. It is told to nobody but the origin that issued it. */
export interface HttpSession {
  readonly id: string
  readonly origin: string
}

/** What the headers of a request are made of. */
export interface HeaderSource {
  readonly method: 'POST' | 'GET' | 'DELETE'
  /** What the protocol itself says; wins over all other headers. */
  readonly protocolHeaders: Readonly<Record<string, string>>
  /** Headers of this one message, such as forwarded client headers; win over the definition's. */
  readonly messageHeaders?: Readonly<Record<string, string>> | undefined
  readonly session?: HttpSession | null | undefined
  /** The token of this request, in the place of whatever else says `Authorization`. */
  readonly token?: string | null
  /** The context of its trace, another one for each: headers that are remembered are without it. */
  readonly trace?: TraceContext | undefined
}

/** Where a request goes. */
export interface HeaderTarget {
  readonly url: URL
  /** False once a redirect has left the origin of the definition: credentials stay off. */
  readonly trusted: boolean
}

interface Remembered extends HeaderSource {
  readonly url: URL
  readonly trusted: boolean
  readonly isTraced: boolean
  readonly route: Route
  readonly headers: Headers
  /** Made when it is first needed: requests over fetch need none. */
  head: RequestHead | null
}

/** What may follow a redirect to another origin, beside the protocol's own headers. */
const crossOriginHeader = /^mcp-(?!session-id$)/
/** What fetch adds when nobody has said otherwise. */
const usualHeaders = { accept: '*/*', 'user-agent': `Bun/${Bun.version}` } as const
/**
 * Who passes the message on (RFC 9110, 7.6.3). It is the second bolt of the admin API without tokens, ours and
 * that of any other gateway: a request of an MCP client that was led there, by whatever way, is no local one.
 */
const via = '1.1 compozy'
// biome-ignore lint/suspicious/noControlCharactersInRegex: what is outside ASCII is told by where it ends.
const ascii = /^[\x00-\x7f]*$/
const noCookies: Cookies = new Map()

export class RequestHeaders {
  readonly #definitionHeaders: Readonly<Record<string, string>>
  #last: Remembered | null = null
  /** Of the session that there is, and of the origin of the definition. */
  #cookies = noCookies

  /** `url` is that of the definition; credentials in it become a header. */
  constructor(headers: Readonly<Record<string, string>>, url: URL) {
    this.#definitionHeaders = definitionHeaders(headers, url)
  }

  /** Keeps what `Set-Cookie` of an answer says, which must be one of the definition's own origin. */
  keepCookies(setCookie: string): void {
    const after = cookiesAfter(this.#cookies, setCookie, performance.now())
    if (after === this.#cookies) return
    this.#cookies = after
    this.#last = null
  }

  /** The session that they belong to is over. */
  forgetCookies(): void {
    this.#cookies = noCookies
    this.#last = null
  }

  /** For fetch. Throws a TypeError for a header that is none. */
  headersOf(source: HeaderSource, target: HeaderTarget, route: Route): Headers {
    const { headers } = this.#remembered(source, target, route)
    const { trace } = source
    if (trace === undefined || !target.trusted) return headers
    const traced = new Headers(headers)
    for (const [name, value] of traceHeaders(trace)) traced.set(name, value)
    return traced
  }

  /** For a connection of one's own, without what frames the body. Throws as `headersOf` does. */
  headOf(source: HeaderSource, target: HeaderTarget, route: Route): RequestHead {
    const remembered = this.#remembered(source, target, route)
    remembered.head ??= rendered(source.method, target.url, route, remembered.headers)
    const { trace } = source
    if (trace === undefined || !target.trusted || source.method !== 'POST') return remembered.head
    const { text, isAscii } = remembered.head
    return { text: text + traceLines(trace), isAscii }
  }

  #remembered(source: HeaderSource, { url, trusted }: HeaderTarget, route: Route): Remembered {
    const isTraced = source.trace !== undefined
    const { method, protocolHeaders, messageHeaders, session, token } = source
    const last = this.#last
    if (
      last !== null &&
      last.url === url &&
      last.route === route &&
      last.method === method &&
      last.trusted === trusted &&
      last.isTraced === isTraced &&
      last.protocolHeaders === protocolHeaders &&
      sameHeaders(last.messageHeaders, messageHeaders) &&
      last.session === session &&
      last.token === token
    ) {
      return last
    }
    const headers = this.#made(source, url, trusted, route)
    this.#last = {
      method,
      url,
      trusted,
      isTraced,
      route,
      protocolHeaders,
      messageHeaders,
      session,
      ...(token === undefined ? {} : { token }),
      headers,
      head: null,
    }
    return this.#last
  }

  #made(
    { protocolHeaders, messageHeaders, session, token, trace }: HeaderSource,
    url: URL,
    trusted: boolean,
    { host }: Route,
  ): Headers {
    const headers: Record<string, string> = {}
    const own = lowerCased(messageHeaders ?? {})
    if (trusted) Object.assign(headers, this.#definitionHeaders, own)
    else {
      for (const [name, value] of Object.entries(own)) if (crossOriginHeader.test(name)) headers[name] = value
    }
    if (trusted && token) headers['authorization'] = `Bearer ${token}`
    // A context that a definition or a client's header brings would stand there twice.
    if (trace !== undefined) for (const name of traceHeaderNames) delete headers[name]
    Object.assign(headers, protocolHeaders)
    const cookie = trusted ? cookieHeader(headers['cookie'], this.#cookies) : undefined
    if (cookie !== undefined) headers['cookie'] = cookie
    if (session && session.origin === url.origin) headers['mcp-session-id'] = session.id
    if (host !== null) headers['host'] = host
    headers['via'] = headers['via'] === undefined ? via : `${headers['via']}, ${via}`
    return new Headers(headers)
  }
}

const traceHeaderNames = ['traceparent', 'tracestate', 'baggage'] as const

/** As lines of a head. They are ASCII (protocol/traces/trace-context.ts). */
function traceLines({ traceparent, tracestate, baggage }: TraceContext): string {
  let lines = `traceparent: ${traceparent}\r\n`
  if (tracestate !== null) lines += `tracestate: ${tracestate}\r\n`
  if (baggage !== null) lines += `baggage: ${baggage}\r\n`
  return lines
}

function traceHeaders(trace: TraceContext): [string, string][] {
  return traceHeaderNames.flatMap((name): [string, string][] => {
    const value = trace[name]
    return value === null ? [] : [[name, value]]
  })
}

/** Equal one by one: calls of one tool carry equal headers, in an object of their own each. */
function sameHeaders(one: HeaderSource['messageHeaders'], other: HeaderSource['messageHeaders']): boolean {
  if (one === other) return true
  if (one === undefined || other === undefined) return false
  let more = 0
  for (const name in one) {
    if (one[name] !== other[name]) return false
    more++
  }
  for (const _ in other) more--
  return more === 0
}

/** Up to the length of the body of a POST, which differs from one to the next; else to the end. */
function rendered(method: string, url: URL, { host }: Route, headers: Headers): RequestHead {
  const lines = [`${method} ${url.pathname}${url.search} HTTP/1.1`, `host: ${host ?? url.host}`]
  for (const [name, value] of Object.entries(usualHeaders)) {
    if (!headers.has(name)) lines.push(`${name}: ${value}`)
  }
  headers.forEach((value, name) => {
    if (name !== 'host') lines.push(`${name}: ${value}`)
  })
  lines.push('connection: keep-alive', method === 'POST' ? '' : '\r\n')
  const text = lines.join('\r\n')
  return { text, isAscii: ascii.test(text) }
}

/** Credentials in the URL become a header, unless the definition says another one. */
export function definitionHeaders(
  headers: Readonly<Record<string, string>>,
  url: URL,
): Record<string, string> {
  const lowered = lowerCased(headers)
  if (url.username !== '' && lowered['authorization'] === undefined) {
    lowered['authorization'] = basicCredentials(url)
  }
  return lowered
}

/** Headers by their names in lower case, without those that frame the message. */
export function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  const lowered: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (!framingHeaders.has(lower)) lowered[lower] = value
  }
  return lowered
}

function basicCredentials({ username, password }: URL): string {
  const pair = `${percentDecoded(username)}:${percentDecoded(password)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
