/**
 * The wire to an MCP server over HTTP+SSE, the transport of 2024-11-05: one event stream brings everything
 * that the server says, and messages to it are POSTs to an address that the stream announces.
 *
 * The stream is the session: when it drops, the wire is `closed` and nothing can be resumed. The announced
 * address must be of the stream's own origin, or a server could make the gateway send the messages (and the
 * credentials) of its clients anywhere.
 *
 * Spec: 2024-11-05, Transports, HTTP with SSE. Cases: test/upstream/transports/sse.test.ts
 */
import { GatewayError } from '../../errors.ts'
import { requestIdOfAnswer } from '../../protocol/large-answer.ts'
import { readEvents } from './event-body.ts'
import { readFailure } from './http-failure.ts'
import { asGatewayError, discard, type HttpOptions, HttpWire, mediaType, urlOf } from './http-wire.ts'
import { createMask, type Mask } from './mask.ts'
import { messagesIn } from './message-text.ts'
import { ReadGate } from './read-gate.ts'
import {
  droppedNote,
  type Outgoing,
  type TransportReceiver,
  type UpstreamTransport,
  unansweredMax,
} from './transport.ts'

/**
 * How long a POST waits for the one before it to be answered. Order needs only that the server has read the
 * earlier one; some servers answer a POST when its call is done, and a slow call must not block the others.
 */
const headStartMs = 200

export function createSseTransport(options: HttpOptions): UpstreamTransport {
  return new SseTransport(options)
}

class SseTransport implements UpstreamTransport {
  readonly pid = null
  readonly #options: HttpOptions
  readonly #mask: Mask
  readonly #readGate = new ReadGate()
  /** Aborts the stream and every POST. */
  readonly #ended = new AbortController()
  #wire: HttpWire | null = null
  #receiver: TransportReceiver | null = null
  #endpoint: URL | null = null
  #protocolVersion: string | null = null
  #queue: Outgoing[] = []
  #sending = false

  constructor(options: HttpOptions) {
    this.#options = options
    this.#mask = createMask(options.secrets ?? [])
  }

