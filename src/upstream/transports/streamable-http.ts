/**
 * The wire to an MCP server over Streamable HTTP: every message is a POST of its own, answered by JSON or
 * by an event stream; in the legacy era there is a session and a standing GET stream besides.
 *
 * Nothing here survives of one message but the session: a server that cannot be reached fails the requests
 * that needed it, and the wire is never `closed`. A request that may have been delivered is not sent again.
 *
 * Spec: 2025-03-26 to 2025-11-25 and 2026-07-28, Streamable HTTP.
 * Cases: test/upstream/transports/streamable-http.test.ts
 */
import { GatewayError } from '../../errors.ts'
import { largeAnswerBytesMin, lengthOf, textOf } from '../../protocol/large-answer.ts'
import { readAnswerStream } from './answer-stream.ts'
import { HandshakeGate } from './handshake-gate.ts'
import { readFailure } from './http-failure.ts'
import {
  asGatewayError,
  discard,
  type HttpOptions,
  type HttpSession,
  HttpWire,
  mediaType,
  readPieces,
  urlOf,
} from './http-wire.ts'
import { createMask, type Mask } from './mask.ts'
import { messagesIn } from './message-text.ts'
import { ReadGate } from './read-gate.ts'
import { keepListening } from './standing-stream.ts'
import {
  droppedNote,
  type Outgoing,
  type TransportReceiver,
  type UpstreamTransport,
  unansweredMax,
} from './transport.ts'

/** The server may take this long to end its session; the gateway does not wait longer. */
const deleteMsMax = 2_000
/** A cancelled request is answered within this, or never. */
const afterCancelMs = 2_000
/** Visible ASCII (2025-11-25, Session Management), and bounded. */
const sessionIdForm = /^[\x21-\x7e]{1,1024}$/

const acceptBoth = { accept: 'application/json, text/event-stream', 'accept-encoding': 'identity' } as const
const postHeaders = { ...acceptBoth, 'content-type': 'application/json' } as const
const acceptEvents = { accept: 'text/event-stream', 'accept-encoding': 'identity' } as const

export function createStreamableHttpTransport(options: HttpOptions): UpstreamTransport {
  return new StreamableHttpTransport(options)
}

class StreamableHttpTransport implements UpstreamTransport {
  readonly pid = null
  readonly #options: HttpOptions
  readonly #mask: Mask
  readonly #handshake = new HandshakeGate((outgoing) => void this.#post(outgoing))
  readonly #readGate = new ReadGate()
  /** Everything that is on its way, to be aborted on close. */
  readonly #open = new Set<AbortController>()
  readonly #requests = new Map<number, AbortController>()
  #wire: HttpWire | null = null
  #receiver: TransportReceiver | null = null
  #session: HttpSession | null = null
  #protocolVersion: string | null = null
  /** The same object from one message to the next, so that its headers are made once. */
  #postHeaders: Readonly<Record<string, string>> = postHeaders
  #listening: AbortController | null = null
  #closing: Promise<void> | null = null

  constructor(options: HttpOptions) {
    this.#options = options
    this.#mask = createMask(options.secrets ?? [])
  }

