/**
 * The wire to an MCP server over Streamable HTTP: every message is a POST of its own, answered by JSON or
 * by an event stream; in the legacy era there is a session and a standing GET stream besides.
 *
 * Nothing here survives of one message but the session: a server that cannot be reached fails the requests
 * that needed it, and the wire is never `closed`. A request that may have run is not sent again.
 *
 * Spec: 2025-03-26 to 2025-11-25 and 2026-07-28, Streamable HTTP.
 * Cases: test/upstream/transports/http/streamable-http.test.ts
 */
import { GatewayError } from '../../../errors.ts'
import type { MessagePieces } from '../../../protocol/large-answer.ts'
import { ByNumber } from '../../../runtime/in-flight.ts'
import { createMask, type Mask } from '../../../telemetry/redaction.ts'
import {
  droppedNote,
  hasRoom,
  type Outgoing,
  type TransportReceiver,
  type TransportSession,
  type UpstreamTransport,
} from '../transport.ts'
import { readAnswerStream } from './answer-stream.ts'
import { answererOf, type HttpAnswer, NotAnAnswer, notAnAnswer } from './client/answer/answer.ts'
import { Cancellation } from './client/answer/cancellation.ts'
import { asGatewayError, HttpClient, type HttpOptions } from './client/http-client.ts'
import type { HttpSession } from './client/request-headers.ts'
import { maskOfSent } from './client/token-source.ts'
import { ReadGate, type StreamReading } from './event-body.ts'
import { type HttpFailure, readFailure, tellFailure } from './failure.ts'
import { deliverJson } from './json-answer.ts'
import { credentialHeaders, refusalRemedy } from './refusal.ts'
import { SendGate } from './send-gate.ts'
import { keepListening } from './standing-stream.ts'

/** The server may take this long to end its session; the gateway does not wait longer. */
const deleteMsMax = 2_000
/** A cancelled request is answered within this, or never. */
const afterCancelMs = 2_000
/** Visible ASCII (2025-11-25, Session Management). Its length is bounded by that of a head. */
const sessionIdForm = /^[\x21-\x7e]+$/

const acceptBoth = { accept: 'application/json, text/event-stream', 'accept-encoding': 'identity' } as const
const postHeaders = { ...acceptBoth, 'content-type': 'application/json' } as const
const acceptEvents = { accept: 'text/event-stream', 'accept-encoding': 'identity' } as const

const greeting = { greets: 'streamable-http' } as const

export function createStreamableHttpTransport(options: HttpOptions): UpstreamTransport {
  return new StreamableHttpTransport(options)
}

class StreamableHttpTransport implements UpstreamTransport {
  readonly pid = null
  readonly attributes = true
  readonly #options: HttpOptions
  readonly #mask: Mask
  /** Names of the headers with which the gateway identifies itself. */
  readonly #credentials: readonly string[]
  readonly #handshake = new SendGate((outgoing) => void this.#post(outgoing))
  readonly #readGate = new ReadGate()
  /** Everything that is on its way, to be cancelled on close: requests by their id, and the rest. */
  readonly #requests = new ByNumber<Cancellation>()
  readonly #unanswered = new Set<Cancellation>()
  #wire: HttpClient | null = null
  #receiver: TransportReceiver | null = null
  #session: HttpSession | null = null
  #isAnnounced = false
  #isLeft = false
  #protocolVersion: string | null = null
  /** The same object from one message to the next, so that its headers are made once. */
  #postHeaders: Readonly<Record<string, string>> = postHeaders
  #listening: Cancellation | null = null
  #closing: Promise<void> | null = null

  constructor(options: HttpOptions) {
    this.#options = options
    this.#mask = maskOfSent(createMask(options.secrets ?? []), options.tokens ?? null)
    this.#credentials = credentialHeaders(options.headers, options.url)
  }

