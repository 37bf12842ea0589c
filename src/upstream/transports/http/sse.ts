/**
 * The wire to an MCP server over HTTP+SSE, the transport of 2024-11-05: one event stream brings everything
 * that the server says, and messages to it are POSTs to an address that the stream announces.
 *
 * The stream is the session: when it drops, the wire is `closed` and nothing can be resumed. The announced
 * address must be of the stream's own origin, or a server could make the gateway send the messages (and the
 * credentials) of its clients anywhere.
 *
 * Spec: 2024-11-05, Transports, HTTP with SSE. Cases: test/upstream/transports/http/sse.test.ts
 */
import { GatewayError, resultTooLargeError } from '../../../errors.ts'
import { scanMessage } from '../../../protocol/jsonrpc.ts'
import { requestIdOfAnswer } from '../../../protocol/large-answer.ts'
import { createMask, type Mask } from '../../../telemetry/redaction.ts'
import { messagesIn } from '../message-text.ts'
import {
  droppedNote,
  hasRoom,
  type Outgoing,
  type TransportReceiver,
  type UpstreamTransport,
} from '../transport.ts'
import { answererOf, type HttpAnswer, readBody } from './client/answer/answer.ts'
import { Cancellation, wait } from './client/answer/cancellation.ts'
import { asGatewayError, HttpClient, type HttpOptions } from './client/http-client.ts'
import { maskOfSent } from './client/token-source.ts'
import { messagesOf, ReadGate, readEvents, type StreamReading } from './event-body.ts'
import { HttpStatusError, readFailure, tellFailure } from './failure.ts'
import { credentialHeaders, refusalRemedy } from './refusal.ts'

/**
 * How long a POST waits for the one before it to be answered. Order needs only that the server has read the
 * earlier one; some servers answer a POST when its call is done, and a slow call must not block the others.
 */
const headStartMs = 200
/**
 * How long the stream is listened to for the answer to a request whose POST has failed on its way: servers drop the
 * connection of the POST, and proxies give up waiting for it, while the request runs.
 */
const answerAfterFailureMs = 10_000
/** What a reverse proxy answers while the server behind it may well be at work. */
const proxyStatuses: readonly number[] = [502, 504]

const postHeaders = { 'content-type': 'application/json', 'accept-encoding': 'identity' } as const

export function createSseTransport(options: HttpOptions): UpstreamTransport {
  return new SseTransport(options)
}

class SseTransport implements UpstreamTransport {
  readonly pid = null
  readonly attributes = false
  readonly #options: HttpOptions
  readonly #mask: Mask
  /** Names of the headers with which the gateway identifies itself. */
  readonly #credentials: readonly string[]
  readonly #readGate = new ReadGate()
  /** Ends the stream and every POST. */
  readonly #ended = new Cancellation()
  #wire: HttpClient | null = null
  #receiver: TransportReceiver | null = null
  /** True from when an event stream is open. */
  #streams = false
  #endpoint: URL | null = null
  /** The same object from one message to the next, so that its headers are made once. */
  #postHeaders: Readonly<Record<string, string>> = postHeaders
  #queue: Outgoing[] = []
  /** The POST that the next one waits for, and since when (`performance.now()`). */
  #ahead: Outgoing | null = null
  #aheadSinceMs = 0
  #headStart: ReturnType<typeof setTimeout> | null = null

  constructor(options: HttpOptions) {
    this.#options = options
    this.#mask = maskOfSent(createMask(options.secrets ?? []), options.tokens ?? null)
    this.#credentials = credentialHeaders(options.headers, options.url)
  }

