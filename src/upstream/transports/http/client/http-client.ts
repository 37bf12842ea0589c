/**
 * HTTP requests to one MCP server, with what both HTTP transports must keep to.
 *
 * In clear text they go over connections of the gateway's own (`http-connection.ts`), which cost half of
 * what fetch does; over TLS, and where an outgoing proxy is configured, over fetch.
 *
 * Redirects are followed by hand: every hop passes `guardUrl`, because a server that redirects can point
 * the gateway at the metadata service of its cloud, and credentials never cross an origin. A request is
 * sent once, on either way; it is not repeated when its connection breaks (pinned by a test).
 *
 * Error texts name the host and the status, never the path, the query, headers or credentials.
 */
import { GatewayError, reasonOf } from '../../../../errors.ts'
import type { OutgoingProxies } from '../../../../net/outgoing-proxy.ts'
import { type Mask, maskError } from '../../../../telemetry/redaction.ts'
import { brokenConnection, givenUp, type HttpAnswer, networkError, neverConnected } from './answer/answer.ts'
import type { Cancellation } from './answer/cancellation.ts'
import { decodedAnswer } from './answer/decoded.ts'
import { breakRemedy } from './answer/remedy.ts'
import { fetchAnswer, type TlsMaterial } from './fetch.ts'
import { Http1Answer } from './http1/answer.ts'
import type { Http1Connection, RequestHead } from './http1/connection.ts'
import { Http1Connections } from './http1/connections.ts'
import { type HeaderSource, type HeaderTarget, RequestHeaders } from './request-headers.ts'
import { GuardedRoutes, type Route, type UrlGuard } from './routes.ts'
import { requestWithToken, type TokenSource } from './token-source.ts'

export interface HttpOptions {
  readonly url: string
  /** Sent with every request to the origin of `url`, such as `Authorization`. */
  readonly headers: Readonly<Record<string, string>>
  /** Asked on open, every half minute of use, and on each redirect. */
  readonly guardUrl?: UrlGuard
  /** Outgoing proxies, which only fetch can ask to make connections. */
  readonly proxies?: OutgoingProxies
  /** For the origin of `url` alone: a redirect that leaves it is shown no certificate. */
  readonly tls?: TlsMaterial | null
  /** Where each request to the origin of `url` gets its token; null where it needs none of the gateway's. */
  readonly tokens?: TokenSource | null
  /** Longest JSON body or event. */
  readonly lineBytesMax: number
  /** Values that are masked in errors. */
  readonly secrets?: readonly string[]
}

export interface HttpRequest extends HeaderSource {
  readonly body?: string
  readonly cancellation: Cancellation
  /**
   * True for what does the same twice as once. It is sent again, over a new connection, when one that was kept has
   * failed: a server that closes idle connections says nothing by that.
   */
  readonly repeatable?: boolean
  /** Where to send it; the URL of the definition when absent. */
  readonly url?: URL
  /** True for what must reach nobody else: a redirect is its answer, and is not followed. */
  readonly stays?: boolean
}

/** A request on its way to one of the URLs that redirects lead it to. */
interface Hop extends HeaderTarget {
  readonly request: HttpRequest
  /** The URL that redirected here, and how many did. */
  readonly from: URL | null
  readonly redirects: number
}

const redirectsMax = 3

/** With a token that is bound to a key. Headers of a message leave the origin of the definition with no redirect. */
function proven(request: HttpRequest, token: string | null, proof: string): HttpRequest {
  const messageHeaders = { ...request.messageHeaders, authorization: `DPoP ${token}`, dpop: proof }
  return { ...request, messageHeaders }
}

export class HttpClient {
  readonly url: URL
  readonly #origin: string
  readonly #proxies: OutgoingProxies | null
  readonly #tls: TlsMaterial | null
  readonly #tokens: TokenSource | null
  readonly #headers: RequestHeaders
  readonly #routes: GuardedRoutes
  readonly #connections = new Http1Connections()
  /** How far a request of this wire has got. */
  #reached: 'nothing' | 'a connection' | 'an answer' = 'nothing'

