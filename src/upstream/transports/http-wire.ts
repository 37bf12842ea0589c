/**
 * HTTP requests to one MCP server, with what both HTTP transports must keep to.
 *
 * Redirects are followed by hand: every hop passes `guardUrl`, because a server that redirects can point
 * the gateway at the metadata service of its cloud, and credentials never cross an origin. A request is
 * sent once; fetch does not repeat a POST whose connection broke (pinned by a test).
 *
 * Error texts name the host and the status, never the path, the query, headers or credentials.
 */
import { GatewayError, reasonOf } from '../../errors.ts'
import { type MessagePieces, textOf } from '../../protocol/large-answer.ts'
import { definitionHeaders, lowerCased } from './definition-headers.ts'
import { GuardedRoutes, type Route, type UrlGuard } from './guarded-routes.ts'
import type { Mask } from './mask.ts'
import { errorCode } from './process-group.ts'

export interface HttpOptions {
  readonly url: string
  /** Sent with every request to the origin of `url`, such as `Authorization`. */
  readonly headers: Readonly<Record<string, string>>
  /** Asked on open, every half minute of use, and on each redirect. */
  readonly guardUrl?: UrlGuard
  /** Longest JSON body or event. */
  readonly lineBytesMax: number
  /** Values that are masked in errors. */
  readonly secrets?: readonly string[]
}

/** A session that a server has issued. It is told to nobody but the origin that issued it. */
export interface HttpSession {
  readonly id: string
  readonly origin: string
}

/** What the headers of a request are made of. */
interface HeaderSource {
  /** What the protocol itself says; wins over all other headers. */
  readonly protocolHeaders: Readonly<Record<string, string>>
  /** Headers of this one message, such as forwarded client headers; win over the definition's. */
  readonly messageHeaders?: Readonly<Record<string, string>> | undefined
  readonly session?: HttpSession | null | undefined
}

export interface HttpRequest extends HeaderSource {
  readonly method: 'POST' | 'GET' | 'DELETE'
  readonly body?: string
  readonly signal: AbortSignal
  /** Where to send it; the URL of the definition when absent. */
  readonly url?: URL
}

const redirectsMax = 3
/** What may follow a redirect to another origin, beside the protocol's own headers. */
const crossOriginHeader = /^mcp-(?!session-id$)/

export class HttpWire {
  readonly url: URL
  readonly #origin: string
  readonly #definitionHeaders: Readonly<Record<string, string>>
  readonly #routes: GuardedRoutes
  /** The headers of the request before, which are those of nearly every request. */
  #last: (HeaderSource & { readonly route: Route; readonly headers: Headers }) | null = null

  /** Throws a GatewayError when the URL is not http or https. */
  constructor(options: HttpOptions) {
    const url = URL.parse(options.url)
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      throw new GatewayError('DEFINITION_INVALID', 'The url of the server must be an http or https URL.')
    }
    this.#definitionHeaders = definitionHeaders(options.headers, url)
    url.username = ''
    url.password = ''
    url.hash = ''
    this.url = url
    this.#origin = url.origin
    this.#routes = new GuardedRoutes(options.guardUrl)
  }

  /** Rejects when the URL of the definition may not be connected to. */
  async check(): Promise<void> {
    await this.#routes.judge(this.url)
  }

  /**
   * Resolves with the response, whatever its status; its body must be read or cancelled. Rejects with a
   * GatewayError when there is none.
   */
  async request(request: HttpRequest): Promise<Response> {
    let url = request.url ?? this.url
    // Once off the origin, credentials stay off: a redirect back would let a stranger choose what they open.
    let trusted = url === this.url || url.origin === this.#origin
    let from: URL | null = null
    for (let hop = 0; ; hop++) {
      const route = this.#routes.known(url) ?? (await this.#routes.judge(url, from))
      const response = await this.#fetch(url, route, this.#headersFor(url, route, trusted, request), request)
      if (response.status === 307 || response.status === 308) {
        from = url
        url = await this.#redirected(response, from, hop)
        trusted &&= url.origin === this.#origin
        continue
      }
      const encoding = response.headers.get('content-encoding')
      if (encoding === null || encoding.toLowerCase() === 'identity') return response
      await discard(response)
      const details = `${this.url.host} compresses its answers although that was declined.`
      throw new GatewayError('UPSTREAM_ERROR', details)
    }
  }

  /** Where a redirect leads, as far as that can be told without looking up its name. */
  async #redirected(response: Response, from: URL, hop: number): Promise<URL> {
    const { host } = this.url
    await discard(response)
    const next = URL.parse(response.headers.get('location') ?? '', from.href)
    if (next === null || hop >= redirectsMax) {
      throw new GatewayError('UPSTREAM_ERROR', `${host} redirects in a way that cannot be followed.`)
    }
    if (next.protocol !== 'https:' && (next.protocol !== 'http:' || from.protocol === 'https:')) {
      throw new GatewayError('URL_FORBIDDEN', `${host} redirects to ${next.protocol} which is refused.`)
    }
    next.username = ''
    next.password = ''
    return next
  }

  /** One try per address, and the next one only when nothing was sent to the one before. */
  async #fetch(
    url: URL,
    { hrefs, host }: Route,
    headers: Headers,
    { method, body, signal }: HttpRequest,
  ): Promise<Response> {
    for (let at = 0; ; at++) {
      const href = hrefs[at] ?? url.href
      try {
        const response = await fetch(href, {
          method,
          headers,
          signal,
          redirect: 'manual',
          // The answer of a tool may take an hour; bounds on time belong to the connection.
          timeout: false,
          // Bytes are counted as they come: a small compressed body must not unfold into gigabytes.
          decompress: false,
          body: body ?? null,
        } as RequestInit)
        // Elsewhere the response itself knows its URL.
        if (host !== null) (response as Carrier)[asked] = url
        return response
      } catch (thrown) {
        if (at + 1 < hrefs.length && neverConnected.has(errorCode(thrown) ?? '')) {
          this.#routes.demote(url, href)
          continue
        }
        this.#routes.forget(url)
        throw networkError(url, thrown)
      }
    }
  }

  #headersFor(url: URL, route: Route, trusted: boolean, request: HttpRequest): Headers {
    if (url !== this.url) return this.#headersAt(url.origin, route, trusted, request)
    const { protocolHeaders, messageHeaders, session } = request
    const last = this.#last
    if (
      last !== null &&
      last.route === route &&
      last.protocolHeaders === protocolHeaders &&
      sameHeaders(last.messageHeaders, messageHeaders) &&
      last.session === session
    ) {
      return last.headers
    }
    const headers = this.#headersAt(this.#origin, route, trusted, request)
    this.#last = { route, protocolHeaders, messageHeaders, session, headers }
    return headers
  }

  #headersAt(
    origin: string,
    { host }: Route,
    trusted: boolean,
    { protocolHeaders, messageHeaders, session }: HeaderSource,
  ): Headers {
    const headers: Record<string, string> = {}
    const own = lowerCased(messageHeaders ?? {})
    if (trusted) Object.assign(headers, this.#definitionHeaders, own)
    else {
      for (const [name, value] of Object.entries(own)) if (crossOriginHeader.test(name)) headers[name] = value
    }
    Object.assign(headers, protocolHeaders)
    if (session && session.origin === origin) headers['mcp-session-id'] = session.id
    if (host !== null) headers['host'] = host
    return new Headers(headers)
  }
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

/** What the system says when it could not even connect, so that nothing was sent. */
const neverConnected: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
])