  async open(receiver: TransportReceiver, _signal: AbortSignal): Promise<void> {
    const wire = new HttpClient(this.#options)
    await wire.check()
    this.#wire = wire
    this.#receiver = receiver
  }

  send(outgoing: Outgoing): void {
    if (this.#receiver === null) return
    const waiting = this.#unanswered.size + this.#handshake.heldCount
    if (outgoing.requestId === null && !hasRoom(waiting, outgoing))
      this.#receiver.noise(droppedNote(outgoing))
    else this.#handshake.send(outgoing)
  }

  initialized(protocolVersion: string): void {
    this.#protocolVersion = protocolVersion
    this.#postHeaders = this.#protocolHeaders(postHeaders)
  }

  get session(): TransportSession | null {
    return this.#session && { ...this.#session, announced: this.#isAnnounced }
  }

  continueSession({ id, origin, announced }: TransportSession, protocolVersion: string): void {
    this.#session = { id, origin }
    this.#isAnnounced = announced
    this.initialized(protocolVersion)
    this.#listen()
  }

  leaveSession(): void {
    this.#isLeft = true
    this.#listening?.cancel()
  }

  silence(): string {
    return this.#wire?.silence() ?? ''
  }

  resetSession(): void {
    this.#session = null
    this.#isAnnounced = false
    this.#wire?.forgetCookies()
    this.#protocolVersion = null
    this.#postHeaders = postHeaders
    this.#listening?.cancel()
    this.#listening = null
  }

  abort(requestId: number): void {
    if (!this.#handshake.withdraw(requestId)) this.#requests.get(requestId)?.cancel()
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
    this.#listening?.cancel()
    for (const request of this.#requests.list()) request.cancel()
    for (const message of this.#unanswered) message.cancel()
    this.#readGate.open()
    await this.#endSession()
    this.#wire?.close()
  }

  async #endSession(): Promise<void> {
    const session = this.#session
    if (this.#wire === null || session === null || this.#isLeft) return
    try {
      const cancellation = Cancellation.after(deleteMsMax)
      const protocolHeaders = this.#protocolHeaders(acceptBoth)
      ;(await this.#wire.request({ method: 'DELETE', protocolHeaders, session, cancellation })).discard()
    } catch {
      // The server expires the session by itself; nobody is left to tell.
    }
  }

  async #post(outgoing: Outgoing): Promise<void> {
    const wire = this.#wire
    if (wire === null) return
    const { requestId, text, method } = outgoing
    const cancellation = new Cancellation()
    if (requestId === null) this.#unanswered.add(cancellation)
    else this.#requests.set(requestId, cancellation)
    const session = method === 'initialize' ? null : this.#session
    const budget = method === null ? this.#receiver?.budget : undefined
    if (budget !== undefined) budget.answersUnderWay++
    let again = false
    let answer: HttpAnswer | null = null
    try {
      answer = await wire.request({
        method: 'POST',
        protocolHeaders: this.#postHeaders,
        session,
        messageHeaders: outgoing.headers,
        trace: outgoing.trace,
        body: text,
        cancellation,
        repeatable: outgoing.repeatable === true,
      })
      if (method === 'initialize') this.#welcome(answer)
      const read = this.#read(answer, outgoing, session, cancellation)
      again = typeof read === 'boolean' ? read : await read
    } catch (thrown) {
      const error = method === 'initialize' ? explained(thrown, answer) : thrown
      if (!cancellation.happened) this.#fail(requestId, asGatewayError(error, this.#mask))
    } finally {
      if (budget !== undefined) budget.answersUnderWay--
      if (requestId === null) this.#unanswered.delete(cancellation)
      else if (this.#requests.get(requestId) === cancellation) this.#requests.delete(requestId)
      this.#afterPost(outgoing)
    }
    if (again) this.send(outgoing)
  }

  /**
   * `initialize` was answered: whatever the answer says, its headers hold the session. Throws a GatewayError for
   * an id that cannot be sent back: every later message would be refused, and nobody would know why.
   */
  #welcome(answer: HttpAnswer): void {
    const accepted = answer.status < 300
    const id = answer.header('mcp-session-id') ?? ''
    if (accepted && id !== '') {
      if (!sessionIdForm.test(id)) {
        answer.discard()
        throw unusableSessionId(answer)
      }
      this.#session = { id, origin: answer.url.origin }
    }
    this.#handshake.initializeSettled(accepted)
  }

  #afterPost({ method, text }: Outgoing): void {
    if (method === 'initialize') this.#handshake.initializeSettled(false)
    else if (method === 'notifications/initialized') {
      this.#handshake.announced()
      this.#isAnnounced = true
      this.#listen()
    } else if (method === 'notifications/cancelled') this.#endCancelled(text)
  }

  /**
   * True when the request did not run and should be sent again in the session that exists now. Answers
   * at once where all has come: most answers are small.
   */
  #read(
    answer: HttpAnswer,
    outgoing: Outgoing,
    session: HttpSession | null,
    cancellation: Cancellation,
  ): boolean | Promise<boolean> {
    const { requestId, method } = outgoing
    const inSession = session !== null
    const conclude = (failure: HttpFailure | null): boolean =>
      failure !== null && this.#conclude(failure, requestId, session)
    const type = answer.mediaType
    // Some servers tell in plain text that they do not know the session, whatever the status.
    if (answer.status >= 300 || (inSession && requestId !== null && type === 'text/plain')) {
      const probing = method === 'server/discover'
      const said = { requestId, probing, inSession, host: answererOf(answer), mask: this.#mask }
      const credentials = [...this.#credentials, ...credentialHeaders(outgoing.headers ?? {})]
      const failed = { ...said, credentials, ...(method === 'initialize' && greeting) }
      return readFailure(answer, failed).then(conclude)
    }
    if (requestId === null) {
      answer.discard()
      return false
    }
    if (type.endsWith('json')) {
      const { lineBytesMax } = this.#options
      const pieces = answer.pieces(lineBytesMax, this.#receiver, requestId)
      const take = (all: MessagePieces | null): boolean =>
        conclude(deliverJson(answer, all, lineBytesMax, { requestId, inSession }, this.#receiver))
      return pieces instanceof Promise ? pieces.then(take) : take(pieces)
    }
    if (type === 'text/event-stream') return this.#readStream(answer, requestId, session, cancellation)
    answer.discard()
    throw notAnAnswer(answer, `HTTP ${answer.status} and ${type === '' ? 'no content type' : type}`)
  }

  async #readStream(
    answer: HttpAnswer,
    requestId: number,
    session: HttpSession | null,
    cancellation: Cancellation,
  ): Promise<boolean> {
    const receiver = this.#receiver
    if (receiver === null) return false
    await readAnswerStream(answer, {
      ...this.#reading(receiver, cancellation, true),
      requestId,
      host: answer.url.host,
      message: (text) => this.#receiver?.message(text, requestId),
      settled: () => this.#receiver?.settled(requestId) ?? true,
      failed: (error) => this.#fail(requestId, error),
      openEntry: () => this.#receiver?.openEntry(requestId) ?? null,
      interrupted: () => this.#receiver?.interrupted?.(requestId),
      resume: (lastEventId) => this.#get(lastEventId, session, cancellation),
    })
    return false
  }

  /** True when the request should be sent again in the session that exists now. */
  #conclude(failure: HttpFailure, requestId: number | null, session: HttpSession | null): boolean {
    const receiver = this.#receiver
    if (receiver === null) return false
    tellFailure(failure, requestId, receiver)
    const renewed = this.#session !== null && this.#session !== session
    const unrun = failure.kind === 'unrun'
    if (failure.sessionLost && !renewed && requestId === null) receiver.sessionDoubted()
    else if (failure.sessionLost && !renewed) receiver.sessionLost(unrun ? requestId : null)
    return unrun && renewed
  }

  #fail(requestId: number | null, error: GatewayError): void {
    if (requestId === null) this.#receiver?.noise(error.details)
    else this.#receiver?.requestFailed(requestId, error)
  }

  #get(lastEventId: string, session: HttpSession | null, cancellation: Cancellation): Promise<HttpAnswer> {
    const wire = this.#wire
    if (wire === null) return Promise.reject(new GatewayError('UPSTREAM_CLOSED', 'The wire is closed.'))
    const headers = lastEventId === '' ? acceptEvents : { ...acceptEvents, 'last-event-id': lastEventId }
    const protocolHeaders = this.#protocolHeaders(headers)
    return wire.request({ method: 'GET', protocolHeaders, session, cancellation })
  }

  #protocolHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const version = this.#protocolVersion
    return version === null ? headers : { ...headers, 'mcp-protocol-version': version }
  }

  #reading(receiver: TransportReceiver, cancellation: Cancellation, expected: boolean): StreamReading {
    const { lineBytesMax } = this.#options
    const unasked = (units: number) => this.#receiver?.unasked(units)
    const { budget } = receiver
    return { eventBytesMax: lineBytesMax, gate: this.#readGate, cancellation, budget, expected, unasked }
  }

  #listen(): void {
    const receiver = this.#receiver
    if (receiver === null || this.#listening !== null || this.#protocolVersion === null) return
    const cancellation = new Cancellation()
    const session = this.#session
    this.#listening = cancellation
    void keepListening({
      ...this.#reading(receiver, cancellation, false),
      get: (lastEventId) => this.#get(lastEventId, session, cancellation),
      message: (text) => this.#receiver?.message(text, null),
      oversized: () => this.#receiver?.noise('(an event over the size limit was left out)'),
      refused: () => this.#receiver?.sessionDoubted(),
    })
  }

  /**
   * A legacy server does not answer what it has cancelled and often leaves the stream open: without this,
   * every cancelled call would hold a connection until the session ends.
   */
  #endCancelled(text: string): void {
    const requestId = Number(/"requestId"\s*:\s*"?(\d{1,15})/.exec(text)?.[1] ?? Number.NaN)
    const request = this.#requests.get(requestId)
    if (request === undefined) return
    const timer = setTimeout(() => request.cancel(), afterCancelMs)
    timer.unref()
  }
}

/** What was due is the answer to `initialize`, and what came shows that the URL is none of an MCP server. */
function explained(thrown: unknown, answer: HttpAnswer | null): unknown {
  if (answer === null || !(thrown instanceof NotAnAnswer)) return thrown
  const remedy = refusalRemedy(answer, 'streamable-http', null)
  return new GatewayError(thrown.code, `${thrown.details.replace(/\.$/, '')}: ${remedy}.`)
}

function unusableSessionId(answer: HttpAnswer): GatewayError {
  const details = `${answererOf(answer)} gave a session id that cannot be sent back: the server must make it of visible ASCII characters, without spaces, and give one only.`
  return new GatewayError('UPSTREAM_ERROR', details)
}