  /** Throws a GatewayError when the URL is not http or https. */
  constructor(options: HttpOptions) {
    const url = URL.parse(options.url)
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      throw new GatewayError('DEFINITION_INVALID', 'The url of the server must be an http or https URL.')
    }
    this.#headers = new RequestHeaders(options.headers, url)
    url.username = ''
    url.password = ''
    url.hash = ''
    this.url = url
    this.#origin = url.origin
    this.#proxies = options.proxies ?? null
    this.#tls = options.tls ?? null
    this.#tokens = options.tokens ?? null
    this.#routes = new GuardedRoutes(options.guardUrl)
  }

  /** Rejects when the URL of the definition may not be connected to. */
  async check(): Promise<void> {
    await this.#routes.judge(this.url)
  }

  /**
   * Resolves with the answer, whatever its status; its body must be read or discarded. Rejects with a
   * GatewayError when there is none.
   */
  request(request: HttpRequest): Promise<HttpAnswer> {
    const url = request.url ?? this.url
    const trusted = url === this.url || url.origin === this.#origin
    // An address that the server has named is judged as its redirects are, each time its name is looked up.
    const hop = { request, url, trusted, from: trusted ? null : this.url, redirects: 0 }
    if (this.#tokens === null || !trusted) return this.#go(hop)
    const send = (token: string | null, proof: string | null) =>
      this.#go({ ...hop, request: proof === null ? { ...request, token } : proven(request, token, proof) })
    return requestWithToken(this.#tokens, this.#origin, { method: request.method, url }, send)
  }

  /** The session at the server is over, and the cookies that it has set with it. */
  forgetCookies(): void {
    this.#headers.forgetCookies()
  }

  /** What to look at when nothing is answered, as a phrase. */
  silence(): string {
    const { host } = this.url
    if (this.#reached === 'an answer') return `${host} takes requests, and has not answered this one`
    if (this.#reached === 'a connection')
      return `${host} takes connections, and answers nothing on them: look whether it hangs, and check the port in url`
    const what = this.#isOwn(this.url) ? 'takes no connection' : 'does not answer'
    return `${host} ${what}: check host and port in url, and whether a firewall drops what is sent there`
  }

  /** Closes what is open; nothing can be asked any more. */
  close(): void {
    this.#connections.close()
  }

  /** Over a connection that is there already, which takes a single promise; else the long way. */
  #go(hop: Hop): Promise<HttpAnswer> {
    const route = this.#routes.known(hop.url)
    const href = route?.hrefs[0]
    if (route === null || href === undefined || !this.#isOwn(hop.url)) return this.#judged(hop, route)
    const connection = this.#connections.take(href)
    return connection === null ? this.#judged(hop, route) : this.#exchange(connection, hop, route, true)
  }

  /** One try per address, and the next one only when nothing was sent to the one before. */
  async #judged(hop: Hop, known: Route | null): Promise<HttpAnswer> {
    const { url, from, request } = hop
    const route = known ?? (await this.#routes.judge(url, from))
    // A header that is none is no fault of the network, and is found before there is a connection.
    const headers = this.#headers.headersOf(request, hop, route)
    const { hrefs } = route
    for (let at = 0; ; at++) {
      const href = hrefs[at] ?? url.href
      try {
        if (request.cancellation.happened) throw new DOMException('', givenUp)
        if (!this.#isOwn(url)) return await this.#fetched(href, hop, headers)
        const connection = await this.#connections.open(href, request.cancellation)
        if (this.#reached === 'nothing') this.#reached = 'a connection'
        return await this.#exchange(connection, hop, route, false)
      } catch (thrown) {
        if (thrown instanceof GatewayError) throw thrown
        if (neverConnected(thrown) && at + 1 < hrefs.length) {
          this.#routes.demote(url, href)
          continue
        }
        this.#routes.forget(url, from)
        throw this.#told(networkError(url, thrown, this.#proxies?.of(url)?.name), hop)
      }
    }
  }

  async #fetched(href: string, hop: Hop, headers: Headers): Promise<HttpAnswer> {
    const { method, body, cancellation, repeatable } = hop.request
    const proxy = this.#proxies?.of(hop.url) ?? null
    const tls = hop.trusted ? this.#tls : null
    const request = { method, headers, body: body ?? null, cancellation, proxy, tls, fresh: false }
    let answer: HttpAnswer
    try {
      answer = await fetchAnswer(hop.url, href, request)
    } catch (thrown) {
      if (repeatable !== true || cancellation.happened || neverConnected(thrown)) throw thrown
      answer = await fetchAnswer(hop.url, href, { ...request, fresh: true })
    }
    return this.#accepted(answer, hop)
  }

  #exchange(connection: Http1Connection, hop: Hop, route: Route, wasIdle: boolean): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const { request, url, from } = hop
      const failed = (error: GatewayError): void => {
        if (wasIdle && request.repeatable === true && !request.cancellation.happened) {
          resolve(this.#judged(hop, route))
          return
        }
        this.#routes.forget(url, from)
        reject(this.#told(error, hop))
      }
      const answered = (answer: HttpAnswer): void => resolve(this.#accepted(answer, hop))
      const head = this.#headOf(hop, route)
      if (head === null || request.cancellation.happened) {
        connection.destroy()
        resolve(this.#judged(hop, route))
        return
      }
      const exchange = new Http1Answer(url, request.cancellation, { answered, failed })
      if (connection.begin(exchange, head, request.body ?? null)) return
      // Nothing was written: the server had closed it, which had not been noticed yet.
      if (wasIdle) resolve(this.#judged(hop, route))
      else failed(brokenConnection(url, 'ECONNRESET'))
    })
  }

  /** A connection that broke off before the server has ever answered may have been made to the wrong place. */
  #told(error: GatewayError, { url, request }: Hop): GatewayError {
    if (this.#reached === 'an answer' || error.code !== 'UPSTREAM_CLOSED' || request.cancellation.happened)
      return error
    const { details } = error
    const remedy = breakRemedy(url, details)
    return remedy === '' ? error : new GatewayError(error.code, `${details.replace(/\.$/, '')}: ${remedy}.`)
  }

  /** Null when the headers are none; the long way says so. */
  #headOf(hop: Hop, route: Route): RequestHead | null {
    try {
      return this.#headers.headOf(hop.request, hop, route)
    } catch {
      return null
    }
  }

  #isOwn({ protocol }: URL): boolean {
    return protocol === 'http:' && this.#proxies?.carriesClearText !== true
  }

  #accepted(answer: HttpAnswer, hop: Hop): HttpAnswer | Promise<HttpAnswer> {
    this.#reached = 'an answer'
    const setCookie = hop.trusted ? answer.header('set-cookie') : null
    if (setCookie !== null) this.#headers.keepCookies(setCookie)
    if (mayFollow(answer.status, hop.request)) return this.#redirected(answer, hop)
    const encoding = answer.header('content-encoding')
    return encoding === null ? answer : decodedAnswer(answer, encoding)
  }

  async #redirected(answer: HttpAnswer, { request, url, trusted, redirects }: Hop): Promise<HttpAnswer> {
    const location = answer.header('location')
    answer.discard()
    const next = this.#redirectTarget(location ?? '', url, redirects)
    return this.#go({
      request,
      url: next,
      // Once off the origin, credentials stay off: a redirect back would let a stranger choose what they open.
      trusted: trusted && next.origin === this.#origin,
      from: url,
      redirects: redirects + 1,
    })
  }

  /** Where a redirect leads, as far as that can be told without looking up its name. */
  #redirectTarget(location: string, from: URL, redirects: number): URL {
    const { host } = this.url
    const next = URL.parse(location, from.href)
    if (next === null || redirects >= redirectsMax) {
      const why = next === null ? 'to nowhere' : `more than ${redirectsMax} times`
      throw new GatewayError(
        'UPSTREAM_ERROR',
        `${host} redirects ${why}, which cannot be followed: register the URL at which it answers.`,
      )
    }
    if (next.protocol !== 'https:' && (next.protocol !== 'http:' || from.protocol === 'https:')) {
      throw new GatewayError(
        'URL_FORBIDDEN',
        `${host} redirects to ${next.protocol} which is refused: register the URL at which it answers.`,
      )
    }
    next.username = ''
    next.password = ''
    next.hash = ''
    return next
  }
}

/** The older three would turn a POST into a GET (RFC 9110, 15.4), which is no message any more. */
function mayFollow(status: number, { method, stays }: HttpRequest): boolean {
  if (stays === true) return false
  if (status === 307 || status === 308) return true
  return method === 'GET' && (status === 301 || status === 302 || status === 303)
}

/** Anything thrown, as an error that can be shown: a server writes media types and the targets of redirects. */
export function asGatewayError(thrown: unknown, mask: Mask): GatewayError {
  const error = thrown instanceof GatewayError ? thrown : new GatewayError('INTERNAL', reasonOf(thrown))
  return maskError(mask, error)
}