  /** Resolves once the server has announced where messages go. */
  async open(receiver: TransportReceiver, signal: AbortSignal): Promise<void> {
    const wire = new HttpWire(this.#options)
    await wire.check()
    const giveUp = (): void => this.#ended.abort()
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      const protocolHeaders = { accept: 'text/event-stream', 'accept-encoding': 'identity' }
      const response = await wire.request({ method: 'GET', protocolHeaders, signal: this.#ended.signal })
      if (response.status !== 200 || mediaType(response) !== 'text/event-stream') {
        throw await this.#refusal(response)
      }
      this.#wire = wire
      await this.#follow(response, receiver)
    } catch (thrown) {
      this.#ended.abort()
      if (signal.aborted)
        throw new GatewayError('UPSTREAM_TIMEOUT', `${wire.url.host} opened no event stream in time.`)
      throw asGatewayError(thrown, this.#mask)
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  async #refusal(response: Response): Promise<GatewayError> {
    const { host } = urlOf(response)
    if (response.status < 300) {
      await discard(response)
      return new GatewayError('UPSTREAM_ERROR', `${host} answered GET without an event stream.`)
    }
    const failure = await readFailure(response, { requestId: null, inSession: false, host, mask: this.#mask })
    if (failure.kind === 'error') return failure.error
    return new GatewayError('UPSTREAM_ERROR', `${host} answered HTTP ${response.status}`)
  }

  /** Reads the stream to its end in the background; resolves with the `endpoint` event. */
  #follow(response: Response, receiver: TransportReceiver): Promise<void> {
    const streamUrl = urlOf(response)
    return new Promise((resolve, reject) => {
      const sink = {
        event: (type: string, data: string): void => {
          if (type !== 'endpoint') {
            this.#event(type, data)
            return
          }
          const endpoint = sameOrigin(data.trim(), streamUrl)
          if (endpoint === null) reject(foreignEndpoint(streamUrl))
          else if (this.#endpoint === null) {
            this.#endpoint = endpoint
            this.#receiver = receiver
            resolve()
          }
        },
        oversized: (head: string, tail: string): void => this.#oversized(head, tail),
      }
      const cursor = { lastEventId: '', retryMs: null }
      const { host } = urlOf(response)
      const ended = (error: GatewayError): void => {
        reject(error)
        this.#fail(error)
      }
      readEvents(response, this.#options.lineBytesMax, this.#readGate, cursor, sink).then(
        () => ended(new GatewayError('UPSTREAM_CLOSED', `${host} ended the event stream.`)),
        (thrown: unknown) => ended(asGatewayError(thrown, this.#mask)),
      )
    })
  }

  #event(type: string, data: string): void {
    if (type !== 'message' || data === '') return
    for (const text of messagesIn(data.trim()) ?? []) this.#receiver?.message(text, null)
  }

  #oversized(head: string, tail: string): void {
    const { lineBytesMax } = this.#options
    this.#receiver?.noise(`(an event of more than ${lineBytesMax} bytes was left out)`)
    const requestId = requestIdOfAnswer(head, tail)
    if (requestId === null) return
    const details = `The answer of the server is larger than ${lineBytesMax} bytes.`
    this.#receiver?.requestFailed(requestId, new GatewayError('UPSTREAM_ERROR', details))
  }

  send(outgoing: Outgoing): void {
    if (this.#receiver === null) return
    if (outgoing.requestId === null && this.#queue.length >= unansweredMax) {
      this.#receiver.noise(droppedNote(outgoing))
      return
    }
    this.#queue.push(outgoing)
    if (!this.#sending) void this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    this.#sending = true
    for (let outgoing = this.#queue.shift(); outgoing !== undefined; outgoing = this.#queue.shift()) {
      const posted = this.#post(outgoing)
      let timer: ReturnType<typeof setTimeout> | undefined
      const headStart = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, headStartMs)
      })
      await Promise.race([posted, headStart])
      clearTimeout(timer)
    }
    this.#sending = false
  }

  async #post({ text, requestId, headers }: Outgoing): Promise<void> {
    const [wire, url] = [this.#wire, this.#endpoint]
    if (wire === null || url === null || this.#receiver === null) return
    const protocolHeaders: Record<string, string> = {
      'content-type': 'application/json',
      'accept-encoding': 'identity',
    }
    if (this.#protocolVersion !== null) protocolHeaders['mcp-protocol-version'] = this.#protocolVersion
    try {
      const response = await wire.request({
        method: 'POST',
        url,
        protocolHeaders,
        messageHeaders: headers,
        body: text,
        signal: this.#ended.signal,
      })
      if (response.status < 300) await discard(response)
      else await this.#refused(response, requestId, url.host)
    } catch (thrown) {
      this.#failRequest(requestId, asGatewayError(thrown, this.#mask))
    }
  }

  async #refused(response: Response, requestId: number | null, host: string): Promise<void> {
    const failure = await readFailure(response, { requestId, inSession: true, host, mask: this.#mask })
    if (failure.kind === 'answer') this.#receiver?.message(failure.text, null)
    else if (failure.kind === 'error') this.#failRequest(requestId, failure.error)
    else
      this.#fail(
        new GatewayError('UPSTREAM_CLOSED', `${host} does not know the session of its event stream.`),
      )
  }

  #failRequest(requestId: number | null, error: GatewayError): void {
    if (requestId === null) this.#receiver?.noise(error.details)
    else this.#receiver?.requestFailed(requestId, error)
  }

  #fail(error: GatewayError): void {
    const receiver = this.#receiver
    this.#receiver = null
    receiver?.closed(error)
    void this.close()
  }

  initialized(protocolVersion: string): void {
    this.#protocolVersion = protocolVersion
  }

  /** The session is the stream; it ends with it. */
  resetSession(): void {}

  /** All answers come on one stream: a cancel is a message. */
  abort(): void {}

  pause(): void {
    this.#readGate.shut()
  }

  resume(): void {
    this.#readGate.open()
  }

  async close(): Promise<void> {
    this.#receiver = null
    this.#queue = []
    this.#ended.abort()
    this.#readGate.open()
  }
}

function sameOrigin(endpoint: string, streamUrl: URL): URL | null {
  const url = URL.parse(endpoint, streamUrl.href)
  if (url === null || url.origin !== streamUrl.origin) return null
  url.username = ''
  url.password = ''
  return url
}

function foreignEndpoint({ host }: URL): GatewayError {
  return new GatewayError('URL_FORBIDDEN', `${host} announced an endpoint of another origin; it is not used.`)
}