const asked = Symbol('asked')
type Carrier = Response & { [asked]?: URL }

/** The URL that a response is an answer to, with its name where the connection was made to an address. */
export function urlOf(response: Response): URL {
  return (response as Carrier)[asked] ?? new URL(response.url)
}

/** Seconds after which a server that could not be reached may be tried again, when nothing better is known. */
const retryAfterSeconds = 1

/** What fetch reports, as data. The message of fetch itself may hold the URL. */
export function networkError(url: URL, thrown: unknown): GatewayError {
  const code = errorCode(thrown)
  const { host } = url
  if (neverConnected.has(code ?? ''))
    return new GatewayError('SERVER_UNAVAILABLE', `${host} cannot be reached (${code}).`, retryAfterSeconds)
  const reason = code ?? (thrown instanceof Error ? thrown.name : 'unknown reason')
  return new GatewayError('UPSTREAM_CLOSED', `The connection to ${host} failed (${reason}).`)
}

/** Gives the connection of a response back without reading what it still holds. */
export async function discard(response: Response): Promise<void> {
  try {
    await response.body?.cancel()
  } catch {
    // It has ended by itself.
  }
}

/** The text of a body, or null when it is larger than `bodyBytesMax`. Rejects as `readPieces` does. */
export async function readBody(response: Response, bodyBytesMax: number): Promise<string | null> {
  const pieces = await readPieces(response, bodyBytesMax)
  return pieces && textOf(pieces)
}

/** The bytes of a body, or null for more than `bodyBytesMax`. Rejects with a GatewayError when it breaks off. */
export async function readPieces(response: Response, bodyBytesMax: number): Promise<MessagePieces | null> {
  const announced = response.headers.get('content-length')
  if (announced !== null && Number(announced) > bodyBytesMax) {
    await discard(response)
    return null
  }
  try {
    return announced === null ? await readCounted(response, bodyBytesMax) : [await response.bytes()]
  } catch (thrown) {
    throw networkError(urlOf(response), thrown)
  }
}

/** For a body whose size nobody has announced. */
async function readCounted({ body }: Response, bodyBytesMax: number): Promise<MessagePieces | null> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += piece.length
    // Leaving the loop cancels the body.
    if (bytes > bodyBytesMax) return null
    pieces.push(piece)
  }
  return pieces
}

/** The media type of a response, lower case, without parameters. */
export function mediaType(response: Response): string {
  const value = response.headers.get('content-type') ?? ''
  const end = value.indexOf(';')
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase()
}

/** Anything thrown, as an error that can be shown. */
export function asGatewayError(thrown: unknown, mask: Mask): GatewayError {
  return thrown instanceof GatewayError ? thrown : new GatewayError('INTERNAL', mask(reasonOf(thrown)))
}
