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
import type { Mask } from './mask.ts'
import { errorCode } from './process-group.ts'

export interface HttpOptions {
  readonly url: string
  /** Sent with every request to the origin of `url`, such as `Authorization`. */
  readonly headers: Readonly<Record<string, string>>
  /** Rejects with a GatewayError when a URL may not be connected to. Asked on open, every half minute of use, and on each redirect. */
  readonly guardUrl?: (url: URL) => Promise<void>
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
/** How long an answer of `guardUrl` for the URL itself is trusted: a name may lead elsewhere later. */
const guardedMsMax = 30_000
/** Framing belongs to fetch; a definition that sets it would break the message or smuggle a second one. */
const framingHeaders = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** What may follow a redirect to another origin, beside the protocol's own headers. */
const crossOriginHeader = /^mcp-(?!session-id$)/

export class HttpWire {
  readonly url: URL
  readonly #href: string
  readonly #origin: string
  readonly #definitionHeaders: Readonly<Record<string, string>>
  readonly #guardUrl: ((url: URL) => Promise<void>) | undefined
  #guardedAtMs = Number.NEGATIVE_INFINITY
  /** The headers of the request before, which are those of nearly every request. */
  #last: (HeaderSource & { readonly headers: Headers }) | null = null

  /** Throws a GatewayError when the URL is not http or https. */
  constructor(options: HttpOptions) {
    const url = URL.parse(options.url)
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      throw new GatewayError('DEFINITION_INVALID', 'The url of the server must be an http or https URL.')
    }
    const headers = lowerCased(options.headers)
    if (url.username !== '' && headers['authorization'] === undefined) {
      headers['authorization'] = basicCredentials(url)
    }
    url.username = ''
    url.password = ''
    url.hash = ''
    this.url = url
    this.#href = url.href
    this.#origin = url.origin
    this.#definitionHeaders = headers
    this.#guardUrl = options.guardUrl
  }

  /** Rejects when the URL of the definition may not be connected to. */
  async check(): Promise<void> {
    await this.#guardUrl?.(this.url)
    this.#guardedAtMs = performance.now()
  }

  /**
   * Resolves with the response, whatever its status; its body must be read or cancelled. Rejects with a
   * GatewayError when there is none.
   */
  async request(request: HttpRequest): Promise<Response> {
    if (performance.now() - this.#guardedAtMs > guardedMsMax) await this.check()
    let href = request.url?.href ?? this.#href
    for (let hop = 0; ; hop++) {
      const response = await this.#fetch(href, request)
      if (response.status === 307 || response.status === 308) {
        href = await this.#redirected(response, href, hop)
        continue
      }
      const encoding = response.headers.get('content-encoding')
      if (encoding === null || encoding.toLowerCase() === 'identity') return response
      await discard(response)
      const details = `${this.url.host} compresses its answers although that was declined.`
      throw new GatewayError('UPSTREAM_ERROR', details)
    }
  }

  /** Where a redirect leads, once it is known that the gateway may go there. */
  async #redirected(response: Response, from: string, hop: number): Promise<string> {
    const { host } = this.url
    await discard(response)
    const next = URL.parse(response.headers.get('location') ?? '', from)
    if (next === null || hop >= redirectsMax) {
      throw new GatewayError('UPSTREAM_ERROR', `${host} redirects in a way that cannot be followed.`)
    }
    if (next.protocol !== 'https:' && (next.protocol !== 'http:' || from.startsWith('https:'))) {
      throw new GatewayError('URL_FORBIDDEN', `${host} redirects to ${next.protocol} which is refused.`)
    }
    next.username = ''
    next.password = ''
    await this.#guardUrl?.(next)
    return next.href
  }

  async #fetch(href: string, request: HttpRequest): Promise<Response> {
    const { method, body, signal } = request
    try {
      return await fetch(href, {
        method,
        headers: this.#headersFor(href, request),
        signal,
        redirect: 'manual',
        // The answer of a tool may take an hour; bounds on time belong to the connection.
        timeout: false,
        // Bytes are counted as they come: a small compressed body must not unfold into gigabytes.
        decompress: false,
        body: body ?? null,
      } as RequestInit)
    } catch (thrown) {
      throw networkError(href, thrown)
    }
  }

  #headersFor(href: string, request: HttpRequest): Headers {
    if (href !== this.#href) return this.#headersAt(URL.parse(href)?.origin ?? '', request)
    const { protocolHeaders, messageHeaders, session } = request
    const last = this.#last
    if (
      last !== null &&
      last.protocolHeaders === protocolHeaders &&
      last.messageHeaders === messageHeaders &&
      last.session === session
    ) {
      return last.headers
    }
    const headers = this.#headersAt(this.#origin, request)
    this.#last = { protocolHeaders, messageHeaders, session, headers }
    return headers
  }

  #headersAt(origin: string, { protocolHeaders, messageHeaders, session }: HeaderSource): Headers {
    const headers: Record<string, string> = {}
    const own = lowerCased(messageHeaders ?? {})
    if (origin === this.#origin) Object.assign(headers, this.#definitionHeaders, own)
    else {
      for (const [name, value] of Object.entries(own)) if (crossOriginHeader.test(name)) headers[name] = value
    }
    Object.assign(headers, protocolHeaders)
    if (session && session.origin === origin) headers['mcp-session-id'] = session.id
    return new Headers(headers)
  }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
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

/** What fetch reports, as data. The message of fetch itself may hold the URL. */
export function networkError(url: string, thrown: unknown): GatewayError {
  const code = errorCode(thrown)
  const reason = code ?? (thrown instanceof Error ? thrown.name : 'unknown reason')
  return new GatewayError(
    'UPSTREAM_CLOSED',
    `The connection to ${URL.parse(url)?.host ?? 'the server'} failed (${reason}).`,
  )
}

/** Gives the connection of a response back without reading what it still holds. */
export async function discard(response: Response): Promise<void> {
  try {
    await response.body?.cancel()
  } catch {
    // It has ended by itself.
  }
}

/**
 * The text of a body, or null when it is larger than `bodyBytesMax`. Rejects with a GatewayError when the
 * body breaks off.
 */
export async function readBody(response: Response, bodyBytesMax: number): Promise<string | null> {
  const announced = response.headers.get('content-length')
  if (announced !== null && Number(announced) > bodyBytesMax) {
    await discard(response)
    return null
  }
  try {
    return announced === null ? await readCounted(response, bodyBytesMax) : await response.text()
  } catch (thrown) {
    throw networkError(response.url, thrown)
  }
}

/** For a body whose size nobody has announced. */
async function readCounted({ body }: Response, bodyBytesMax: number): Promise<string | null> {
  if (body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body as ReadableStream<Uint8Array>) {
    bytes += chunk.length
    // Leaving the loop cancels the body.
    if (bytes > bodyBytesMax) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
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