  async open(receiver: TransportReceiver, _signal: AbortSignal): Promise<void> {
    const wire = new HttpWire(this.#options)
    await wire.check()
    this.#wire = wire
    this.#receiver = receiver
  }

  send(outgoing: Outgoing): void {
    if (this.#receiver === null) return
    const unanswered = this.#open.size - this.#requests.size + this.#handshake.heldCount
    if (outgoing.requestId === null && unanswered >= unansweredMax)
      this.#receiver.noise(droppedNote(outgoing))
    else this.#handshake.send(outgoing)
  }

  initialized(protocolVersion: string): void {
    this.#protocolVersion = protocolVersion
    this.#postHeaders = this.#protocolHeaders(postHeaders)
  }

  resetSession(): void {
    this.#session = null
    this.#protocolVersion = null
    this.#postHeaders = postHeaders
    this.#listening?.abort()
    this.#listening = null
  }

  abort(requestId: number): void {
    if (!this.#handshake.withdraw(requestId)) this.#requests.get(requestId)?.abort()
  }

  pause(): void {
    this.#readGate.shut()
  }

  resume(): void {
    this.#readGate.open()
  }

  close(): Promise<void> {
    this.#receiver = null
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    this.#handshake.close()
    this.#listening?.abort()
    for (const controller of this.#open) controller.abort()
    this.#readGate.open()
    const session = this.#session
    if (this.#wire === null || session === null) return
    try {
      const signal = AbortSignal.timeout(deleteMsMax)
      const protocolHeaders = this.#protocolHeaders(acceptBoth)
      await discard(await this.#wire.request({ method: 'DELETE', protocolHeaders, session, signal }))
    } catch {
      // The server expires the session by itself; nobody is left to tell.
    }
  }

  async #post(outgoing: Outgoing): Promise<void> {
    const wire = this.#wire
    if (wire === null) return
    const { requestId, text, method } = outgoing
    const controller = new AbortController()
    this.#open.add(controller)
    if (requestId !== null) this.#requests.set(requestId, controller)
    const session = method === 'initialize' ? null : this.#session
    let again = false
    try {
      const response = await wire.request({
        method: 'POST',
        protocolHeaders: this.#postHeaders,
        session,
        messageHeaders: outgoing.headers,
        body: text,
        signal: controller.signal,
      })
      if (method === 'initialize') this.#welcome(response)
      again = await this.#read(response, outgoing, session, controller)
    } catch (thrown) {
      if (!controller.signal.aborted) this.#fail(requestId, asGatewayError(thrown, this.#mask))
    } finally {
      this.#open.delete(controller)
      if (requestId !== null && this.#requests.get(requestId) === controller) this.#requests.delete(requestId)
      this.#afterPost(outgoing)
    }
    if (again) this.send(outgoing)
  }

  /** `initialize` was answered: whatever the answer says, its headers hold the session. */
  #welcome(response: Response): void {
    const id = response.headers.get('mcp-session-id')
    if (response.ok && id !== null && sessionIdForm.test(id)) {
      this.#session = { id, origin: urlOf(response).origin }
    }
    this.#handshake.initializeSettled(response.ok)
  }

  #afterPost({ method, text }: Outgoing): void {
    if (method === 'initialize') this.#handshake.initializeSettled(false)
    else if (method === 'notifications/initialized') {
      this.#handshake.announced()
      this.#listen()
    } else if (method === 'notifications/cancelled') this.#endCancelled(text)
  }

  /** True when the request was not delivered and should be sent again in the session that exists now. */
  async #read(
    response: Response,
    outgoing: Outgoing,
    session: HttpSession | null,
    controller: AbortController,
  ): Promise<boolean> {
    const { requestId } = outgoing
    if (response.status >= 300) return this.#readFailure(response, outgoing, session)
    if (requestId === null) {
      await discard(response)
      return false
    }
    const { lineBytesMax } = this.#options
    const type = mediaType(response)
    if (type === 'text/event-stream') {
      await readAnswerStream(response, {
        requestId,
        eventBytesMax: lineBytesMax,
        gate: this.#readGate,
        controller,
        host: hostOf(response),
        message: (text) => this.#receiver?.message(text, requestId),
        failed: (error) => this.#fail(requestId, error),
        interrupted: () => this.#receiver?.interrupted?.(requestId),
        resume: (lastEventId) => this.#get(lastEventId, session, controller.signal),
      })
    } else if (type.endsWith('json')) {
      const pieces = await readPieces(response, lineBytesMax)
      const large = pieces !== null && lengthOf(pieces) >= largeAnswerBytesMin
      if (large && this.#receiver?.large(pieces, requestId) === true) return false
      const messages = pieces && messagesIn(textOf(pieces).trim())
      if (messages === null)
        throw notAnAnswer(response, pieces ? 'no JSON object' : `more than ${lineBytesMax} bytes`)
      for (const message of messages) this.#receiver?.message(message, requestId)
    } else {
      await discard(response)
      throw notAnAnswer(response, `HTTP ${response.status} and ${type === '' ? 'no content type' : type}`)
    }
    return false
  }

  async #readFailure(
    response: Response,
    { requestId, method }: Outgoing,
    session: HttpSession | null,
  ): Promise<boolean> {
    const failure = await readFailure(response, {
      requestId,
      probing: method === 'server/discover',
      inSession: session !== null,
      host: hostOf(response),
      mask: this.#mask,
    })
    if (failure.kind === 'error') this.#fail(requestId, failure.error)
    else if (failure.kind === 'answer') this.#receiver?.message(failure.text, requestId)
    else if (this.#session !== null && this.#session !== session) return true
    else this.#receiver?.sessionLost(requestId)
    return false
  }

  #fail(requestId: number | null, error: GatewayError): void {
    if (requestId === null) this.#receiver?.noise(error.details)
    else this.#receiver?.requestFailed(requestId, error)
  }

  #get(lastEventId: string, session: HttpSession | null, signal: AbortSignal): Promise<Response> {
    const wire = this.#wire
    if (wire === null) return Promise.reject(new GatewayError('UPSTREAM_CLOSED', 'The wire is closed.'))
    const headers = lastEventId === '' ? acceptEvents : { ...acceptEvents, 'last-event-id': lastEventId }
    return wire.request({ method: 'GET', protocolHeaders: this.#protocolHeaders(headers), session, signal })
  }

  #protocolHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const version = this.#protocolVersion
    return version === null ? headers : { ...headers, 'mcp-protocol-version': version }
  }

  #listen(): void {
    if (this.#receiver === null || this.#listening !== null || this.#protocolVersion === null) return
    const controller = new AbortController()
    const session = this.#session
    this.#listening = controller
    void keepListening({
      eventBytesMax: this.#options.lineBytesMax,
      gate: this.#readGate,
      signal: controller.signal,
      get: (lastEventId) => this.#get(lastEventId, session, controller.signal),
      message: (text) => this.#receiver?.message(text, null),
      oversized: () => this.#receiver?.noise('(an event over the size limit was left out)'),
      sessionLost: () => this.#receiver?.sessionLost(null),
    })
  }

  /**
   * A legacy server does not answer what it has cancelled and often leaves the stream open: without this,
   * every cancelled call would hold a connection until the session ends.
   */
  #endCancelled(text: string): void {
    const requestId = Number(/"requestId"\s*:\s*"?(\d{1,15})/.exec(text)?.[1] ?? Number.NaN)
    const controller = this.#requests.get(requestId)
    if (controller === undefined) return
    const timer = setTimeout(() => controller.abort(), afterCancelMs)
    timer.unref()
  }
}

function notAnAnswer(response: Response, what: string): GatewayError {
  const details = `${hostOf(response)} answered with ${what} where a JSON-RPC message was due.`
  return new GatewayError('UPSTREAM_ERROR', details)
}

function hostOf(response: Response): string {
  return urlOf(response).host
}