  /** Resolves once the server has announced where messages go. */
  async open(receiver: TransportReceiver, signal: AbortSignal): Promise<void> {
    const wire = new HttpClient(this.#options)
    this.#wire = wire
    await wire.check()
    const giveUp = (): void => this.#ended.cancel()
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      const protocolHeaders = { accept: 'text/event-stream', 'accept-encoding': 'identity' }
      const answer = await wire.request({ method: 'GET', protocolHeaders, cancellation: this.#ended })
      if (answer.status !== 200 || answer.mediaType !== 'text/event-stream') {
        throw await this.#refusal(answer)
      }
      this.#streams = true
      await this.#follow(answer, receiver)
    } catch (thrown) {
      this.#ended.cancel()
      wire.close()
      if (signal.aborted)
        throw new GatewayError(
          'UPSTREAM_TIMEOUT',
          this.#streams
            ? `${wire.url.host} opened an event stream and announced no endpoint on it: check the path in url, mostly /sse`
            : `${wire.url.host} opened no event stream in time`,
        )
      throw asGatewayError(thrown, this.#mask)
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  async #refusal(answer: HttpAnswer): Promise<GatewayError> {
    const host = answererOf(answer)
    if (answer.status < 300) {
      answer.discard()
      const remedy = refusalRemedy(answer, 'sse', null)
      return new GatewayError('UPSTREAM_ERROR', `${host} answered GET without an event stream: ${remedy}.`)
    }
    const failed = {
      requestId: null,
      inSession: false,
      credentials: this.#credentials,
      host,
      mask: this.#mask,
    }
    const failure = await readFailure(answer, { ...failed, greets: 'sse' })
    if (failure.kind === 'error') return failure.error
    return new GatewayError('UPSTREAM_ERROR', `${host} answered HTTP ${answer.status}`)
  }

  /** Reads the stream to its end in the background; resolves with the `endpoint` event. */
  #follow(answer: HttpAnswer, receiver: TransportReceiver): Promise<void> {
    const streamUrl = answer.url
    const reading: StreamReading = {
      eventBytesMax: this.#options.lineBytesMax,
      gate: this.#readGate,
      cancellation: this.#ended,
      budget: receiver.budget,
      expected: true,
      unasked: (units) => receiver.unasked(units),
    }
    return new Promise((resolve, reject) => {
      const sink = {
        event: (type: string, data: string): void => {
          if (type !== 'endpoint') {
            for (const text of messagesOf(type, data, reading)) this.#receiver?.message(text, null)
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
      const { host } = streamUrl
      const ended = (error: GatewayError): void => {
        reject(error)
        this.#fail(error)
      }
      readEvents(answer, reading, cursor, sink).then(
        () => ended(new GatewayError('UPSTREAM_CLOSED', `${host} ended the event stream.`)),
        (thrown: unknown) => ended(asGatewayError(thrown, this.#mask)),
      )
    })
  }

  #oversized(head: string, tail: string): void {
    const { lineBytesMax } = this.#options
    this.#receiver?.noise(`(an event of more than ${lineBytesMax} bytes was left out)`)
    const requestId = requestIdOfAnswer(head, tail)
    if (requestId === null) return
    this.#receiver?.requestFailed(requestId, resultTooLargeError(lineBytesMax, 'limits.line_bytes_max'))
  }

  send(outgoing: Outgoing): void {
    if (this.#receiver === null) return
    if (outgoing.requestId === null && !hasRoom(this.#queue.length, outgoing)) {
      this.#receiver.noise(droppedNote(outgoing))
      return
    }
    this.#queue.push(outgoing)
    if (this.#ahead === null) this.#sendNext()
    else {
      this.#headStart ??= setTimeout(
        () => this.#sendNext(),
        Math.max(0, this.#aheadSinceMs + headStartMs - performance.now()),
      )
    }
  }

  /** Called when the POST ahead was answered, or has had its head start. */
  #sendNext(): void {
    if (this.#headStart !== null) clearTimeout(this.#headStart)
    const next = this.#queue.shift() ?? null
    this.#ahead = next
    this.#headStart = this.#queue.length === 0 ? null : setTimeout(() => this.#sendNext(), headStartMs)
    if (next === null) return
    this.#aheadSinceMs = performance.now()
    void this.#post(next)
  }

  async #post(outgoing: Outgoing): Promise<void> {
    const [wire, url] = [this.#wire, this.#endpoint]
    const { text, requestId, headers } = outgoing
    if (wire === null || url === null || this.#receiver === null) return
    const { budget } = this.#receiver
    if (outgoing.method === null) budget.answersUnderWay++
    try {
      const answer = await wire.request({
        method: 'POST',
        url,
        protocolHeaders: this.#postHeaders,
        messageHeaders: headers,
        trace: outgoing.trace,
        body: text,
        cancellation: this.#ended,
        repeatable: outgoing.repeatable === true,
      })
      if (answer.status < 300) await this.#accepted(answer, requestId)
      else await this.#refused(answer, outgoing)
    } catch (thrown) {
      this.#failRequest(requestId, asGatewayError(thrown, this.#mask))
    } finally {
      if (outgoing.method === null) budget.answersUnderWay--
    }
    if (this.#ahead === outgoing) this.#sendNext()
  }

  /** Some servers answer in the body of the POST itself; most say nothing there, or a word of their own. */
  async #accepted(answer: HttpAnswer, requestId: number | null): Promise<void> {
    if (requestId === null || answer.mediaType !== 'application/json') {
      answer.discard()
      return
    }
    const { lineBytesMax } = this.#options
    const body = await readBody(answer, lineBytesMax)
    if (body === null) throw resultTooLargeError(lineBytesMax, 'limits.line_bytes_max')
    for (const text of messagesIn(body.trim()) ?? [])
      if (scanMessage(text) !== null) this.#receiver?.message(text, requestId)
  }

  async #refused(answer: HttpAnswer, { requestId, headers }: Outgoing): Promise<void> {
    const host = answererOf(answer)
    const credentials = [...this.#credentials, ...credentialHeaders(headers ?? {})]
    const failed = { requestId, inSession: true, credentials, host, mask: this.#mask }
    const failure = await readFailure(answer, failed)
    if (failure.kind === 'unrun')
      this.#fail(
        new GatewayError('UPSTREAM_CLOSED', `${host} does not know the session of its event stream.`),
      )
    else if (failure.kind === 'error') this.#failRequest(requestId, failure.error)
    else if (this.#receiver !== null) tellFailure(failure, requestId, this.#receiver)
  }

  /** A request that may be running is given time: its answer comes on the stream, whatever became of its POST. */
  #failRequest(requestId: number | null, error: GatewayError): void {
    if (requestId === null) this.#receiver?.noise(error.details)
    else if (!mayRun(error)) this.#receiver?.requestFailed(requestId, error)
    else
      void wait(answerAfterFailureMs, this.#ended).then(() => {
        if (this.#receiver?.settled(requestId) === false) this.#receiver.requestFailed(requestId, error)
      })
  }

  #fail(error: GatewayError): void {
    const receiver = this.#receiver
    this.#receiver = null
    receiver?.closed(error)
    void this.close()
  }

  initialized(protocolVersion: string): void {
    this.#postHeaders = { ...postHeaders, 'mcp-protocol-version': protocolVersion }
  }

  silence(): string {
    return this.#streams ? '' : (this.#wire?.silence() ?? '')
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
    if (this.#headStart !== null) clearTimeout(this.#headStart)
    this.#ended.cancel()
    this.#wire?.close()
    this.#readGate.open()
  }
}

function mayRun(error: GatewayError): boolean {
  return error instanceof HttpStatusError
    ? proxyStatuses.includes(error.upstreamStatus)
    : error.code === 'UPSTREAM_CLOSED'
}

function sameOrigin(endpoint: string, streamUrl: URL): URL | null {
  const url = URL.parse(endpoint, streamUrl.href)
  if (url === null || url.origin !== streamUrl.origin) return null
  url.username = ''
  url.password = ''
  return url
}

function foreignEndpoint({ host }: URL): GatewayError {
  return new GatewayError(
    'URL_FORBIDDEN',
    `${host} announced an endpoint of another origin, which is not used: have it announce a path, or the origin that url has.`,
  )
}
